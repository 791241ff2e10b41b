"""Do poses and depth agree? And if not, which convention would make them agree?

Depth of one frame is carried over to a neighbour and compared with the depth there. A
capture whose poses, axes or units are read wrongly agrees nowhere; reading them in
another common way then does.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from alsem.data.capture import Capture
from alsem.data.frame_records import FrameRecord
from alsem.data.resampling import directions

PAIRS = 24  # of neighbours that are compared
POINTS = 2000  # of one frame
METRES, SHARE = 0.02, 0.01  # depths that agree differ by no more
ENOUGH = 0.5  # a share of points that agree of which nobody need hear
BETTER = 0.2  # how much more must agree for another reading to be named
_OBSERVABLE = 0.02  # baseline to depth, from which on a wrong scale shows
_MOVED = 0.05  # metres, or radians: neighbours that differ less tell nothing

_FLIP = np.diag([1.0, -1.0, -1.0, 1.0])


@dataclasses.dataclass(frozen=True)
class Reading:
    """How else a capture could be meant.

    Attributes:
        remedy: What to do about it.
        pose: Camera to world ``[4 4]`` from what the capture says.
        factor: Of depth.
        along_rays: Whether depth is the distance from the camera.
    """

    remedy: str
    pose: Callable[[np.ndarray], np.ndarray] = lambda pose: pose
    factor: float = 1.0
    along_rays: bool = False


AS_WRITTEN = Reading("")
CONVENTIONS = (
    Reading(
        "camera axes are OpenGL's (y up, z backward): negate the second and third"
        " column of every rotation",
        lambda pose: pose @ _FLIP,
    ),
    Reading("poses are world-to-camera: invert every matrix", np.linalg.inv),
    Reading(
        "poses are world-to-camera with OpenGL's axes: invert every matrix, then negate"
        " its second and third column",
        lambda pose: np.linalg.inv(pose) @ _FLIP,
    ),
    Reading(
        "depth is measured along the rays: divide it by their length for a depth of"
        " one",
        along_rays=True,
    ),
)
SCALES = tuple(
    Reading(
        f"depth is {'too small' if factor > 1 else 'too large'} by {text}: mend the"
        " depth scale",
        factor=factor,
    )
    for factor, text in (
        (10.0, "10 times"),
        (0.1, "10 times"),
        (1000.0, "1000 times"),
        (0.001, "1000 times"),
        (5.0, "5 times"),
        (0.2, "5 times (5000 a metre?)"),
        (0.25, "4 times (4000 a metre?)"),
        (4.0, "4 times"),
        (1 / 6.5535, "6.5535 times (6553.5 a metre?)"),
    )
)


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How well poses and depth agree.

    Attributes:
        fraction: Of points seen by both of two neighbours, those whose depths agree; NaN
            if there is nothing to compare.
        pairs: How many neighbours were compared.
        remedy: What would make more of them agree by far; None if none does.
    """

    fraction: float
    pairs: int
    remedy: str | None


def agreement(
    capture: Capture, sequences: Sequence[Sequence[FrameRecord]]
) -> Agreement:
    """Compares neighbouring frames that have depth; raises `InputError`."""
    pairs = [pair for records in sequences for pair in _neighbours(records)]
    pairs = pairs[:: max(len(pairs) // PAIRS, 1)][:PAIRS]
    fraction = _fraction(capture, pairs, AS_WRITTEN)
    if math.isnan(fraction) or fraction >= ENOUGH:
        return Agreement(fraction, 0 if math.isnan(fraction) else len(pairs), None)
    readings = CONVENTIONS
    if _baseline(capture, pairs) > _OBSERVABLE:
        readings += SCALES
    each = [_fraction(capture, pairs, reading) for reading in readings]
    best = int(np.nanargmax([-1.0, *each])) - 1  # the first of equals
    if best < 0 or each[best] < max(ENOUGH, fraction + BETTER):
        return Agreement(fraction, len(pairs), None)
    return Agreement(fraction, len(pairs), readings[best].remedy)


def _baseline(
    capture: Capture, pairs: Sequence[tuple[FrameRecord, FrameRecord]]
) -> float:
    """How far neighbours are apart, to the depth they see: tells its scale."""
    ratios = []
    for one, two in pairs:
        depth = _depth(capture, one)
        apart = np.linalg.norm(one.world_from_cam[:3, 3] - two.world_from_cam[:3, 3])
        if (depth > 0).any():
            ratios.append(float(apart / np.median(depth[depth > 0])))
    return float(np.median(ratios)) if ratios else 0.0


def _neighbours(
    records: Sequence[FrameRecord],
) -> list[tuple[FrameRecord, FrameRecord]]:
    """Frames and the next one of each that is seen from elsewhere."""
    pairs = []
    for i, one in enumerate(records):
        for two in records[i + 1 : i + 10]:
            if one.depth is None or two.depth is None:
                break
            turn = one.world_from_cam[:3, :3].T @ two.world_from_cam[:3, :3]
            angle = math.acos(min(max((float(np.trace(turn)) - 1) / 2, -1.0), 1.0))
            apart = one.world_from_cam[:3, 3] - two.world_from_cam[:3, 3]
            if np.linalg.norm(apart) > _MOVED or angle > _MOVED:
                pairs.append((one, two))
                break
    return pairs


def _depth(capture: Capture, record: FrameRecord) -> np.ndarray:
    assert record.depth is not None
    depth_z = (record.depth.read() / capture.depth_scale).astype(np.float32)
    return (
        depth_z if record.mask is None else np.where(record.mask.read() > 0, depth_z, 0)
    )


def _fraction(
    capture: Capture, pairs: Sequence[tuple[FrameRecord, FrameRecord]], reading: Reading
) -> float:
    """Share of points that agree, of all that land on depth; NaN if none do."""
    agree = landed = 0
    for one, two in pairs:
        found = _compare(capture, one, two, reading)
        agree, landed = agree + found[0], landed + found[1]
    return agree / landed if landed else float("nan")


def _compare(
    capture: Capture, one: FrameRecord, two: FrameRecord, reading: Reading
) -> tuple[int, int]:
    """Points of one frame whose depths agree with another's, and all that should."""
    depth, measured = _depth(capture, one), _depth(capture, two)
    height, width = depth.shape
    camera = capture.camera(width, height)
    pose, there = (
        reading.pose(record.world_from_cam.astype(np.float64)) for record in (one, two)
    )
    at = np.flatnonzero(depth)
    at = at[:: max(len(at) // POINTS, 1)]
    direction = directions(camera, at % width, at // width)
    scale = depth.reshape(-1)[at] * reading.factor
    if reading.along_rays:
        scale = scale / np.linalg.norm(direction, axis=-1)
    points = (direction * scale[:, None]) @ pose[:3, :3].T + pose[:3, 3]
    x, y, z = ((points - there[:3, 3]) @ there[:3, :3]).T
    front = z > 1e-6
    safe = np.where(front, z, 1.0)
    u = np.round(camera.fx * x / safe + camera.cx)
    v = np.round(camera.fy * y / safe + camera.cy)
    seen = front & (u >= 0) & (u < width) & (v >= 0) & (v < height)
    row, col = v[seen].astype(int), u[seen].astype(int)
    known = measured[row, col] > 0
    row, col, z = row[known], col[known], z[seen][known]
    stretch = np.full(len(z), reading.factor)
    if reading.along_rays:
        stretch /= np.linalg.norm(directions(camera, col, row), axis=-1)
    low, high = (extreme[row, col] * stretch for extreme in _window(measured))
    slack = np.maximum(METRES * reading.factor, SHARE * z)
    agree = int(((z >= low - slack) & (z <= high + slack)).sum())
    # What lands in no view at all speaks against a reading as much.
    return agree, max(len(z), len(at) // 10)


def _window(depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest depth of 3 x 3 pixels: a slanted surface has all between."""
    kernel = np.ones((3, 3), np.uint8)
    known = depth.astype(np.float32)
    least = cv2.erode(np.where(known > 0, known, np.float32(np.inf)), kernel)
    return least, cv2.dilate(known, kernel)
