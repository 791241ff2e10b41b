"""ScanNet's ``.sens`` recordings: header and frame records, as ScanNet documents them.

The file is walked once, header by header; pictures keep their place in it and are
read when they are wanted, so that memory does not grow with the recording.
"""

import dataclasses
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from alsem.core.errors import InputError
from alsem.data import jpeg
from alsem.data.image_files import ImageFile
from alsem.data.resampling import MAX_PIXELS

_VERSION = 4
_JPEG, _ZLIB = 2, 1
_FRAME = struct.Struct("<16f4Q")
_LONGEST_NAME = 1 << 10
_HEADER_BYTES = 1 << 16  # of a JPEG, read to learn its size


@dataclasses.dataclass(frozen=True)
class Record(ImageFile):
    """A picture within a recording.

    Attributes:
        path: The recording.
        frame: Its frame's number.
        start: First byte of the picture.
        count: Bytes of the picture.
        shape: Width and height that the recording's header claims.
        is_colour: JPEG colour; else zlib-packed depth, 16 bits.
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
        """As the recording's header says, which a photograph's own must agree with."""
        if self.is_colour:
            head = self._bytes(min(self.count, _HEADER_BYTES))
            size = jpeg.check_header(self.where, head, self.count)
            if size != self.shape:
                raise InputError(
                    f"{self.where}: {size[0]} x {size[1]} pixels while the recording's "
                    f"header says {self.shape[0]} x {self.shape[1]}; export it again"
                )
        return self.shape

    def read(self) -> np.ndarray:
        """Decoded whole, or not at all."""
        data = self._bytes(self.count)
        if self.is_colour:
            return jpeg.decode(self.where, data)
        width, height = self.shape
        unpack = zlib.decompressobj()
        try:
            raw = unpack.decompress(data, 2 * width * height + 1)
        except zlib.error as error:
            raise InputError(
                f"{self.where}: damaged depth ({error}); copy it again"
            ) from (None)
        if len(raw) != 2 * width * height or not unpack.eof:
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
    """What a recording holds.

    Attributes:
        intrinsics: ``[4 4]`` of the colour camera, at the size of its images.
        colour_size: Width and height, pixels.
        depth_size: Likewise.
        depth_scale: Depth units per metre.
        world_from_cam: ``[n 4 4]`` float64, not finite where tracking was lost.
        colour: Photographs of the ``n`` frames.
        depth: Their depth.
    """

    intrinsics: np.ndarray
    colour_size: tuple[int, int]
    depth_size: tuple[int, int]
    depth_scale: float
    world_from_cam: np.ndarray
    colour: tuple[Record, ...]
    depth: tuple[Record, ...]


def read_sens(path: Path) -> Recording:
    """Walks through a recording.

    Raises:
        InputError: It cannot be read, is no such recording, is cut short, or packs its
            pictures in another way than JPEG and zlib.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            return _walk(path, file, size)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def _walk(path: Path, file: BinaryIO, size: int) -> Recording:
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
    colour_packing, depth_packing, *sides = take("ii4I")
    (depth_scale, frames) = take("fQ")
    if (colour_packing, depth_packing) != (_JPEG, _ZLIB):
        raise InputError(
            f"{path}: colour packed as {colour_packing}, depth as {depth_packing}; only"
            f" JPEG ({_JPEG}) and zlib ({_ZLIB}) are read, export its frames"
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
        place = (start, colour_bytes, colour_size, True)
        colour.append(Record(path, frame, *place))
        place = (start + colour_bytes, depth_bytes, depth_size, False)
        depth.append(Record(path, frame, *place))
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
