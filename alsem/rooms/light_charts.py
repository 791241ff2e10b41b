"""Light-map charts: a grid of texels on every face of every solid."""

import numpy as np

from alsem.rooms.solids import BOX, ELLIPSOID, FACES_PER_SOLID, FRUSTUM, Solid

TEXEL_M = 0.085
OFFSET_M = 2e-3  # of texels from the surface, along its normal


def texel_layout(
    solids: list[Solid], room_size: np.ndarray, *, rows: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places a grid of texels on every face.

    Args:
        solids: The solids.
        room_size: ``[3]`` metres; faces outside get 2 by 2 texels.
        rows: Number of solids to pad the charts to.

    Returns:
        Charts ``[rows*6 3]``, which are first texel, columns and rows of each face;
        texel points ``[l 3]``, world, metres; and unit normals ``[l 3]``.
    """
    charts = np.zeros((rows, FACES_PER_SOLID, 3), np.int32)
    charts[..., 1:] = 2
    points, normals, first = [], [], 0
    for i, solid in enumerate(solids):
        for face in range({BOX: 6, FRUSTUM: 3, ELLIPSOID: 1}[solid.kind]):
            columns, lines = _grid(solid, face)
            local, outward = _face_points(solid, face, columns, lines)
            rotation = solid.world_from_part[:3, :3]
            world = (local * solid.half_size) @ rotation.T
            world = world + solid.world_from_part[:3, 3]
            normal = (outward / solid.half_size) @ rotation.T
            normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
            world = world + OFFSET_M * normal
            if np.any(world.min(0) > room_size) or np.any(world.max(0) < 0):
                columns, lines = 2, 2  # the outside of a wall is never seen
                world, normal = world[:4], normal[:4]
            charts[i, face] = first, columns, lines
            points.append(world)
            normals.append(normal)
            first += columns * lines
    return charts.reshape(-1, 3), np.concatenate(points), np.concatenate(normals)


def _grid(solid: Solid, face: int) -> tuple[int, int]:
    hx, hy, hz = solid.half_size
    if solid.kind == BOX:
        size = ((hy, hz), (hx, hz), (hx, hy))[face // 2]
    else:
        size = (np.pi * hx, hz) if face == 0 else (hx, hy)
    low = 2 if solid.kind == BOX or face else 6
    columns, lines = (int(np.clip(2 * s / TEXEL_M + 1, low, 128)) for s in size)
    return columns, max(lines, 5 if solid.kind == ELLIPSOID else 2)


def _face_points(
    solid: Solid, face: int, columns: int, lines: int
) -> tuple[np.ndarray, np.ndarray]:
    """Points and (not normalized) normals of one face of a unit solid, row by row."""
    u, v = np.meshgrid(np.linspace(-1, 1, columns), np.linspace(-1, 1, lines))
    u, v = u.ravel(), v.ravel()
    one = np.ones_like(u)
    if solid.kind == BOX:
        axis, sign = face // 2, 1.0 if face % 2 else -1.0
        parts = {0: (sign * one, u, v), 1: (u, sign * one, v), 2: (u, v, sign * one)}
        normal = np.zeros((u.size, 3))
        normal[:, axis] = sign
        # Stay clear of solids that touch this one along its edges.
        inset = 1.0 - np.minimum(0.2, 4e-3 / solid.half_size)
        inset[axis] = 1.0
        return np.stack(parts[axis], -1) * inset, normal
    if face:
        sign = 1.0 if face == 2 else -1.0
        radius = 0.97 * (solid.taper if face == 2 else 1.0)
        local = np.stack([u, v], -1)
        local *= np.minimum(1.0, radius / np.maximum(np.hypot(u, v), 1e-6))[:, None]
        return np.column_stack([local, sign * one]), np.array([[0, 0, sign]]) + 0 * u[
            :, None
        ]
    cos, sin = np.cos(np.pi * u), np.sin(np.pi * u)
    if solid.kind == ELLIPSOID:
        v = 0.995 * v
        ring = np.sqrt(1.0 - v * v)
        local = np.stack([ring * cos, ring * sin, v], -1)
        return local, local
    v = (1.0 - min(0.2, 4e-3 / solid.half_size[2])) * v
    slope = 0.5 * (solid.taper - 1.0)
    radius = 1.0 + slope * (v + 1.0)
    local = np.stack([radius * cos, radius * sin, v], -1)
    return local, np.stack([cos, sin, -slope * one], -1)
