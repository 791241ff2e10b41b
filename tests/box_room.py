"""A room that needs no renderer: a box with a smaller box in it, seen by rays.

Depth is exact to rounding, so it is known which view sees which point.
"""

import numpy as np

from alsem.acquisition.candidates import Candidates, make_candidates
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


def rays(poses, camera=CAMERA, offset=(0.0, 0.0)):
    """Origins and directions ``[f h w 3]``; the latter have a depth of one."""
    row, col = np.meshgrid(
        np.arange(camera.height) + offset[0],
        np.arange(camera.width) + offset[1],
        indexing="ij",
    )
    x, y = (col - camera.cx) / camera.fx, (row - camera.cy) / camera.fy
    in_cam = np.stack([x, y, np.ones_like(x)], axis=-1)
    directions = np.einsum("fij,hwj->fhwi", poses[:, :3, :3], in_cam)
    return np.broadcast_to(poses[:, None, None, :3, 3], directions.shape), directions


def slabs(origins, directions, box):
    """Depths at which rays enter and leave a box."""
    safe = np.where(np.abs(directions) < 1e-12, 1e-12, directions)
    near, far = (box[0] - origins) / safe, (box[1] - origins) / safe
    return np.minimum(near, far).max(axis=-1), np.maximum(near, far).min(axis=-1)


def see(poses, camera=CAMERA, offset=(0.0, 0.0), *, chair=True):
    """Cameras with exact depth, points ``[n 3]`` and whether each is of the chair."""
    origins, directions = rays(poses, camera, offset)
    depth = slabs(origins, directions, ROOM)[1]
    enter, leave = slabs(origins, directions, CHAIR)
    hit = (enter < leave) & (enter > 0) if chair else np.zeros(depth.shape, bool)
    depth = np.where(hit, enter, depth)
    points = origins + directions * depth[..., None]
    cameras = Cameras(
        poses.astype(np.float32), camera, offset, depth.astype(np.float32)
    )
    return cameras, points.reshape(-1, 3).astype(np.float32), hit.reshape(-1)


def pool(cameras, points, *, voxel_size=0.1, invalid=0.0, seed=0) -> Candidates:
    """Candidates of all pixels, in order, with made-up colours and normals."""
    rng = np.random.default_rng(seed)
    num = len(points)
    normal = rng.normal((0.0, 0.0, 1.0), size=(num, 3))
    camera = cameras.intrinsics
    return make_candidates(
        points,
        normal / np.linalg.norm(normal, axis=-1, keepdims=True),
        rng.random((num, 3)),
        np.repeat(np.arange(len(cameras)), camera.width * camera.height),
        np.where(rng.random(num) < invalid, 0.1, 0.6 + 0.4 * rng.random(num)),
        voxel_size=voxel_size,
        min_purity=0.5,
    )
