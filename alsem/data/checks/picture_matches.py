"""Finds matches between photographs of a capture, whether or not its poses are right.

Photographs taken one after the other usually overlap, and so do those that the poses
say are neighbours; of both, some are compared. If neither overlap, all of a sample are.
"""

import concurrent.futures
import dataclasses
import itertools
import os
import time
from collections.abc import Callable, Iterable, Sequence

import cv2
import numpy as np

from alsem.core.errors import InputError
from alsem.data import matching
from alsem.data.camera_models import camera_matrix
from alsem.data.capture import Capture, FrameRecord
from alsem.data.downscale import downscaled

Progress = Callable[[Sequence, Iterable], Iterable]
MIN_SIDE, MAX_SIDE = 320, 800  # pixels that photographs are matched at
MAX_FRAMES = 48  # that are matched
SECONDS = 90.0  # after which no further pair is matched
_WIDTHS, _PIXELS = 1 / 400, 1.5  # tolerated distance; the larger one counts
_KEYPOINTS = 800  # of one photograph
_GROUP = 4  # consecutive frames
_AHEAD = 3  # frames that a frame is compared with
_MIN_MATCHES = 12  # of a pair, on lines of any epipolar geometry
_MAX_OF_PAIR = 150
_MIN_SHARE = 0.3  # of a pair's matches that some epipolar geometry explains
_MIN_MOVED = 0.015  # of the width: pictures that hardly differ show nothing
_ENOUGH_PAIRS = 12  # with which no others are looked for


@dataclasses.dataclass(frozen=True, eq=False)
class PictureMatches:
    """Matches that some epipolar geometry of their pair explains.

    Attributes:
        pair: Frames of each match, intp ``[m 2]``.
        xy_a: Pixels in the first of the two, ``[m 2]``.
        xy_b: In the second.
        camera: Matrix ``[3 3]`` of all, at the size matched at.
        size: That size, width and height in pixels.
        allowed: Distance from an epipolar line that still counts as on it, pixels.
    """

    pair: np.ndarray
    xy_a: np.ndarray
    xy_b: np.ndarray
    camera: np.ndarray
    size: tuple[int, int]
    allowed: float

    @property
    def pairs(self) -> np.ndarray:
        """The different pairs ``[p 2]``."""
        return np.unique(self.pair, axis=0)


def find_matches(
    capture: Capture,
    sequences: Sequence[Sequence[FrameRecord]],
    progress: Progress = lambda todo, done: done,
) -> PictureMatches:
    """Matches a sample of the photographs; indices count through all sequences.

    Raises:
        InputError: A photograph cannot be read.
    """
    began = time.monotonic()
    frames = [record for records in sequences for record in records]
    chosen = _sample([len(records) for records in sequences])
    camera = capture.camera(*frames[0].rgb.size())
    longer = max(camera.width, camera.height)
    scale = min(max(longer, MIN_SIDE), MAX_SIDE) / longer
    size = (round(camera.width * scale), round(camera.height * scale))

    def read(i: int) -> tuple[np.ndarray, np.ndarray] | InputError:
        try:
            return _keypoints(frames[i], size)
        except InputError as error:
            return error

    with concurrent.futures.ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        done = list(progress(chosen, pool.map(read, chosen)))
    points: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for i, each in zip(chosen, done, strict=True):
        if isinstance(each, InputError):
            raise each
        points[i] = each
    poses = np.stack([frames[i].world_from_cam for i in chosen]).astype(np.float64)
    likely = [
        (i, j) for n, i in enumerate(chosen) for j in chosen[n + 1 : n + 1 + _AHEAD]
    ]
    by_pose = matching.neighbour_pairs(poses, per_frame=2)
    likely += [(chosen[i], chosen[j]) for i, j in by_pose]
    likely = list(dict.fromkeys(likely))
    rest = [p for p in itertools.combinations(chosen, 2) if p not in set(likely)]
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for n, (i, j) in enumerate([*likely, *rest]):
        if time.monotonic() - began > SECONDS:
            break
        if n >= len(likely) and len(found) >= _ENOUGH_PAIRS:
            break
        a, b = _verified(points[i], points[j], size[0])
        if len(a):
            found.append((np.tile([i, j], (len(a), 1)), a, b))
    none = (np.zeros((0, 2), np.intp), np.zeros((0, 2)), np.zeros((0, 2)))
    pair, a, b = (np.concatenate(each) for each in zip(none, *found, strict=True))
    matrix = camera_matrix(downscaled(camera, size))
    allowed = max(_PIXELS * max(scale, 1.0), size[0] * _WIDTHS)
    return PictureMatches(pair, a, b, matrix, size, allowed)


def _sample(counts: Sequence[int]) -> list[int]:
    """Indices of frames: all of few, else groups of consecutive ones, evenly spread."""
    total = sum(counts)
    if total <= MAX_FRAMES:
        return list(range(total))
    groups = MAX_FRAMES // _GROUP
    starts = np.linspace(0, total - _GROUP, groups).astype(int)
    return sorted({int(s) + k for s in starts for k in range(_GROUP)})


def _keypoints(
    record: FrameRecord, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints of a photograph at a size, without those that its mask hides."""
    image = record.rgb.read()
    is_small = image.shape[1] < size[0]
    how = cv2.INTER_CUBIC if is_small else cv2.INTER_AREA
    image = cv2.resize(image, size, interpolation=how)
    xy, descriptors = matching.keypoints(image, limit=_KEYPOINTS)
    if record.mask is not None and len(xy):
        mask = cv2.resize(record.mask.read(), size, interpolation=cv2.INTER_NEAREST)
        col, row = np.round(xy).astype(int).T
        kept = mask[np.clip(row, 0, size[1] - 1), np.clip(col, 0, size[0] - 1)] > 0
        xy, descriptors = xy[kept], descriptors[kept]
    return xy, descriptors


def _verified(
    one: tuple[np.ndarray, np.ndarray], two: tuple[np.ndarray, np.ndarray], width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Matches of two photographs that one epipolar geometry explains; or none."""
    nothing = np.zeros((0, 2)), np.zeros((0, 2))
    pairs = matching.match(one[1], two[1])
    if len(pairs) < _MIN_MATCHES:
        return nothing
    a, b = one[0][pairs[:, 0]], two[0][pairs[:, 1]]
    if np.median(np.linalg.norm(a - b, axis=1)) < _MIN_MOVED * width:
        return nothing
    _, inlier = cv2.findFundamentalMat(a, b, cv2.FM_RANSAC, 1.5, 0.99, 1000)
    if inlier is None:
        return nothing
    kept = np.flatnonzero(inlier)
    if len(kept) < max(_MIN_MATCHES, _MIN_SHARE * len(pairs)):
        return nothing
    kept = kept[:: -(-len(kept) // _MAX_OF_PAIR)]
    return a[kept], b[kept]
