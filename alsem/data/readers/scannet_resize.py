"""Resizes ScanNet's photographs and labels to the size of its depth images.

Photographs of 1296 x 968 pixels get two black rows above and below, which gives them
the aspect ratio of depth (640 x 480), and are then scaled.
"""

import dataclasses

import cv2
import numpy as np

from alsem.core.errors import InputError
from alsem.core.types import Intrinsics
from alsem.data.image_io import ImageFile


@dataclasses.dataclass(frozen=True)
class PaddedImage(ImageFile):
    """An image padded above and below to another aspect ratio, then resized.

    Attributes:
        source: The image as stored.
        target: Width and height of the result.
        is_colour: Whether pixels are averaged; else the nearest is taken.
    """

    source: ImageFile
    target: tuple[int, int]
    is_colour: bool

    @property
    def where(self) -> str:
        """The file of its source."""
        return self.source.where

    def size(self) -> tuple[int, int]:
        """The target size; checks the source's header and aspect ratio."""
        padding_rows(self.where, self.source.size(), self.target)
        return self.target

    def read(self) -> np.ndarray:
        """Padded and resized; of the source's type."""
        image = self.source.read()
        height, width = image.shape[:2]
        rows = padding_rows(self.where, (width, height), self.target)
        if self.is_colour:
            return _pad_and_average(image, rows, self.target)
        row, col = (
            np.floor((np.arange(side) + 0.5) * (whole / side)).astype(int)
            for side, whole in zip(
                self.target[::-1], (height + 2 * rows, width), strict=True
            )
        )
        row -= rows
        sampled = image[np.clip(row, 0, height - 1)[:, None], col]
        sampled[(row < 0) | (row >= height)] = 0
        return sampled


@dataclasses.dataclass(frozen=True)
class PaddingMask(ImageFile):
    """Mask of the pixels of a `PaddedImage` that its padding does not touch.

    Attributes:
        source: The image that is padded; only its size counts.
        target: Width and height of the result.
    """

    source: ImageFile
    target: tuple[int, int]

    @property
    def where(self) -> str:
        """The file of its source."""
        return self.source.where

    def size(self) -> tuple[int, int]:
        """The target size; checks the source's header and aspect ratio."""
        padding_rows(self.where, self.source.size(), self.target)
        return self.target

    def read(self) -> np.ndarray:
        """``[h w]`` uint8, 1 where the source covers the whole pixel, else 0."""
        width, height = self.source.size()
        rows = padding_rows(self.where, (width, height), self.target)
        ones = np.ones((height, width), np.float32)
        covered = _pad_and_average(ones, rows, self.target)
        return (covered > 1 - 1e-4).astype(np.uint8)


def padding_rows(where: str, size: tuple[int, int], target: tuple[int, int]) -> int:
    """Computes how many rows to add above and below an image, at its own size.

    Padding 1296 x 968 for 640 x 480 takes ``(1296 * 480 / 640 - 968) / 2 = 2`` rows.

    Raises:
        InputError: More than a twentieth of the image would be padding.
    """
    (width, height), (target_width, target_height) = size, target
    rows = round((width * target_height / target_width - height) / 2)
    if not 0 <= rows <= height / 40:
        raise InputError(
            f"{where}: {width} x {height} pixels have not the shape of"
            f" {target_width} x {target_height}; export photographs and depth of one"
            " camera"
        )
    return rows


def padded_camera(camera: Intrinsics, target: tuple[int, int]) -> Intrinsics:
    """The camera of padded and resized images."""
    rows = padding_rows("camera", (camera.width, camera.height), target)
    across, down = target[0] / camera.width, target[1] / (camera.height + 2 * rows)
    return Intrinsics(
        width=target[0],
        height=target[1],
        fx=camera.fx * across,
        fy=camera.fy * down,
        cx=(camera.cx + 0.5) * across - 0.5,
        cy=(camera.cy + rows + 0.5) * down - 0.5,
    )


def _pad_and_average(
    image: np.ndarray, rows: int, target: tuple[int, int]
) -> np.ndarray:
    padded = cv2.copyMakeBorder(image, rows, rows, 0, 0, cv2.BORDER_CONSTANT)
    if padded.shape[1::-1] == target:
        return padded
    return cv2.resize(padded, target, interpolation=cv2.INTER_AREA)
