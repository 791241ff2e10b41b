"""A room that needs no renderer: a box with a smaller box in it, seen by rays.

Depth is exact to rounding, so it is known which view sees which point.
"""

import numpy as np
from pools import candidates_at

from alsem.acquisition.candidates import Candidates
from alsem.acquisition.cues.depth_consistency import Cameras
from alsem.core.types import Intrinsics

ROOM = np.array([[0.0, 0.0, 0.0], [4.0, 3.0, 2.5]])
CHAIR = np.array([[1.6, 1.1, 0.0], [2.2, 1.7, 0.9]])
CAMERA = Intrinsics(width=40, height=30, fx=26.0, fy=26.0, cx=19.5, cy=14.5)
# The y axis of the cameras points down.
UP = np.array([0.0, 0.0, 1.0])


def look_at(eye, target) -> np.ndarray:
    """Pose ``[4 4]`` of a camera at ``eye`` that looks at ``target``."""
    forward = np.subtract(target, eye) / np.linalg.norm(np.subtract(target, eye))
    right = np.cross(forward, UP)
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=-1)
    pose[:3, 3] = eye
    return pose


def orbit(num: int) -> np.ndarray:
    """Poses ``[f 4 4]`` around the room, looking across its middle."""
    angle = np.linspace(0.0, 2 * np.pi, num, endpoint=False)
    x, y, z = np.cos(angle), np.sin(angle), np.sin(3 * angle)
    middle = ROOM.mean(axis=0)
    eyes = middle + np.stack([1.6 * x, 1.1 * y, 0.5 * z], axis=-1)
    targets = middle - np.stack([0.5 * x, 0.5 * y, 0.5 + 0 * z], axis=-1)
    return np.stack([look_at(*pair) for pair in zip(eyes, targets, strict=True)])


def slabs(origins, directions, box):
    """Depths at which rays enter and leave a box."""
    safe = np.where(np.abs(directions) < 1e-12, 1e-12, directions)
    near, far = (box[0] - origins) / safe, (box[1] - origins) / safe
    return np.minimum(near, far).max(axis=-1), np.maximum(near, far).min(axis=-1)


def see(poses, *, offset=(0.0, 0.0)) -> tuple[Cameras, np.ndarray]:
    """Cameras with exact depth, and the points ``[n 3]`` where their rays end."""
    row, col = np.indices((CAMERA.height, CAMERA.width))
    x = (col + offset[1] - CAMERA.cx) / CAMERA.fx
    y = (row + offset[0] - CAMERA.cy) / CAMERA.fy
    in_cam = np.stack([x, y, np.ones_like(x)], axis=-1)  # of a depth of one
    directions = np.einsum("fij,hwj->fhwi", poses[:, :3, :3], in_cam)
    origins = poses[:, None, None, :3, 3]
    depth = slabs(origins, directions, ROOM)[1]
    enter, leave = slabs(origins, directions, CHAIR)
    depth = np.where((enter < leave) & (enter > 0), enter, depth).astype(np.float32)
    points = (origins + directions * depth[..., None]).reshape(-1, 3)
    cameras = Cameras(poses.astype(np.float32), CAMERA, offset, depth)
    return cameras, points.astype(np.float32)


def pool(cameras, points, *, voxel_size=0.1, invalid=0.0) -> Candidates:
    """Candidates of all pixels, in order, with made-up colours and normals."""
    rng, num = np.random.default_rng(0), len(points)
    normal = rng.normal((0.0, 0.0, 1.0), size=(num, 3))
    return candidates_at(
        points,
        normal=normal / np.linalg.norm(normal, axis=-1, keepdims=True),
        diffuse=rng.random((num, 3)),
        frame=np.repeat(np.arange(len(cameras)), CAMERA.width * CAMERA.height),
        purity=np.where(rng.random(num) < invalid, 0.1, 0.6 + 0.4 * rng.random(num)),
        voxel_size=voxel_size,
    )


def pixel_of(x, pose, camera, offset):
    """Row, column and depth in a view by definition, in float64.

    None outside the image; False where rounding decides between two pixels.
    """
    x_cam, y_cam, z = pose[:3, :3].astype(np.float64).T @ (x - pose[:3, 3])
    if z <= 0:
        return None
    row = camera.fy * y_cam / z + camera.cy - offset[0]
    col = camera.fx * x_cam / z + camera.cx - offset[1]
    if min(abs(row % 1 - 0.5), abs(col % 1 - 0.5)) < 1e-3:
        return False
    r, c = round(row), round(col)
    is_inside = 0 <= r < camera.height and 0 <= c < camera.width
    return (r, c, z) if is_inside else None
