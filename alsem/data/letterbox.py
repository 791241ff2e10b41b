"""Pictures brought to another size, with borders where the shapes differ."""

import dataclasses

import cv2
import numpy as np

from alsem.core.errors import InputError
from alsem.core.types import Intrinsics
from alsem.data.image_files import ImageFile


@dataclasses.dataclass(frozen=True)
class Letterbox(ImageFile):
    """A picture scaled to a width, and as many black rows above as below it.

    Attributes:
        source: The picture as it is.
        target: Width and height that it gets.
        is_colour: Whether pixels are averaged; else the nearest is taken.
        is_mask: In place of the picture: 1 where it covers the whole pixel, else 0.
    """

    source: ImageFile
    target: tuple[int, int]
    is_colour: bool
    is_mask: bool = False

    @property
    def where(self) -> str:
        """Where its source lies."""
        return self.source.where

    def size(self) -> tuple[int, int]:
        """The size it gets, once the source is found to have about that shape."""
        border_rows(self.where, self.source.size(), self.target)
        return self.target

    def read(self) -> np.ndarray:
        """Scaled and padded; of the source's type."""
        if self.is_mask:  # its size alone decides
            pixels = np.ones(self.source.size()[::-1], np.float32)
        else:
            pixels = self.source.read()
        height, width = pixels.shape[:2]
        rows = border_rows(self.where, (width, height), self.target)
        if self.is_colour or self.is_mask:
            whole = cv2.copyMakeBorder(pixels, rows, rows, 0, 0, cv2.BORDER_CONSTANT)
            if whole.shape[1::-1] != self.target:
                whole = cv2.resize(whole, self.target, interpolation=cv2.INTER_AREA)
            return (whole > 1 - 1e-4).astype(np.uint8) if self.is_mask else whole
        row, col = (
            np.floor((np.arange(side) + 0.5) * (whole / side)).astype(int)
            for side, whole in zip(
                self.target[::-1], (height + 2 * rows, width), strict=True
            )
        )
        row -= rows
        found = pixels[np.clip(row, 0, height - 1)[:, None], col]
        found[(row < 0) | (row >= height)] = 0
        return found


def border_rows(where: str, size: tuple[int, int], target: tuple[int, int]) -> int:
    """Rows, of the source's own, that are added above and below it.

    Raises:
        InputError: The source has another shape: more than a twentieth would be border.
    """
    (width, height), (wide, high) = size, target
    rows = round((width * high / wide - height) / 2)
    if not 0 <= rows <= height / 40:
        raise InputError(
            f"{where}: {width} x {height} pixels have not the shape of {wide} x {high};"
            " export photographs and depth of one camera"
        )
    return rows


def fitted_camera(camera: Intrinsics, target: tuple[int, int]) -> Intrinsics:
    """The camera of letterboxed pictures."""
    wide, high = target
    rows = border_rows("camera", (camera.width, camera.height), target)
    across, down = wide / camera.width, high / (camera.height + 2 * rows)
    return Intrinsics(
        width=wide,
        height=high,
        fx=camera.fx * across,
        fy=camera.fy * down,
        cx=(camera.cx + 0.5) * across - 0.5,
        cy=(camera.cy + rows + 0.5) * down - 0.5,
    )
