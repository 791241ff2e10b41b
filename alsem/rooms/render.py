"""Draws a room: exact depth and class at pixel centres, anti-aliased colour.

An image is cut into tiles, each with the list of solids whose bounding box reaches
into it, and all tiles of all frames go through one compiled function.
"""

import dataclasses
from collections.abc import Callable

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from alsem.core.arrays import Array, Float, Int, Leaf
from alsem.core.types import Intrinsics
from alsem.rooms import light_maps as lighting
from alsem.rooms.cpu_threads import map_in_threads, on_cpu
from alsem.rooms.light_maps import LightMap
from alsem.rooms.materials import MaterialTable
from alsem.rooms.solids import Solid, SolidTable, closest_hit

MAX_SOLIDS = 512
TILE = 20
BATCH = 48  # tiles a call
SUBPIXELS = ((-0.125, -0.375), (0.375, -0.125), (-0.375, 0.125), (0.125, 0.375))


@flax.struct.dataclass
class BakedRoom:
    """A lit room, ready to be photographed.

    Attributes:
        solids: The solids.
        materials: The materials.
        light: The baked light.
        exposure: Scalar by which radiance is multiplied.
    """

    solids: SolidTable
    materials: MaterialTable
    light: LightMap
    exposure: Leaf


@dataclasses.dataclass(frozen=True)
class Images:
    """What the cameras saw.

    Attributes:
        rgb: uint8 ``[n h w 3]``, sRGB.
        depth_z: float32 ``[n h w]``, metres along the optical axis.
        class_id: uint8 ``[n h w]``.
    """

    rgb: np.ndarray
    depth_z: np.ndarray
    class_id: np.ndarray


def tile_lists(
    corners: np.ndarray,
    kinds: np.ndarray,
    world_from_cam: np.ndarray,
    camera: Intrinsics,
) -> tuple[np.ndarray, np.ndarray]:
    """For every tile of one frame, the solids that may be seen in it.

    Args:
        corners: ``[m 8 3]`` bounding boxes, world, metres.
        kinds: ``[m]`` sorted.
        world_from_cam: ``[4 4]``.
        camera: Intrinsics.

    Returns:
        Rows ``[tiles MAX_SOLIDS]``, the seen ones first, and bounds ``[tiles 4]`` of
        the kinds in them.
    """
    x, y, z = np.moveaxis(
        (corners - world_from_cam[:3, 3]) @ world_from_cam[:3, :3], -1, 0
    )
    columns, lines = -(-camera.width // TILE), -(-camera.height // TILE)
    u = (np.arange(columns + 1) * TILE - 0.5 - camera.cx) / camera.fx
    v = (np.arange(lines + 1) * TILE - 0.5 - camera.cy) / camera.fy

    def reaches(side, edges):
        offset = side[..., None] - z[..., None] * edges
        beyond, before = np.all(offset > 0, axis=1), np.all(offset < 0, axis=1)
        return ~(before[:, :-1] | beyond[:, 1:])

    ahead = np.any(z > 0, axis=1)[:, None, None]
    seen = ahead & reaches(y, v)[:, :, None] & reaches(x, u)[:, None, :]
    seen = seen.reshape(len(kinds), -1).T
    ids = np.zeros((len(seen), MAX_SOLIDS), np.int32)
    ids[:, : len(kinds)] = np.argsort(~seen, axis=-1, kind="stable")
    per_kind = np.stack([np.sum(seen & (kinds == k), axis=-1) for k in range(3)], -1)
    bounds = np.concatenate([np.zeros_like(per_kind[:, :1]), per_kind.cumsum(-1)], -1)
    return ids, bounds.astype(np.int32)


@jax.jit
def render_tiles(
    stage: BakedRoom,
    ids: Int[Array, "b m"],
    bounds: Int[Array, "b 4"],
    world_from_cam: Float[Array, "b 4 4"],
    corner: Float[Array, "b 2"],
    pinhole: Float[Array, "4"],
) -> tuple[Array, Float[Array, "b p"], Array]:
    """Draws tiles.

    Args:
        stage: The lit room.
        ids: Solids that may be seen in each tile.
        bounds: Where in ``ids`` each kind starts, and the end.
        world_from_cam: Camera of each tile.
        corner: Column and row of its first pixel.
        pinhole: fx, fy, cx, cy of all cameras.

    Returns:
        sRGB colour, depth_z in metres, and class id of the pixels, row by row.
    """
    grid = np.stack(np.meshgrid(np.arange(TILE), np.arange(TILE)), 0).reshape(2, -1)
    grid = grid.astype(np.float32)
    fx, fy, cx, cy = pinhole

    def tile(item):
        ids, bounds, world_from_cam, corner = item
        rotation, origin = world_from_cam[:3, :3], world_from_cam[:3, 3:]

        def pixel_directions(offset: tuple[float, float]) -> Array:
            column, row = grid[0] + corner[0], grid[1] + corner[1]
            x = (column + offset[0] - cx) / fx
            y = (row + offset[1] - cy) / fy
            # The third camera component is one, so t is depth_z.
            turned = rotation[:, :1] * x[None] + rotation[:, 1:2] * y[None]
            return turned + rotation[:, 2:]

        offsets = ((0.0, 0.0), *SUBPIXELS)
        directions = jnp.concatenate(
            [pixel_directions(offset) for offset in offsets], axis=-1
        )
        t, row = closest_hit(stage.solids, ids, bounds, origin, directions)
        centre = grid.shape[-1]
        x = origin + jnp.where(jnp.isfinite(t), t, 0.0)[None] * directions
        light, glow = lighting.radiance(
            stage.solids,
            stage.materials,
            stage.light,
            row[centre:],
            x[:, centre:],
        )
        rgb = _tone_map(light * stage.exposure + glow)
        rgb = jnp.mean(rgb.reshape(3, len(SUBPIXELS), -1), axis=1)
        srgb = jnp.where(
            rgb < 0.0031308,
            12.92 * rgb,
            1.055 * jnp.maximum(rgb, 1e-6) ** (1 / 2.4) - 0.055,
        )
        rgb8 = jnp.round(255.0 * jnp.clip(srgb, 0.0, 1.0)).astype(jnp.uint8)
        class_id = stage.solids.class_id[row[:centre]].astype(jnp.uint8)
        return rgb8.T, t[:centre], class_id

    return jax.lax.map(tile, (ids, bounds, world_from_cam, corner))


def _tone_map(light: Array) -> Array:
    """A film curve: straight in the shadows, bent so that windows do not clip."""
    knee = 0.6
    high = knee + (1.0 - knee) * (1.0 - jnp.exp(-(light - knee) / (1.0 - knee)))
    return jnp.where(light < knee, light, high)


@on_cpu
def render_frames(
    stage: BakedRoom,
    solids: list[Solid],
    world_from_cam: np.ndarray,
    camera: Intrinsics,
    progress: Callable[[int], object] | None = None,
) -> Images:
    """Renders frames.

    Args:
        stage: The lit room.
        solids: The solids it was made of.
        world_from_cam: ``[n 4 4]`` OpenCV axes, metres.
        camera: Intrinsics.
        progress: Called with the number of frames done since the last call.
    """
    columns, lines = -(-camera.width // TILE), -(-camera.height // TILE)
    tiles = columns * lines
    col, row = np.meshgrid(np.arange(columns) * TILE, np.arange(lines) * TILE)
    corners = np.stack([col, row], -1).reshape(-1, 2).astype(np.float32)
    pinhole = jnp.array([camera.fx, camera.fy, camera.cx, camera.cy], jnp.float32)
    boxes = np.stack([solid.corners() for solid in solids])
    kinds = np.array([solid.kind for solid in solids])
    lists = [tile_lists(boxes, kinds, pose, camera) for pose in world_from_cam]
    work = len(world_from_cam) * tiles
    done = 0

    def draw(start: int) -> tuple[np.ndarray, ...]:
        nonlocal done
        index = np.minimum(np.arange(start, start + BATCH), work - 1)
        frame, tile = index // tiles, index % tiles
        pairs = list(zip(frame, tile, strict=True))
        out = render_tiles(
            stage,
            np.stack([lists[f][0][t] for f, t in pairs]),
            np.stack([lists[f][1][t] for f, t in pairs]),
            world_from_cam[frame].astype(np.float32),
            corners[tile],
            pinhole,
        )
        keep = min(BATCH, work - start)
        host = tuple(np.asarray(part)[:keep] for part in out)
        if progress is not None:
            progress((start + keep) // tiles - start // tiles)
        return host

    parts = map_in_threads(draw, range(0, work, BATCH))

    def assemble(k: int) -> np.ndarray:
        flat = np.concatenate([part[k] for part in parts])
        tail = flat.shape[2:]
        grid = flat.reshape(-1, lines, columns, TILE, TILE, *tail).swapaxes(2, 3)
        full = grid.reshape(-1, lines * TILE, columns * TILE, *tail)
        return np.ascontiguousarray(full[:, : camera.height, : camera.width])

    return Images(rgb=assemble(0), depth_z=assemble(1), class_id=assemble(2))
