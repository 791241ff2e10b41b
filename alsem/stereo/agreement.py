"""Agreement of depth between views: a check that a wrong match rarely passes."""

from collections.abc import Iterable

import numpy as np

from alsem.core.types import Intrinsics
from alsem.data.camera_models import image_directions

TOLERANCE = 0.015  # of the depth


def agreeing_views(
    depth_z: np.ndarray,
    pose: np.ndarray,
    others: Iterable[tuple[np.ndarray, np.ndarray]],
    camera: Intrinsics,
) -> np.ndarray:
    """Counts the views whose depth confirms each pixel's point.

    A view confirms a point if the depth it has at the nearest pixel is that of the
    point, to 1.5 %.

    Args:
        depth_z: Depth of the view, ``[h w]``.
        pose: Its pose, ``[4 4]``.
        others: Depth and pose of other views of the same camera.
        camera: The camera.

    Returns:
        int32 ``[h w]``.
    """
    in_cam = image_directions(camera) * depth_z[..., None]
    points = in_cam.reshape(-1, 3) @ pose[:3, :3].T + pose[:3, 3]
    count = np.zeros(depth_z.size, np.int32)
    for other_depth, other_pose in others:
        seen = (points - other_pose[:3, 3]) @ other_pose[:3, :3]
        at, inside = _pixel_of(seen, camera)
        measured = other_depth.ravel()[at]
        count += inside & (np.abs(measured - seen[:, 2]) < TOLERANCE * seen[:, 2])
    return count.reshape(depth_z.shape)


def _pixel_of(seen: np.ndarray, camera: Intrinsics) -> tuple[np.ndarray, np.ndarray]:
    """Index of the nearest pixel of points in camera axes, and whether it is one."""
    z = np.maximum(seen[:, 2], 1e-9)
    col = np.rint(camera.fx * seen[:, 0] / z + camera.cx)
    row = np.rint(camera.fy * seen[:, 1] / z + camera.cy)
    inside = (seen[:, 2] > 0) & (col >= 0) & (row >= 0)
    inside &= (col < camera.width) & (row < camera.height)
    index = np.where(inside, row * camera.width + col, 0).astype(np.int64)
    return index, inside
