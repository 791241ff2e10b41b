"""The axis-aligned box that bounds a scene."""

import numpy as np

from alsem.core.geometry import bounding_box
from alsem.data.camera_models import pixel_directions
from alsem.data.scene import Scene

OUTLIERS = 0.005  # fraction of points cut off at either end of an axis


def scene_box(scene: Scene, *, far: float) -> tuple[np.ndarray, np.ndarray]:
    """Computes the box that holds all cameras and the surfaces in their views.

    Surfaces come from measured depth; for frames without any, from the scene's points,
    badly triangulated ones cut off, or else from the frames' corner rays up to ``far``
    metres.

    Returns:
        Low and high corner, float64 ``[3]``, metres.
    """
    camera, frames = scene.intrinsics, scene.train
    row, col = np.meshgrid(
        np.arange(camera.height), np.arange(camera.width), indexing="ij"
    )
    in_cam = pixel_directions(camera, col, row)
    found = np.zeros((0, 3))
    if scene.points is not None and len(scene.points):
        found = np.quantile(scene.points, (OUTLIERS, 1 - OUTLIERS), axis=0)
    corners = [scene.test.world_from_cam[:, :3, 3], frames.world_from_cam[:, :3, 3]]
    for i, pose in enumerate(frames.world_from_cam):
        if frames.depth_z is not None and (frames.depth_z[i] > 0).any():
            known = frames.depth_z[i] > 0
            in_view = in_cam[known] * frames.depth_z[i][known][:, None]
        elif len(found):
            corners.append(found)
            continue
        else:
            in_view = in_cam[:: camera.height - 1, :: camera.width - 1].reshape(-1, 3)
            in_view = in_view * far
        points = in_view @ pose[:3, :3].T + pose[:3, 3]
        corners.append(np.stack([points.min(axis=0), points.max(axis=0)]))
    return bounding_box(np.concatenate(corners).astype(np.float64), margin=0.1)
