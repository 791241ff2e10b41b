"""JPEG photographs: checked by header, then decoded whole or not at all."""

import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from alsem.core.errors import InputError
from alsem.data.resampling import MAX_PIXELS

_ADVICE = "write it as 8-bit RGB JPEG"
_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers that give the size
_BARE = {0x01, *range(0xD0, 0xD8)}  # markers without a length
_HEADER_BYTES = 1 << 20  # metadata before the frame header is not longer
_EXPANSION = 4096  # no photograph has more pixels for each of its bytes


def check_header(where: str, data: bytes, size: int) -> tuple[int, int]:
    """Reads only the headers of a JPEG.

    Args:
        where: The file or record, for messages.
        data: Its first bytes, at most a megabyte of them.
        size: Bytes in all.

    Returns:
        Width and height, pixels.

    Raises:
        InputError: If it is no JPEG, is grey or of four channels, or claims more
            pixels than it can hold.
    """
    if data[:2] != b"\xff\xd8"[: len(data)]:
        raise InputError(f"{where}: not a JPEG file; {_ADVICE}")
    at = 2
    while True:
        while data[at : at + 2] == b"\xff\xff":
            at += 1  # padding
        if at + 4 > len(data):
            raise _truncated(where)
        if data[at] != 0xFF:
            raise InputError(f"{where}: damaged JPEG header; write the file again")
        marker = data[at + 1]
        if marker in _BARE:
            at += 2
            continue
        if marker in (0xD9, 0xDA):
            raise InputError(f"{where}: damaged JPEG header; write the file again")
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker in _FRAME:
            break
        at += 2 + length
    if at + 10 > len(data):
        raise _truncated(where)
    bits, height, width, channels = struct.unpack_from(">BHHB", data, at + 4)
    if (bits, channels) != (8, 3):
        raise InputError(f"{where}: {channels} channels of {bits} bits; {_ADVICE}")
    if not 0 < width * height <= MAX_PIXELS:
        raise InputError(
            f"{where}: claims {width} x {height} pixels, at most {MAX_PIXELS} are "
            "read; write a smaller image"
        )
    if width * height > _EXPANSION * size:
        raise InputError(
            f"{where}: claims {width} x {height} pixels but has only {size} bytes; "
            "truncated or damaged, write the file again"
        )
    return width, height


def file_size(path: Path) -> tuple[int, int]:
    """Width and height of a JPEG file; raises `InputError` as `check_header`."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER_BYTES)
        return check_header(str(path), head, path.stat().st_size)
    except FileNotFoundError:
        raise InputError(f"{path}: missing; put the image there") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def decode(where: str, data: bytes) -> np.ndarray:
    """Decodes a whole JPEG.

    Args:
        where: The file or record, for messages.
        data: All of its bytes.

    Returns:
        ``[h w 3]`` uint8 as it is stored: a note of how the camera was held (EXIF) is
        not followed, for poses and intrinsics are of the stored image.

    Raises:
        InputError: As `check_header`; also if it is cut short or damaged.
    """
    width, height = check_header(where, data[:_HEADER_BYTES], len(data))
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            pixels = np.asarray(image)
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        if "truncated" in str(error):
            raise _truncated(where) from None
        trouble = " ".join(str(error).split())
        raise InputError(
            f"{where}: damaged JPEG ({trouble}); write the file again"
        ) from None
    if pixels.shape != (height, width, 3) or pixels.dtype != np.uint8:
        raise InputError(f"{where}: decodes to {pixels.shape}; {_ADVICE}")
    return pixels


def _truncated(where: str) -> InputError:
    return InputError(f"{where}: truncated JPEG; copy or write the file again")
