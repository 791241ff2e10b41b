"""Extent of a scene from points that photographs share: depth range and box."""

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np

from alsem.core.types import Intrinsics
from alsem.data import matching
from alsem.data.camera_models import camera_matrix
from alsem.data.scene import Frames

MAX_FRAMES = 60  # whose keypoints are detected
PER_FRAME = 4  # partners of each
MAX_EPIPOLAR = 1.5  # pixels, of matches that are triangulated
LEAST_POINTS = 100  # fewer say nothing
OUTLIERS = 0.005  # fraction of depths, and of coordinates, cut off at either end
NEARER, FARTHER = 0.7, 1.5  # the depth range reaches beyond the points by these factors
MARGIN = 0.1  # of the box beyond the points, as a fraction of the median depth


@dataclasses.dataclass(frozen=True)
class SceneExtent:
    """Where surfaces are, in the unit of the poses.

    Attributes:
        near: No surface is expected nearer to a camera, depth along the optical axis.
        middle: Median depth.
        far: No surface is expected farther.
        low: Low corner of the box that holds cameras and points, float64 ``[3]``.
        high: Its high corner.
        points: How many points this comes from.
    """

    near: float
    middle: float
    far: float
    low: np.ndarray
    high: np.ndarray
    points: int


def measure_extent(
    photos: Frames,
    camera: Intrinsics,
    points: np.ndarray | None,
    *,
    track: Callable[[list[int]], Iterable[int]] = iter,
) -> SceneExtent | None:
    """Measures a scene from its sparse points, or from matched photographs.

    Args:
        photos: The photographs.
        camera: Their camera.
        points: Sparse points that came with the poses, ``[p 3]``; with fewer than 100
            SIFT keypoints are matched and triangulated.
        track: Wraps the frames whose keypoints are detected, for a progress bar.

    Returns:
        None where too little matches.
    """
    poses = photos.world_from_cam.astype(np.float64)
    if points is not None and len(points) >= LEAST_POINTS:
        found = points.astype(np.float64)
        depths = _depths_in_view(found, poses, camera)
    else:
        found, depths = _triangulated(photos, poses, camera, track)
    if len(depths) < LEAST_POINTS:
        return None
    shallow, middle, deep = np.quantile(depths, (OUTLIERS, 0.5, 1 - OUTLIERS))
    low, high = np.quantile(found, (OUTLIERS, 1 - OUTLIERS), axis=0)
    places = poses[:, :3, 3]
    return SceneExtent(
        near=NEARER * float(shallow),
        middle=float(middle),
        far=FARTHER * float(deep),
        low=np.minimum(low, places.min(axis=0)) - MARGIN * middle,
        high=np.maximum(high, places.max(axis=0)) + MARGIN * middle,
        points=len(found),
    )


def _depths_in_view(
    points: np.ndarray, poses: np.ndarray, camera: Intrinsics
) -> np.ndarray:
    """Depths of points in the views that they project into."""
    matrix, depths = camera_matrix(camera), []
    for pose in poses[:: -(-len(poses) // MAX_FRAMES)]:
        seen = (points - pose[:3, 3]) @ pose[:3, :3]
        seen = seen[seen[:, 2] > 0]
        col, row = ((seen @ matrix.T)[:, :2] / seen[:, 2:]).T
        inside = (col > 0) & (row > 0) & (col < camera.width) & (row < camera.height)
        depths.append(seen[inside, 2])
    return np.concatenate(depths)


def _triangulated(
    photos: Frames,
    poses: np.ndarray,
    camera: Intrinsics,
    track: Callable[[list[int]], Iterable[int]],
) -> tuple[np.ndarray, np.ndarray]:
    """Points ``[p 3]`` of matched keypoints, and their depths."""
    matrix = camera_matrix(camera)
    step = -(-len(poses) // MAX_FRAMES)
    chosen = list(range(0, len(poses), step))
    keypoints = [
        matching.keypoints(
            photos.rgb[i],
            mask=None if photos.valid_mask is None else photos.valid_mask[i],
        )
        for i in track(chosen)
    ]
    points, depths = [np.zeros((0, 3))], [np.zeros(0)]
    for a, b in matching.neighbour_pairs(poses[chosen], per_frame=PER_FRAME):
        pose_a, pose_b = poses[chosen[a]], poses[chosen[b]]
        pairs = matching.match(keypoints[a][1], keypoints[b][1])
        xy_a, xy_b = keypoints[a][0][pairs[:, 0]], keypoints[b][0][pairs[:, 1]]
        b_from_a = np.linalg.inv(pose_b) @ pose_a
        error = matching.epipolar_error(xy_a, xy_b, matrix, matrix, b_from_a)
        good = error < MAX_EPIPOLAR
        in_a = matching.triangulate(xy_a[good], xy_b[good], matrix, matrix, b_from_a)
        in_b = in_a @ b_from_a[:3, :3].T + b_from_a[:3, 3]
        ahead = np.isfinite(in_a).all(axis=1) & (in_a[:, 2] > 0) & (in_b[:, 2] > 0)
        in_a = in_a[ahead]
        points.append(in_a @ pose_a[:3, :3].T + pose_a[:3, 3])
        depths.append(in_a[:, 2])
    return np.concatenate(points), np.concatenate(depths)
