"""Working copies of photographs: upright, of one format, no larger than needed.

They have names without spaces, which COLMAP's lists of pairs cannot hold.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pycolmap
from PIL import Image

from alsem.core import signals
from alsem.core.progress import progress
from alsem.reconstruction.photographs import (
    Photograph,
    comparable_sharpness,
    read_mask,
    read_upright,
    shrunk,
)

JPEG_QUALITY = 96


@dataclasses.dataclass(frozen=True)
class Copy:
    """The working copy of a photograph.

    Attributes:
        name: The photograph's name in the capture, without ending.
        file: Name of the copy.
        width: Of the copy, pixels.
        height: Of the copy, pixels.
        focal: Focal length by the photograph's EXIF, pixels of the copy; 0 if unknown.
        sharpness: `comparable_sharpness`.
        is_masked: Whether it has a mask: all have one, or none.
    """

    name: str
    file: str
    width: int
    height: int
    focal: float
    sharpness: float
    is_masked: bool


@dataclasses.dataclass(frozen=True)
class Folders:
    """Where working copies are.

    Attributes:
        root: Folder of everything that is thrown away at the end.
    """

    root: Path

    @property
    def images(self) -> Path:
        """The copies."""
        return self.root / "images"

    @property
    def masks(self) -> Path:
        """Their masks, named ``COPY.png`` as COLMAP wants it."""
        return self.root / "masks"

    @property
    def database(self) -> Path:
        """COLMAP's database of features and matches."""
        return self.root / "database.db"

    def make(self) -> "Folders":
        """Makes the folders and returns itself."""
        for folder in (self.images, self.masks):
            folder.mkdir(parents=True)
        return self


def copy_photographs(
    photographs: list[Photograph], folders: Folders, longest: int
) -> list[Copy]:
    """Copies photographs and their masks.

    Args:
        photographs: The photographs.
        folders: Where to.
        longest: Greatest side of a copy, pixels.

    Raises:
        InputError: A photograph or a mask cannot be read.
    """
    copies, are_masked = [], any(each.mask is not None for each in photographs)
    for photograph in progress(photographs, "reading photographs"):
        signals.check()
        rgb = read_upright(photograph.path)
        mask = np.full(rgb.shape[:2], 255, np.uint8) if are_masked else None
        if photograph.mask is not None:
            mask = read_mask(photograph.mask, (rgb.shape[1], rgb.shape[0]))
        small = shrunk(rgb, longest)
        focal = _exif_focal(photograph.path) * max(small.shape) / max(rgb.shape)
        name = f"{len(copies):06d}.jpg"
        copies.append(_write(photograph.name, name, small, focal, mask, folders))
    return copies


def copy_frames(
    frames: Iterator[tuple[str, np.ndarray]], folders: Folders, longest: int
) -> list[Copy]:
    """Copies frames of a video, given with their names; see `copy_photographs`."""
    return [
        _write(name, f"{i:06d}.jpg", shrunk(rgb, longest), 0.0, None, folders)
        for i, (name, rgb) in enumerate(frames)
    ]


def _write(
    name: str,
    file: str,
    rgb: np.ndarray,
    focal: float,
    mask: np.ndarray | None,
    folders: Folders,
) -> Copy:
    height, width = rgb.shape[:2]
    image = Image.fromarray(np.ascontiguousarray(rgb))
    image.save(folders.images / file, quality=JPEG_QUALITY, subsampling=0)
    if mask is not None:
        small = np.where(shrunk(mask, max(height, width)) == 255, 255, 0)
        Image.fromarray(small.astype(np.uint8)).save(folders.masks / f"{file}.png")
    marks = comparable_sharpness(rgb)
    return Copy(name, file, width, height, focal, marks, mask is not None)


def _exif_focal(path: Path) -> float:
    """Focal length by EXIF, pixels of the photograph; 0 if it does not say."""
    try:
        camera = pycolmap.infer_camera_from_image(path)
    except (RuntimeError, ValueError):  # a format that pycolmap does not read
        return 0.0
    return camera.mean_focal_length() if camera.has_prior_focal_length else 0.0
