"""Photographs of real lenses, turned into those of one pinhole camera.

Everything after the readers sees one undistorted camera. Pixel centres have whole
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
from alsem.data.image_files import ImageFile

_LONGEST_SIDE = 32767  # that OpenCV resamples
_NOTHING = -1e4  # a place outside of every picture


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
        """Whether it distorts nothing."""
        return not self.is_fisheye and not any(self.distortion)


def shared_camera(lenses: Sequence[Lens]) -> Intrinsics:
    """The pinhole camera that all photographs are turned into.

    That of the photographs if they agree; else the median of those that have the most
    common size.
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
class Undistorted(ImageFile):
    """A picture as the shared camera would have taken it.

    Attributes:
        source: The picture as it is; it may have another size than the lens was
            calibrated for, as depth often has.
        lens: What took it.
        camera: The shared camera.
        is_colour: Whether values between pixels may be mixed.
    """

    source: ImageFile
    lens: Lens
    camera: Intrinsics
    is_colour: bool

    @property
    def where(self) -> str:
        """Where its source lies."""
        return self.source.where

    def size(self) -> tuple[int, int]:
        """The shared camera's, once the source's header is found good."""
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
        """Resampled; 0 where the lens saw nothing."""
        pixels = self.source.read()
        col, row = _places(self.lens, self.camera, pixels.shape[1], pixels.shape[0])
        how = cv2.INTER_LINEAR if self.is_colour else cv2.INTER_NEAREST
        return cv2.remap(pixels, col, row, how, borderMode=cv2.BORDER_CONSTANT)


@dataclasses.dataclass(frozen=True)
class Covered(ImageFile):
    """Where the shared camera sees something that the lens saw too, as a mask.

    Attributes:
        lens: What took the photograph.
        camera: The shared camera.
        mask: The photograph's own, as the shared camera sees it; None without one.
    """

    lens: Lens
    camera: Intrinsics
    mask: ImageFile | None = None

    @property
    def where(self) -> str:
        """Where the mask lies, if there is one."""
        return "the lens' field of view" if self.mask is None else self.mask.where

    def size(self) -> tuple[int, int]:
        """The shared camera's."""
        if self.mask is not None:
            return self.mask.size()
        return self.camera.width, self.camera.height

    def read(self) -> np.ndarray:
        """1 where the lens saw something, else 0."""
        width, height = self.lens.camera.width, self.lens.camera.height
        col, row = _places(self.lens, self.camera, width, height)
        inside = (col >= 0) & (col <= width - 1) & (row >= 0) & (row <= height - 1)
        if self.mask is not None:
            inside &= self.mask.read() > 0
        return inside.astype(np.uint8)


@functools.lru_cache(maxsize=4)  # most captures have one lens
def _places(
    lens: Lens, camera: Intrinsics, width: int, height: int
) -> tuple[np.ndarray, np.ndarray]:
    """Column and row, float32 ``[h w]``, of a picture that the camera's pixels show."""
    known, wanted = _matrix(lens.camera), _matrix(camera)
    size, coefficients = (camera.width, camera.height), np.array(lens.distortion)
    if lens.is_fisheye:
        maps: Any = cv2.fisheye.initUndistortRectifyMap(
            known, coefficients, np.eye(3), wanted, size, cv2.CV_32FC1
        )
    else:
        maps = cv2.initUndistortRectifyMap(
            known, coefficients, np.eye(3), wanted, size, cv2.CV_32FC1
        )
    col, row = (np.where(np.isfinite(m), m, np.float32(_NOTHING)) for m in maps)
    # Of another size than calibrated: the same place between the same borders.
    col = (col + 0.5) * (width / lens.camera.width) - 0.5
    row = (row + 0.5) * (height / lens.camera.height) - 0.5
    return col.astype(np.float32), row.astype(np.float32)


def _matrix(camera: Intrinsics) -> np.ndarray:
    return np.array(
        [[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]], np.float64
    )
