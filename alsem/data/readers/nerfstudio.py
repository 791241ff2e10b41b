"""Reads captures described by nerfstudio's ``transforms.json``.

Poses are camera-to-world with OpenGL axes (x right, y up, z backward); intrinsics may
differ from frame to frame and have OpenCV's distortion, with pixel centres at halves.
The transform and scale that were applied to the world (``applied_transform``,
``applied_scale``) are undone, so that metres are the capture's own.
"""

import dataclasses
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alsem.core.errors import ErrorCollector, InputError
from alsem.core.types import Intrinsics
from alsem.data import classes
from alsem.data.camera_models import Lens
from alsem.data.capture import Capture
from alsem.data.ply import read_points
from alsem.data.poses import checked_pose, is_lost
from alsem.data.readers import posed_photos
from alsem.data.readers.photos import Photo
from alsem.data.text_files import number, positive, read_json

FILE = "transforms.json"
_MODELS = ("PINHOLE", "SIMPLE_PINHOLE", "OPENCV", "OPENCV_FISHEYE")
_DISTORTION = ("k1", "k2", "p1", "p2", "k3")
_AMBIGUOUS = ("k4", "k5", "k6")  # programs disagree on their meaning
_FISHEYE = ("k1", "k2", "k3", "k4")
_SPLITS = {"train_filenames": "train", "val_filenames": "val", "test_filenames": "test"}


def read_nerfstudio(root: Path, scene: str, class_lines: Sequence[str] = ()) -> Capture:
    """Lists the frames of a capture.

    Depth (``depth_file_path``, 16-bit PNG, millimetres unless
    ``depth_unit_scale_factor`` gives the metres of a unit) and labels
    (``semantic_file_path``, PNG of class ids, 0 void) are each there for all frames of
    a split or for none; masks (``mask_path``, 0 hides) for any. Sequences are
    ``frames`` (all), the folders of the photographs if there are several, and
    ``train``, ``val`` and ``test`` where the file lists such.

    Args:
        root: Folder of scenes, or the scene itself if ``scene`` is empty.
        scene: Name of the scene's folder.
        class_lines: Classes as `classes.from_lines` reads them; when empty they are
            those of ``classes.txt`` in the folder.

    Raises:
        InputError: There is no such file, or it is malformed.
    """
    folder = root / scene
    path = folder / FILE
    if not path.is_file():
        raise InputError(f"{path}: missing; give the folder that holds it")
    info = read_json(path)
    frames = info.get("frames")
    if not isinstance(frames, list) or not all(isinstance(f, dict) for f in frames):
        raise InputError(f"{path}: 'frames' is no list of objects; list the frames")
    world = _world(path, info)
    listed, errors = [], ErrorCollector()
    for i, frame in enumerate(frames):
        with errors.catch():
            listed.append(_photo(folder, i, frame, info, world))
    errors.raise_any()
    found = posed_photos.gather(path, listed, _splits(path, info))
    unit = positive(info, "depth_unit_scale_factor", path, 0.001)
    return Capture(
        name=Path(scene).name or folder.resolve().name,
        sequences=tuple(found.records),
        frames=found.sequence,
        camera=found.camera_of_size,
        depth_scale=1 / unit,
        classes=classes.configured_or_listed((folder, root), class_lines),
        union=posed_photos.ALL,
        doubts=lambda: found.doubts,
        points=_points(folder, info, world),
    )


@dataclasses.dataclass(frozen=True)
class _World:
    """Transform from the capture's world to the file's: rigid motion, then scale."""

    rotation: np.ndarray
    translation: np.ndarray
    scale: float

    def points(self, points: np.ndarray) -> np.ndarray:
        """Transforms points ``[n 3]`` from the file's world back to the capture's."""
        return (points / self.scale - self.translation) @ self.rotation

    def pose(self, value: object, where: str) -> np.ndarray | None:
        """Camera to the capture's world, OpenCV axes; None where tracking was lost."""
        pose = _matrix(value, where)
        if is_lost(pose[:3, :3], pose[:3, 3]):
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            rotation = self.rotation.T @ pose[:3, :3] * [1, -1, -1]
            pose[:3, 3] = self.points(pose[:3, 3])
        pose[:3, :3] = rotation
        return checked_pose(pose, where)


def _world(path: Path, info: dict[str, Any]) -> _World:
    applied = np.eye(4)
    if info.get("applied_transform") is not None:
        where = f"{path}: applied_transform"
        applied = _matrix(info["applied_transform"], where)
        checked_pose(applied, where)
    scale = positive(info, "applied_scale", path, 1.0)
    return _World(applied[:3, :3], applied[:3, 3], scale)


def _photo(folder: Path, index: int, frame: dict, info: dict, world: _World) -> Photo:
    where = f"{folder / FILE}: frames[{index}]"

    def file(key: str) -> Path | None:
        if frame.get(key) is None:
            return None
        return posed_photos.path_inside(folder, frame[key], f"{where}.{key}")

    path = posed_photos.path_inside(
        folder, frame.get("file_path"), f"{where}.file_path"
    )
    if path.name and not re.search(r"\.(?!\d+$)", path.name):  # instant-ngp's
        names = [path.name + ending for ending in (".png", ".jpg", ".jpeg")]
        there = [name for name in names if path.with_name(name).exists()]
        named = f"{frame['file_path']}{Path((there or names)[0]).suffix}"
        path = posed_photos.path_inside(folder, named, f"{where}.file_path")
    settings = info | frame
    return Photo(
        name=path.relative_to(folder).as_posix(),
        path=path,
        world_from_cam=world.pose(
            frame.get("transform_matrix"), f"{where}.transform_matrix"
        ),
        lens=lambda width, height: _lens(settings, where, width, height),
        depth=file("depth_file_path"),
        label=file("semantic_file_path"),
        mask=file("mask_path"),
    )


def _matrix(value: object, where: str) -> np.ndarray:
    """``[4 4]`` float64 from three or four rows of four numbers."""
    try:
        matrix = np.array(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        matrix = np.zeros(0)
    if matrix.shape not in ((3, 4), (4, 4)):
        raise InputError(f"{where} is no 4x4 matrix; write its four rows of numbers")
    if matrix.shape == (3, 4):
        matrix = np.concatenate([matrix, [[0.0, 0.0, 0.0, 1.0]]])
    return matrix


def _lens(settings: dict[str, Any], where: str, width: int, height: int) -> Lens:
    """The lens of a frame of ``width`` and ``height`` pixels."""
    model = settings.get("camera_model", "OPENCV")
    if model not in _MODELS:
        raise InputError(
            f"{where}: camera_model {model!r} is not known; undistort the photographs, "
            f"or use one of {', '.join(_MODELS)}"
        )
    for key, size in (("w", width), ("h", height)):
        if settings.get(key, size) != size:
            raise InputError(
                f"{where}: {key} is {settings[key]!r} while {settings['file_path']} has"
                f" {size} pixels; give the intrinsics of the photographs"
            )
    fx = _focal(settings, where, "fl_x", "camera_angle_x", width)
    fy = _focal(settings, where, "fl_y", "camera_angle_y", height) or fx
    fx = fx or fy
    if not fx or not fy:
        raise InputError(f"{where}: has no fl_x; give the focal length in pixels")
    camera = Intrinsics(
        width=width,
        height=height,
        fx=fx,
        fy=fy,
        cx=number(settings, "cx", where, width / 2) - 0.5,
        cy=number(settings, "cy", where, height / 2) - 0.5,
    )
    is_fisheye = model == "OPENCV_FISHEYE" or settings.get("is_fisheye") is True
    names = _FISHEYE if is_fisheye else _DISTORTION
    values = tuple(number(settings, name, where, 0.0) for name in names)
    if not is_fisheye:
        values = values if any(values) else ()
        for name in _AMBIGUOUS:
            if number(settings, name, where, 0.0):
                raise InputError(
                    f"{where}: {name} is {settings[name]!r}; of distortion only"
                    f" {', '.join(_DISTORTION)} are known, undistort the photographs"
                )
    return Lens(camera, values, is_fisheye)


def _focal(settings: dict, where: str, key: str, angle: str, size: int) -> float:
    if key in settings:
        return positive(settings, key, where, 0.0)
    if angle in settings:
        radians = number(settings, angle, where, 0.0)
        if not 0 < radians < math.pi:
            raise InputError(f"{where}: {angle} is {radians:g}; give radians below pi")
        return size / 2 / math.tan(radians / 2)
    return 0.0


def _splits(path: Path, info: dict) -> dict[str, list[str]]:
    splits = {}
    for key, name in _SPLITS.items():
        paths = info.get(key, [])
        if not isinstance(paths, list) or not all(isinstance(p, str) for p in paths):
            raise InputError(f"{path}: {key} is no list of paths; write one")
        if paths:
            splits[name] = [Path(p).as_posix() for p in paths]
    return splits


def _points(folder: Path, info: dict, world: _World) -> np.ndarray | None:
    if info.get("ply_file_path") is None:
        return None
    where = f"{folder / FILE}: ply_file_path"
    points = read_points(posed_photos.path_inside(folder, info["ply_file_path"], where))
    return world.points(points).astype(np.float32)
