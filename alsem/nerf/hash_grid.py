"""The multi-resolution hash grid: features of points from tables of grid corners.

A point is looked up at four corners a level in place of eight: the corners of the
tetrahedron that holds it when the cell is cut along its diagonal (Kuhn). The
interpolant stays continuous, and gathers, the slow part on a CPU, are halved.

The box is an argument, so that one compiled program serves all scenes.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from alsem.core.arrays import Array, Bool, Float, Int
from alsem.core.mesh import sum_over_devices
from alsem.core.pytrees import pytree

Corner = tuple[Array, Array, Array]

_PRIME_Y, _PRIME_Z = np.uint32(2654435761), np.uint32(805459861)


@pytree
class GridBox:
    """The box that a hash grid covers, and the grid of every level in it.

    Attributes:
        low: Low corner, world frame, metres.
        extent: Size, metres.
        level_shape: Corners of every level along x, y and z.
        is_dense: Whether a level's corners all have rows of their own.
    """

    low: Float[Array, "3"]
    extent: Float[Array, "3"]
    level_shape: Int[Array, "l 3"]
    is_dense: Bool[Array, "l"]


def grid_cells(coarsest: float, finest: float, levels: int) -> tuple[float, ...]:
    """Cell sizes in metres, a geometric progression from coarsest to finest."""
    return tuple(float(c) for c in np.geomspace(coarsest, finest, levels))


def grid_box(
    low: Sequence[float], high: Sequence[float], *, cells: Sequence[float], rows: int
) -> GridBox:
    """Grids of the given cell sizes over a box, for tables of so many rows.

    A box of 4 x 3 x 2 m with cells of 0.5 m has 10 x 8 x 6 corners: one more than
    cells on each axis, and one because a point on the high side is in the cell behind.
    """
    extent = np.subtract(high, low, dtype=np.float64)
    shape = np.ceil(extent / np.array(cells)[:, None]).astype(np.int32) + 2
    return GridBox(
        low=jnp.asarray(low, jnp.float32),
        extent=jnp.asarray(extent, jnp.float32),
        level_shape=jnp.asarray(shape),
        is_dense=jnp.asarray(shape.prod(axis=-1, dtype=np.float64) <= rows),
    )


def simplex_corners(
    x: Float[Array, "*b"], y: Float[Array, "*b"], z: Float[Array, "*b"]
) -> tuple[list[Corner], list[Array]]:
    """The tetrahedron that holds a point: its corners and their barycentric weights.

    Walking from a cell's low corner to its high one, the axes are stepped in the order
    of their fractional parts, largest first (Kuhn's triangulation). Ranks in place of
    a sort: three comparisons.

    Returns:
        Four integer corners (x, y, z), each ``[*b]``, and four weights ``[*b]``.
    """
    low = [jnp.floor(v) for v in (x, y, z)]
    fx, fy, fz = x - low[0], y - low[1], z - low[2]
    x_before_y = (fx >= fy).astype(jnp.int32)
    x_before_z = (fx >= fz).astype(jnp.int32)
    y_before_z = (fy >= fz).astype(jnp.int32)
    ranks = (  # 0 = stepped first
        2 - x_before_y - x_before_z,
        1 + x_before_y - y_before_z,
        x_before_z + y_before_z,
    )
    base = [v.astype(jnp.int32) for v in low]
    corners: list[Corner] = []
    for taken in range(4):
        stepped = [
            b + (r < taken).astype(jnp.int32) for b, r in zip(base, ranks, strict=True)
        ]
        corners.append((stepped[0], stepped[1], stepped[2]))
    first = jnp.maximum(jnp.maximum(fx, fy), fz)
    last = jnp.minimum(jnp.minimum(fx, fy), fz)
    middle = fx + fy + fz - first - last
    return corners, [1.0 - first, first - middle, middle - last, last]


def table_index(
    corner: Corner,
    *,
    shape: Int[Array, "3"],
    is_dense: Bool[Array, ""],
    size: int,
) -> Int[Array, "*b"]:
    """Row of a grid corner in a level's table of ``size`` rows.

    A level whose whole grid ``shape`` fits is stored densely, in C order: of a grid
    of 10 x 8 x 6 corners, (1, 2, 3) has row (1 * 8 + 2) * 6 + 3 = 63. A larger one is
    hashed (Instant-NGP, arXiv 2201.05989, eq. 4): there (1, 2, 3) has row
    ``(1 ^ 2 * 2654435761 ^ 3 * 805459861) % size``, 28 of 64.

    Both are sums or exclusive ors of the coordinates times constants, so that which
    of them is taken may depend on an argument and costs nothing.

    Raises:
        ValueError: ``size`` is no power of two.
    """
    if size & (size - 1):
        raise ValueError(f"a table needs a power of two of rows, not {size}")
    across, along = shape[1].astype(jnp.uint32), shape[2].astype(jnp.uint32)
    factor_x = jnp.where(is_dense, across * along, 1)
    factor_y = jnp.where(is_dense, along, _PRIME_Y)
    factor_z = jnp.where(is_dense, np.uint32(1), _PRIME_Z)
    x, y, z = (v.astype(jnp.uint32) for v in corner)
    x, y, z = x * factor_x, y * factor_y, z * factor_z
    row = jnp.where(is_dense, x + y + z, (x ^ y ^ z) & np.uint32(size - 1))
    # Of a point that is not a number the corner may be anything.
    return jnp.minimum(row, np.uint32(size - 1)).astype(jnp.int32)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def mix_rows(
    table: Float[Array, "t f"],
    rows: list[list[Array]],
    weights: list[list[Array]],
    mesh: jax.sharding.Mesh | None = None,
) -> Float[Array, "n e"]:
    """Weighted sums of table rows, one a level, concatenated.

    Args:
        table: Rows of all levels.
        rows: Of every level and corner, the row numbers ``[n]``.
        weights: Of every level and corner, the weights ``[n]``.
        mesh: Devices that ``n`` is split over, in training.

    Why a gradient of its own: XLA's CPU compiler fuses the whole index arithmetic into
    the inner loop of the scatter. With rows and updates written out first the scatter
    is three times as fast. And left to XLA, every scatter's table is added up over the
    devices by itself, 64 tables for 16 levels; here each device adds up its own table
    first, and they are added up once.
    """
    del mesh
    levels = []
    for level_rows, level_weights in zip(rows, weights, strict=True):
        parts = [
            weight[:, None] * table.at[row].get(mode="promise_in_bounds")
            for row, weight in zip(level_rows, level_weights, strict=True)
        ]
        levels.append(sum(parts[1:], start=parts[0]))
    return jnp.concatenate(levels, axis=-1)


def _mix_rows_fwd(table, rows, weights, mesh):
    return mix_rows(table, rows, weights, mesh), (table, rows, weights)


def _mix_rows_bwd(mesh, saved, gradient):
    table, rows, weights = saved
    pull_back = _pull_back
    if mesh is not None and mesh.size > 1:
        pull_back = sum_over_devices(_pull_back, mesh)
    by_table, by_weight = pull_back(table, rows, weights, gradient)
    return by_table, None, by_weight


def _pull_back(table, rows, weights, gradient):
    """Gradients in the table and in the weights."""
    by_table, by_weight = jnp.zeros_like(table), []
    by_level = jnp.split(gradient, len(rows), axis=-1)
    for level_rows, level_weights, pull in zip(rows, weights, by_level, strict=True):
        by_weight.append([])
        for row, weight in zip(level_rows, level_weights, strict=True):
            where, update = jax.lax.optimization_barrier((row, weight[:, None] * pull))
            by_table = by_table.at[where].add(update, mode="promise_in_bounds")
            looked_up = table.at[row].get(mode="promise_in_bounds")
            by_weight[-1].append(jnp.sum(looked_up * pull, axis=-1))
    return by_table, by_weight


mix_rows.defvjp(_mix_rows_fwd, _mix_rows_bwd)


def hash_grid(
    table: Float[Array, "l t f"],
    x_world: Float[Array, "*b 3"],
    box: GridBox,
    *,
    cells: Sequence[float],
    mesh: jax.sharding.Mesh | None = None,
) -> Float[Array, "*b e"]:
    """Multi-resolution grid features, ``l * f`` of them, levels concatenated.

    Coordinates are kept in vectors of their own: an axis of three or four numbers at
    the end costs a CPU its vector units, and made this ten times slower.

    Args:
        table: Feature rows of every level.
        x_world: Points, metres; those beyond the box share its border.
        box: Where the grid lies, for the same cells and rows (`grid_box`).
        cells: Cell size of every level, metres.
        mesh: Devices that the first axis of points is split over, in training.
    """
    flat = (x_world - jnp.broadcast_to(box.low, x_world.shape)).reshape(-1, 3)
    inside = [jnp.clip(flat[:, i], 0.0, box.extent[i]) for i in range(3)]
    size = table.shape[1]
    rows, weights = [], []
    for level, cell in enumerate(cells):
        shape, is_dense = box.level_shape[level], box.is_dense[level]
        corners, fractions = simplex_corners(*(v / cell for v in inside))
        level_rows = [
            table_index(c, shape=shape, is_dense=is_dense, size=size) for c in corners
        ]
        rows.append([row + level * size for row in level_rows])
        weights.append(fractions)
    all_rows = table.reshape(-1, table.shape[-1])
    features: Any = mix_rows(all_rows, rows, weights, mesh)
    return features.reshape(*x_world.shape[:-1], -1)
