"""The proposal grid: a coarse grid of densities that places the samples of a ray.

Its resolution depends on the scene's box and is an argument of compiled functions:
densities are a flat array whose length is a power of two, of which the first
``x * y * z`` are used, so that few lengths are compiled.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from alsem.core.arrays import Array, Float, Int, PRNGKeyArray
from alsem.core.numerics import power_of_two
from alsem.core.pytrees import pytree
from alsem.nerf.hash_grid import GridBox

BATCH = 2**16  # points whose density is computed at once


@pytree
class ProposalGrid:
    """Densities of a coarse grid, with the box of the scene that it covers.

    Attributes:
        box: The box, and the levels of the field's own grid in it.
        density: Of every cell in C order, 1/metre; behind the last cell unused.
        shape: Cells along x, y and z.
        cell: Cell size, metres.
        near: Where rays start, metres.
        stride: Step between the cells of a refresh; it shares no factor with their
            number, so that none is visited twice.
    """

    box: GridBox
    density: Float[Array, "n"]
    shape: Int[Array, "3"]
    cell: Float[Array, ""]
    near: Float[Array, ""]
    stride: Int[Array, ""]


def init_proposal_grid(
    box: GridBox, extent: np.ndarray, *, near: float, cell: float, max_cells: int
) -> ProposalGrid:
    """An empty grid of cells as small as wished, or as ``max_cells`` of them allow.

    A box of 4 x 3 x 2 m has 80 x 60 x 40 cells of 5 cm. With 24,000 cells at most they
    measure 1.05 * (24 m^3 / 24,000)^(1/3) = 10.5 cm, and there are 39 x 29 x 20.

    Args:
        box: The scene's box.
        extent: Its size, float64, metres.
        near: Where rays start, metres.
        cell: Wished cell size, metres.
        max_cells: Bound on their number.
    """
    smallest = (float(np.prod(extent)) / max_cells) ** (1 / 3)
    cell = max(cell, 1.05 * smallest)
    shape = np.ceil(extent / cell).astype(np.int32)
    count = int(shape.prod())
    return ProposalGrid(
        box=box,
        density=jnp.zeros(power_of_two(count)),
        shape=jnp.asarray(shape),
        cell=jnp.float32(cell),
        near=jnp.float32(near),
        stride=jnp.int32(_coprime(count)),
    )


def cell_density(grid: ProposalGrid, x_in_box: list[Array]) -> Float[Array, "*b"]:
    """Densities of the cells that hold points; beyond the box those of its border.

    Args:
        grid: The grid.
        x_in_box: Coordinates of the points from the box's low corner, metres.
    """
    x, y, z = (
        jnp.clip(value / grid.cell, 0, grid.shape[i] - 1).astype(jnp.int32)
        for i, value in enumerate(x_in_box)
    )
    return grid.density[(x * grid.shape[1] + y) * grid.shape[2] + z]


def refreshed_density(
    grid: ProposalGrid,
    density_at: Callable[[Array], Array],
    key: PRNGKeyArray,
    *,
    fraction: float,
) -> Float[Array, "n"]:
    """Densities after the field was evaluated in a random fraction of the cells.

    Each at a random point of the cell, which keeps the highest density found so far,
    less a tenth at each refresh: one of 50 that finds 20 goes on with 45.

    Args:
        grid: The grid.
        density_at: The field's density at a point ``[3]``.
        key: Randomness.
        fraction: Of the cells.
    """
    capacity = grid.density.size
    count = jnp.prod(grid.shape)
    wanted = jnp.maximum(jnp.floor(fraction * count), 1).astype(jnp.int32)
    start_key, point_key = jax.random.split(key)
    num = max(1, int(fraction * capacity))  # at least those wanted
    first = jax.random.randint(start_key, (), 0, count)
    # Added up modulo the count: the product would overflow 32 bits.
    hops = jax.lax.associative_scan(
        lambda a, b: (a + b) % count, jnp.broadcast_to(grid.stride, num)
    )
    cells = (first + hops) % count
    y, z = grid.shape[1], grid.shape[2]
    index = jnp.stack([cells // (y * z), cells // z % y, cells % z], axis=-1)
    corner = index.astype(jnp.float32)
    inside = jax.random.uniform(point_key, corner.shape)
    x_world = grid.box.low[None] + (corner + inside) * grid.cell
    density = jax.lax.map(density_at, x_world, batch_size=BATCH)
    highest = jnp.maximum(0.9 * grid.density[cells], density)
    where = jnp.where(jnp.arange(num) < wanted, cells, capacity)
    return grid.density.at[where].set(highest, mode="drop")


def _coprime(count: int) -> int:
    """A stride near the golden section of ``count`` that shares no factor with it."""
    stride = max(1, int(0.618 * count))
    while np.gcd(stride, count) != 1:
        stride += 1
    return stride
