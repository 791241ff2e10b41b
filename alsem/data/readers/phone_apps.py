"""Reads the exports of phone apps: Polycam, Record3D and Stray Scanner.

All record ARKit's poses, in metres. ``semantic/`` and ``mask/`` may hold labels and
masks, named like the photographs.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from alsem.core.errors import ErrorCollector, InputError
from alsem.core.types import Intrinsics
from alsem.data.camera_models import Lens, lens_for
from alsem.data.capture import Capture, PoseFormat
from alsem.data.depth_images import ENDINGS
from alsem.data.poses import checked_pose, is_lost
from alsem.data.readers import posed_photos
from alsem.data.readers.photos import Photo, image_beside, with_own_images
from alsem.data.text_files import number, numbers, positive, read_json, read_rows
from alsem.data.video_frames import VideoFrame, frame_count

_ARKIT = PoseFormat(opengl=True)
_FLIP = np.diag([1.0, -1.0, -1.0, 1.0])  # ARKit's camera axes, OpenGL's, to OpenCV's
# Polycam's folders of cameras and photographs; the first are those it optimised.
_POLYCAM = (("corrected_cameras", "corrected_images"), ("cameras", "images"))
_CAMERA = ("fx", "fy", "cx", "cy")
_VIDEO = "rgb.mp4"
_RECORD3D = ("metadata.json", "metadata")
_RECORD3D_IMAGES = ("rgb", "rgbd", "EXR_RGBD/rgb", "color")


def is_polycam(folder: Path) -> bool:
    """Whether a folder is Polycam's raw data."""
    return any((folder / "keyframes" / name).is_dir() for name, _ in _POLYCAM)


def read_polycam(root: Path, scene: str, class_lines: Sequence[str] = ()) -> Capture:
    """Lists the frames of Polycam's raw data.

    ``keyframes/corrected_images/<t>.jpg`` and ``corrected_cameras/<t>.json``, or
    ``images`` and ``cameras``; ``keyframes/depth/<t>.png`` (millimetres) and
    ``keyframes/confidence/<t>.png`` (0: not used).

    Args:
        root: Folder of scenes, or the scene itself if ``scene`` is empty.
        scene: Name of the scene's folder.
        class_lines: Classes as `classes.from_lines` reads them; when empty they are
            those of ``classes.txt`` in the folder.

    Raises:
        InputError: A file is missing or malformed.
    """
    folder = root / scene
    frames = folder / "keyframes"
    cameras, images = next(
        (frames / one, frames / other)
        for one, other in (*_POLYCAM, _POLYCAM[-1])
        if ((frames / one).is_dir() and (frames / other).is_dir()) or one == "cameras"
    )
    photos, errors = [], ErrorCollector()
    for path in sorted(cameras.glob("*.json")):
        with errors.catch():
            info = read_json(path)
            values = [number(info, f"t_{i // 4}{i % 4}", path, 0.0) for i in range(12)]
            pose = np.array([*values, 0, 0, 0, 1], np.float64).reshape(4, 4)
            lost = is_lost(pose[:3, :3], pose[:3, 3])
            photo = Photo(
                name=f"{path.stem}.jpg",
                path=image_beside([images], path.stem, (".jpg", ".png"))
                or images / f"{path.stem}.jpg",
                world_from_cam=None if lost else checked_pose(pose @ _FLIP, f"{path}"),
                lens=_arkit_lens(info, path, ("width", "height")),
                depth=image_beside([frames / "depth"], path.stem, ENDINGS),
                confidence=image_beside([frames / "confidence"], path.stem),
            )
            photos.append(with_own_images(folder, photo))
    errors.raise_any()
    return posed_photos.read_photos(
        root, scene, class_lines, cameras, photos, pose_format=_ARKIT
    )


def is_record3d(folder: Path) -> bool:
    """Whether a folder is Record3D's export."""
    return any((folder / name).is_file() for name in _RECORD3D) and any(
        (folder / name).is_dir() for name in _RECORD3D_IMAGES
    )


def read_record3d(root: Path, scene: str, class_lines: Sequence[str] = ()) -> Capture:
    """Lists the frames of Record3D's export (EXR and JPEG sequence, or an .r3d's).

    ``metadata.json`` or ``metadata`` (``w h K poses``, perhaps
    ``perFrameIntrinsicCoeffs``), ``rgb/<i>.jpg`` (or ``rgbd/``) and ``depth/<i>.exr``,
    float metres. Arguments and errors are those of `read_polycam`.
    """
    folder = root / scene
    if not is_record3d(folder):
        raise InputError(
            f"{folder / _RECORD3D[0]}: missing, or no rgb/ beside it; export the"
            " recording as EXR and JPEG sequence"
        )
    path = next(folder / name for name in _RECORD3D if (folder / name).is_file())
    images = next(folder / n for n in _RECORD3D_IMAGES if (folder / n).is_dir())
    info = read_json(path)
    poses, matrix, each = (
        _table(info, key, path, width)
        for key, width in (("poses", 7), ("K", 9), ("perFrameIntrinsicCoeffs", 4))
    )
    if not len(poses) or (not len(matrix) and len(each) != len(poses)):
        raise InputError(f"{path}: has no 'poses' and 'K'; export the recording again")
    photos, errors = [], ErrorCollector()
    found = sorted(images.glob("*.jpg"), key=lambda p: (len(p.stem), p.stem))
    for photograph in found:
        if not photograph.stem.isdigit() or int(photograph.stem) >= len(poses):
            continue  # counted as a photograph without pose
        i = int(photograph.stem)
        # K is stored by columns.
        values = each[i] if len(each) == len(poses) else matrix[0][[0, 4, 6, 7]]
        camera = info | dict(zip(_CAMERA, map(float, values), strict=True))
        lost = is_lost(poses[i][:4], poses[i][4:])
        with errors.catch():
            pose = None if lost else _pose(poses[i][:4], poses[i][4:]) @ _FLIP
            photo = Photo(
                name=photograph.name,
                path=photograph,
                world_from_cam=None if pose is None else checked_pose(pose, f"{path}"),
                lens=_arkit_lens(camera, path, ("w", "h")),
                depth=image_beside([images.parent / "depth"], photograph.name, ENDINGS),
            )
            photos.append(with_own_images(folder, photo))
    errors.raise_any()
    doubts = []
    if any(images.glob("*.depth")):
        doubts.append(
            f"{images}: *.depth (LZFSE) is not read; export the recording as EXR and"
            " JPEG sequence to use its depth"
        )
    return posed_photos.read_photos(
        *(root, scene, class_lines, path, photos), pose_format=_ARKIT, doubts=doubts
    )


def is_stray(folder: Path) -> bool:
    """Whether a folder is Stray Scanner's recording."""
    return all(
        (folder / name).is_file()
        for name in ("odometry.csv", "camera_matrix.csv", _VIDEO)
    )


def read_stray(root: Path, scene: str, class_lines: Sequence[str] = ()) -> Capture:
    """Lists the frames of Stray Scanner's recording.

    ``rgb.mp4``, ``odometry.csv`` (``timestamp, frame, x, y, z, qx, qy, qz, qw``, OpenCV
    axes, perhaps ``fx, fy, cx, cy``), ``camera_matrix.csv``, ``depth/000000.png``
    (millimetres) and ``confidence/000000.png`` (0 to 2; 0 is not used). Arguments and
    errors are those of `read_polycam`.
    """
    folder = root / scene
    path, video = folder / "odometry.csv", folder / _VIDEO
    rows = list(read_rows(path, "it holds the poses", comma=True))
    header = [word.lower() for word in rows[0][1]] if rows else []
    keys = ["frame", "x", "y", "z", "qx", "qy", "qz", "qw"]
    if not set(keys) <= set(header):
        raise InputError(f"{path}: its first line must name {', '.join(keys)}")
    place = folder / "camera_matrix.csv"
    matrix = [
        numbers(where, words, 3)
        for where, words in read_rows(place, "it holds the camera", comma=True)
    ]
    if len(matrix) != 3:
        raise InputError(f"{place}: no 3x3 matrix; export it again")
    count, size = frame_count(video), VideoFrame(video, 0).size()
    values = (matrix[0][0], matrix[1][1], matrix[0][2], matrix[1][2])
    shared = dict(zip(_CAMERA, values, strict=True)) | {"w": size[0], "h": size[1]}
    photos, errors, beyond = [], ErrorCollector(), 0
    for where, words in rows[1:]:
        with errors.catch():
            held = dict(zip(header, numbers(where, words, len(header)), strict=True))
            index = int(held["frame"])
            if index >= count:
                beyond += 1
                continue
            at = np.array([held[key] for key in keys[1:4]])
            turn = np.array([held[key] for key in keys[4:]])
            pose = None if is_lost(turn, at) else _pose(turn, at)
            depth, confidence = (
                image_beside([folder / kind], f"{index:06d}.png", endings)
                for kind, endings in (("depth", ENDINGS), ("confidence", (".png",)))
            )
            photo = Photo(
                name=f"{index:06d}.png",
                path=video,
                image=VideoFrame(video, index),
                world_from_cam=None if pose is None else checked_pose(pose, where),
                lens=_arkit_lens(shared | held, path, ("w", "h")),
                depth=depth,
                confidence=confidence if depth else None,
            )
            photos.append(with_own_images(folder, photo))
    errors.raise_any()
    doubts = [f"{path}: {beyond} of its poses are of no frame of {video.name}"]
    return posed_photos.read_photos(
        root, scene, class_lines, path, photos, doubts=doubts if beyond else ()
    )


def _arkit_lens(
    info: dict[str, Any], path: Path, size: Sequence[str]
) -> Callable[[int, int], Lens]:
    """The camera of a photograph; ARKit puts pixel centres at halves.

    Args:
        info: Holds it, under the keys ``fx fy cx cy``.
        path: Its file, for messages.
        size: The keys of width and height.
    """
    values = (positive(info, key, path, 0.0) for key in (*size, *_CAMERA[:2]))
    width, height, fx, fy = values
    cx, cy = (number(info, key, path, 0.0) - 0.5 for key in _CAMERA[2:])
    lens = Lens(Intrinsics(int(width), int(height), fx, fy, cx, cy))
    return lambda *size: lens_for(lens, f"{path}", *size)


def _pose(quaternion: np.ndarray, position: np.ndarray) -> np.ndarray:
    """``[4 4]`` of a quaternion (w last) and a position."""
    pose = np.full((4, 4), np.nan)
    if np.isfinite(quaternion).all():
        pose = np.eye(4)
        pose[:3, :3] = Rotation.from_quat(quaternion).as_matrix()
        pose[:3, 3] = position
    return pose


def _table(info: dict[str, Any], key: str, path: Path, width: int) -> np.ndarray:
    """``[n width]`` numbers under a key of a JSON object, empty if it is absent."""
    try:
        return np.array(info.get(key) or [], np.float64).reshape(-1, width)
    except (TypeError, ValueError):
        raise InputError(
            f"{path}: {key!r} is no list of {width} numbers each; export it again"
        ) from None
