"""Encodings of positions and directions.

The hash grid looks a point up at four corners a level in place of eight: the corners
of the tetrahedron that holds it when the cell is cut along its diagonal (Kuhn). The
interpolant stays continuous, and gathers, the slow part on a CPU, are halved.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from alsem.core.arrays import Array, Float, Int

Corner = tuple[Array, Array, Array]

_PRIME_Y, _PRIME_Z = np.uint32(2654435761), np.uint32(805459861)


def grid_cells(coarsest: float, finest: float, levels: int) -> tuple[float, ...]:
    """Cell sizes in metres, a geometric progression from coarsest to finest."""
    return tuple(float(c) for c in np.geomspace(coarsest, finest, levels))


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


def table_index(corner: Corner, *, shape: Sequence[int], size: int) -> Int[Array, "*b"]:
    """Row of a grid corner in a level's table of ``size`` rows.

    A level whose whole grid ``shape`` fits is stored densely; a larger one is hashed
    (Instant-NGP, arXiv 2201.05989, eq. 4).

    Raises:
        ValueError: A level has to be hashed and ``size`` is no power of two.
    """
    if math.prod(shape) <= size:
        x, y, z = (jnp.clip(v, 0, n - 1) for v, n in zip(corner, shape, strict=True))
        return (x * shape[1] + y) * shape[2] + z
    if size & (size - 1):
        raise ValueError(f"a hashed level needs a power of two of rows, not {size}")
    x, y, z = (v.astype(jnp.uint32) for v in corner)
    mixed = x ^ (y * _PRIME_Y) ^ (z * _PRIME_Z)
    return (mixed & jnp.uint32(size - 1)).astype(jnp.int32)


@jax.custom_vjp
def mix_rows(
    table: Float[Array, "t f"], rows: list[list[Array]], weights: list[list[Array]]
) -> Float[Array, "n e"]:
    """Weighted sums of table rows, one a level, concatenated.

    Args:
        table: Rows of all levels.
        rows: Of every level and corner, the row numbers ``[n]``.
        weights: Of every level and corner, the weights ``[n]``.

    Why a slope of its own: left alone, XLA's CPU compiler fuses the whole index
    arithmetic into the scatter's inner loop. With rows and updates written out first
    the scatter is three times as fast.
    """
    levels = []
    for level_rows, level_weights in zip(rows, weights, strict=True):
        parts = [
            weight[:, None] * table.at[row].get(mode="promise_in_bounds")
            for row, weight in zip(level_rows, level_weights, strict=True)
        ]
        levels.append(sum(parts[1:], start=parts[0]))
    return jnp.concatenate(levels, axis=-1)


def _mix_rows_fwd(table, rows, weights):
    return mix_rows(table, rows, weights), (table, rows, weights)


def _mix_rows_bwd(saved, slope):
    table, rows, weights = saved
    by_table, by_weight = jnp.zeros_like(table), []
    slopes = jnp.split(slope, len(rows), axis=-1)
    for level_rows, level_weights, pull in zip(rows, weights, slopes, strict=True):
        by_weight.append([])
        for row, weight in zip(level_rows, level_weights, strict=True):
            where, update = jax.lax.optimization_barrier((row, weight[:, None] * pull))
            by_table = by_table.at[where].add(update, mode="promise_in_bounds")
            looked_up = table.at[row].get(mode="promise_in_bounds")
            by_weight[-1].append(jnp.sum(looked_up * pull, axis=-1))
    return by_table, None, by_weight


mix_rows.defvjp(_mix_rows_fwd, _mix_rows_bwd)


def hash_grid(
    table: Float[Array, "l t f"],
    x: Float[Array, "*b 3"],
    *,
    cells: Sequence[float],
    extent: Sequence[float],
) -> Float[Array, "*b e"]:
    """Multi-resolution grid features, ``l * f`` of them, levels concatenated.

    Coordinates are kept in vectors of their own: an axis of three or four numbers at
    the end costs a CPU its vector units, and made this ten times slower.

    Args:
        table: Feature rows of every level.
        x: Metres from the low corner of the box, any leading axes.
        cells: Cell size of every level, metres.
        extent: Size of the box, metres; points beyond it share its border.
    """
    flat = x.reshape(-1, 3)
    inside = [jnp.clip(flat[:, i], 0.0, side) for i, side in enumerate(extent)]
    size = table.shape[1]
    rows, weights = [], []
    for level, cell in enumerate(cells):
        shape = [int(np.ceil(side / cell)) + 2 for side in extent]
        corners, fractions = simplex_corners(*(v / cell for v in inside))
        rows.append(
            [table_index(c, shape=shape, size=size) + level * size for c in corners]
        )
        weights.append(fractions)
    all_rows = table.reshape(-1, table.shape[-1])
    return mix_rows(all_rows, rows, weights).reshape(*x.shape[:-1], -1)
