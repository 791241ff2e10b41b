"""Ray casting: exact depth and class at pixel centres, anti-aliased colour.

An image is cut into tiles, each with the list of the solids whose bounding boxes
overlap it, and all tiles of all frames go through one compiled function.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from alsem.core.arrays import Array, Float, Int
from alsem.core.types import Intrinsics
from alsem.rooms.cpu_threads import map_in_threads, on_cpu
from alsem.rooms.light_maps import BakedRoom, radiance
from alsem.rooms.solids import MAX_SOLIDS, Solid, closest_hit

TILE = 20  # pixels a side
TILES_PER_CALL = 48
# Offsets of the colour samples from the pixel centre (rotated grid).
SUBPIXELS = ((-0.125, -0.375), (0.375, -0.125), (-0.375, 0.125), (0.125, 0.375))


@dataclasses.dataclass(frozen=True)
class Images:
    """Rendered frames.

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
    """Finds the solids that may be visible in every tile of one frame.

    Args:
        corners: ``[m 8 3]`` corners of their bounding boxes, world, metres.
        kinds: ``[m]`` kinds of the solids, sorted.
        world_from_cam: ``[4 4]``.
        camera: Intrinsics.

    Returns:
        Rows of solids ``[tiles MAX_SOLIDS]``, the visible ones first, and ``[tiles 4]``
        where in them each kind starts, and the end.
    """
    x, y, z = np.moveaxis(
        (corners - world_from_cam[:3, 3]) @ world_from_cam[:3, :3], -1, 0
    )
    columns, lines = -(-camera.width // TILE), -(-camera.height // TILE)
    u = (np.arange(columns + 1) * TILE - 0.5 - camera.cx) / camera.fx
    v = (np.arange(lines + 1) * TILE - 0.5 - camera.cy) / camera.fy

    def overlaps(side, edges):
        offset = side[..., None] - z[..., None] * edges
        after, before = np.all(offset > 0, axis=1), np.all(offset < 0, axis=1)
        return ~(before[:, :-1] | after[:, 1:])

    ahead = np.any(z > 0, axis=1)[:, None, None]
    visible = ahead & overlaps(y, v)[:, :, None] & overlaps(x, u)[:, None, :]
    visible = visible.reshape(len(kinds), -1).T
    ids = np.zeros((len(visible), MAX_SOLIDS), np.int32)
    ids[:, : len(kinds)] = np.argsort(~visible, axis=-1, kind="stable")
    per_kind = np.stack([np.sum(visible & (kinds == k), -1) for k in range(3)], -1)
    bounds = np.concatenate([np.zeros_like(per_kind[:, :1]), per_kind.cumsum(-1)], -1)
    return ids, bounds.astype(np.int32)


@jax.jit
def render_tiles(
    room: BakedRoom,
    ids: Int[Array, "b m"],
    bounds: Int[Array, "b 4"],
    world_from_cam: Float[Array, "b 4 4"],
    corner: Float[Array, "b 2"],
    pinhole: Float[Array, "4"],
) -> tuple[Array, Float[Array, "b p"], Array]:
    """Renders tiles.

    Args:
        room: The room.
        ids: Rows of the solids that may be visible in each tile.
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
            in_plane = rotation[:, :1] * x[None] + rotation[:, 1:2] * y[None]
            return in_plane + rotation[:, 2:]

        offsets = ((0.0, 0.0), *SUBPIXELS)
        directions = jnp.concatenate(
            [pixel_directions(offset) for offset in offsets], axis=-1
        )
        t, row = closest_hit(room.solids, ids, bounds, origin, directions)
        centre = grid.shape[-1]
        x = origin + jnp.where(jnp.isfinite(t), t, 0.0)[None] * directions
        reflected, emitted = radiance(
            room.solids,
            room.materials,
            room.light,
            row[centre:],
            x[:, centre:],
        )
        rgb = _tone_map(reflected * room.exposure + emitted)
        rgb = jnp.mean(rgb.reshape(3, len(SUBPIXELS), -1), axis=1)
        srgb = jnp.where(
            rgb < 0.0031308,
            12.92 * rgb,
            1.055 * jnp.maximum(rgb, 1e-6) ** (1 / 2.4) - 0.055,
        )
        rgb8 = jnp.round(255.0 * jnp.clip(srgb, 0.0, 1.0)).astype(jnp.uint8)
        class_id = room.solids.class_id[row[:centre]].astype(jnp.uint8)
        return rgb8.T, t[:centre], class_id

    return jax.lax.map(tile, (ids, bounds, world_from_cam, corner))


def _tone_map(light: Array) -> Array:
    """Linear up to a knee, then exponential towards 1, so that windows do not clip."""
    knee = 0.6
    high = knee + (1.0 - knee) * (1.0 - jnp.exp(-(light - knee) / (1.0 - knee)))
    return jnp.where(light < knee, light, high)


@on_cpu
def render_frames(
    room: BakedRoom,
    solids: list[Solid],
    world_from_cam: np.ndarray,
    camera: Intrinsics,
    progress: Callable[[int], object] | None = None,
) -> Images:
    """Renders frames.

    Args:
        room: The room.
        solids: The solids it was made of, in the same order.
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

    def render(start: int) -> tuple[np.ndarray, ...]:
        index = np.minimum(np.arange(start, start + TILES_PER_CALL), work - 1)
        frame, tile = index // tiles, index % tiles
        pairs = list(zip(frame, tile, strict=True))
        out = render_tiles(
            room,
            np.stack([lists[f][0][t] for f, t in pairs]),
            np.stack([lists[f][1][t] for f, t in pairs]),
            world_from_cam[frame].astype(np.float32),
            corners[tile],
            pinhole,
        )
        keep = min(TILES_PER_CALL, work - start)
        host = tuple(np.asarray(part)[:keep] for part in out)
        if progress is not None:
            progress((start + keep) // tiles - start // tiles)
        return host

    parts = map_in_threads(render, range(0, work, TILES_PER_CALL))

    def assemble(k: int) -> np.ndarray:
        flat = np.concatenate([part[k] for part in parts])
        tail = flat.shape[2:]
        grid = flat.reshape(-1, lines, columns, TILE, TILE, *tail).swapaxes(2, 3)
        full = grid.reshape(-1, lines * TILE, columns * TILE, *tail)
        return np.ascontiguousarray(full[:, : camera.height, : camera.width])

    return Images(rgb=assemble(0), depth_z=assemble(1), class_id=assemble(2))
