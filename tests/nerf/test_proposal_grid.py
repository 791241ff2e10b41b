"""The proposal grid: its size, and which of its cells a refresh evaluates."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alsem.nerf import proposal_grid
from alsem.nerf.hash_grid import grid_box

KEY = jax.random.key(0)
LOW, EXTENT = np.array([1.0, 2.0, 3.0]), np.array([4.0, 3.0, 2.0])


def make_grid(fill, *, cell, max_cells=2**21):
    box = grid_box(tuple(LOW), tuple(LOW + EXTENT), cells=(0.5,), rows=8)
    grid = proposal_grid.init_proposal_grid(
        box, EXTENT, near=0.0, cell=cell, max_cells=max_cells
    )
    return dataclasses.replace(grid, density=jnp.full_like(grid.density, fill))


@functools.partial(jax.jit, static_argnames="fraction")
def refreshed(grid, axis, value, *, fraction):
    """Of a field with the density ``axis . (x - low) + value``."""

    def density_at(x):
        return jnp.sum(axis * (x - grid.box.low)) + value

    return proposal_grid.refreshed_density(grid, density_at, KEY, fraction=fraction)


def refresh(grid, fraction, *, axis=(0.0, 0.0, 0.0), value=0.0):
    """The densities of the cells after a refresh; those behind them stay."""
    after = np.asarray(refreshed(grid, np.array(axis), value, fraction=fraction))
    count = int(np.prod(grid.shape))
    np.testing.assert_array_equal(after[count:], grid.density[count:])
    return after[:count].reshape(grid.shape)


@pytest.mark.parametrize("cell", [0.25, 0.04])  # 0.04: products beyond 32 bits
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_whole_refresh_evaluates_every_cell_inside_it(cell, axis):
    found = refresh(make_grid(-1.0, cell=cell), 1.0, axis=np.eye(3)[axis])
    number = np.arange(found.shape[axis])
    offset = np.moveaxis(found, axis, -1) / cell - number  # of the point in its cell
    assert offset.min() > -1e-3 and offset.max() < 1 + 1e-3
    assert np.std(offset) > 0.25


def test_a_partial_refresh_evaluates_its_fraction_of_cells():
    grid = make_grid(-1.0, cell=0.25)
    found = refresh(grid, 0.25, value=1.0)
    assert np.sum(found > 0) == found.size // 4


def test_a_refresh_keeps_the_highest_density_less_a_tenth():
    grid = make_grid(100.0, cell=0.25)
    low, high = (refresh(grid, 1.0, value=value) for value in (20.0, 95.0))
    np.testing.assert_allclose(low, 90.0, rtol=1e-6)
    np.testing.assert_allclose(high, 95.0, rtol=1e-6)


def test_a_large_box_has_larger_cells():
    grid = make_grid(0.0, cell=0.01, max_cells=24_000)
    assert grid.shape.tolist() == [39, 29, 20]
    assert grid.density.size == 2**15
    np.testing.assert_allclose(grid.cell, 0.105)


def test_points_read_their_own_cell_and_beyond_the_box_that_of_its_border():
    grid = make_grid(0.0, cell=0.5)  # 8 x 6 x 4 cells
    number = jnp.arange(grid.density.size, dtype=jnp.float32)
    grid = dataclasses.replace(grid, density=number)
    x = jnp.array([[0.6, 1.1, 1.7], [-5.0, 9.0, 0.0]]).T
    wanted = [(1 * 6 + 2) * 4 + 3, 5 * 4]
    np.testing.assert_array_equal(proposal_grid.cell_density(grid, list(x)), wanted)
