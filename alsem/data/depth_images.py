"""Depth images in the formats that programs write them.

PNG (16 bits), NumPy's ``.npy`` and ``.npz``, TIFF (16-bit or float), OpenEXR, and
COLMAP's ``.bin`` maps. Integers are in the capture's depth unit, floating-point numbers
in metres unless the layout says otherwise.
"""

import dataclasses
import io
import re
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image, TiffImagePlugin

from alsem.core.errors import InputError
from alsem.data.image_io import DEPTH, MAX_PIXELS, EncodedFile, ImageFile

ENDINGS = (".png", ".npy", ".npz", ".tif", ".tiff", ".exr", ".bin")
_UNREADABLE = (
    *(OSError, ValueError, EOFError, KeyError, SyntaxError),
    *(zipfile.BadZipFile, RuntimeError),  # RuntimeError is OpenEXR's
)
_REPEATED = 8  # pixels of one value that no surface gives by chance
_COLMAP = re.compile(rb"(\d{1,6})&(\d{1,6})&1&")


def without_nothing(depth: np.ndarray) -> np.ndarray:
    """Depth with holes (0) where a sensor or renderer wrote its "nothing".

    That is 65535 of 16 bits (7-Scenes, Kinect, RealSense), what is not finite, and a
    value that repeats at an image's maximum, twice as far as all else or farther.

    Args:
        depth: ``[h w]`` in any unit, of which 0 is a hole already.
    """
    saturated = np.iinfo(np.uint16).max if depth.dtype == np.uint16 else np.inf
    known = np.where(np.isfinite(depth) & (depth < saturated), depth, 0)
    farthest = known.max(initial=0)
    at_most = known == farthest
    rest = np.where(at_most, 0, known).max(initial=0)
    if 0 < 2 * float(rest) <= float(farthest) and at_most.sum() >= _REPEATED:
        known = np.where(at_most, 0, known)
    return known.astype(depth.dtype)


@dataclasses.dataclass(frozen=True)
class DepthArray(ImageFile):
    """Depth in a file of another format than PNG.

    Attributes:
        path: The file.
        per_metre: Depth units in one unit of floating-point values.
    """

    path: Path
    per_metre: float

    @property
    def where(self) -> str:
        """Its path."""
        return str(self.path)

    def size(self) -> tuple[int, int]:
        """Width and height, pixels; raises `InputError`."""
        shape = self._values(header_only=True).shape
        return shape[1], shape[0]

    def read(self) -> np.ndarray:
        """``[h w]`` in depth units, uint16 or float32; 0 where it is not known."""
        values = self._values()
        if values.dtype.kind in "iub":
            if not 0 <= values.min() or values.max() > 65535:
                raise InputError(
                    f"{self.path}: integers from {values.min()} to {values.max()};"
                    " write 16-bit depth, or floating-point metres"
                )
            return values.astype(np.uint16)
        with np.errstate(invalid="ignore", over="ignore"):
            depth = values.astype(np.float32) * np.float32(self.per_metre)
            return np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(0))

    def _values(self, *, header_only: bool = False) -> np.ndarray:
        try:
            values = _READERS[self.path.suffix.lower()](self.path, header_only)
        except FileNotFoundError:
            raise InputError(f"{self.path}: missing; put the depth there") from None
        except _UNREADABLE as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(
                f"{self.path}: depth cannot be read ({reason}); write it again"
            ) from None
        if values.ndim == 3 and 1 in (values.shape[0], values.shape[2]):
            values = values.squeeze(0 if values.shape[0] == 1 else 2)
        if values.ndim != 2 or not 0 < values.size <= MAX_PIXELS:
            shape = " x ".join(map(str, values.shape))
            raise InputError(
                f"{self.path}: an array of {shape}; write depth as height x width"
            )
        if values.dtype.kind not in "iubf":
            raise InputError(f"{self.path}: holds {values.dtype}; write numbers")
        return values


@dataclasses.dataclass(frozen=True)
class ConfidentDepth(ImageFile):
    """Depth without the pixels whose confidence is the lowest, 0.

    Attributes:
        depth: The depth.
        confidence: Its confidence, of the same size.
    """

    depth: ImageFile
    confidence: ImageFile

    @property
    def where(self) -> str:
        """The file of the depth."""
        return self.depth.where

    def size(self) -> tuple[int, int]:
        """That of the depth; checks the confidence's header."""
        size, other = self.depth.size(), self.confidence.size()
        if size != other:
            raise InputError(
                f"{self.confidence.where}: {other[0]} x {other[1]} pixels while its"
                f" depth has {size[0]} x {size[1]}; export both again"
            )
        return size

    def read(self) -> np.ndarray:
        """``[h w]`` in depth units; 0 where it is not known or not confident."""
        depth = self.depth.read()
        return np.where(self.confidence.read() > 0, depth, depth.dtype.type(0))


def depth_image(path: Path, per_metre: float) -> ImageFile:
    """Depth in a file, by the ending of its name.

    Args:
        path: The file.
        per_metre: Depth units in one unit of floating-point values.

    Raises:
        InputError: The name ends in none of `ENDINGS`.
    """
    ending = path.suffix.lower()
    if ending == ".png":
        return EncodedFile(path, DEPTH)
    if ending not in _READERS:
        raise InputError(f"{path}: none of {', '.join(ENDINGS)}; convert the depth")
    return DepthArray(path, per_metre)


def _read_npy(path: Path, header_only: bool) -> np.ndarray:
    return np.load(path, mmap_mode="r" if header_only else None, allow_pickle=False)


def _read_npz(path: Path, header_only: bool) -> np.ndarray:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
        if len(held.files) != 1 and "depth" not in held.files:
            raise ValueError(f"it holds {', '.join(held.files)}, and no 'depth'")
        return held["depth" if "depth" in held.files else held.files[0]]


def _read_tiff(path: Path, header_only: bool) -> np.ndarray:
    with Image.open(path, formats=["TIFF"]) as image:
        assert isinstance(image, TiffImagePlugin.TiffImageFile)
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"claims {image.width} x {image.height} pixels")
        if image.mode not in ("F", "I", "L") and not image.mode.startswith("I;16"):
            raise ValueError(f"{image.mode} pixels")
        if header_only:
            return np.broadcast_to(np.uint8(0), (image.height, image.width))
        return np.asarray(image)


def _read_exr(path: Path, header_only: bool) -> np.ndarray:
    path.open("rb").close()  # that a missing file is named as such
    try:
        import OpenEXR
    except ImportError:
        raise InputError(
            f"{path}: OpenEXR is not installed; pip install OpenEXR, or write .npy"
        ) from None
    with OpenEXR.File(str(path), header_only=header_only) as file:
        if header_only:
            low, high = file.header()["dataWindow"]
            width, height = np.subtract(high, low) + 1
            return np.broadcast_to(np.uint8(0), (height, width))
        channels = file.channels()
        for name in ("Y", "Z", "R", "RGB", "depth", "V"):
            if name in channels:
                pixels = channels[name].pixels
                return pixels[..., 0] if pixels.ndim == 3 else pixels
    raise ValueError(f"it has the channels {', '.join(channels)}, none of Y, Z, R")


def _read_colmap(path: Path, header_only: bool) -> np.ndarray:
    """Reads COLMAP's dense maps: ``width&height&channels&``, then float32 rows."""
    with path.open("rb") as file:
        head = file.read(32)
        match = _COLMAP.match(head)
        if match is None:
            raise ValueError("no map of one channel")
        width, height = int(match[1]), int(match[2])
        size = path.stat().st_size - match.end()
        if size != 4 * width * height:
            raise ValueError(f"{size} bytes for {width} x {height} pixels")
        file.seek(match.end())
        data = io.BytesIO() if header_only else io.BytesIO(file.read())
    if header_only:
        return np.broadcast_to(np.uint8(0), (height, width))
    return np.frombuffer(data.getvalue(), "<f4").reshape(height, width)


_READERS = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".tif": _read_tiff,
    ".tiff": _read_tiff,
    ".exr": _read_exr,
    ".bin": _read_colmap,
}
