"""Reads ARKitScenes: low-resolution photographs, depth and poses of an iPad.

``lowres_wide/<video>_<time>.png``, ``lowres_depth/`` (16-bit, millimetres),
``confidence/`` (0 to 2; 0 is not used), ``lowres_wide_intrinsics/*.pincam`` (``width
height fx fy cx cy``) and ``lowres_wide.traj`` (time, world-to-camera rotation vector
and translation), in the folder or in ``<video>_frames/`` in it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from alsem.core.errors import ErrorCollector, InputError
from alsem.core.types import Intrinsics
from alsem.data.camera_models import Lens, lens_for
from alsem.data.capture import Capture, PoseFormat
from alsem.data.poses import checked_pose
from alsem.data.readers import posed_photos
from alsem.data.readers.photos import Photo, with_own_images
from alsem.data.text_files import numbers, read_rows
from alsem.data.timed_poses import TimedPoses

_PHOTOS = "lowres_wide"
_MAX_GAP = 0.25  # seconds between poses, of which there are ten a second
_MAX_APART = 0.02  # seconds from a photograph to the file of its camera


def _place(folder: Path) -> Path | None:
    """The folder that holds the photographs and poses."""
    for place in (folder, *sorted(folder.glob("*_frames"))):
        if (place / _PHOTOS).is_dir() and (place / f"{_PHOTOS}.traj").is_file():
            return place
    return None


def is_arkitscenes(folder: Path) -> bool:
    """Whether a folder is a video of ARKitScenes."""
    return _place(folder) is not None


def read_arkitscenes(
    root: Path, scene: str, class_lines: Sequence[str] = ()
) -> Capture:
    """Lists the frames of a video; poses are interpolated to the photographs' times.

    Args:
        root: Folder of scenes, or the scene itself if ``scene`` is empty.
        scene: Name of the scene's folder.
        class_lines: Classes as `classes.from_lines` reads them; when empty they are
            those of ``classes.txt`` in the folder.

    Raises:
        InputError: A file is missing or malformed.
    """
    folder = root / scene
    place = _place(folder)
    if place is None:
        raise InputError(
            f"{folder}: has no {_PHOTOS}/ and {_PHOTOS}.traj; download both"
        )
    trajectory = _trajectory(place / f"{_PHOTOS}.traj")
    intrinsics = place / f"{_PHOTOS}_intrinsics"
    cameras = {_time(path): path for path in intrinsics.glob("*.pincam")}
    if not cameras:
        raise InputError(f"{intrinsics}: holds no .pincam; download them")
    times = np.array(sorted(cameras))
    photos, errors = [], ErrorCollector()
    for path in sorted((place / _PHOTOS).glob("*.png")):
        time = _time(path)
        nearest = times[np.abs(times - time).argmin()]
        with errors.catch():
            pose = trajectory.at(time)
            if abs(nearest - time) > _MAX_APART:
                raise InputError(
                    f"{intrinsics / path.stem}.pincam: missing; download the camera"
                )
            camera = cameras[float(nearest)]
            depth, confidence = (
                place / kind / path.name for kind in ("lowres_depth", "confidence")
            )
            has_depth = depth.parent.is_dir()
            has_confidence = has_depth and confidence.parent.is_dir()
            photo = Photo(
                name=path.name,
                path=path,
                world_from_cam=None if pose is None else checked_pose(pose, f"{path}"),
                lens=_lens(camera),
                depth=depth if has_depth else None,
                confidence=confidence if has_confidence else None,
            )
            photos.append(with_own_images(folder, photo))
    errors.raise_any()
    written = PoseFormat(inverse=True)
    where = place / _PHOTOS
    return posed_photos.read_photos(
        root, scene, class_lines, where, photos, pose_format=written
    )


def _time(path: Path) -> float:
    """Seconds in a name like ``47333462_1234.567.png``."""
    try:
        return float(path.name.removesuffix(path.suffix).rpartition("_")[2])
    except ValueError:
        raise InputError(f"{path}: no time in its name; download it again") from None


def _trajectory(path: Path) -> TimedPoses:
    rows = [numbers(*row, 7) for row in read_rows(path, "it holds the poses")]
    table = np.array(rows)
    if not rows or not np.isfinite(table).all():
        raise InputError(f"{path}: holds no finite poses; download it again")
    world_from_cam = Rotation.from_rotvec(table[:, 1:4]).inv()
    positions = -world_from_cam.apply(table[:, 4:])
    return TimedPoses.of(
        table[:, 0], world_from_cam.as_quat(), positions, max_gap=_MAX_GAP
    )


def _lens(path: Path) -> Callable[[int, int], Lens]:
    where, words = next(read_rows(path, "it holds the camera"), (f"{path}", []))
    width, height, fx, fy, cx, cy = numbers(where, words, 6)
    if not (np.isfinite([fx, fy, cx, cy]).all() and min(width, height, fx, fy) > 0):
        raise InputError(f"{where}: no camera; download it again")
    lens = Lens(Intrinsics(int(width), int(height), fx, fy, cx - 0.5, cy - 0.5))
    return lambda *size: lens_for(lens, f"{path}", *size)
