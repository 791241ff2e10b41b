"""Photographs without poses: found in a folder, read upright, the sharp ones picked."""

import collections
import dataclasses
import warnings
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from alsem.core import signals
from alsem.core.errors import ErrorCollector, InputError
from alsem.core.progress import progress
from alsem.data.image_io import MAX_PIXELS
from alsem.data.readers.posed_photos import number_order
from alsem.data.sharpness import sharpness

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
MASK_ENDINGS = (".png", ".jpg.png", ".jpeg.png", ".png.png", ".jpg", ".jpeg")
LEAST = 3  # photographs that can be placed
_UNREADABLE = (".heic", ".heif", ".dng", ".cr2", ".nef", ".arw", ".avif")
_VIDEOS = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm")
_EIGHT_BIT = ("L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr")
_SHARPNESS_SIDE = 640  # pixels, at which photographs are compared
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


@dataclasses.dataclass(frozen=True)
class Photograph:
    """A photograph on disk.

    Attributes:
        name: Its path below the folder, without ending: its name in the capture.
        path: The file.
        mask: Image of the same shape, 0 where pixels are to be ignored; None if all
            count.
    """

    name: str
    path: Path
    mask: Path | None = None


def list_photographs(folder: Path, masks: Path | None = None) -> list[Photograph]:
    """Lists the photographs of a folder and of the folders in it, by their numbers.

    Args:
        folder: The folder.
        masks: Folder of masks with the photographs' names (``x.png`` or ``x.jpg.png``
            for ``x.jpg``); photographs may lack one.

    Raises:
        InputError: There is no such folder or are too few photographs in it, some are
            of formats that are not read or share a name, or a mask belongs to none.
    """
    if folder.is_file() and folder.suffix.lower() in _VIDEOS:
        raise InputError(f"{folder}: is a video; give it as --video={folder}")
    files = _files(folder, "--images")
    found = [path for path in files if path.suffix.lower() in ENDINGS]
    unreadable = [path for path in files if path.suffix.lower() in _UNREADABLE]
    if unreadable:
        raise InputError(
            f"{unreadable[0]}: {unreadable[0].suffix[1:].upper()} is not read; convert"
            f" the photographs to JPEG ({len(unreadable)} of {len(files)} files)"
        )
    if len(found) < LEAST:
        videos = [path for path in files if path.suffix.lower() in _VIDEOS]
        raise InputError(
            f"{folder}: {len(found)} photographs ({', '.join(ENDINGS)}), at least"
            f" {LEAST} are needed, better 50; "
            + (f"or give --video={videos[0]}" if videos else "give another --images")
        )
    names = [path.relative_to(folder).with_suffix("").as_posix() for path in found]
    name, count = collections.Counter(names).most_common(1)[0]
    if count > 1:
        raise InputError(f"{folder}: {count} photographs named {name}; rename them")
    mask_of = {} if masks is None else _masks(masks, names)
    photographs = zip(names, found, strict=True)
    listed = [Photograph(name, path, mask_of.get(name)) for name, path in photographs]
    return sorted(listed, key=lambda each: number_order(each.name))


def _files(folder: Path, flag: str) -> list[Path]:
    """All files below a folder but hidden ones."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give another {flag}")
    parts = ((path, path.relative_to(folder).parts) for path in folder.rglob("*"))
    return sorted(
        path
        for path, names in parts
        if path.is_file() and not any(name.startswith(".") for name in names)
    )


def _masks(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """The mask of each photograph that has one."""
    stems = {
        f"{name}{ending}".lower(): name for ending in MASK_ENDINGS for name in names
    }
    found, errors = {}, ErrorCollector()
    for path in _files(folder, "--masks"):
        name = stems.get(path.relative_to(folder).as_posix().lower())
        with errors.catch():
            if name is None:
                raise InputError(
                    f"{path}: mask of no photograph; name it like one, in PNG"
                )
            found[name] = path
    errors.raise_any()
    if not found:
        raise InputError(f"{folder}: holds no masks; leave --masks out")
    return found


def read_upright(path: Path) -> np.ndarray:
    """Reads a photograph of any kind that Pillow reads, turned as its EXIF says.

    Returns:
        uint8 ``[h w 3]``, sRGB; transparency is dropped.

    Raises:
        InputError: It is missing, damaged, too large, or has more than 8 bits.
    """
    return np.asarray(_open(path).convert("RGB"))


def read_mask(path: Path, size: tuple[int, int]) -> np.ndarray:
    """Reads a photograph's mask, at the photograph's size, upright.

    Args:
        path: The file, of any size of the same shape.
        size: Width and height of the upright photograph, pixels.

    Returns:
        uint8 ``[h w]``, 0 or 255.

    Raises:
        InputError: It cannot be read or has another shape.
    """
    mask = np.asarray(_open(path).convert("L"))
    (width, height), (rows, cols) = size, mask.shape
    if abs(cols * height - rows * width) > max(width, height):
        raise InputError(
            f"{path}: {cols} x {rows} pixels while the upright photograph has"
            f" {width} x {height}; give a mask of that shape"
        )
    scaled = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
    return np.where(scaled > 0, 255, 0).astype(np.uint8)


def _open(path: Path) -> Image.Image:
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore")  # of odd EXIF, and of sizes checked here
            if image.width * image.height > MAX_PIXELS:
                raise InputError(
                    f"{path}: {image.width} x {image.height} pixels; write it smaller"
                )
            if image.mode not in (*_EIGHT_BIT, "1"):
                raise InputError(
                    f"{path}: {image.mode} pixels, as depth has; take it out of the"
                    " folder, or write 8 bits a channel"
                )
            return ImageOps.exif_transpose(image)
    except InputError:
        raise
    except _DAMAGED as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path}: cannot be read ({reason}); copy it again or take it away"
        ) from None


def sharpest(photographs: Sequence[Photograph], count: int) -> list[Photograph]:
    """Picks photographs of a series: the sharpest of each of ``count`` equal parts.

    Raises:
        InputError: One cannot be read.
    """
    if count >= len(photographs):
        return list(photographs)
    marks = []
    for photograph in progress(photographs, "picking sharp photographs"):
        signals.check()
        marks.append(comparable_sharpness(read_upright(photograph.path)))
    parts = np.array_split(np.arange(len(photographs)), count)
    best = [part[np.argmax([marks[i] for i in part])] for part in parts]
    return [photographs[i] for i in best]


def comparable_sharpness(rgb: np.ndarray) -> float:
    """`sharpness` of a photograph brought to 640 pixels a side, if it has more."""
    return sharpness(shrunk(rgb, _SHARPNESS_SIDE))


def shrunk(image: np.ndarray, longest: int) -> np.ndarray:
    """Averages a photograph down to ``longest`` pixels along its longer side."""
    height, width = image.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return image
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
