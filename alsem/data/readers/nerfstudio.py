"""Reads captures described by ``transforms.json``, as nerfstudio and instant-ngp do.

Poses are camera-to-world with OpenGL axes (x right, y up, z backward); intrinsics may
differ from frame to frame. The transform and scale that were applied to the world
(``applied_transform``, ``applied_scale``) are undone, so that metres are the capture's
own. NeRF's own captures have ``transforms_train.json``, ``_val`` and ``_test`` instead.
"""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alsem.core.errors import ErrorCollector, InputError
from alsem.data import image_io
from alsem.data.capture import Capture, PoseFormat
from alsem.data.ply import read_points
from alsem.data.poses import checked_pose, is_lost
from alsem.data.readers import posed_photos, transforms_lens, unread
from alsem.data.readers.photos import Photo
from alsem.data.text_files import positive, read_json

FILE = "transforms.json"
SPLIT_FILES = {f"transforms_{name}.json": name for name in ("train", "val", "test")}
_SPLITS = {f"{name}_filenames": name for name in ("train", "val", "test")}
# Keys of images, the one that is preferred first.
_DEPTH = ("depth_file_path", "depth_path", "depth_file", "depth")
_LABEL = ("semantic_file_path", "semantic_path", "segmentation_path", "label_path")
_MASK = ("mask_path", "mask_file_path", "mask")
_UNITS = ("depth_unit_scale_factor", "integer_depth_scale")  # metres of a unit
_READ = {"file_path", "transform_matrix", *_DEPTH, *_LABEL, *_MASK}
_READ |= {"frames", "applied_transform", "applied_scale", "ply_file_path", *_SPLITS}
_READ |= {*_UNITS, "enable_depth_loading", *transforms_lens.KEYS}
# Keys that say how another program trains or shows, or how the file was made.
_READ |= {"aabb_scale", "aabb", "scale", "offset", "up", "render_aabb", "sharpness"}
_READ |= {"n_extra_learnable_dims", "sharpness_discard_threshold", "sharpen", "avglen"}
_READ |= {"white_transparent", "black_transparent", "fix_premult", "from_mitsuba"}
_READ |= {"enable_ray_loading", "importance_sampling", "envmap", "rotation", "totp"}
_READ |= {"orientation_override", "colmap_im_id", "camera_label", "auto_scale_poses"}
_READ |= {"original_fn", "image_id", "camera_id", "timestamp", "time", "frame_number"}


def files_in(folder: Path) -> list[Path]:
    """The files that list a capture's frames: one, or one for each split."""
    if (folder / FILE).is_file():
        return [folder / FILE]
    return [folder / name for name in SPLIT_FILES if (folder / name).is_file()]


def read_nerfstudio(root: Path, scene: str, class_lines: Sequence[str] = ()) -> Capture:
    """Lists the frames of a capture.

    Depth (``depth_file_path`` or instant-ngp's ``depth_path``; integers in millimetres
    unless ``depth_unit_scale_factor`` or ``integer_depth_scale`` gives the metres of a
    unit) and labels (``semantic_file_path``, class ids, 0 void, or colours) are each
    there for all frames of a split or for none; masks (``mask_path``, 0 hides) for any.
    Sequences are ``frames`` (all), the folders of the photographs if there are several,
    and ``train``, ``val`` and ``test`` where files are named so or list such.

    Args:
        root: Folder of scenes, or the scene itself if ``scene`` is empty.
        scene: Name of the scene's folder.
        class_lines: Classes as `classes.from_lines` reads them; when empty they are
            those of ``classes.txt`` in the folder.

    Raises:
        InputError: There is no such file, or it is malformed.
    """
    folder = root / scene
    paths = files_in(folder)
    if not paths:
        raise InputError(f"{folder / FILE}: missing; give the folder that holds it")
    photos: list[Photo] = []
    earlier: set[str] = set()  # names of the files before
    named: dict[str, list[str]] = {}
    units, points, doubts, errors = {}, None, [], ErrorCollector()
    for path in paths:
        info = read_json(path)
        frames = _frames(path, info)
        world = _world(path, info)
        has_depth = info.get("enable_depth_loading", True) is not False
        names = []
        for i, frame in enumerate(frames):
            with errors.catch():
                photo = _photo(path, i, frame, info, world, has_depth=has_depth)
                names.append(photo.name)
                if photo.name not in earlier:  # a frame may be in several splits
                    photos.append(photo)
        earlier |= set(names)
        if path.name in SPLIT_FILES:
            named[SPLIT_FILES[path.name]] = names
        named |= _splits(path, info)
        units[_unit(path, info)] = path
        points = _points(path, info, world) if points is None else points
        doubts += unread.keys(path, [info, *frames], _READ)
        if not has_depth and any(key in f for f in frames for key in _DEPTH):
            doubts.append(f"{path}: depth is not read: enable_depth_loading is false")
    errors.raise_any()
    if len(units) > 1:
        raise InputError(f"{paths[-1]}: its depth unit differs; give all files one")
    ((unit, float_scale),) = units
    return posed_photos.read_photos(
        root,
        scene,
        class_lines,
        paths[0],
        photos,
        named=named,
        depth_scale=1 / unit,
        float_scale=float_scale,
        points=points,
        doubts=doubts,
        pose_format=PoseFormat(opengl=True),
    )


def _frames(path: Path, info: dict[str, Any]) -> list[dict[str, Any]]:
    frames = info.get("frames")
    if not isinstance(frames, list) or not all(isinstance(f, dict) for f in frames):
        raise InputError(f"{path}: 'frames' is no list of objects; list the frames")
    return frames


def _unit(path: Path, info: dict[str, Any]) -> tuple[float, float | None]:
    """Metres of a unit of integer depth; such units in one of floating-point depth.

    Where the file gives a unit, it is that of both.
    """
    for key in _UNITS:
        if key in info:
            return positive(info, key, path, 0.0), 1.0
    return 0.001, None


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


def _photo(
    path: Path, index: int, frame: dict, info: dict, world: _World, *, has_depth: bool
) -> Photo:
    folder, where = path.parent, f"{path}: frames[{index}]"

    def file(keys: Sequence[str]) -> Path | None:
        for key in keys:
            if frame.get(key) is not None:
                return posed_photos.path_inside(folder, frame[key], f"{where}.{key}")
        return None

    image = posed_photos.path_inside(
        folder, frame.get("file_path"), f"{where}.file_path"
    )
    if image.name and not re.search(r"\.(?!\d+$)", image.name):  # instant-ngp's
        names = [image.name + ending for ending in (".png", *image_io.PHOTO_KINDS)]
        there = [name for name in names if image.with_name(name).exists()]
        named = f"{frame['file_path']}{Path((there or names)[0]).suffix}"
        image = posed_photos.path_inside(folder, named, f"{where}.file_path")
    return Photo(
        name=image.relative_to(folder).as_posix(),
        path=image,
        world_from_cam=world.pose(
            frame.get("transform_matrix"), f"{where}.transform_matrix"
        ),
        lens=lambda *size: transforms_lens.read_lens(info, frame, path, index, size),
        depth=file(_DEPTH) if has_depth else None,
        label=file(_LABEL),
        mask=file(_MASK),
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


def _splits(path: Path, info: dict) -> dict[str, list[str]]:
    splits = {}
    for key, name in _SPLITS.items():
        paths = info.get(key, [])
        if not isinstance(paths, list) or not all(isinstance(p, str) for p in paths):
            raise InputError(f"{path}: {key} is no list of paths; write one")
        if paths:
            splits[name] = [Path(p).as_posix() for p in paths]
    return splits


def _points(path: Path, info: dict, world: _World) -> np.ndarray | None:
    if info.get("ply_file_path") is None:
        return None
    where = f"{path}: ply_file_path"
    file = posed_photos.path_inside(path.parent, info["ply_file_path"], where)
    return world.points(read_points(file)).astype(np.float32)
