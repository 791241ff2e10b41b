"""Writes a model as a capture: its photographs undistorted, its tracks kept."""

import collections
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pycolmap
from PIL import Image

from alsem.core import signals
from alsem.core.progress import progress
from alsem.reconstruction.working_copies import JPEG_QUALITY, Copy, Folders

_NO_MAP: Any = None  # OpenCV's second map, where the first has both coordinates


def pinhole_cameras(
    model: pycolmap.Reconstruction, width: int
) -> dict[int, pycolmap.Camera]:
    """Chooses the pinhole cameras that photographs are undistorted to.

    Each shows only what its lens shows, with even sides. That of most photographs is
    ``width`` pixels wide; the others have its focal length, so that pixels are alike.
    Nothing is enlarged.
    """
    images = [model.image(image_id) for image_id in model.reg_image_ids()]
    uses = collections.Counter(image.camera_id for image in images)
    options = pycolmap.UndistortCameraOptions()
    whole = {key: pycolmap.undistort_camera(options, model.camera(key)) for key in uses}
    main = whole[uses.most_common(1)[0][0]]
    focal = main.focal_length_x * width / main.width
    return {key: _scaled(camera, focal) for key, camera in whole.items()}


def _scaled(camera: pycolmap.Camera, focal: float) -> pycolmap.Camera:
    """The pinhole camera with another focal length, cut evenly to even sides."""
    scale = min(focal / camera.focal_length_x, 1.0)
    full = np.array([camera.width, camera.height]) * scale
    size = (np.floor(full / 2 + 1e-6) * 2).astype(int)
    centre = np.array([camera.principal_point_x, camera.principal_point_y]) * scale
    fx, fy = camera.focal_length_x * scale, camera.focal_length_y * scale
    return pycolmap.Camera(
        model="PINHOLE",
        width=int(size[0]),
        height=int(size[1]),
        params=np.array([fx, fy, *(centre - (full - size) / 2)]),
        camera_id=camera.camera_id,
    )


def write_capture(
    model: pycolmap.Reconstruction,
    copies: Mapping[str, Copy],
    folders: Folders,
    out: Path,
    width: int,
) -> None:
    """Writes ``images/``, ``sparse/0`` and, where there are masks, ``mask/``.

    The model is changed to what is written: pinhole cameras, names, observations.

    Args:
        model: The model of the working copies.
        copies: They by their files.
        folders: Where they are.
        out: The capture's folder.
        width: See `pinhole_cameras`.
    """
    cameras = pinhole_cameras(model, width)
    resample = {
        key: _Resampling(model.camera(key), target) for key, target in cameras.items()
    }
    images = [model.image(image_id) for image_id in sorted(model.reg_image_ids())]
    for image in progress(images, "undistorting"):
        signals.check()
        copy, change = copies[image.name], resample[image.camera_id]
        _move_observations(model, image, change)
        path = out / "images" / f"{copy.name}.jpg"
        rgb = np.asarray(Image.open(folders.images / copy.file))
        _save(change.photograph(rgb), path, quality=JPEG_QUALITY, subsampling=0)
        if copy.is_masked:
            mask = np.asarray(Image.open(folders.masks / f"{copy.file}.png"))
            _save(change.mask(mask), out / "mask" / f"{copy.name}.png")
        image.name = f"{copy.name}.jpg"
    for key, target in cameras.items():
        camera: Any = model.camera(key)
        camera.model, camera.params = target.model, target.params
        camera.width, camera.height = target.width, target.height
    model.update_point_3d_errors()
    (out / "sparse" / "0").mkdir(parents=True)
    model.write_binary(out / "sparse" / "0")


class _Resampling:
    """Brings images and pixels from a lens to a pinhole camera."""

    def __init__(self, lens: Any, target: Any):
        """Computes where the target's pixels lie in the lens' image."""
        self.target = target
        self._lens = lens.todict()  # the model's camera changes later
        ratio = lens.mean_focal_length() / target.mean_focal_length()
        self._times = max(int(np.ceil(ratio - 1e-3)), 1)  # samples a pixel and axis
        size = (target.width * self._times, target.height * self._times)
        col, row = np.meshgrid(*(np.arange(n) + 0.5 for n in size))
        pixels = np.stack([col, row], axis=-1).reshape(-1, 2) / self._times
        rays = target.cam_from_img(pixels)
        found = lens.img_from_cam(np.c_[rays, np.ones(len(rays))]) - 0.5
        shape = (size[1], size[0], 2)
        self._map = np.nan_to_num(found, nan=-1e4).astype(np.float32).reshape(shape)

    def photograph(self, rgb: np.ndarray) -> np.ndarray:
        """The photograph as the pinhole camera sees it, averaged over its pixels."""
        return self._resample(rgb, cv2.BORDER_REPLICATE)

    def mask(self, mask: np.ndarray) -> np.ndarray:
        """The mask, 255 where all of a pixel is seen and not hidden."""
        seen = self._resample(mask, cv2.BORDER_CONSTANT)
        return np.where(seen == 255, 255, 0).astype(np.uint8)

    def _resample(self, image: np.ndarray, border: int) -> np.ndarray:
        fine = cv2.remap(image, self._map, _NO_MAP, cv2.INTER_LINEAR, borderMode=border)
        size = (self.target.width, self.target.height)
        return cv2.resize(fine, size, interpolation=cv2.INTER_AREA)

    def pixels(self, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the lens' pixels ``[p 2]`` are, and which are in the image."""
        lens: Any = pycolmap.Camera(self._lens)
        rays = lens.cam_from_img(xy)
        moved = self.target.img_from_cam(np.c_[rays, np.ones(len(rays))])
        size = (self.target.width, self.target.height)
        inside = np.isfinite(moved).all(axis=1)
        inside &= ((moved >= 0) & (moved < size)).all(axis=1)
        return np.where(inside[:, None], moved, 0.0), inside


def _move_observations(
    model: pycolmap.Reconstruction, image: Any, change: _Resampling
) -> None:
    """Moves the features of an image, and forgets observations outside of it."""
    xy = np.array([point.xy for point in image.points2D]).reshape(-1, 2)
    moved, inside = change.pixels(xy)
    for i in np.flatnonzero(~inside).tolist():
        if image.points2D[i].has_point3D():
            model.delete_observation(image.image_id, i)
    for point, place in zip(image.points2D, moved, strict=True):
        point.xy = place


def _save(pixels: np.ndarray, path: Path, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
