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

from alsem.typing import Array, Float, Int

_PRIME_Y, _PRIME_Z = np.uint32(2654435761), np.uint32(805459861)


def sinusoidal(
    x: Float[Array, "*b d"], *, octaves: int, base: float = 1.0
) -> Float[Array, "*b e"]:
    """``x`` and its sines and cosines at frequencies ``base * 2**k`` (no pi).

    NeRF, arXiv 2003.08934, eq. 4, as Semantic-NeRF uses it: the input is kept and
    angular frequencies are powers of two. Returns ``d * (1 + 2 * octaves)`` values.
    """
    *lead, d = x.shape
    scales = jnp.asarray(base * 2.0 ** np.arange(octaves), x.dtype)
    scales = jnp.broadcast_to(scales[:, None], (*lead, octaves, d))
    angles = (x[..., None, :] * scales).reshape(*lead, octaves * d)
    return jnp.concatenate([x, jnp.sin(angles), jnp.cos(angles)], axis=-1)


def spherical_harmonics(direction: Float[Array, "*b 3"]) -> Float[Array, "*b 9"]:
    """Real spherical harmonics of degree 0 to 2 of unit vectors."""
    x, y, z = direction[..., 0], direction[..., 1], direction[..., 2]
    return jnp.stack(
        [
            jnp.full_like(x, 0.28209479),
            0.48860251 * y,
            0.48860251 * z,
            0.48860251 * x,
            1.09254843 * x * y,
            1.09254843 * y * z,
            0.31539157 * (3.0 * z * z - 1.0),
            1.09254843 * x * z,
            0.54627422 * (x * x - y * y),
        ],
        axis=-1,
    )


def grid_cells(coarsest: float, finest: float, levels: int) -> tuple[float, ...]:
    """Cell sizes in metres, a geometric progression from coarsest to finest."""
    return tuple(float(c) for c in np.geomspace(coarsest, finest, levels))


def simplex_corners(
    x: Float[Array, "*b 3"],
) -> tuple[Int[Array, "*b 4 3"], Float[Array, "*b 4"]]:
    """Integer corners and barycentric weights of the tetrahedron that holds ``x``.

    Walking from a cell's low corner to its high one, the axes are stepped in the order
    of their fractional parts, largest first (Kuhn's triangulation). Ranks in place of
    a sort: three comparisons.
    """
    low = jnp.floor(x)
    frac = x - low
    fx, fy, fz = frac[..., 0], frac[..., 1], frac[..., 2]
    x_before_y = (fx >= fy).astype(jnp.int32)
    x_before_z = (fx >= fz).astype(jnp.int32)
    y_before_z = (fy >= fz).astype(jnp.int32)
    rank = jnp.stack(  # 0 = stepped first
        [
            2 - x_before_y - x_before_z,
            1 + x_before_y - y_before_z,
            x_before_z + y_before_z,
        ],
        axis=-1,
    )
    taken = jax.lax.broadcasted_iota(jnp.int32, (*x.shape[:-1], 4, 3), x.ndim - 1)
    steps = (rank[..., None, :] < taken).astype(jnp.int32)
    corners = low.astype(jnp.int32)[..., None, :] + steps
    first = jnp.maximum(jnp.maximum(fx, fy), fz)
    last = jnp.minimum(jnp.minimum(fx, fy), fz)
    middle = fx + fy + fz - first - last
    weights = jnp.stack([1.0 - first, first - middle, middle - last, last], axis=-1)
    return corners, weights


def table_index(
    corner: Int[Array, "*b 3"], *, shape: Sequence[int], size: int
) -> Int[Array, "*b"]:
    """Row of a grid corner in a level's table of ``size`` rows.

    A level whose whole grid ``shape`` fits is stored densely; a larger one is hashed
    (Instant-NGP, arXiv 2201.05989, eq. 4).

    Raises:
        ValueError: A level has to be hashed and ``size`` is no power of two.
    """
    if math.prod(shape) <= size:
        x, y, z = (jnp.clip(corner[..., i], 0, n - 1) for i, n in enumerate(shape))
        return (x * shape[1] + y) * shape[2] + z
    if size & (size - 1):
        raise ValueError(f"a hashed level needs a power of two of rows, not {size}")
    hashed = corner.astype(jnp.uint32)
    y, z = hashed[..., 1] * _PRIME_Y, hashed[..., 2] * _PRIME_Z
    return ((hashed[..., 0] ^ y ^ z) & jnp.uint32(size - 1)).astype(jnp.int32)


def hash_grid(
    table: Float[Array, "l t f"],
    x: Float[Array, "*b 3"],
    *,
    cells: Sequence[float],
    extent: Sequence[float],
) -> Float[Array, "*b e"]:
    """Multi-resolution grid features, ``l * f`` of them, levels concatenated.

    Args:
        table: Feature rows of every level.
        x: Metres from the low corner of the box, any leading axes.
        cells: Cell size of every level, metres.
        extent: Size of the box, metres; points beyond it share its border.
    """
    size = table.shape[1]
    flat = jnp.clip(x.reshape(-1, 3), 0.0, jnp.array(extent)[None, :])
    all_rows = table.reshape(-1, table.shape[-1])
    features = []
    for level, cell in enumerate(cells):
        shape = [int(np.ceil(side / cell)) + 2 for side in extent]
        corners, weights = simplex_corners(flat / cell)
        rows = table_index(corners, shape=shape, size=size) + level * size
        corner_features = all_rows.at[rows].get(mode="promise_in_bounds")
        features.append(jnp.sum(weights[..., None] * corner_features, axis=-2))
    return jnp.concatenate(features, axis=-1).reshape(*x.shape[:-1], -1)
