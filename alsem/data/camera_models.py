"""Camera models with lens distortion, and the images undistorted to one pinhole camera.

Everything after the readers sees one undistorted camera. Pixel centres have integer
coordinates, as in OpenCV; COLMAP and nerfstudio put them at halves.
"""

import collections
import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from alsem.core.errors import InputError
from alsem.core.types import Intrinsics
from alsem.data.downscale import downscaled
from alsem.data.image_io import ImageFile

_LONGEST_SIDE = 32767  # that OpenCV resamples
_OUTSIDE = -1e4  # a coordinate outside of every image


def pixel_directions(
    camera: Intrinsics, col: np.ndarray, row: np.ndarray
) -> np.ndarray:
    """Ray directions ``[*b 3]`` of pixels, camera axes, scaled to a depth of one."""
    x, y = (col - camera.cx) / camera.fx, (row - camera.cy) / camera.fy
    return np.stack([x, y, np.ones(x.shape)], axis=-1)


@dataclasses.dataclass(frozen=True)
class Lens:
    """The calibrated camera of a photograph.

    Attributes:
        camera: Its pinhole part, at the size it was calibrated for.
        distortion: OpenCV's coefficients ``k1 k2 p1 p2 [k3 [k4 k5 k6]]``, or those of
            its fisheye model ``k1 k2 k3 k4``; empty for none.
        is_fisheye: Which of the two.
    """

    camera: Intrinsics
    distortion: tuple[float, ...] = ()
    is_fisheye: bool = False

    @property
    def is_pinhole(self) -> bool:
        """Whether it is free of distortion."""
        return not self.is_fisheye and not any(self.distortion)


def lens_for(lens: Lens, where: str, width: int, height: int) -> Lens:
    """A lens for photographs of another size but the same view.

    Raises:
        InputError: The photographs have another shape.
    """
    camera = lens.camera
    across, down = width / camera.width, height / camera.height
    # A size halved several times is rounded each time.
    if abs(across - down) * max(camera.width, camera.height) > 2:
        raise InputError(
            f"{where}: its camera has {camera.width} x {camera.height} pixels while"
            f" the photograph has {width} x {height}; give the photographs of that"
            " camera"
        )
    return dataclasses.replace(lens, camera=downscaled(camera, (width, height)))


def shared_camera(lenses: Sequence[Lens]) -> Intrinsics:
    """Chooses the pinhole camera to which all photographs are undistorted.

    It is that of the photographs if they agree; else the median camera of those that
    have the most common size.
    """
    sizes = collections.Counter((x.camera.width, x.camera.height) for x in lenses)
    (width, height), _ = sizes.most_common(1)[0]
    fitting = [
        dataclasses.astuple(x.camera)[2:]
        for x in lenses
        if (x.camera.width, x.camera.height) == (width, height)
    ]
    # The lower of two middle ones, so that equal cameras stay exactly what they are.
    middle = np.sort(np.array(fitting), axis=0)[(len(fitting) - 1) // 2]
    return Intrinsics(width, height, *(float(value) for value in middle))


@dataclasses.dataclass(frozen=True)
class UndistortedImage(ImageFile):
    """An image resampled from its lens to the shared camera.

    Attributes:
        source: The image as stored; it may have another size than the lens was
            calibrated for, as depth often has.
        lens: The camera that took it.
        camera: The shared camera.
        is_colour: Whether to interpolate between pixels; else the nearest is taken.
    """

    source: ImageFile
    lens: Lens
    camera: Intrinsics
    is_colour: bool

    @property
    def where(self) -> str:
        """The file of its source."""
        return self.source.where

    def size(self) -> tuple[int, int]:
        """The shared camera's size; checks the source's header."""
        width, height = self.source.size()
        if max(width, height) > _LONGEST_SIDE:
            raise InputError(
                f"{self.where}: {width} x {height} pixels; give images of at most "
                f"{_LONGEST_SIDE} along a side"
            )
        calibrated = self.lens.camera
        # Within a pixel: halved sizes are rounded.
        if abs(width * calibrated.height - height * calibrated.width) > max(
            calibrated.width, calibrated.height
        ):
            raise InputError(
                f"{self.where}: {width} x {height} pixels while its camera is"
                f" calibrated for {calibrated.width} x {calibrated.height}; give an"
                " image of that shape"
            )
        return self.camera.width, self.camera.height

    def read(self) -> np.ndarray:
        """The resampled image; 0 outside the lens' field of view."""
        image = self.source.read()
        height, width = image.shape[:2]
        col, row = _source_coordinates(self.lens, self.camera, width, height)
        how = cv2.INTER_LINEAR if self.is_colour else cv2.INTER_NEAREST
        return cv2.remap(image, col, row, how, borderMode=cv2.BORDER_CONSTANT)


@dataclasses.dataclass(frozen=True)
class FieldOfViewMask(ImageFile):
    """Mask of the shared camera's pixels that lie in a lens' field of view.

    Attributes:
        lens: The camera that took the photograph.
        camera: The shared camera.
        mask: A further mask to apply, undistorted already; None without one.
    """

    lens: Lens
    camera: Intrinsics
    mask: ImageFile | None = None

    @property
    def where(self) -> str:
        """The file of the further mask, if there is one."""
        return "the lens' field of view" if self.mask is None else self.mask.where

    def size(self) -> tuple[int, int]:
        """The shared camera's size; checks the further mask's header."""
        if self.mask is not None:
            return self.mask.size()
        return self.camera.width, self.camera.height

    def read(self) -> np.ndarray:
        """``[h w]`` uint8, 1 for pixels in the field of view, else 0."""
        width, height = self.lens.camera.width, self.lens.camera.height
        col, row = _source_coordinates(self.lens, self.camera, width, height)
        inside = (col >= 0) & (col <= width - 1) & (row >= 0) & (row <= height - 1)
        if self.mask is not None:
            inside &= self.mask.read() > 0
        return inside.astype(np.uint8)


@functools.lru_cache(maxsize=4)  # most captures have one lens
def _source_coordinates(
    lens: Lens, camera: Intrinsics, width: int, height: int
) -> tuple[np.ndarray, np.ndarray]:
    """Column and row in a lens' image of the camera's pixels, float32 ``[h w]``.

    The image has ``width`` x ``height`` pixels, perhaps not as the lens was calibrated.
    """
    known, wanted = camera_matrix(lens.camera), camera_matrix(camera)
    size, coefficients = (camera.width, camera.height), np.array(lens.distortion)
    if lens.is_fisheye:
        maps: Any = cv2.fisheye.initUndistortRectifyMap(
            known, coefficients, np.eye(3), wanted, size, cv2.CV_32FC1
        )
    else:
        maps = cv2.initUndistortRectifyMap(
            known, coefficients, np.eye(3), wanted, size, cv2.CV_32FC1
        )
    col, row = (np.where(np.isfinite(m), m, np.float32(_OUTSIDE)) for m in maps)
    # Scale about the image's corner, which is at (-0.5, -0.5).
    col = (col + 0.5) * (width / lens.camera.width) - 0.5
    row = (row + 0.5) * (height / lens.camera.height) - 0.5
    return col.astype(np.float32), row.astype(np.float32)


def image_directions(camera: Intrinsics) -> np.ndarray:
    """`pixel_directions` of all pixels of an image, ``[h w 3]``."""
    row, col = np.meshgrid(
        np.arange(camera.height), np.arange(camera.width), indexing="ij"
    )
    return pixel_directions(camera, col, row)


def camera_matrix(camera: Intrinsics) -> np.ndarray:
    """Intrinsics as ``[3 3]`` float64, from camera axes to homogeneous pixels."""
    return np.array(
        [[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]], np.float64
    )
