"""Photographs of a textured wall before a textured floor, for tests of stereo."""

import numpy as np

from alsem.core.types import Intrinsics
from alsem.data import Frames

CAMERA = Intrinsics(width=64, height=48, fx=50.0, fy=50.0, cx=31.5, cy=23.5)
WALL, FLOOR = 3.0, 0.9  # metres before and below the cameras' common axes


def texture(u, v):
    """Smooth, aperiodic grey levels of a place on a plane, metres."""
    waves = [(3.1, 1.7, 0.3), (-2.3, 4.1, 1.1), (5.9, -3.7, 2.0), (7.7, 8.3, 0.7)]
    waves += [(11.3, -9.1, 0.2), (-13.7, 12.1, 1.9)]
    return 128 + 20 * sum(np.sin(a * u + b * v + c) for a, b, c in waves)


def photograph(place):
    """Image and depth along z of a camera without rotation at ``place``."""
    row, col = np.indices((CAMERA.height, CAMERA.width)).astype(float)
    x, y = (col - CAMERA.cx) / CAMERA.fx, (row - CAMERA.cy) / CAMERA.fy
    to_wall = WALL - place[2]
    to_floor = np.where(y > 1e-6, (FLOOR - place[1]) / np.maximum(y, 1e-6), np.inf)
    depth = np.minimum(to_wall, to_floor)
    u, v, w = (place[i] + d * depth for i, d in enumerate((x, y, 1.0)))
    grey = np.where(to_floor < to_wall, texture(u + 40, w), texture(u, v))
    return np.clip(np.round(grey), 0, 255).astype(np.uint8), depth.astype(np.float32)


def frames(num=12):
    """Photographs from places on an arc, and their true depth ``[n h w]``."""
    angle = np.linspace(0, 1.5 * np.pi, num)
    wobble = 0.1 * np.sin(3 * angle)
    places = np.stack([0.5 * np.cos(angle), 0.3 * np.sin(angle), wobble], 1)
    seen = [photograph(place) for place in places]
    poses = np.tile(np.eye(4, dtype=np.float32), (num, 1, 1))
    poses[:, :3, 3] = places
    rgb = np.repeat(np.stack([image for image, _ in seen])[..., None], 3, axis=-1)
    names = tuple(f"frames/{i}" for i in range(num))
    return Frames(names, rgb, poses, None), np.stack([depth for _, depth in seen])
