"""Pictures of a frame that are not decoded yet, wherever their bytes lie."""

import abc
import dataclasses
from pathlib import Path

import numpy as np

from alsem.core.errors import InputError
from alsem.data import jpeg, png


class ImageFile(abc.ABC):
    """One image of a frame: colour, depth, labels, regions or a mask."""

    @property
    @abc.abstractmethod
    def where(self) -> str:
        """Where it lies, for messages."""

    @abc.abstractmethod
    def size(self) -> tuple[int, int]:
        """Width and height, pixels, from its header; raises `InputError`."""

    @abc.abstractmethod
    def read(self) -> np.ndarray:
        """``[h w 3]`` uint8 or ``[h w]`` uint8 or uint16; raises `InputError`."""


@dataclasses.dataclass(frozen=True)
class PngFile(ImageFile):
    """A PNG file.

    Attributes:
        path: The file.
        kind: What its pixels must be.
        advice: What to do if it is not there.
    """

    path: Path
    kind: png.PngKind
    advice: str = "put the image there"

    @property
    def where(self) -> str:
        """Its path."""
        return str(self.path)

    def size(self) -> tuple[int, int]:
        """As its header says."""
        if not self.path.exists():
            raise InputError(f"{self.path}: missing; {self.advice}")
        return png.check_header(self.path, self.kind)

    def read(self) -> np.ndarray:
        """Decoded whole, or not at all."""
        return png.decode(self.path, self.kind)


@dataclasses.dataclass(frozen=True)
class JpegFile(ImageFile):
    """A JPEG photograph, ``path``."""

    path: Path

    @property
    def where(self) -> str:
        """Its path."""
        return str(self.path)

    def size(self) -> tuple[int, int]:
        """As its header says."""
        return jpeg.file_size(self.path)

    def read(self) -> np.ndarray:
        """Decoded whole, or not at all."""
        try:
            data = self.path.read_bytes()
        except OSError as error:
            trouble = error.strerror
            raise InputError(f"{self.path}: cannot be read ({trouble})") from None
        return jpeg.decode(self.where, data)


def photograph(path: Path) -> ImageFile:
    """A photograph that is a PNG or JPEG file, as its name says.

    Raises:
        InputError: Its name ends in neither.
    """
    if path.suffix.lower() in (".jpg", ".jpeg"):
        return JpegFile(path)
    if path.suffix.lower() == ".png":
        return PngFile(path, png.RGB)
    raise InputError(f"{path}: neither .png nor .jpg; convert the photographs")
