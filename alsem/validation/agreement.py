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
from alsem.data.shots import Shot
from alsem.types import Intrinsics

PAIRS = 24  # of neighbours that are compared
POINTS = 2000  # of one frame
METRES, SHARE = 0.02, 0.01  # depths that agree differ by no more
ENOUGH = 0.5  # a share of points that agree of which nobody need hear
BETTER = 0.2  # how much more must agree for another reading to be named
_MOVED = 0.05  # metres, or radians: neighbours that differ less tell nothing

_FLIP = np.diag([1.0, -1.0, -1.0, 1.0])
Reading = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def _scaled(factor: float) -> Reading:
    return lambda pose, depth, length: (pose, depth * factor)


# How else a capture could be meant: what to do about it, and pose and depth so read.
# Depth comes with the length of every pixel's ray for a depth of one.
READINGS: dict[str, Reading] = {
    "camera axes are OpenGL's (y up, z backward): negate the second and third column of"
    " every rotation": lambda pose, depth, length: (pose @ _FLIP, depth),
    "poses are world-to-camera: invert every matrix": lambda pose, depth, length: (
        np.linalg.inv(pose),
        depth,
    ),
    "poses are world-to-camera with OpenGL's axes: invert every matrix, then negate its"
    " second and third column": lambda pose, depth, length: (
        np.linalg.inv(pose) @ _FLIP,
        depth,
    ),
    "depth is measured along the rays: divide it by their length for a depth of one":
    lambda pose, depth, length: (pose, depth / length),
    **{
        f"depth is {'too small' if factor > 1 else 'too large'} by {text}: mend the"
        " depth scale": _scaled(factor)
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
    },
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How well poses and depth agree.

    Attributes:
        share: Of points seen by both of two neighbours, those whose depths agree; NaN
            if there is nothing to compare.
        pairs: How many neighbours were compared.
        remedy: What would make more of them agree by far; None if none does.
    """

    share: float
    pairs: int
    remedy: str | None


def agreement(capture: Capture, sequences: Sequence[Sequence[Shot]]) -> Agreement:
    """Compares neighbouring frames that have depth; raises `InputError`."""
    pairs = [pair for shots in sequences for pair in _neighbours(shots)]
    step = max(len(pairs) // PAIRS, 1)
    read = [
        (
            (one.world_from_cam, _depth(capture, one)),
            (two.world_from_cam, _depth(capture, two)),
        )
        for one, two in pairs[::step][:PAIRS]
    ]
    if not read:
        return Agreement(float("nan"), 0, None)
    height, width = read[0][0][1].shape
    camera = capture.camera(width, height)
    share = _share(camera, read, lambda pose, depth, length: (pose, depth))
    if share >= ENOUGH:
        return Agreement(share, len(read), None)
    each = {text: _share(camera, read, reading) for text, reading in READINGS.items()}
    best = max(each, key=lambda text: each[text])
    is_better = each[best] > (0 if math.isnan(share) else share) + BETTER
    return Agreement(share, len(read), best if is_better else None)


def _neighbours(shots: Sequence[Shot]) -> list[tuple[Shot, Shot]]:
    """Frames and the next one of each that is seen from elsewhere."""
    pairs = []
    for i, one in enumerate(shots):
        for two in shots[i + 1 : i + 10]:
            if one.depth is None or two.depth is None:
                break
            turn = one.world_from_cam[:3, :3].T @ two.world_from_cam[:3, :3]
            angle = math.acos(min(max((float(np.trace(turn)) - 1) / 2, -1.0), 1.0))
            apart = one.world_from_cam[:3, 3] - two.world_from_cam[:3, 3]
            if np.linalg.norm(apart) > _MOVED or angle > _MOVED:
                pairs.append((one, two))
                break
    return pairs


def _depth(capture: Capture, shot: Shot) -> np.ndarray:
    assert shot.depth is not None
    depth_z = shot.depth.read() / capture.depth_scale
    return depth_z if shot.mask is None else np.where(shot.mask.read() > 0, depth_z, 0)


def _share(camera: Intrinsics, pairs: list, reading: Reading) -> float:
    """Share of points that agree, of all that land on depth; NaN if none do."""
    agree = landed = 0
    row, col = np.mgrid[: camera.height, : camera.width]
    direction = np.stack(
        [
            (col - camera.cx) / camera.fx,
            (row - camera.cy) / camera.fy,
            np.ones(row.shape),
        ],
        axis=-1,
    )
    length = np.linalg.norm(direction, axis=-1)
    for one, two in pairs:
        pose, depth = reading(one[0].astype(np.float64), one[1], length)
        there, measured = reading(two[0].astype(np.float64), two[1], length)
        at = np.flatnonzero(depth)
        at = at[:: max(len(at) // POINTS, 1)]
        points = direction.reshape(-1, 3)[at] * depth.reshape(-1)[at][:, None]
        points = points @ pose[:3, :3].T + pose[:3, 3]
        x, y, z = ((points - there[:3, 3]) @ there[:3, :3]).T
        front = z > 1e-6
        safe = np.where(front, z, 1.0)
        u = np.round(camera.fx * x / safe + camera.cx)
        v = np.round(camera.fy * y / safe + camera.cy)
        seen = front & (u >= 0) & (u < camera.width) & (v >= 0) & (v < camera.height)
        place = (v[seen].astype(int), u[seen].astype(int))
        known = measured[place] > 0
        low, high = (extreme[place][known] for extreme in _window(measured))
        z = z[seen][known]
        slack = np.maximum(METRES, SHARE * z)
        agree += int(((z >= low - slack) & (z <= high + slack)).sum())
        # What lands in no view at all speaks against a reading as much.
        landed += max(len(z), len(at) // 10)
    return agree / landed if landed else float("nan")


def _window(depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest depth of 3 x 3 pixels: a slanted surface has all between."""
    kernel = np.ones((3, 3), np.uint8)
    known = depth.astype(np.float32)
    least = cv2.erode(np.where(known > 0, known, np.float32(np.inf)), kernel)
    return least, cv2.dilate(known, kernel)
