"""Masks made of a photograph's alpha channel, and of several masks."""

import dataclasses

import numpy as np

from alsem.core.errors import InputError
from alsem.data.image_io import ImageFile

_OPAQUE = 128  # alpha from which a pixel shows the scene


@dataclasses.dataclass(frozen=True)
class AlphaMask(ImageFile):
    """A mask that hides the pixels that are more transparent than opaque.

    Attributes:
        alpha: The alpha channel, 0 transparent, 255 opaque.
    """

    alpha: ImageFile

    @property
    def where(self) -> str:
        """The file of the photograph."""
        return self.alpha.where

    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self.alpha.size()

    def read(self) -> np.ndarray:
        """``[h w]`` uint8, 0 hides."""
        return (self.alpha.read() >= _OPAQUE).astype(np.uint8)


@dataclasses.dataclass(frozen=True)
class BothMasks(ImageFile):
    """A mask that hides what either of two hides.

    Attributes:
        one: A mask, 0 hides.
        other: A mask of the same size.
    """

    one: ImageFile
    other: ImageFile

    @property
    def where(self) -> str:
        """The file of the first."""
        return self.one.where

    def size(self) -> tuple[int, int]:
        """Width and height, pixels; checks that both are the same."""
        if self.one.size() != self.other.size():
            raise InputError(
                f"{self.one.where}: has another size than {self.other.where}; give both"
                " one size"
            )
        return self.one.size()

    def read(self) -> np.ndarray:
        """``[h w]`` uint8, 0 hides."""
        return ((self.one.read() > 0) & (self.other.read() > 0)).astype(np.uint8)
