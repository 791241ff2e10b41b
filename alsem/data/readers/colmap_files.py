"""Reads COLMAP's model files, binary and text, in the formats that COLMAP documents.

Counts in a file are checked against its size before anything is allocated.
"""

import dataclasses
import mmap
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from alsem.core.errors import InputError

# Model id in binary files -> name and number of parameters.
_MODELS = {
    0: ("SIMPLE_PINHOLE", 3),
    1: ("PINHOLE", 4),
    2: ("SIMPLE_RADIAL", 4),
    3: ("RADIAL", 5),
    4: ("OPENCV", 8),
    5: ("OPENCV_FISHEYE", 8),
    6: ("FULL_OPENCV", 12),
    7: ("FOV", 5),
    8: ("SIMPLE_RADIAL_FISHEYE", 4),
    9: ("RADIAL_FISHEYE", 5),
    10: ("THIN_PRISM_FISHEYE", 12),
}
_COUNT = dict(_MODELS.values())


@dataclasses.dataclass(frozen=True)
class Camera:
    """A calibrated camera.

    Attributes:
        model: Its name, one of `_MODELS`.
        width: Pixels.
        height: Pixels.
        params: Parameters, in the model's order.
    """

    model: str
    width: int
    height: int
    params: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Image:
    """A posed photograph.

    Attributes:
        name: Its path below ``images``.
        camera: Id of its camera.
        quaternion: Rotation from world to camera, w first.
        translation: Translation from world to camera.
    """

    name: str
    camera: int
    quaternion: tuple[float, ...]
    translation: tuple[float, ...]


class _BinaryReader:
    """Reads a binary file from its start to its end."""

    def __init__(self, path: Path):
        self.path = path
        try:
            with path.open("rb") as file:
                is_empty = not os.fstat(file.fileno()).st_size  # cannot be mapped
                access = mmap.ACCESS_READ
                self._data = (
                    b"" if is_empty else mmap.mmap(file.fileno(), 0, access=access)
                )
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from None
        self._at = 0

    def take(self, form: str) -> tuple:
        """Unpacks the next values, little-endian."""
        size = struct.calcsize(f"<{form}")
        if size > len(self._data) - self._at:
            raise self._truncated()
        self._at += size
        return struct.unpack_from(f"<{form}", self._data, self._at - size)

    def skip(self, size: int) -> None:
        """Skips bytes."""
        if size > len(self._data) - self._at:
            raise self._truncated()
        self._at += size

    def text(self) -> str:
        """Reads the next text, up to a zero byte."""
        end = self._data.find(b"\0", self._at)
        if end < 0:
            raise self._truncated()
        name, self._at = self._data[self._at : end], end + 1
        return name.decode(errors="replace")

    def end(self) -> None:
        """Raises `InputError` unless the whole file was read."""
        if self._at != len(self._data):
            raise InputError(
                f"{self.path}: {self.path.name} of another format or damaged"
            )

    def _truncated(self) -> InputError:
        return InputError(f"{self.path}: truncated or damaged; copy or export it again")


def _cameras_bin(path: Path) -> dict[int, Camera]:
    data, cameras = _BinaryReader(path), {}
    for _ in range(data.take("Q")[0]):
        camera_id, model, width, height = data.take("iiQQ")
        if model not in _MODELS:
            raise InputError(f"{path}: camera model {model} is not known; undistort")
        name, count = _MODELS[model]
        cameras[camera_id] = _camera(path, name, width, height, data.take(f"{count}d"))
    data.end()
    return cameras


def _images_bin(path: Path) -> list[Image]:
    data, images = _BinaryReader(path), []
    for _ in range(data.take("Q")[0]):
        _, *values, camera = data.take("i7di")
        images.append(Image(data.text(), camera, tuple(values[:4]), tuple(values[4:])))
        data.skip(24 * data.take("Q")[0])
    data.end()
    return images


def _points_bin(path: Path) -> np.ndarray:
    data, points = _BinaryReader(path), []
    for _ in range(data.take("Q")[0]):
        _, *xyz, _, _, _, _, track_length = data.take("Q3d3BdQ")
        points.append(xyz)
        data.skip(8 * track_length)
    data.end()
    return _finite(path, points)


def _rows(path: Path, *, skip_empty: bool = True) -> Iterator[tuple[str, list[str]]]:
    """Yields the place and the words of every line that is no comment."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                words = line.split()
                if not line.startswith("#") and (words or not skip_empty):
                    yield f"{path} line {number}", words
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text ({error})") from None


def _cameras_txt(path: Path) -> dict[int, Camera]:
    cameras = {}
    for where, words in _rows(path):
        if len(words) < 4 or words[1] not in _COUNT:
            raise InputError(f"{where}: no camera of a known model; export it again")
        camera_id, width, height = _numbers(where, [words[0], *words[2:4]], int)
        values = _numbers(where, words[4:], float)
        cameras[camera_id] = _camera(path, words[1], width, height, tuple(values))
    return cameras


def _images_txt(path: Path) -> list[Image]:
    images, rows = [], list(_rows(path, skip_empty=False))
    while rows and not rows[-1][1]:  # empty lines at the end of the file
        rows.pop()
    # Every other line lists the points of the image above; it may be empty.
    for where, words in rows[1::2]:
        if len(words) % 3:
            raise InputError(f"{where}: no points of an image; export it again")
    for where, words in rows[::2]:
        if not words:
            raise InputError(
                f"{where}: empty where an image should be; export it again"
            )
        if len(words) < 10:
            raise InputError(
                f"{where}: no image with pose, camera and name; export again"
            )
        values = _numbers(where, words[1:8], float)
        (camera,) = _numbers(where, words[8:9], int)
        name = " ".join(words[9:])
        images.append(Image(name, camera, tuple(values[:4]), tuple(values[4:])))
    return images


def _points_txt(path: Path) -> np.ndarray:
    return _finite(path, [_numbers(at, words[1:4], float) for at, words in _rows(path)])


def _camera(
    path: Path, model: str, width: int, height: int, params: tuple[float, ...]
) -> Camera:
    if len(params) != _COUNT[model] or not np.isfinite(params).all():
        raise InputError(
            f"{path}: a camera of model {model} has the parameters {params}"
        )
    return Camera(model, width, height, params)


def _numbers(where: str, words: list[str], kind: Callable) -> list:
    try:
        return [kind(word) for word in words]
    except (ValueError, OverflowError):
        raise InputError(f"{where}: {' '.join(words)!r} are no numbers") from None


def _finite(path: Path, rows: list) -> np.ndarray:
    if any(len(row) != 3 for row in rows):
        raise InputError(f"{path}: a point has no three coordinates; export it again")
    with np.errstate(over="ignore"):  # to infinity, which is refused
        points = np.array(rows, np.float64).reshape(-1, 3).astype(np.float32)
    if not np.isfinite(points).all():
        raise InputError(f"{path}: holds a point that is not finite; remove it")
    return points


# Ending of the files -> readers of cameras, images and points.
READERS = {
    ".bin": (_cameras_bin, _images_bin, _points_bin),
    ".txt": (_cameras_txt, _images_txt, _points_txt),
}
