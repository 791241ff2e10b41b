"""Farthest-first traversal: weighted by scores, or in an embedding.

All functions return int64 indices of ``num`` rows, or of all rows if there are fewer;
no row twice.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from alsem.acquisition.batch.blocks import blockwise_argmax, exact_matmul, pad_rows
from alsem.core.arrays import Array, Float, Int
from alsem.core.numerics import power_of_two

MIN_WEIGHT = 1e-4  # fraction of the best score: distance decides among lower ones


def weighted_farthest_first(
    points: np.ndarray,
    scores: np.ndarray,
    distance: np.ndarray,
    *,
    num: int,
    radius: float = math.inf,
    power: float = 1.0,
) -> np.ndarray:
    """Picks points with the greatest ``score * min(distance, radius)**power``.

    The distance is that to the nearest point picked before.

    Args:
        points: ``[s d]`` metres.
        scores: ``[s]``, not negative.
        distance: ``[s]`` metres to the nearest point that counts as picked already.
        num: Number of picks; all points if there are fewer.
        radius: Metres beyond which distance does not matter.
        power: How strongly closeness lowers the product.
    """
    num = min(num, len(points))
    if num <= 0:
        return np.zeros(0, np.int64)
    # Maximising score * d**power is maximising score**(2/power) * d**2: no root and
    # no power in the loop.
    relative = scores / max(float(scores.max()), np.finfo(np.float32).tiny)
    weight = np.maximum(relative, MIN_WEIGHT) ** (2 / power)
    gain = weight * np.square(np.minimum(distance, radius))
    picks = _pick_weighted(
        tuple(pad_rows(column) for column in points.T),
        pad_rows(weight),
        pad_rows(gain, fill=-1.0),
        num,
        capacity=power_of_two(num),
    )
    return np.asarray(picks, np.int64)[:num]


def farthest_first(points: np.ndarray, others: np.ndarray, *, num: int) -> np.ndarray:
    """Farthest-first traversal of points ``[s d]`` that starts from ``others [m d]``.

    For the many dimensions of an embedding: distances are matrix products. Sener &
    Savarese 2018 (core-set).
    """
    num = min(num, len(points))
    if num <= 0:
        return np.zeros(0, np.int64)
    centre = points.mean(axis=0)  # relative to it fewer digits cancel
    points, others = points - centre, others - centre
    if len(others):
        known = np.arange(power_of_two(len(others))) < len(others)
        gain = _nearest(pad_rows(points), pad_rows(others), known)
    else:
        gain = np.full(power_of_two(len(points)), np.inf, np.float32)
    is_real = np.arange(len(gain)) < len(points)
    picks = _traverse(
        pad_rows(points),
        jnp.where(is_real, gain, -1.0),
        num,
        capacity=power_of_two(num),
    )
    return np.asarray(picks, np.int64)[:num]


@functools.partial(jax.jit, static_argnames=("capacity",))
def _pick_weighted(
    columns: tuple[Float[Array, "s"], ...],
    weight: Float[Array, "s"],
    gain: Float[Array, "s"],
    num: int | Int[Array, ""],
    *,
    capacity: int,
) -> Int[Array, "capacity"]:
    """Picks the greatest gain ``num`` times; negative gains are never picked."""

    def step(i, state):
        gain, picks = state
        pick = blockwise_argmax(gain)
        square = sum(jnp.square(column - column[pick]) for column in columns)
        gain = jnp.minimum(gain, weight * square).at[pick].set(-1.0)
        return gain, picks.at[i].set(pick)

    picks = jnp.full(capacity, -1, jnp.int32)
    return jax.lax.fori_loop(0, num, step, (gain, picks))[1]


@functools.partial(jax.jit, static_argnames=("capacity",))
def _traverse(
    points: Float[Array, "s d"],
    gain: Float[Array, "s"],
    num: int | Int[Array, ""],
    *,
    capacity: int,
) -> Int[Array, "capacity"]:
    """As `_pick_weighted` without weights, for points of many dimensions."""
    square = jnp.sum(jnp.square(points), axis=1)

    def step(i, state):
        gain, picks = state
        pick = blockwise_argmax(gain)
        apart = square + square[pick] - 2.0 * exact_matmul(points, points[pick])
        gain = jnp.minimum(gain, jnp.maximum(apart, 0.0)).at[pick].set(-1.0)
        return gain, picks.at[i].set(pick)

    picks = jnp.full(capacity, -1, jnp.int32)
    return jax.lax.fori_loop(0, num, step, (gain, picks))[1]


@jax.jit
def _nearest(points: Array, others: Array, is_real: Array) -> Array:
    """Squared distance ``[s]`` to the nearest real row of ``others [m d]``."""
    square = jnp.sum(jnp.square(points), axis=1)

    def step(least, block):
        rows, real = block
        start = jnp.where(real, jnp.sum(jnp.square(rows), axis=1), jnp.inf)
        apart = jnp.min(start[None, :] - 2.0 * exact_matmul(points, rows.T), axis=1)
        return jnp.minimum(least, apart), None

    size = min(256, len(others))
    blocks = others.reshape(-1, size, others.shape[1]), is_real.reshape(-1, size)
    least, _ = jax.lax.scan(step, jnp.full(len(points), jnp.inf), blocks)
    return jnp.maximum(square + least, 0.0)
