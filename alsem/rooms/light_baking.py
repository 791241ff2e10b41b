"""Light baking: direct light with soft shadows, one diffuse bounce, exposure."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from alsem.core.arrays import Array, Float, Int
from alsem.rooms.cpu_threads import map_in_threads, on_cpu
from alsem.rooms.layout import CLASS_IDS, Room
from alsem.rooms.light_charts import texel_layout
from alsem.rooms.light_maps import BakedRoom, LightMap, radiance
from alsem.rooms.lights import LightTable, light_table
from alsem.rooms.materials import MaterialTable, material_table
from alsem.rooms.render import TILES_PER_CALL, render_tiles
from alsem.rooms.solids import (
    MAX_SOLIDS,
    SolidTable,
    closest_hit,
    inside_any,
    solid_table,
)

MAX_TEXELS = 65536
MAX_LIGHTS = 64
TEXELS_PER_CALL = 2048
CHUNK = 128  # texels lit at a time: with 48 rays each, what fits in the cache
GATHER_RAYS = 48
MEDIAN_BRIGHTNESS = 0.42  # of the texels of an exposed room, as diffuse white


@on_cpu
def bake_light(room: Room) -> BakedRoom:
    """Bakes the light of a room and sets its exposure.

    Raises:
        ValueError: It has more solids, texels or lights than fit.
    """
    table = solid_table(room.solids, CLASS_IDS, rows=MAX_SOLIDS)
    palette = material_table(room.materials, rows=MAX_SOLIDS)
    lamps = light_table(room.lights, rows=MAX_LIGHTS)
    ids = jnp.arange(MAX_SOLIDS, dtype=jnp.int32)
    bounds = jnp.asarray(
        np.searchsorted([s.kind for s in room.solids], [0, 1, 2, 3]), jnp.int32
    )
    charts, points, normals = texel_layout(room.solids, room.size, rows=MAX_SOLIDS)
    count = len(points)
    if count > MAX_TEXELS:
        raise ValueError(f"{count} texels do not fit in {MAX_TEXELS}")
    texels = np.tile(np.array([0, 0, -9, 0, 0, 1], np.float32), (MAX_TEXELS, 1))
    texels[:count] = np.concatenate([points, normals], axis=-1)
    starts = range(0, count, TEXELS_PER_CALL)
    _compile(table, palette, lamps, ids, charts, texels)

    def fill(step: Callable, channels: int) -> np.ndarray:
        out = np.zeros((MAX_TEXELS, channels), np.float32)
        parts = map_in_threads(
            lambda i: np.asarray(step(texels[i : i + TEXELS_PER_CALL])), starts
        )
        out[: len(starts) * TEXELS_PER_CALL] = np.concatenate(parts)
        return out

    direct = fill(lambda part: direct_light(table, ids, bounds, lamps, part), 4)
    is_open = direct[:count, 3] > 0
    mean = direct[:count][is_open][:, :3].mean(axis=0)
    # About half the light survives each bounce: the ambient term sums the series.
    light = LightMap(jnp.asarray(charts), jnp.asarray(direct))
    ambient = jnp.asarray(0.5 * mean)
    bounced = fill(
        lambda part: indirect_light(table, ids, bounds, palette, light, part, ambient),
        3,
    )
    total = direct.copy()
    total[:, :3] += bounced * direct[:, 3:]
    level = np.median(total[:count][is_open][:, :3].mean(axis=-1))
    light = LightMap(light.charts, jnp.asarray(total))
    return BakedRoom(
        table, palette, light, jnp.float32(MEDIAN_BRIGHTNESS / max(level, 1e-6))
    )


def _compile(
    solids: SolidTable,
    materials: MaterialTable,
    lights: LightTable,
    ids: Array,
    charts: np.ndarray,
    texels: np.ndarray,
) -> None:
    """Compiles the three kernels in parallel, by running each on an empty room."""
    empty = jnp.zeros(4, jnp.int32)
    light = LightMap(jnp.asarray(charts), jnp.zeros((MAX_TEXELS, 4)))
    room = BakedRoom(solids, materials, light, jnp.float32(1.0))
    part = texels[:TEXELS_PER_CALL]
    tiles = (
        np.zeros((TILES_PER_CALL, MAX_SOLIDS), np.int32),
        np.zeros((TILES_PER_CALL, 4), np.int32),
        np.tile(np.eye(4, dtype=np.float32), (TILES_PER_CALL, 1, 1)),
        np.zeros((TILES_PER_CALL, 2), np.float32),
    )
    kernels = [
        lambda: direct_light(solids, ids, empty, lights, part),
        lambda: indirect_light(
            solids, ids, empty, materials, light, part, jnp.zeros(3)
        ),
        lambda: render_tiles(room, *tiles, jnp.ones(4)),
    ]
    map_in_threads(lambda kernel: jax.block_until_ready(kernel()), kernels)


def cosine_hemisphere(count: int) -> np.ndarray:
    """Cosine-distributed directions ``[n 3]`` about z, on a Fibonacci spiral."""
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
    """Direct light of texels.

    Args:
        solids: All solids.
        ids: Rows in use.
        bounds: Where in ``ids`` each kind starts, and the end.
        lights: The light points.
        texels: Points and unit normals; a multiple of ``CHUNK``.

    Returns:
        RGB light, and 1, or zeros for texels inside another solid.
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
        # Clamping the distance avoids bright spots beside the points of a light.
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
    """Light that other surfaces reflect to texels: one bounce, plus a constant.

    Args:
        solids: All solids.
        ids: Rows in use.
        bounds: Where in ``ids`` each kind starts, and the end.
        materials: Materials of the solids.
        light: Direct light.
        texels: Points and unit normals; a multiple of ``CHUNK``.
        ambient: RGB light added to the direct light, in place of further bounces.
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
        # Without emission: lamps and windows are direct light already.
        reflected, _ = radiance(solids, materials, bounced, row, hit)
        reflected = jnp.where(found[None], reflected, 0.0)
        return jnp.mean(reflected.reshape(3, CHUNK, GATHER_RAYS), axis=-1).T

    blocks = texels.reshape(-1, CHUNK, 6)
    return jax.lax.map(chunk, blocks).reshape(-1, 3)
