"""Reads COLMAP's sparse models, binary or text, and the photographs beside them.

World-to-camera rotations are quaternions (w first); axes are OpenCV's, pixel centres
lie at halves. A model has no unit of its own: ``data.scale`` gives its metres. File
formats as documented by COLMAP.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from alsem.core.errors import ErrorCollector, InputError
from alsem.core.types import Intrinsics
from alsem.data import depth_images
from alsem.data.camera_models import Lens, lens_for
from alsem.data.capture import Capture, PoseFormat
from alsem.data.poses import checked_pose, is_lost
from alsem.data.readers import posed_photos
from alsem.data.readers.colmap_files import READERS, Camera, Image
from alsem.data.readers.photos import Photo, image_beside

# Where models are; COLMAP numbers them when it could not connect all photographs.
_FOLDERS = ("sparse/[0-9]*", "sparse", "colmap/sparse/[0-9]*", "colmap/sparse", ".")
# Where photographs are; smaller ones last, as some captures have beside images.
_IMAGES = ("images", "input", "rgb", "color", "photos", ".", "..")
_IMAGES += ("images_2", "images_4", "images_8")
_LOOKED_FOR = 50  # photographs
_DEPTH = (*depth_images.ENDINGS, ".geometric.bin", ".photometric.bin")
_UNSUPPORTED = ("FOV", "THIN_PRISM_FISHEYE")


def read_colmap(root: Path, scene: str, class_lines: Sequence[str] = ()) -> Capture:
    """Lists the frames of a capture.

    Photographs are in ``images/`` (or ``input``, ``images_4`` and the like) beside
    ``sparse/0`` (or ``sparse``). ``depth/`` (integers are thousandths of the model's
    unit) or ``stereo/depth_maps`` (COLMAP's own), ``semantic/`` (class ids, 0 void, or
    colours) and ``mask/`` or ``masks/`` (0 hides) may hold a file for every photograph,
    its ending replaced or followed by another: ``x.png``, ``x.jpg.png``. Sequences are
    ``frames`` (all) and the folders within ``images/`` if there are several.

    Args:
        root: Folder of scenes, or the scene itself if ``scene`` is empty.
        scene: Name of the scene's folder.
        class_lines: Classes as `classes.from_lines` reads them; when empty they are
            those of ``classes.txt`` in the folder.

    Raises:
        InputError: There is no model, or it is malformed.
    """
    folder = root / scene
    models = _models(folder)
    if not models:
        raise InputError(
            f"{folder / 'sparse/0/images.bin'}: missing, and no other sparse model;"
            " give the folder that holds images and sparse"
        )
    images_of = {
        model: READERS[suffix][1](model / f"images{suffix}")
        for model, suffix in models.items()
    }
    model = max(images_of, key=lambda each: len(images_of[each]))  # the first of equals
    suffix = models[model]
    read_cameras, _, read_points = READERS[suffix]
    cameras = read_cameras(model / f"cameras{suffix}")
    path = model / f"images{suffix}"
    images = _image_folder(folder, images_of[model])
    listed, errors = [], ErrorCollector()
    for image in images_of[model]:
        with errors.catch():
            listed.append(_photo(folder, images, path, image, cameras))
    errors.raise_any()
    others = [
        f"{name.relative_to(folder)} ({len(images)} photographs)"
        for name, images in images_of.items()
        if name != model
    ]
    doubts = [
        f"{folder}: of {len(images_of)} models only {model.relative_to(folder)} is used"
        f" ({len(listed)} photographs), the largest; left out: {', '.join(others)}"
    ]
    points = model / f"points3D{suffix}"
    return posed_photos.read_photos(
        root,
        scene,
        class_lines,
        path,
        listed,
        points=read_points(points) if points.exists() else None,
        doubts=doubts if others else (),
        pose_format=PoseFormat(inverse=True),
    )


def has_model(folder: Path) -> bool:
    """Whether a capture's folder holds a sparse model."""
    return bool(_models(folder))


def _image_folder(folder: Path, images: Sequence[Image]) -> Path:
    """Where the photographs of a model are: the folder that has most of the first."""
    names = [image.name for image in images[:_LOOKED_FOR]]

    def count(place: Path) -> int:
        return sum((place / name).is_file() for name in names)

    return max((folder / name for name in _IMAGES), key=count)  # the first of equals


def _models(folder: Path) -> dict[Path, str]:
    """The folders of sparse models in one place, and the ending of each one's files."""
    for pattern in _FOLDERS:
        places = [folder] if pattern == "." else sorted(folder.glob(pattern))
        each = {
            place: suffix
            for place in places
            for suffix in reversed(READERS)  # binary ones are preferred
            if (place / f"images{suffix}").is_file()
        }
        if each:
            return each
    return {}


def _photo(
    folder: Path, images: Path, path: Path, image: Image, cameras: dict[int, Camera]
) -> Photo:
    where = f"{path}: {image.name!r}"
    if image.camera not in cameras:
        raise InputError(f"{where}: camera {image.camera} is not in the model")
    file = posed_photos.path_inside(images, image.name, f"{path}: the name")

    def file_in(*kinds: str, endings: Sequence[str] = (".png",)) -> Path | None:
        return image_beside([folder / kind for kind in kinds], image.name, endings)

    return Photo(
        name=Path(image.name).as_posix(),
        path=file,
        world_from_cam=_world_from_cam(image, where),
        lens=lambda width, height: _lens(cameras[image.camera], where, width, height),
        depth=file_in("depth", "stereo/depth_maps", endings=_DEPTH),
        label=file_in("semantic", "SegmentationClass"),
        mask=file_in("mask", "masks"),
    )


def _world_from_cam(image: Image, where: str) -> np.ndarray | None:
    """The pose; None where it was lost."""
    q = np.array(image.quaternion)
    if is_lost(q, np.array(image.translation)):
        return None
    length = math.hypot(*image.quaternion)
    if not 0.9 < length < 1.1:  # of NaN too
        raise InputError(f"{where}: its quaternion is no rotation; export it again")
    world_from_cam = Rotation.from_quat(q[[1, 2, 3, 0]]).inv()
    pose = np.eye(4)
    pose[:3, :3] = world_from_cam.as_matrix()
    pose[:3, 3] = -world_from_cam.apply(image.translation)
    return checked_pose(pose, where)


def _lens(camera: Camera, where: str, width: int, height: int) -> Lens:
    model, values = camera.model, camera.params
    if model in _UNSUPPORTED:
        raise InputError(f"{where}: camera model {model}; undistort the photographs")
    one_focal = model.startswith("SIMPLE") or model.startswith("RADIAL")
    focal, rest = (
        (values[:1] * 2, values[1:]) if one_focal else (values[:2], values[2:])
    )
    if min(focal) <= 0:
        raise InputError(f"{where}: its camera's focal length is {min(focal):g}")
    fx, fy = focal
    size = (camera.width, camera.height)
    pinhole = Intrinsics(*size, fx, fy, rest[0] - 0.5, rest[1] - 0.5)
    distortion, is_fisheye = rest[2:], "FISHEYE" in model
    least = 4 if distortion or is_fisheye else 0  # that OpenCV accepts
    distortion = (*distortion, *[0.0] * (least - len(distortion)))
    is_distorted = is_fisheye or any(distortion)
    lens = Lens(pinhole, distortion if is_distorted else (), is_fisheye)
    return lens_for(lens, where, width, height)
