"""A box whose faces are covered with noise of all scales: rich in keypoints."""

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

SIZE = np.array([5.0, 4.0, 2.6])  # metres
WIDTH, HEIGHT, FOCAL = 160, 120, 110.0
CAMERA = np.array([[FOCAL, 0, 79.5], [0, FOCAL, 59.5], [0, 0, 1]])


def walk(frames: int, seed: int = 0) -> np.ndarray:
    """Poses ``[n 4 4]`` of a camera that walks and looks across the room."""
    draw, t = np.random.default_rng(seed), np.linspace(0, 1, frames)
    poses = np.tile(np.eye(4), (frames, 1, 1))
    for pose, yaw, pitch in zip(
        poses, 0.4 + 1.2 * t, draw.uniform(-0.15, 0.15, frames), strict=True
    ):
        forward = [np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), pitch]
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0, 0, 1])
        right /= np.linalg.norm(right)
        axes = np.stack([right, np.cross(forward, right), forward], axis=1)
        roll = Rotation.from_euler("z", draw.uniform(-0.1, 0.1)).as_matrix()
        pose[:3, :3] = axes @ roll
    poses[:, 0, 3] = 1.6 + 0.9 * np.sin(2.5 * t)
    poses[:, 1, 3] = 2.3 - 1.4 * t
    poses[:, 2, 3] = 1.3 + 0.35 * np.sin(7 * t)
    return poses


def shoot(
    poses: np.ndarray,
    camera: np.ndarray = CAMERA,
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> tuple[np.ndarray, np.ndarray]:
    """Photographs uint8 ``[n h w 3]`` and depth ``[n h w]``, metres."""
    shots = [_shoot(pose, camera, *size) for pose in poses]
    rgb, depth = zip(*shots, strict=True)
    return np.stack(rgb), np.stack(depth)


def _shoot(pose, camera, width, height):
    row, col = np.mgrid[:height, :width]
    rays = np.stack([col, row, np.ones_like(col)], -1) @ np.linalg.inv(camera).T
    world, origin = rays @ pose[:3, :3].T, pose[:3, 3]
    with np.errstate(divide="ignore"):
        reach = np.where(world > 0, SIZE - origin, -origin) / world
    axis = reach.argmin(-1)
    depth = np.take_along_axis(reach, axis[..., None], -1)[..., 0]
    point = world * depth[..., None] + origin
    rgb = np.zeros((height, width, 3), np.uint8)
    for face in range(6):
        k, high = face % 3, face >= 3
        u, v = (point[..., j] * 100 for j in range(3) if j != k)
        on = (axis == k) & ((np.take(world, k, -1) > 0) == high)
        at = u.astype(np.float32), v.astype(np.float32)
        picture = cv2.remap(_texture(face), *at, cv2.INTER_LINEAR)
        rgb[on] = picture[on]
    return rgb, depth


def _texture(face: int) -> np.ndarray:
    """Noise uint8 ``[512 512 3]``, a centimetre a pixel."""
    draw, total = np.random.default_rng(face), np.zeros((512, 512, 3))
    for cells in (8, 16, 32, 64, 128):
        noise = draw.uniform(-1, 1, (cells, cells, 3))
        total += cv2.resize(noise, (512, 512), interpolation=cv2.INTER_CUBIC)
    return np.clip(128 + 60 * total, 0, 255).astype(np.uint8)
