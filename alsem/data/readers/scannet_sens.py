"""Reads ScanNet's ``.sens`` recordings, in the format that ScanNet documents.

Opening a recording reads the headers of its frames only; images are read from the file
when they are needed, so memory does not grow with the recording.
"""

import dataclasses
import io
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from alsem.core.errors import InputError
from alsem.data.image_io import JPEG, MAX_PIXELS, ImageFile, decode, image_size

_VERSION = 4
_JPEG, _ZLIB = 2, 1  # compression types
_FRAME = struct.Struct("<16f4Q")
_LONGEST_NAME = 1 << 10
_HEADER_BYTES = 1 << 16  # of a JPEG, read for its size


@dataclasses.dataclass(frozen=True)
class RecordedImage(ImageFile):
    """An image within a recording.

    Attributes:
        path: The recording.
        frame: Number of the frame.
        start: Offset of its first byte in the file.
        count: Its size in bytes.
        shape: Width and height, from the recording's header.
        is_colour: Whether it is a JPEG photograph; else zlib-compressed 16-bit depth.
    """

    path: Path
    frame: int
    start: int
    count: int
    shape: tuple[int, int]
    is_colour: bool

    @property
    def where(self) -> str:
        """File and frame."""
        return f"{self.path}: frame {self.frame}"

    def size(self) -> tuple[int, int]:
        """Size from the recording's header; checks that a photograph's own agrees."""
        if self.is_colour:
            head = io.BytesIO(self._bytes(min(self.count, _HEADER_BYTES)))
            size = image_size(self.where, head, self.count, JPEG)
            if size != self.shape:
                raise InputError(
                    f"{self.where}: {size[0]} x {size[1]} pixels while the recording's "
                    f"header says {self.shape[0]} x {self.shape[1]}; export it again"
                )
        return self.shape

    def read(self) -> np.ndarray:
        """All pixels; a damaged image is refused."""
        data = self._bytes(self.count)
        if self.is_colour:
            return decode(self.where, data, JPEG)
        width, height = self.shape
        inflate = zlib.decompressobj()
        try:
            raw = inflate.decompress(data, 2 * width * height + 1)
        except zlib.error as error:
            raise InputError(
                f"{self.where}: damaged depth ({error}); copy it again"
            ) from None
        if len(raw) != 2 * width * height or not inflate.eof:
            raise InputError(
                f"{self.where}: depth does not fill {width} x {height} pixels; copy the"
                " recording again"
            )
        return np.frombuffer(raw, "<u2").reshape(height, width)

    def _bytes(self, count: int) -> bytes:
        try:
            with self.path.open("rb") as file:
                file.seek(self.start)
                data = file.read(count)
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot be read ({error.strerror})"
            ) from None
        if len(data) < count:
            raise InputError(f"{self.where}: truncated; copy the recording again")
        return data


@dataclasses.dataclass(frozen=True, eq=False)
class Recording:
    """The cameras, poses and images of a recording.

    Attributes:
        intrinsics: ``[4 4]`` of the colour camera, at the size of its images.
        colour_size: Width and height, pixels.
        depth_size: Likewise.
        depth_scale: Depth units per metre.
        world_from_cam: ``[n 4 4]`` float64, not finite where tracking was lost.
        colour: The ``n`` photographs.
        depth: The ``n`` depth images.
    """

    intrinsics: np.ndarray
    colour_size: tuple[int, int]
    depth_size: tuple[int, int]
    depth_scale: float
    world_from_cam: np.ndarray
    colour: tuple[RecordedImage, ...]
    depth: tuple[RecordedImage, ...]


def read_sens(path: Path) -> Recording:
    """Reads the headers of a recording.

    Raises:
        InputError: It cannot be read, is no such recording, is cut short, or compresses
            its images in another way than JPEG and zlib.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            return _read_headers(path, file, size)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def _read_headers(path: Path, file: BinaryIO, size: int) -> Recording:
    def take(form: str) -> tuple:
        data = file.read(struct.calcsize(f"<{form}"))
        if len(data) < struct.calcsize(f"<{form}"):
            raise InputError(f"{path}: truncated; copy the recording again")
        return struct.unpack(f"<{form}", data)

    (version,) = take("I")
    if version != _VERSION:
        raise InputError(f"{path}: not a .sens recording of version {_VERSION}")
    (name,) = take("Q")
    if name > _LONGEST_NAME:
        raise InputError(f"{path}: damaged header; copy the recording again")
    take(f"{name}s")
    matrices = np.array(take("64f"), np.float64).reshape(4, 4, 4)
    colour_type, depth_type, *sides = take("ii4I")
    (depth_scale, frames) = take("fQ")
    if (colour_type, depth_type) != (_JPEG, _ZLIB):
        raise InputError(
            f"{path}: colour compression {colour_type}, depth compression {depth_type};"
            f" only JPEG ({_JPEG}) and zlib ({_ZLIB}) are supported, export its frames"
        )
    colour_size, depth_size = (sides[0], sides[1]), (sides[2], sides[3])
    for width, height in (colour_size, depth_size):
        if not 0 < width * height <= MAX_PIXELS:
            raise InputError(f"{path}: claims images of {width} x {height} pixels")
    if not 0 < depth_scale < float("inf"):
        raise InputError(f"{path}: depth scale is {depth_scale:g}; must be above 0")
    if not frames or frames * _FRAME.size > size:
        raise InputError(
            f"{path}: claims {frames} frames but has {size} bytes; truncated or damaged"
        )
    poses, colour, depth = [], [], []
    for frame in range(frames):
        *values, _, _, colour_bytes, depth_bytes = take("16f4Q")
        start = file.tell()
        if colour_bytes + depth_bytes > size - start:
            raise InputError(f"{path}: truncated at frame {frame}; copy it again")
        poses.append(np.array(values).reshape(4, 4))
        extent = (start, colour_bytes, colour_size, True)
        colour.append(RecordedImage(path, frame, *extent))
        extent = (start + colour_bytes, depth_bytes, depth_size, False)
        depth.append(RecordedImage(path, frame, *extent))
        file.seek(start + colour_bytes + depth_bytes)
    return Recording(
        intrinsics=matrices[0],
        colour_size=colour_size,
        depth_size=depth_size,
        depth_scale=depth_scale,
        world_from_cam=np.stack(poses),
        colour=tuple(colour),
        depth=tuple(depth),
    )
