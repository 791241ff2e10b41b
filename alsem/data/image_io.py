"""Reads image files strictly: a damaged image is refused, never partly decoded.

Why more than a call of Pillow: it fills rows that a PNG leaves out with zeros and stops
before the end of a file, so a cut or overwritten depth map would pass as measured.
"""

import abc
import dataclasses
import io
import struct
import zlib
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from PIL.ImageFile import ImageFile as PillowFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from alsem.core.errors import InputError
from alsem.data.near_names import NearNames

MAX_PIXELS = 1 << 26  # of one image: 8192 x 8192
_MAX_PIXELS_PER_BYTE = 1032 * 8  # deflate's greatest ratio, at one bit a pixel
_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)
# Pillow's name of the pixels in a file -> what messages call them.
_PIXELS = {
    "1": "1-bit grey",
    "L": "8-bit grey",
    "LA": "grey and alpha",
    "I;16B": "16-bit grey",
    "P": "palette",
    "P;1": "palette",
    "P;2": "palette",
    "P;4": "palette",
    "RGB": "8-bit RGB",
    "RGB;16B": "16-bit RGB",
}
_BITS = {"1": 1, "P;1": 1, "P;2": 2, "P;4": 4, "P": 8, "L": 8, "I;16B": 16, "RGB": 24}
_BITS |= {"RGBA": 32}


@dataclasses.dataclass(frozen=True)
class ImageKind:
    """What an encoded image must hold.

    Attributes:
        what: Words for messages, the file format last.
        opener: Pillow's class of the file format; the constructor reads the header.
        pixels: Accepted kinds of pixels, by Pillow's names of raw modes.
        is_alpha: Whether it is the alpha channel that is read, not the colours.
    """

    what: str
    opener: type[PillowFile]
    pixels: tuple[str, ...]
    is_alpha: bool = False

    @property
    def form(self) -> str:
        """Name of the file format."""
        return str(self.opener.format)


JPEG = ImageKind("8-bit RGB JPEG", JpegImageFile, ("RGB",))
RGB = ImageKind("8-bit RGB PNG", PngImageFile, ("RGB", "RGBA"))
WEBP = ImageKind("8-bit RGB WEBP", WebPImageFile, ("RGB", "RGBA"))
DEPTH = ImageKind("16-bit single channel PNG", PngImageFile, ("I;16B",))
_PALETTES = ("P", "P;4", "P;2", "P;1")
LABEL = ImageKind(
    "8- or 16-bit class ids or class colours PNG",
    PngImageFile,
    ("L", "I;16B", *_PALETTES, "RGB", "RGBA"),
)
IDS = ImageKind(
    "8- or 16-bit single channel class ids PNG", PngImageFile, ("L", "I;16B")
)
MASK = ImageKind(
    "8-bit single channel mask (0 hides a pixel) PNG", PngImageFile, ("L", "1")
)
# Encoders pack palettes of few colours; fewer bits of grey would come out scaled.
REGIONS = ImageKind(
    "8- or 16-bit single channel region ids PNG",
    PngImageFile,
    ("L", "I;16B", *_PALETTES),
)
# Endings of photographs.
PHOTO_KINDS = {".jpg": JPEG, ".jpeg": JPEG, ".png": RGB, ".webp": WEBP}


class ImageFile(abc.ABC):
    """An image of a frame (colour, depth, labels, regions, mask), not decoded yet."""

    @property
    @abc.abstractmethod
    def where(self) -> str:
        """Its file, for messages."""

    @abc.abstractmethod
    def size(self) -> tuple[int, int]:
        """Width and height, pixels, from its header; raises `InputError`."""

    @abc.abstractmethod
    def read(self) -> np.ndarray:
        """``[h w 3]`` uint8 or ``[h w]`` uint8 or uint16; raises `InputError`."""


@dataclasses.dataclass(frozen=True)
class EncodedFile(ImageFile):
    """A PNG, JPEG or WebP file.

    Attributes:
        path: The file.
        kind: What it must hold.
        if_missing: What to do if the file does not exist.
    """

    path: Path
    kind: ImageKind
    if_missing: str = "put the image there"

    @property
    def where(self) -> str:
        """Its path."""
        return str(self.path)

    def size(self) -> tuple[int, int]:
        """Width and height, pixels; reads only the header."""
        try:
            with self.path.open("rb") as file:
                n_bytes = self.path.stat().st_size
                return image_size(self.where, file, n_bytes, self.kind)
        except OSError as error:
            raise self._cannot_open(error) from None

    def read(self) -> np.ndarray:
        """All pixels, see `decode`."""
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise self._cannot_open(error) from None
        return decode(self.where, data, self.kind)

    def alpha(self) -> "EncodedFile | None":
        """Its alpha channel, ``[h w]`` uint8, as an image; None if it has none."""
        if self.kind.opener is JpegImageFile:
            return None
        try:
            with self.path.open("rb") as file:
                n_bytes = self.path.stat().st_size
                image = _open(self.where, file, n_bytes, self.kind)
        except OSError as error:
            raise self._cannot_open(error) from None
        if _raw_mode(image) != "RGBA":
            return None
        kind = dataclasses.replace(self.kind, is_alpha=True)
        return dataclasses.replace(self, kind=kind)

    def _cannot_open(self, error: OSError) -> InputError:
        if isinstance(error, FileNotFoundError):
            near = NearNames().find(self.path)
            how = f"{near.name} is there, rename it" if near else self.if_missing
            return InputError(f"{self.path}: missing; {how}")
        return InputError(f"{self.path}: cannot be read ({error.strerror})")


def photograph(path: Path) -> EncodedFile:
    """A photograph in a PNG, JPEG or WebP file, by the ending of its name.

    Raises:
        InputError: The name ends in none of these.
    """
    ending = path.suffix.lower()
    if ending in PHOTO_KINDS:
        return EncodedFile(path, PHOTO_KINDS[ending])
    how = "convert the photographs"
    if ending in (".heic", ".heif"):
        how += ", as by: heif-convert -q 95 IMG.HEIC IMG.jpg"
    raise InputError(f"{path}: none of {', '.join(PHOTO_KINDS)}; {how}")


def image_size(
    where: str, file: io.BufferedIOBase, n_bytes: int, kind: ImageKind
) -> tuple[int, int]:
    """Width and height of an encoded image, from its header.

    Args:
        where: The file or record, for messages.
        file: The encoded image; its first bytes are enough.
        n_bytes: Size of the whole encoded image.
        kind: What it must hold.

    Raises:
        InputError: It is of another format, has pixels of another kind, or claims more
            pixels than are read or than its bytes can hold.
    """
    return _open(where, file, n_bytes, kind).size


def decode(where: str, data: bytes, kind: ImageKind) -> np.ndarray:
    """Decodes a whole image.

    Args:
        where: The file or record, for messages.
        data: The encoded image.
        kind: What it must hold.

    Returns:
        ``[h w 3]`` uint8 of colours, without alpha; else ``[h w]``: uint16 where the
        file has 16 bits, uint8 where it has fewer; of a palette the indices, not the
        colours. An EXIF orientation is not applied: see `turned`.

    Raises:
        InputError: As `image_size`; also if the image is cut short or damaged.
    """
    image = _open(where, io.BytesIO(data), len(data), kind)
    pixels = _raw_mode(image)
    try:
        if kind.opener is PngImageFile:
            image.verify()  # the checksums, up to the end of the file
            _check_rows(data, image)
            image = _open(where, io.BytesIO(data), len(data), kind)
        array = np.asarray(image)
    except _UNREADABLE as error:
        raise _damaged(where, kind, error) from None
    if pixels == "RGBA":
        array = array[..., 3] if kind.is_alpha else array[..., :3]
    return array.astype(np.uint16 if pixels == "I;16B" else np.uint8, copy=False)


def _open(
    where: str, file: io.BufferedIOBase, n_bytes: int, kind: ImageKind
) -> PillowFile:
    """An image of which Pillow has read the header, found acceptable."""
    try:
        image = kind.opener(cast(IO[bytes], file))
    except _UNREADABLE as error:
        raise _damaged(where, kind, error) from None
    is_webp = kind.opener is WebPImageFile
    if not image.tile and not is_webp:
        raise _damaged(where, kind, ValueError("no pixels"))
    pixels, (width, height) = _raw_mode(image), image.size
    if pixels not in kind.pixels:
        name = _PIXELS.get(pixels, pixels)
        raise InputError(f"{where}: {name} pixels; write {kind.what}")
    if image.info.get("interlace"):
        raise InputError(f"{where}: interlaced; write {kind.what} without that")
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{where}: claims {width} x {height} pixels, at most {MAX_PIXELS} are "
            "read; write a smaller image"
        )
    if width * height > _MAX_PIXELS_PER_BYTE * n_bytes and not is_webp:
        raise InputError(
            f"{where}: claims {width} x {height} pixels but has only {n_bytes} bytes; "
            "truncated or damaged, write the file again"
        )
    return image


def _raw_mode(image: PillowFile) -> str:
    """Pillow's name of the pixels as the file stores them."""
    if not image.tile:  # WebP's
        return image.mode
    arguments: Any = image.tile[0][3]
    return arguments if isinstance(arguments, str) else arguments[0]


def _check_rows(data: bytes, image: PillowFile) -> None:
    """Raises `ValueError` unless the compressed pixels of a PNG fill all its rows."""
    at, compressed = 8, []
    while at < len(data) and data[at + 4 : at + 8] != b"IEND":
        (length,) = struct.unpack_from(">I", data, at)
        if data[at + 4 : at + 8] == b"IDAT":
            compressed.append(memoryview(data)[at + 8 : at + 8 + length])
        at += 12 + length
    row_bytes = 1 + -(-image.width * _BITS[_raw_mode(image)] // 8)  # filter type first
    inflate = zlib.decompressobj()
    count = len(inflate.decompress(b"".join(compressed), image.height * row_bytes + 1))
    if count != image.height * row_bytes or not inflate.eof:
        raise ValueError("its pixels do not fill its rows")


def _damaged(where: str, kind: ImageKind, error: Exception) -> InputError:
    reason = " ".join(str(error).split())
    return InputError(
        f"{where}: not a {kind.form} file, truncated or damaged ({reason}); write it"
        f" again as {kind.what}"
    )
