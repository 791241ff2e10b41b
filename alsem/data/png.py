"""PNG images: checked by header, decoded strictly.

Why the file's chunks are walked here: decoders let a cut tail, a flipped byte or rows
left out pass and fill up with zeros, and a wrong depth map is worse than none.
"""

import dataclasses
import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from alsem.core.errors import InputError
from alsem.data.resampling import MAX_PIXELS

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOURS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey and alpha", 6: "RGBA"}
_DEFLATE_RATIO = 1032  # no deflate stream expands more than this


@dataclasses.dataclass(frozen=True)
class PngKind:
    """What the pixels of a PNG must be.

    Attributes:
        what: Words for messages.
        accepts: Pairs of bits per channel and colour type of the PNG standard: 0 grey,
            2 RGB, 3 palette.
    """

    what: str
    accepts: tuple[tuple[int, int], ...]


RGB = PngKind("8-bit RGB", ((8, 2),))
DEPTH = PngKind("16-bit single channel", ((16, 0),))
LABEL = PngKind("8-bit single channel class ids", ((8, 0),))
IDS = PngKind("8- or 16-bit single channel class ids", ((8, 0), (16, 0)))
MASK = PngKind("8-bit single channel mask (0 hides a pixel)", ((8, 0), (1, 0)))
# Encoders pack palettes of few colours; fewer bits of grey would come out scaled.
REGIONS = PngKind(
    "8- or 16-bit single channel region ids",
    ((8, 0), (16, 0), (8, 3), (4, 3), (2, 3), (1, 3)),
)


def check_header(path: Path, kind: PngKind) -> tuple[int, int]:
    """Reads only the header of a PNG.

    Args:
        path: The file.
        kind: What its pixels must be.

    Returns:
        Width and height, pixels.

    Raises:
        InputError: If the file is missing, is no PNG, has pixels of another kind, or
            claims more pixels than it can hold.
    """
    try:
        with path.open("rb") as file:
            head = file.read(33)
        size = path.stat().st_size
    except FileNotFoundError:
        raise InputError(f"{path}: missing; put the image there") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    if head[:8] != _SIGNATURE[: len(head)]:
        raise InputError(f"{path}: not a PNG file; write it as {kind.what} PNG")
    if len(head) < 33:
        raise _truncated(path)
    length, tag, width, height, bits, colour = struct.unpack(">I4sIIBB", head[8:26])
    if (length, tag) != (13, b"IHDR") or colour not in _COLOURS:
        raise InputError(f"{path}: damaged PNG header; write the file again")
    if (bits, colour) not in kind.accepts:
        raise InputError(
            f"{path}: {bits}-bit {_COLOURS[colour]} pixels; write {kind.what} PNG"
        )
    if head[28]:
        raise InputError(f"{path}: interlaced; write {kind.what} PNG without that")
    if not 0 < width * height <= MAX_PIXELS:
        raise InputError(
            f"{path}: claims {width} x {height} pixels, at most {MAX_PIXELS} are "
            "read; write a smaller image"
        )
    if _raw_bytes(head) > _DEFLATE_RATIO * size:
        raise InputError(
            f"{path}: claims {width} x {height} pixels but has only {size} bytes; "
            "truncated or damaged, write the file again"
        )
    return width, height


def decode(path: Path, kind: PngKind) -> np.ndarray:
    """Decodes a whole PNG and trusts nothing in it.

    Args:
        path: The file.
        kind: What its pixels must be.

    Returns:
        ``[h w 3]`` uint8 for `RGB`, else ``[h w]``: uint16 where the file has 16 bits,
        uint8 where it has fewer; of a palette the indices, not the colours.

    Raises:
        InputError: As `check_header`; also if the file is cut short or damaged.
    """
    width, height = check_header(path, kind)
    data = path.read_bytes()
    _check_pixels(path, _check_chunks(path, data), _raw_bytes(data))
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            pixels = np.asarray(image)
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as e:
        trouble = " ".join(str(e).split())
        raise InputError(
            f"{path}: damaged PNG ({trouble}); write the file again"
        ) from None
    pixels = pixels.astype(np.uint16 if data[24] == 16 else np.uint8, copy=False)
    expected = (height, width, 3) if kind is RGB else (height, width)
    if pixels.shape != expected:
        raise InputError(f"{path}: damaged PNG header; write the file again")
    return pixels


def _raw_bytes(head: bytes) -> int:
    """Bytes before compression: one of filter type, then the pixels, each row."""
    width, height, bits, colour = struct.unpack(">IIBB", head[16:26])
    return height * (1 + -(-width * bits * (3 if colour == 2 else 1) // 8))


def _check_chunks(path: Path, data: bytes) -> bytes:
    """Walks to the end of the file; returns the compressed pixels."""
    offset = len(_SIGNATURE)
    pixels = []
    while True:
        if offset + 12 > len(data):
            raise _truncated(path)
        length, tag = struct.unpack_from(">I4s", data, offset)
        end = offset + 12 + length
        if end > len(data):
            raise _truncated(path)
        critical = not tag[0] & 0x20
        (crc,) = struct.unpack_from(">I", data, end - 4)
        if critical and zlib.crc32(memoryview(data)[offset + 4 : end - 4]) != crc:
            raise InputError(
                f"{path}: damaged PNG (checksum of {tag!r}); write the file again"
            )
        if tag == b"IDAT":
            pixels.append(memoryview(data)[offset + 8 : end - 4])
        if tag == b"IEND":
            return b"".join(pixels)
        offset = end


def _check_pixels(path: Path, compressed: bytes, expected: int) -> None:
    inflate = zlib.decompressobj()
    try:
        count = len(inflate.decompress(compressed, expected + 1))
    except zlib.error as error:
        raise InputError(
            f"{path}: damaged PNG ({error}); write the file again"
        ) from None
    if count != expected or not inflate.eof:
        raise InputError(
            f"{path}: damaged PNG (its pixels do not fill its rows); write the file "
            "again"
        )


def _truncated(path: Path) -> InputError:
    return InputError(f"{path}: truncated PNG; copy or write the file again")
