"""The axis-aligned box that bounds a scene."""

import numpy as np

from alsem.core.geometry import bounding_box
from alsem.data.camera_models import image_directions
from alsem.data.scene import Frames, Scene

_SAMPLE = 500_000  # points of depth that its outliers are judged by
OUTLIERS = 0.005  # fraction of points cut off at either end of an axis


def inliers(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Low and high corner ``[3]`` of a box beyond which points ``[p 3]`` are outliers.

    It is that of the middle 99 % of every axis, enlarged by its size to either side:
    no surface of a room is left out, and a few wild depths do not count.
    """
    low, high = np.quantile(points, (OUTLIERS, 1 - OUTLIERS), axis=0)
    return low - (high - low), high + (high - low)


def scene_box(scene: Scene, *, far: float) -> tuple[np.ndarray, np.ndarray]:
    """Computes the box that holds all cameras and the surfaces in their views.

    Surfaces come from measured depth without its outliers; for frames without any, from
    the scene's points, badly triangulated ones cut off, or else from the frames' corner
    rays up to ``far`` metres.

    Returns:
        Low and high corner, float64 ``[3]``, metres.
    """
    photos = scene.geometry_photographs
    camera, frames = photos.intrinsics, photos.frames
    in_cam = image_directions(camera)
    found = np.zeros((0, 3))
    if scene.points is not None and len(scene.points):
        found = np.quantile(scene.points, (OUTLIERS, 1 - OUTLIERS), axis=0)
    corners = [scene.test.world_from_cam[:, :3, 3], frames.world_from_cam[:, :3, 3]]
    low, high = _inliers_of_depth(frames, in_cam)
    for i, pose in enumerate(frames.world_from_cam):
        if frames.depth_z is not None and (frames.depth_z[i] > 0).any():
            points = _surface(frames, in_cam, i)
            points = points[((points >= low) & (points <= high)).all(axis=1)]
            if len(points):
                corners.append(np.stack([points.min(axis=0), points.max(axis=0)]))
            continue
        if len(found):
            corners.append(found)
            continue
        in_view = in_cam[:: camera.height - 1, :: camera.width - 1].reshape(-1, 3)
        in_view = in_view * far
        points = in_view @ pose[:3, :3].T + pose[:3, 3]
        corners.append(np.stack([points.min(axis=0), points.max(axis=0)]))
    return bounding_box(np.concatenate(corners).astype(np.float64), margin=0.1)


def _surface(frames: Frames, in_cam: np.ndarray, i: int, every: int = 1) -> np.ndarray:
    """Points ``[p 3]`` of a frame's depth, one of ``every`` so many; world frame."""
    assert frames.depth_z is not None
    depth_z, pose = frames.depth_z[i].reshape(-1), frames.world_from_cam[i]
    known = np.flatnonzero(depth_z)[::every]
    in_view = in_cam.reshape(-1, 3)[known] * depth_z[known, None]
    return in_view @ pose[:3, :3].T + pose[:3, 3]


def _inliers_of_depth(
    frames: Frames, in_cam: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """`inliers` of a sample of all depth; everything without any."""
    count = len(frames.world_from_cam) if frames.depth_z is not None else 0
    every = max(count * in_cam.size // 3 // _SAMPLE, 1)
    clouds = [_surface(frames, in_cam, i, every) for i in range(count)]
    points = np.concatenate([np.zeros((0, 3)), *clouds])
    if not len(points):
        return np.full(3, -np.inf), np.full(3, np.inf)
    return inliers(points)
