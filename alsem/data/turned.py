"""Photographs that a note in their file (EXIF's orientation) tells viewers to turn.

Phones store every photograph as the sensor lies; programs that find poses take it as
stored, or as viewers show it. Quarters are counted counterclockwise.
"""

import dataclasses
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from alsem.core.types import Intrinsics
from alsem.data.capture import FrameRecord
from alsem.data.image_io import ImageFile

_TAG = 0x0112  # EXIF's
# EXIF's orientation -> quarters to turn by, after mirroring left and right if noted so.
_QUARTERS = {1: 0, 2: 0, 3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}
_MIRRORED = (2, 4, 5, 7)


@dataclasses.dataclass(frozen=True)
class TurnedImage(ImageFile):
    """An image turned as viewers show it.

    Attributes:
        source: The image as stored.
        note: EXIF's orientation, 1 to 8.
    """

    source: ImageFile
    note: int

    @property
    def where(self) -> str:
        """The file of its source."""
        return self.source.where

    def size(self) -> tuple[int, int]:
        """Width and height as shown, pixels."""
        return shown_size(self.source.size(), self.note)

    def read(self) -> np.ndarray:
        """The pixels as shown."""
        pixels = self.source.read()
        if self.note in _MIRRORED:
            pixels = pixels[:, ::-1]
        return np.ascontiguousarray(np.rot90(pixels, _QUARTERS[self.note]))


def orientation(path: Path) -> int:
    """EXIF's note in an image file on how viewers turn it; 1, as stored, if none."""
    try:
        with Image.open(path) as image:
            if image.format == "PNG" and "exif" not in image.info:
                return 1  # to look for a note behind the pixels would decode them
            note = image.getexif().get(_TAG, 1)
    except (OSError, SyntaxError, ValueError, struct.error):
        return 1  # a damaged note is none; damaged images are reported elsewhere
    return note if note in _QUARTERS else 1


def shown_size(size: tuple[int, int], note: int) -> tuple[int, int]:
    """Width and height as shown, from those as stored."""
    return size if _QUARTERS[note] % 2 == 0 else (size[1], size[0])


def is_turn(note: int) -> bool:
    """Whether viewers turn the image, without mirroring it."""
    return note != 1 and note not in _MIRRORED


def turned_axes(quarters: int) -> np.ndarray:
    """Pose ``[4 4]`` of the camera of a turned picture, in the picture's own camera."""
    quarter = np.eye(4)
    quarter[:2, :2] = [[0, -1], [1, 0]]
    return np.linalg.matrix_power(quarter, quarters)


def turned_matrix(
    camera: np.ndarray, size: tuple[int, int], quarters: int
) -> np.ndarray:
    """The camera ``[3 3]`` of a picture of a size, once the picture is turned."""
    for _ in range(quarters):
        (fx, _, cx), (_, fy, cy), _ = camera
        camera = np.array([[fy, 0, cy], [0, fx, size[0] - 1 - cx], [0, 0, 1]])
        size = (size[1], size[0])
    return camera


def turned_camera(camera: Intrinsics, note: int) -> Intrinsics:
    """The camera of images as shown, from that of images as stored."""
    size, quarters = (camera.width, camera.height), _QUARTERS[note]
    matrix = [[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]]
    turned = turned_matrix(np.array(matrix), size, quarters)
    values = turned[[0, 1, 0, 1], [0, 1, 2, 2]]
    return Intrinsics(*shown_size(size, note), *map(float, values))


def turned_record(record: FrameRecord, note: int) -> FrameRecord:
    """A frame with its images and its camera turned as viewers show it."""
    axes = turned_axes(_QUARTERS[note])
    images = {
        kind: TurnedImage(image, note)
        for kind in ("rgb", "depth", "label", "regions", "mask", "instance")
        if (image := getattr(record, kind)) is not None
    }
    pose = (record.world_from_cam.astype(np.float64) @ axes).astype(np.float32)
    return dataclasses.replace(record, world_from_cam=pose, **images)
