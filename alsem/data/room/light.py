"""Light of a room, baked once: an atlas of small light maps, one for each face.

Surfaces are matt, so the light that reaches a point is the same from every view. It
is computed per texel, with soft shadows of area lights and one bounce gathered over
the hemisphere, and looked up by every camera ray afterwards. Why baked: shadow rays
per pixel would cost fifty times more and differ from view to view by their noise.
"""

from typing import NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from alsem.data.room.materials import MaterialTable, colour
from alsem.data.room.shapes import (
    BOX,
    ELLIPSOID,
    FACES,
    FRUSTUM,
    Solid,
    SolidTable,
    closest_hit,
    inside_any,
    to_local,
)
from alsem.typing import Array, Leaf

TEXEL_M = 0.085
CHUNK = 128  # texels lit at a time: with 48 rays each, what fits in the cache
GATHER_RAYS = 48
OFFSET_M = 2e-3  # start shadow rays off the surface


@flax.struct.dataclass
class LightMap:
    """Light that arrives at every texel.

    Attributes:
        charts: ``[m*6 3]`` int32: first texel, columns, rows of each face.
        texels: ``[l 4]`` RGB radiance a white matt surface would send back, times
            the fourth channel, which is 0 for texels buried in another solid.
    """

    charts: Leaf
    texels: Leaf


class LightPoint(NamedTuple):
    """One of the points that stand for an area light.

    Attributes:
        point: ``[3]`` world, metres.
        normal: ``[3]`` unit, or zero if light leaves in all directions.
        power: ``[3]`` RGB intensity.
    """

    point: np.ndarray
    normal: np.ndarray
    power: np.ndarray


@flax.struct.dataclass
class Lights:
    """All light points of a room, padded to ``e`` rows.

    Attributes:
        points: ``[e 3]`` world, metres.
        normals: ``[e 3]`` unit or zero.
        power: ``[e 3]``, 0 in padding.
    """

    points: Leaf
    normals: Leaf
    power: Leaf


def light_table(points: list[LightPoint], *, rows: int) -> Lights:
    """Turns light points into arrays.

    Raises:
        ValueError: If there are more points than rows.
    """
    if len(points) > rows:
        raise ValueError(f"{len(points)} light points do not fit in {rows} rows")
    table = np.zeros((3, rows, 3), np.float32)
    table[:, : len(points)] = np.asarray(points).swapaxes(0, 1)
    return Lights(*map(jnp.asarray, table))


def face_coordinates(kind: Array, local: Array) -> tuple[Array, Array]:
    """Which face of its unit solid a point is on, and where on it.

    Args:
        kind: ``[r]`` kinds.
        local: ``[3 r]`` points on unit solids.

    Returns:
        Face ``[r]`` and its coordinates ``[2 r]`` from -1 to 1.
    """
    x, y, z = local
    size = jnp.abs(local)
    along_x = (size[0] >= size[1]) & (size[0] >= size[2])
    along_y = ~along_x & (size[1] >= size[2])
    axis = jnp.where(along_x, 0, jnp.where(along_y, 1, 2))
    picked = jnp.where(along_x, x, jnp.where(along_y, y, z))
    box_face = 2 * axis + (picked > 0)
    box_uv = jnp.stack([jnp.where(along_x, y, x), jnp.where(axis == 2, y, z)])

    around = jnp.stack([jnp.arctan2(y, x) / np.pi, z])
    is_cap = (kind == FRUSTUM) & (size[2] > 0.9999)
    round_face = jnp.where(is_cap, jnp.where(z > 0, 2, 1), 0)
    round_uv = jnp.where(is_cap, jnp.stack([x, y]), around)
    is_box = kind == BOX
    uv = jnp.where(is_box, box_uv, round_uv)
    return jnp.where(is_box, box_face, round_face), jnp.clip(uv, -1.0, 1.0)


def look_up(light: LightMap, row: Array, face: Array, uv: Array) -> Array:
    """Light ``[3 r]`` at face coordinates ``uv``, bilinear, skipping buried texels."""
    first, columns, rows = light.charts[row * FACES + face].T
    x = (0.5 * uv[0] + 0.5) * (columns - 1)
    y = (0.5 * uv[1] + 0.5) * (rows - 1)
    x0 = jnp.clip(x.astype(jnp.int32), 0, columns - 2)
    y0 = jnp.clip(y.astype(jnp.int32), 0, rows - 2)
    fx, fy = x - x0, y - y0
    corner = first + y0 * columns + x0
    total = 1e-6 * light.texels[corner]
    for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = (fx if dx else 1.0 - fx) * (fy if dy else 1.0 - fy)
        total += weight[:, None] * light.texels[corner + dy * columns + dx]
    return (total[:, :3] / jnp.maximum(total[:, 3:], 1e-9)).T


def radiance(
    solids: SolidTable, materials: MaterialTable, light: LightMap, row: Array, x: Array
) -> tuple[Array, Array]:
    """Light ``[3 r]`` sent back, and glow ``[3 r]``, at points ``x`` of solids.

    The glow of lamps and windows is in units of the finished image, not of radiance,
    so that the exposure of a room does not wash them out.
    """
    matrix = jnp.moveaxis(solids.local_from_world[row], 0, -1)
    local = to_local(matrix, x, w=1.0)
    kind, half = solids.kind[row], solids.half_size[row].T
    face, uv = face_coordinates(kind, local)
    axis = face // 2
    width = jnp.where(axis == 0, half[1], half[0])
    height = jnp.where(axis == 2, half[1], half[2])
    is_round = (kind != BOX) & (face == 0)
    width = jnp.where(is_round, np.pi * half[0], width)
    height = jnp.where(is_round, half[2], height)
    metres = uv * jnp.stack([width, height])
    albedo, emitted = colour(materials, solids.material[row], local * half, metres, uv)
    return albedo * look_up(light, row, face, uv), emitted


def lay_out(
    solids: list[Solid], room_size: np.ndarray, *, rows: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places a grid of texels on every face.

    Returns:
        Charts ``[m*6 3]``, texel points ``[l 3]`` (world, metres, just off the
        surface) and unit normals ``[l 3]``.
    """
    charts = np.zeros((rows, FACES, 3), np.int32)
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
                columns, lines = 2, 2  # the far side of a wall is never seen
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
    """Local points and (unscaled) normals of one face, row by row."""
    u, v = np.meshgrid(np.linspace(-1, 1, columns), np.linspace(-1, 1, lines))
    u, v = u.ravel(), v.ravel()
    one = np.ones_like(u)
    if solid.kind == BOX:
        axis, sign = face // 2, 1.0 if face % 2 else -1.0
        parts = {0: (sign * one, u, v), 1: (u, sign * one, v), 2: (u, v, sign * one)}
        normal = np.zeros((u.size, 3))
        normal[:, axis] = sign
        # Edges are shared with the neighbour below or beside: stay clear of it.
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


def hemisphere(count: int) -> np.ndarray:
    """Cosine-distributed directions ``[n 3]`` about z, a Fibonacci spiral."""
    i = np.arange(count) + 0.5
    angle, radius = i * np.pi * (3.0 - np.sqrt(5.0)), np.sqrt(i / count)
    z = np.sqrt(1.0 - i / count)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], -1)


@jax.jit
def direct_light(
    solids: SolidTable, ids: Array, bounds: Array, lights: Lights, texels: Array
) -> Array:
    """Direct light ``[l 4]`` of texels ``[l 6]`` (point, normal); ``l`` in chunks."""

    def chunk(block):
        x, n = block[:, :3].T, block[:, 3:].T
        buried = inside_any(solids, ids, bounds, x)
        to_light = lights.points.T[:, None, :] - x[:, :, None]
        distance2 = jnp.sum(to_light**2, axis=0)
        cos_in = jnp.sum(to_light * n[:, :, None], axis=0)
        cos_out = -jnp.sum(to_light * lights.normals.T[:, None, :], axis=0)
        is_round = jnp.all(lights.normals == 0, axis=-1)
        cos_out = jnp.where(is_round, jnp.sqrt(distance2), cos_out)
        flat = to_light.reshape(3, -1)
        origins = jnp.broadcast_to(x[:, :, None], to_light.shape).reshape(3, -1)
        t, _ = closest_hit(solids, ids, bounds, origins, flat)
        seen = (t > 0.999).reshape(distance2.shape)
        # The floor under the distance keeps points of a light from burning in.
        weight = jnp.maximum(cos_in, 0) * jnp.maximum(cos_out, 0)
        weight = jnp.where(seen, weight / jnp.maximum(distance2, 0.04) ** 2, 0.0)
        light = weight @ lights.power / np.pi
        return jnp.where(
            buried[:, None], 0.0, jnp.pad(light, ((0, 0), (0, 1)), constant_values=1.0)
        )

    blocks = texels.reshape(-1, CHUNK, 6)
    return jax.lax.map(chunk, blocks).reshape(-1, 4)


@jax.jit
def gathered_light(
    solids: SolidTable,
    ids: Array,
    bounds: Array,
    materials: MaterialTable,
    light: LightMap,
    texels: Array,
    ambient: Array,
) -> Array:
    """Light ``[l 3]`` that other surfaces send to texels ``[l 6]``.

    Args:
        solids: All solids.
        ids: Rows in use.
        bounds: Where each kind starts.
        materials: Their materials.
        light: Direct light.
        texels: Points and normals.
        ambient: ``[3]`` stands for the light of further bounces.
    """
    pattern = jnp.asarray(hemisphere(GATHER_RAYS), jnp.float32)
    bounced = LightMap(
        light.charts, light.texels.at[:, :3].add(ambient * light.texels[:, 3:])
    )

    def chunk(block):
        x, n = block[:, :3].T, block[:, 3:].T
        helper = jnp.where(
            jnp.abs(n[2]) < 0.9, jnp.eye(3)[2][:, None], jnp.eye(3)[0][:, None]
        )
        side = jnp.cross(helper, n, axis=0)
        side = side / jnp.sqrt(jnp.sum(side**2, axis=0))
        frame = jnp.stack([side, jnp.cross(n, side, axis=0), n])
        directions = jnp.einsum("ajt,ka->jtk", frame, pattern)
        origins = jnp.broadcast_to(x[:, :, None], directions.shape).reshape(3, -1)
        flat = directions.reshape(3, -1)
        t, row = closest_hit(solids, ids, bounds, origins, flat)
        found = jnp.isfinite(t)
        hit = origins + jnp.where(found, t, 0.0) * flat
        # Without the glow: emitters are direct light already.
        sent, _ = radiance(solids, materials, bounced, row, hit)
        sent = jnp.where(found, sent, 0.0)
        return jnp.mean(sent.reshape(3, CHUNK, GATHER_RAYS), axis=-1).T

    blocks = texels.reshape(-1, CHUNK, 6)
    return jax.lax.map(chunk, blocks).reshape(-1, 3)
