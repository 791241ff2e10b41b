"""Compares poses with depth, and finds the convention in which they agree.

Points of a frame's depth are projected into a neighbouring frame and compared with the
depth there. If poses, axes or units are read in the wrong convention, almost no points
agree; the common alternatives are then tried in turn.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from alsem.data.camera_models import pixel_directions
from alsem.data.capture import Capture, FrameRecord
from alsem.data.checks.pose_conventions import of_matrices
from alsem.data.depth_images import without_nothing

MAX_PAIRS = 24  # of neighbouring frames to compare
MAX_POINTS = 2000  # of one frame
TOLERANCE_METRES, TOLERANCE_RELATIVE = 0.02, 0.01  # the larger one counts
ENOUGH = 0.5  # fraction of agreeing points that is accepted without comment
IMPROVEMENT = 0.2  # by which another convention must raise that fraction to be named
_MIN_BASELINE = 0.02  # ratio of baseline to depth below which scale is not observable
_MIN_MOTION = 0.05  # metres or radians between frames of a pair


@dataclasses.dataclass(frozen=True)
class Convention:
    """A convention that a capture may follow instead of the documented one.

    Attributes:
        remedy: How to fix such a capture.
        pose: Camera to world ``[4 4]`` from the capture's matrix.
        factor: Factor by which to multiply depth.
        along_rays: Whether depth is the distance along the ray, not along the axis.
    """

    remedy: str
    pose: Callable[[np.ndarray], np.ndarray] = lambda pose: pose
    factor: float = 1.0
    along_rays: bool = False


DOCUMENTED = Convention("")
ALONG_RAYS = Convention(
    "depth is measured along the rays: divide it by their length for a depth of one",
    along_rays=True,
)
SCALES = tuple(
    Convention(
        f"depth is {'too small' if factor > 1 else 'too large'} by {text}: fix the"
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
    """Agreement of poses and depth.

    Attributes:
        fraction: Of the points in view of both frames of a pair, the fraction whose
            depths agree; NaN if there is nothing to compare.
        pairs: Number of pairs compared.
        remedy: How to fix the capture so that many more agree; None if unknown.
    """

    fraction: float
    pairs: int
    remedy: str | None


def agreement(
    capture: Capture, sequences: Sequence[Sequence[FrameRecord]]
) -> Agreement:
    """Compares pairs of neighbouring frames that have depth; raises `InputError`."""
    pairs = [pair for records in sequences for pair in _neighbours(records)]
    pairs = pairs[:: max(len(pairs) // MAX_PAIRS, 1)][:MAX_PAIRS]
    fraction = _fraction(capture, pairs, DOCUMENTED)
    if math.isnan(fraction) or fraction >= ENOUGH:
        return Agreement(fraction, 0 if math.isnan(fraction) else len(pairs), None)
    conventions = [
        Convention(other.remedy, lambda pose, other=other: other.poses(pose[None])[0])
        for other in of_matrices(capture.pose_format)
    ] + [ALONG_RAYS]
    if _relative_baseline(capture, pairs) > _MIN_BASELINE:
        conventions += SCALES
    each = [_fraction(capture, pairs, convention) for convention in conventions]
    best = int(np.nanargmax([-1.0, *each])) - 1  # the first of equals
    if best < 0 or each[best] < max(ENOUGH, fraction + IMPROVEMENT):
        return Agreement(fraction, len(pairs), None)
    return Agreement(fraction, len(pairs), conventions[best].remedy)


def _relative_baseline(
    capture: Capture, pairs: Sequence[tuple[FrameRecord, FrameRecord]]
) -> float:
    """Median ratio of the distance between two frames to their depth."""
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
    """Pairs of each frame and the next one from another viewpoint."""
    pairs = []
    for i, one in enumerate(records):
        for two in records[i + 1 : i + 10]:
            if one.depth is None or two.depth is None:
                break
            turn = one.world_from_cam[:3, :3].T @ two.world_from_cam[:3, :3]
            angle = math.acos(min(max((float(np.trace(turn)) - 1) / 2, -1.0), 1.0))
            apart = one.world_from_cam[:3, 3] - two.world_from_cam[:3, 3]
            if np.linalg.norm(apart) > _MIN_MOTION or angle > _MIN_MOTION:
                pairs.append((one, two))
                break
    return pairs


def _depth(capture: Capture, record: FrameRecord) -> np.ndarray:
    assert record.depth is not None
    raw = without_nothing(record.depth.read())
    depth_z = (raw / capture.depth_scale).astype(np.float32)
    return (
        depth_z if record.mask is None else np.where(record.mask.read() > 0, depth_z, 0)
    )


def _fraction(
    capture: Capture,
    pairs: Sequence[tuple[FrameRecord, FrameRecord]],
    convention: Convention,
) -> float:
    """Fraction of comparable points that agree; NaN if there are none."""
    agree = comparable = 0
    for one, two in pairs:
        counts = _compare(capture, one, two, convention)
        agree, comparable = agree + counts[0], comparable + counts[1]
    return agree / comparable if comparable else float("nan")


def _compare(
    capture: Capture, one: FrameRecord, two: FrameRecord, convention: Convention
) -> tuple[int, int]:
    """Counts points of a frame that agree with another's depth, and comparable ones."""
    depth, measured = _depth(capture, one), _depth(capture, two)
    height, width = depth.shape
    camera = capture.camera(width, height)
    pose, there = (
        convention.pose(record.world_from_cam.astype(np.float64))
        for record in (one, two)
    )
    at = np.flatnonzero(depth)
    at = at[:: max(len(at) // MAX_POINTS, 1)]
    direction = pixel_directions(camera, at % width, at // width)
    scale = depth.reshape(-1)[at] * convention.factor
    if convention.along_rays:
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
    stretch = np.full(len(z), convention.factor)
    if convention.along_rays:
        stretch /= np.linalg.norm(pixel_directions(camera, col, row), axis=-1)
    low, high = (extreme[row, col] * stretch for extreme in _local_range(measured))
    slack = np.maximum(TOLERANCE_METRES * convention.factor, TOLERANCE_RELATIVE * z)
    agree = int(((z >= low - slack) & (z <= high + slack)).sum())
    # A convention that projects almost all points out of view must not win.
    return agree, max(len(z), len(at) // 10)


def _local_range(depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest depth of 3 x 3 pixels; a slanted surface has all between."""
    kernel = np.ones((3, 3), np.uint8)
    known = depth.astype(np.float32)
    least = cv2.erode(np.where(known > 0, known, np.float32(np.inf)), kernel)
    return least, cv2.dilate(known, kernel)
