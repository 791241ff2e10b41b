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

from alsem.core.arrays import Array, Float, Int, Leaf
from alsem.rooms.materials import MaterialTable, evaluate_material
from alsem.rooms.solids import (
    BOX,
    FACES_PER_SOLID,
    FRUSTUM,
    SolidTable,
    closest_hit,
    inside_any,
    to_local,
)

CHUNK = 128  # texels lit at a time: with 48 rays each, what fits in the cache
GATHER_RAYS = 48


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
class LightTable:
    """All light points of a room, padded to ``e`` rows.

    Attributes:
        points: ``[e 3]`` world, metres.
        normals: ``[e 3]`` unit or zero.
        power: ``[e 3]``, 0 in padding.
    """

    points: Leaf
    normals: Leaf
    power: Leaf


def light_table(points: list[LightPoint], *, rows: int) -> LightTable:
    """Turns light points into arrays.

    Raises:
        ValueError: If there are more points than rows.
    """
    if len(points) > rows:
        raise ValueError(f"{len(points)} light points do not fit in {rows} rows")
    table = np.zeros((3, rows, 3), np.float32)
    table[:, : len(points)] = np.asarray(points).swapaxes(0, 1)
    return LightTable(*map(jnp.asarray, table))


def face_coordinates(
    kind: Int[Array, " r"], local: Float[Array, "3 r"]
) -> tuple[Int[Array, " r"], Float[Array, "2 r"]]:
    """Which face of its unit solid a point is on, and where on it.

    Args:
        kind: Kinds of solids.
        local: Points on unit solids.

    Returns:
        The face, and the coordinates on it, from -1 to 1.
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
    round_uv = jnp.where(is_cap[None], jnp.stack([x, y]), around)
    is_box = kind == BOX
    uv = jnp.where(is_box[None], box_uv, round_uv)
    return jnp.where(is_box, box_face, round_face), jnp.clip(uv, -1.0, 1.0)


def sample_light(
    light: LightMap,
    row: Int[Array, " r"],
    face: Int[Array, " r"],
    uv: Float[Array, "2 r"],
) -> Float[Array, "3 r"]:
    """Light at face coordinates, bilinear between the texels that are not buried."""
    first, columns, rows = light.charts[row * FACES_PER_SOLID + face].T
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
    solids: SolidTable,
    materials: MaterialTable,
    light: LightMap,
    row: Int[Array, " r"],
    x: Float[Array, "3 r"],
) -> tuple[Float[Array, "3 r"], Float[Array, "3 r"]]:
    """Light sent back, and glow, at points ``x`` (world) of solids.

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
    diffuse, emitted = evaluate_material(
        materials, solids.material[row], local * half, metres, uv
    )
    return diffuse * sample_light(light, row, face, uv), emitted


def cosine_hemisphere(count: int) -> np.ndarray:
    """Cosine-distributed directions ``[n 3]`` about z, a Fibonacci spiral."""
    i = np.arange(count) + 0.5
    angle, radius = i * np.pi * (3.0 - np.sqrt(5.0)), np.sqrt(i / count)
    z = np.sqrt(1.0 - i / count)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], -1)


@jax.jit
def direct_light(
    solids: SolidTable,
    ids: Int[Array, " m"],
    bounds: Int[Array, "4"],
    lights: LightTable,
    texels: Float[Array, "l 6"],
) -> Float[Array, "l 4"]:
    """Direct light of texels (point, normal), and whether they are not buried.

    The number of texels is a multiple of ``CHUNK``.
    """

    def chunk(block):
        x, n = block[:, :3].T, block[:, 3:].T
        buried = inside_any(solids, ids, bounds, x)
        to_light = lights.points.T[:, None, :] - x[:, :, None]
        distance2 = jnp.sum(to_light**2, axis=0)
        cos_in = jnp.sum(to_light * n[:, :, None], axis=0)
        cos_out = -jnp.sum(to_light * lights.normals.T[:, None, :], axis=0)
        is_round = jnp.all(lights.normals == 0, axis=-1)
        cos_out = jnp.where(is_round[None], jnp.sqrt(distance2), cos_out)
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
def indirect_light(
    solids: SolidTable,
    ids: Int[Array, " m"],
    bounds: Int[Array, "4"],
    materials: MaterialTable,
    light: LightMap,
    texels: Float[Array, "l 6"],
    ambient: Float[Array, "3"],
) -> Float[Array, "l 3"]:
    """Light that other surfaces send to texels.

    Args:
        solids: All solids.
        ids: Rows in use.
        bounds: Where each kind starts.
        materials: Their materials.
        light: Direct light.
        texels: Points and normals, a multiple of ``CHUNK``.
        ambient: Stands for the light of further bounces.
    """
    pattern = jnp.asarray(cosine_hemisphere(GATHER_RAYS), jnp.float32)
    bounced = LightMap(
        light.charts, light.texels.at[:, :3].add(ambient[None] * light.texels[:, 3:])
    )

    def chunk(block):
        x, n = block[:, :3].T, block[:, 3:].T
        helper = jnp.where(
            jnp.abs(n[2]) < 0.9, jnp.eye(3)[2][:, None], jnp.eye(3)[0][:, None]
        )
        side = jnp.cross(helper, n, axis=0)
        side = side / jnp.sqrt(jnp.sum(side**2, axis=0, keepdims=True))
        frame = jnp.stack([side, jnp.cross(n, side, axis=0), n])
        directions = jnp.einsum("ajt,ka->jtk", frame, pattern)
        origins = jnp.broadcast_to(x[:, :, None], directions.shape).reshape(3, -1)
        flat = directions.reshape(3, -1)
        t, row = closest_hit(solids, ids, bounds, origins, flat)
        found = jnp.isfinite(t)
        hit = origins + jnp.where(found, t, 0.0)[None] * flat
        # Without the glow: emitters are direct light already.
        sent, _ = radiance(solids, materials, bounced, row, hit)
        sent = jnp.where(found[None], sent, 0.0)
        return jnp.mean(sent.reshape(3, CHUNK, GATHER_RAYS), axis=-1).T

    blocks = texels.reshape(-1, CHUNK, 6)
    return jax.lax.map(chunk, blocks).reshape(-1, 3)
