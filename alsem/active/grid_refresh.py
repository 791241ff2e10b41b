"""Keeps a renderer's proposal grid up to date with its field."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp

from alsem import training
from alsem.core import rng
from alsem.core.memoize import memoize
from alsem.nerf import Nerf, ProposalGrid


@memoize
def refresher(nerf: Nerf, fraction: float, *, field: str | None = None):
    """Updates a fraction of the proposal grid after each call; None if it is 0.

    Args:
        nerf: The renderer.
        fraction: Of the grid's cells.
        field: Key of the field's parameters in those of the state; None if the state
            has no others.
    """
    if fraction <= 0:
        return None

    def refresh(state: training.TrainState, key):
        if not isinstance(state.grid, ProposalGrid):
            return state
        params = state.params if field is None else state.params[field]
        grid = nerf.refresh(params, state.grid, key, fraction=fraction)
        return dataclasses.replace(state, grid=grid)

    return refresh


def refresh_whole_grid(
    nerf: Nerf, state: training.TrainState, key: Any, *, passes: int = 4
) -> training.TrainState:
    """Evaluates every cell of an emptied proposal grid several times."""
    if not isinstance(state.grid, ProposalGrid):
        return state
    grid = jax.tree.map(jnp.array, state.grid)
    grid = dataclasses.replace(grid, density=jnp.zeros_like(grid.density))
    for i in range(passes):
        pass_key = rng.stream(key, "grid", i)
        grid = _refresh_all(nerf, state.params, grid, pass_key)
    return dataclasses.replace(state, grid=grid)


@functools.partial(jax.jit, static_argnums=0)
def _refresh_all(nerf: Nerf, params: Any, grid: Any, key: Any):
    return nerf.refresh(params, grid, key, fraction=1.0)
