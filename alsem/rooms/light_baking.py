"""Lights a furnished room: direct light, one bounce, exposure."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from alsem.core.arrays import Array
from alsem.rooms import light_maps as lighting
from alsem.rooms.cpu_threads import map_in_threads, on_cpu
from alsem.rooms.light_charts import texel_layout
from alsem.rooms.light_maps import LightMap, LightPoint, LightTable, light_table
from alsem.rooms.materials import Material, MaterialTable, material_table
from alsem.rooms.render import BATCH, MAX_SOLIDS, BakedRoom, render_tiles
from alsem.rooms.solids import Solid, SolidTable, solid_table

MAX_TEXELS = 65536
MAX_LIGHTS = 64
BAKE_BATCH = 2048  # texels a call


@on_cpu
def bake_light(
    solids: list[Solid],
    materials: list[Material],
    lights: list[LightPoint],
    room_size: np.ndarray,
    class_ids: dict[str, int],
) -> BakedRoom:
    """Bakes the light of a room and sets the exposure.

    Args:
        solids: Everything in the room, sorted by kind.
        materials: Their materials.
        lights: Points on its lamps and windows.
        room_size: ``[3]`` metres; the room spans 0 to this.
        class_ids: Id of each class.
    """
    table = solid_table(solids, class_ids, rows=MAX_SOLIDS)
    palette = material_table(materials, rows=MAX_SOLIDS)
    lamps = light_table(lights, rows=MAX_LIGHTS)
    ids = jnp.arange(MAX_SOLIDS, dtype=jnp.int32)
    bounds = jnp.asarray(
        np.searchsorted([s.kind for s in solids], [0, 1, 2, 3]), jnp.int32
    )
    charts, points, normals = texel_layout(solids, room_size, rows=MAX_SOLIDS)
    count = len(points)
    if count > MAX_TEXELS:
        raise ValueError(f"{count} texels do not fit in {MAX_TEXELS}")
    texels = np.tile(np.array([0, 0, -9, 0, 0, 1], np.float32), (MAX_TEXELS, 1))
    texels[:count] = np.concatenate([points, normals], axis=-1)
    starts = range(0, count, BAKE_BATCH)
    _compile(table, palette, lamps, ids, charts, texels)

    def fill(step: Callable, channels: int) -> np.ndarray:
        out = np.zeros((MAX_TEXELS, channels), np.float32)
        parts = map_in_threads(
            lambda i: np.asarray(step(texels[i : i + BAKE_BATCH])), starts
        )
        out[: len(starts) * BAKE_BATCH] = np.concatenate(parts)
        return out

    direct = fill(
        lambda part: lighting.direct_light(table, ids, bounds, lamps, part), 4
    )
    open_texels = direct[:count][direct[:count, 3] > 0]
    mean = open_texels[:, :3].mean(axis=0)
    # Of each bounce, about half the light survives: the rest of the series.
    light = LightMap(jnp.asarray(charts), jnp.asarray(direct))
    ambient = jnp.asarray(0.5 * mean)
    bounced = fill(
        lambda part: lighting.indirect_light(
            table, ids, bounds, palette, light, part, ambient
        ),
        3,
    )
    total = direct.copy()
    total[:, :3] += bounced * direct[:, 3:]
    level = np.median(total[:count][direct[:count, 3] > 0][:, :3].mean(axis=-1))
    light = LightMap(light.charts, jnp.asarray(total))
    return BakedRoom(table, palette, light, jnp.float32(0.42 / max(level, 1e-6)))


def _compile(
    solids: SolidTable,
    materials: MaterialTable,
    lights: LightTable,
    ids: Array,
    charts: np.ndarray,
    texels: np.ndarray,
) -> None:
    """Compiles the three kernels side by side, by running each on an empty room."""
    empty = jnp.zeros(4, jnp.int32)
    light = LightMap(jnp.asarray(charts), jnp.zeros((MAX_TEXELS, 4)))
    stage = BakedRoom(solids, materials, light, jnp.float32(1.0))
    part = texels[:BAKE_BATCH]
    tiles = (
        np.zeros((BATCH, MAX_SOLIDS), np.int32),
        np.zeros((BATCH, 4), np.int32),
        np.tile(np.eye(4, dtype=np.float32), (BATCH, 1, 1)),
        np.zeros((BATCH, 2), np.float32),
    )
    kernels = [
        lambda: lighting.direct_light(solids, ids, empty, lights, part),
        lambda: lighting.indirect_light(
            solids, ids, empty, materials, light, part, jnp.zeros(3)
        ),
        lambda: render_tiles(stage, *tiles, jnp.ones(4)),
    ]
    map_in_threads(lambda kernel: jax.block_until_ready(kernel()), kernels)
