"""Measures a known length between two pixels, which gives the metres of a unit.

A pixel's surface point comes from depth, or from the photographs around its frame: of
points along its ray, the one whose patch looks alike in most of them (a plane sweep of
one pixel, by normalised cross-correlation).
"""

import dataclasses
import math
import re
from collections.abc import Sequence

import cv2
import numpy as np

from alsem.core.errors import InputError
from alsem.data import matching
from alsem.data.camera_models import camera_matrix, pixel_directions
from alsem.data.capture import Capture, FrameRecord
from alsem.data.depth_images import without_nothing

FORM = "FRAME:ROW,COL FRAME:ROW,COL METRES"
_END = r"(\S+):(\d+(?:\.\d+)?),(\d+(?:\.\d+)?)"
_LENGTH = re.compile(rf"\s*{_END}\s+{_END}\s+(\d+(?:\.\d*)?|\.\d+)\s*")
_NEIGHBOURS, _DEGREES = 8, 45.0
_HALF = 5  # pixels from a patch's middle to its border
_DEPTHS = 1500  # along a ray, even in inverse depth
_NEAREST, _FARTHEST = 1.0, 200.0  # in distances to the farthest and nearest neighbour
_ALIKE = 0.75  # mean correlation of the better half that is trusted


@dataclasses.dataclass(frozen=True)
class KnownLength:
    """A length between two pixels.

    Attributes:
        ends: Frame (its name, or its number from 0), row and column of each.
        metres: The length.
    """

    ends: tuple[tuple[str, float, float], tuple[str, float, float]]
    metres: float


@dataclasses.dataclass(frozen=True)
class MeasuredLength:
    """What a known length is in a capture.

    Attributes:
        units: The length in the capture's units.
        scale: Metres of a unit.
        found: How the two points were found.
    """

    units: float
    scale: float
    found: tuple[str, str]


def parse_length(text: str) -> KnownLength:
    """Reads ``FRAME:ROW,COL FRAME:ROW,COL METRES``; raises `InputError`."""
    match = _LENGTH.fullmatch(text)
    if match is None or not 0 < float(match[7]) < math.inf:
        raise InputError(
            f"--length={text!r}: write '{FORM}', such as '12:40,200 12:300,210 2.05'"
        )
    one, two = ((match[i], float(match[i + 1]), float(match[i + 2])) for i in (1, 4))
    return KnownLength((one, two), float(match[7]))


def measure(
    capture: Capture, frames: Sequence[FrameRecord], length: KnownLength
) -> MeasuredLength:
    """Measures a length in a capture.

    Args:
        capture: The capture.
        frames: All its frames, in order.
        length: The length. Rows and columns are of the photographs as read.

    Raises:
        InputError: A frame or pixel does not exist, or its point cannot be found.
    """
    points, found = [], []
    for name, row, col in length.ends:
        i = _frame(frames, name)
        width, height = frames[i].rgb.size()
        where = f"--length: {name}:{row:g},{col:g}"
        if not (row < height and col < width):
            raise InputError(
                f"{where}: the photograph has {height} rows and {width} columns; give"
                " a pixel in it"
            )
        depth = _measured_depth(capture, frames[i], row, col)
        how = "depth"
        if not depth:
            depth, how = _swept_depth(capture, frames, i, row, col, where)
        camera = capture.camera(width, height)
        ray = pixel_directions(camera, np.array(col), np.array(row))
        pose = frames[i].world_from_cam.astype(np.float64)
        points.append(pose[:3, :3] @ (ray * depth) + pose[:3, 3])
        found.append(how)
    units = float(np.linalg.norm(points[0] - points[1]))
    if not units > 0:
        raise InputError("--length: both pixels show one point; give two places")
    return MeasuredLength(units, length.metres / units, (found[0], found[1]))


def _frame(frames: Sequence[FrameRecord], name: str) -> int:
    names = [record.name for record in frames]
    if name in names:
        return names.index(name)
    if name.isdigit() and int(name) < len(frames):
        return int(name)
    raise InputError(
        f"--length: no frame {name!r}; give a number below {len(frames)} or a name such"
        f" as {names[0]}"
    )


def _measured_depth(
    capture: Capture, record: FrameRecord, row: float, col: float
) -> float:
    """Median depth of the 3 x 3 pixels around; 0 if none of them has any."""
    if record.depth is None:
        return 0.0
    depth = without_nothing(record.depth.read())
    r, c = round(row), round(col)
    around = depth[max(r - 1, 0) : r + 2, max(c - 1, 0) : c + 2]
    known = around[around > 0]
    return float(np.median(known)) / capture.depth_scale if len(known) else 0.0


def _swept_depth(
    capture: Capture,
    frames: Sequence[FrameRecord],
    i: int,
    row: float,
    col: float,
    where: str,
) -> tuple[float, str]:
    """Depth along a pixel's ray at which its patch looks alike around; and a remark."""
    poses = np.stack([record.world_from_cam for record in frames]).astype(np.float64)
    near = [
        a + b - i
        for a, b in matching.neighbour_pairs(
            poses, per_frame=_NEIGHBOURS, max_degrees=_DEGREES
        )
        if i in (a, b)
    ]
    apart = np.linalg.norm(poses[near, :3, 3] - poses[i, :3, 3], axis=1)
    order = np.argsort(apart)[:_NEIGHBOURS]
    near, apart = [near[k] for k in order], apart[order]
    if len(near) < 2:
        raise InputError(
            f"{where}: no other photographs look there; give another pixel"
        )
    inverse = np.linspace(
        1 / (_FARTHEST * apart.min()), 1 / (_NEAREST * apart.max()), _DEPTHS
    )
    camera = camera_matrix(capture.camera(*frames[i].rgb.size()))
    step = np.arange(-_HALF, _HALF + 1)
    rows, cols = (x.ravel() for x in np.meshgrid(row + step, col + step, indexing="ij"))
    patch = _sampled(_grey(frames[i]), rows, cols)
    rays = np.linalg.inv(camera) @ np.stack([cols, rows, np.ones(len(cols))])
    scores = np.full((len(near), _DEPTHS), np.nan)
    for k, j in enumerate(near):
        there_from_here = np.linalg.inv(poses[j]) @ poses[i]
        # Homogeneous pixels of a patch parallel to the image, at every inverse depth.
        at = camera @ there_from_here[:3, :3] @ rays
        shift = camera @ there_from_here[:3, 3]
        x, y, z = at[:, None, :] + shift[:, None, None] * inverse[None, :, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            seen = _sampled(_grey(frames[j]), y / z, x / z)
        scores[k] = np.where((z > 0).all(axis=-1), _correlation(patch, seen), np.nan)
    half = (len(near) + 1) // 2
    best = -np.sort(-np.nan_to_num(scores, nan=-1.0), axis=0)[:half].mean(axis=0)
    top = int(best.argmax())
    if best[top] < _ALIKE:
        raise InputError(
            f"{where}: its surroundings are not found in other photographs (correlation"
            f" {best[top]:.2f}); give a corner or a pattern that several show sharply"
        )
    peak = float(inverse[top])
    if 0 < top < _DEPTHS - 1:
        left, middle, right = best[top - 1 : top + 2]
        bend = left - 2 * middle + right
        peak += (inverse[1] - inverse[0]) * ((left - right) / (2 * bend) if bend else 0)
    return 1 / peak, f"{half} photographs that agree by {best[top]:.2f}"


def _grey(record: FrameRecord) -> np.ndarray:
    return cv2.cvtColor(record.rgb.read(), cv2.COLOR_RGB2GRAY).astype(np.float32)


def _sampled(image: np.ndarray, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """Interpolated pixels; NaN outside of the image."""
    x, y = (
        np.atleast_2d(cols).astype(np.float32),
        np.atleast_2d(rows).astype(np.float32),
    )
    border = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": math.nan}
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, **border)


def _correlation(patch: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Normalised cross-correlation of a patch ``[1 p]`` with others ``[d p]``."""
    a = patch - patch.mean(axis=-1, keepdims=True)
    b = seen - seen.mean(axis=-1, keepdims=True)
    norm = np.sqrt((a * a).sum(axis=-1) * (b * b).sum(axis=-1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return (a * b).sum(axis=-1) / norm
