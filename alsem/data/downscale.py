"""Downscaling of images and cameras to any smaller size, in whole factors or not.

A pixel of the result covers a block of ``full / small`` pixels along each axis, whose
sides need not be whole. Sizes are width and height, pixels.
"""

import dataclasses
from typing import Literal

import cv2
import numpy as np

from alsem.core.errors import InputError
from alsem.core.types import Intrinsics
from alsem.data.image_io import ImageFile

Size = tuple[int, int]
How = Literal["average", "sample", "all"]


def target_size(full: Size, *, factor: int = 1, width: int = 0) -> Size:
    """The size to downscale images to: of a given width, or by a factor, rounded.

    Raises:
        InputError: Both are given, one is below its least value, or the result would
            have no pixel or more pixels than the images.
    """
    text = f"data.downscale={factor}" if not width else f"data.width={width}"
    if width and factor != 1:
        raise InputError(f"{text} and data.downscale={factor}: give one of them")
    wide = width or (round(full[0] / factor) if factor > 0 else 0)
    high = round(full[1] / factor) if factor > 1 else round(full[1] * wide / full[0])
    if not (0 < wide <= full[0] and 0 < high):
        raise InputError(
            f"{text} is not possible for images of {full[0]} x {full[1]} pixels; give "
            + ("a width of at most that" if width else "a whole factor from 1")
        )
    return wide, high


def area_average(rgb: np.ndarray, size: Size) -> np.ndarray:
    """Averages colour over the area of every block.

    Args:
        rgb: ``[h w 3]`` uint8.
        size: Width and height of the result.

    Returns:
        uint8, rounded to nearest, halves up: a 2 x 2 block of 0, 0, 0 and 2 becomes 1.
    """
    (width, height), (high, wide) = size, rgb.shape[:2]
    if (wide, high) == size:
        return rgb
    if wide % width or high % height:
        mean = cv2.resize(rgb.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        return (mean + 0.5).astype(np.uint8)
    rows, cols = high // height, wide // width
    total = np.full((height, width, 3), rows * cols // 2, np.uint32)
    for row in range(rows):
        for col in range(cols):
            total += rgb[row::rows, col::cols]
    return (total // (rows * cols)).astype(np.uint8)


def point_sample(image: np.ndarray, size: Size) -> np.ndarray:
    """Takes the pixel at the centre of every block, for depth, labels and ids.

    Args:
        image: ``[h w]``.
        size: Width and height of the result.

    Returns:
        The result; where a centre lies between two pixels, the upper or left one.
    """
    rows = _sampled(image.shape[0], size[1])
    return image[rows[:, None], _sampled(image.shape[1], size[0])]


def point_sample_offset(full: int, small: int) -> float:
    """Mean offset of the sampled pixels from their blocks' centres along an axis.

    In downscaled pixels: zero for odd factors; -0.25 for a factor of 2, which samples
    the upper left pixel.
    """
    centres = (np.arange(small) + 0.5) * (full / small) - 0.5
    return float((_sampled(full, small) - centres).mean() * (small / full))


def all_of(mask: np.ndarray, size: Size) -> np.ndarray:
    """Blocks of a mask in which every pixel is true, also those that it cuts.

    Args:
        mask: ``[h w]`` bool.
        size: Width and height of the result.
    """
    if mask.shape[::-1] == size:
        return mask
    covered = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return covered > 1 - 1e-4


def downscaled(camera: Intrinsics, size: Size) -> Intrinsics:
    """The camera of images downscaled to a size."""
    (width, height), full = size, (camera.width, camera.height)
    return Intrinsics(
        width=width,
        height=height,
        fx=camera.fx * width / full[0],
        fy=camera.fy * height / full[1],
        cx=(camera.cx + 0.5) * width / full[0] - 0.5,
        cy=(camera.cy + 0.5) * height / full[1] - 0.5,
    )


@dataclasses.dataclass(frozen=True)
class DownscaledImage(ImageFile):
    """An image downscaled when it is read.

    Attributes:
        source: The image as stored.
        full: The size that it must have.
        target: The size of the result.
        how: How its pixels become those of the result.
    """

    source: ImageFile
    full: Size
    target: Size
    how: How

    @property
    def where(self) -> str:
        """The file of its source."""
        return self.source.where

    def size(self) -> Size:
        """The size of the result; checks the source's header."""
        size = self.source.size()
        return (
            self.target if size == self.full else size
        )  # another one is complained of

    def read(self) -> np.ndarray:
        """The downscaled pixels."""
        image = self.source.read()
        if self.how == "average":
            return area_average(image, self.target)
        if self.how == "sample":
            return point_sample(image, self.target)
        return all_of(image > 0, self.target).astype(np.uint8)


def _sampled(full: int, small: int) -> np.ndarray:
    """Rows or columns of the pixels at the centres of blocks."""
    return ((2 * np.arange(small) + 1) * full - 1) // (2 * small)
