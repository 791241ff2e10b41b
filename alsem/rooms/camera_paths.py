"""Camera paths: two closed loops through the room that keep clear of furniture."""

import numpy as np

from alsem.rooms.layout import Room

CLEARANCE_M = 0.35


def clearance(room: Room, points: np.ndarray) -> np.ndarray:
    """Distance ``[n]`` from points ``[n 3]`` to furniture and walls, metres.

    Round solids count as their bounding boxes, so the result is a lower bound.
    """
    nearest = np.minimum(points, room.size - points).min(axis=-1)
    for solid in room.solids:
        if solid.is_shell:
            continue
        part_from_world = np.linalg.inv(solid.world_from_part)
        local = points @ part_from_world[:3, :3].T + part_from_world[:3, 3]
        gap = np.abs(local) - solid.half_size
        outside = np.linalg.norm(np.maximum(gap, 0.0), axis=-1)
        nearest = np.minimum(nearest, outside + np.minimum(gap.max(axis=-1), 0.0))
    return nearest


def level_cameras(
    position: np.ndarray, yaw: np.ndarray, pitch: np.ndarray
) -> np.ndarray:
    """Poses ``[n 4 4]`` (OpenCV axes) of cameras without roll at positions ``[n 3]``.

    Args:
        position: World, metres.
        yaw: ``[n]`` from +x towards +y, radians.
        pitch: ``[n]`` above the horizon, radians.
    """
    forward = np.stack(
        [np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), np.sin(pitch)], -1
    )
    right = np.stack([np.sin(yaw), -np.cos(yaw), np.zeros_like(yaw)], -1)
    down = np.cross(forward, right)
    out = np.tile(np.eye(4), (len(yaw), 1, 1))
    out[:, :3, 0], out[:, :3, 1], out[:, :3, 2] = right, down, forward
    out[:, :3, 3] = position
    return out


def _clear_loop(
    room: Room, rng: np.random.Generator, phase: np.ndarray, low: float, high: float
) -> np.ndarray:
    """Positions ``[n 3]`` on a rounded loop, as wide as the clearance allows."""
    turns = phase / (2 * np.pi)
    wide = np.concatenate([np.linspace(1.0, 0.15, 18), np.full(40, 0.3)])
    for scale in wide:
        start, wobble = rng.uniform(0, 2 * np.pi, 2)
        centre = room.size[:2] / 2 + rng.uniform(-0.25, 0.25, 2)
        reach = scale * (room.size[:2] / 2 - 0.75)
        angle = 2 * np.pi * turns + start
        reach = reach * (0.85 + 0.15 * np.sin(0.5 * phase + wobble))[:, None]
        flat = np.stack([np.cos(angle), np.sin(angle)], -1)
        flat = np.sign(flat) * np.abs(flat) ** 0.75
        height = low + (high - low) * (0.5 + 0.5 * np.sin(1.5 * phase + wobble))
        points = np.concatenate([centre + reach * flat, height[:, None]], axis=-1)
        if clearance(room, points).min() >= CLEARANCE_M:
            return points
    raise RuntimeError("no camera path clear of furniture in this room")


def camera_paths(
    room: Room, seed: int, train_frames: int, test_frames: int
) -> tuple[np.ndarray, np.ndarray]:
    """Camera poses ``[n 4 4]`` of the training and the test sequence.

    The first goes round the room twice and looks across it and to both sides; the
    second goes the other way, over a larger range of heights.
    """
    rng = np.random.default_rng([seed, 7])
    phase = 4 * np.pi * np.arange(train_frames) / train_frames
    position = _clear_loop(room, rng, phase, 1.35, 1.7)
    offset = rng.uniform(0, 2 * np.pi, 2)
    inward = np.unwrap(np.arctan2(*(room.size[:2] / 2 - position[:, :2]).T[::-1]))
    yaw = inward + 1.15 * np.sin(2.5 * phase + offset[0])
    pitch = np.deg2rad(-14 + 24 * np.sin(3.5 * phase + offset[1]))
    train = level_cameras(position, yaw, pitch)

    phase = -4 * np.pi * np.arange(test_frames) / test_frames
    position = _clear_loop(room, rng, phase, 1.2, 1.85)
    offset = rng.uniform(0, 2 * np.pi, 2)
    inward = np.unwrap(np.arctan2(*(room.size[:2] / 2 - position[:, :2]).T[::-1]))
    yaw = inward + 1.3 * np.sin(3.5 * phase + offset[0])
    pitch = np.deg2rad(-15 + 22 * np.sin(4.5 * phase + offset[1]))
    return train, level_cameras(position, yaw, pitch)
