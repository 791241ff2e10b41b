"""Greedy picks among outer products of predictions and embeddings.

All functions return int64 indices of ``num`` rows, or of all rows if there are fewer;
no row twice.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from alsem.acquisition.batch.blocks import (
    BLOCK,
    blockwise_argmax,
    exact_matmul,
    pad_rows,
)
from alsem.core.arrays import Array, Float, Int, PRNGKeyArray
from alsem.core.numerics import power_of_two


def kmeans_plus_plus(
    left: np.ndarray, right: np.ndarray, key: PRNGKeyArray, *, num: int
) -> np.ndarray:
    """Seeds of k-means++ among the rows' outer products ``left (x) right``.

    The longest first, then each with probability proportional to its squared distance
    to the nearest seed (Ash et al. 2020, BADGE). The products are never formed, since
    ``<a (x) b, c (x) d> = <a, c> <b, d>``.

    Args:
        left: ``[s c]``.
        right: ``[s d]``.
        key: Of the draws.
        num: Number of picks.
    """
    num = min(num, len(left))
    if num <= 0:
        return np.zeros(0, np.int64)
    is_real = np.arange(power_of_two(len(left))) < len(left)
    picks = _pick_by_chance(
        pad_rows(left), pad_rows(right), is_real, key, num, capacity=power_of_two(num)
    )
    return np.asarray(picks, np.int64)[:num]


def greedy_information_gain(
    left: np.ndarray,
    right: np.ndarray,
    information: np.ndarray,
    *,
    ridge: float,
    num: int,
) -> np.ndarray:
    """Rows whose ``left (x) right`` add most to the information, greedily.

    Each pick maximises ``sum(left_c right_d / (information_cd + ridge))`` and is added
    to the information (FisherRF, Jiang et al. 2024).

    A row's gain only falls as information grows, so an earlier gain bounds it: blocks
    of rows are evaluated again only while their bound is the greatest. The picks are
    those of evaluating all rows each time.

    Args:
        left: ``[s c]``, not negative.
        right: ``[s d]``, not negative.
        information: ``[c d]`` to start from.
        ridge: Positive; keeps gains finite where there is no information.
        num: Number of picks.
    """
    num = min(num, len(left))
    if num <= 0:
        return np.zeros(0, np.int64)
    start = (left @ (1.0 / (information + ridge)) * right).sum(axis=1)
    order = np.argsort(-start, kind="stable")  # so that few blocks matter
    picks = _pick_informative(
        pad_rows(left[order]),
        pad_rows(right[order]),
        pad_rows(start[order], fill=-1.0),
        jnp.asarray(information, jnp.float32),
        jnp.float32(ridge),
        num,
        capacity=power_of_two(num),
    )
    return order[np.asarray(picks, np.int64)[:num]]


@functools.partial(jax.jit, static_argnames=("capacity",))
def _pick_by_chance(
    left: Float[Array, "s c"],
    right: Float[Array, "s d"],
    is_real: Array,
    key: PRNGKeyArray,
    num: int | Int[Array, ""],
    *,
    capacity: int,
) -> Int[Array, "capacity"]:
    """The longest first, then by chance; the first ones left once all coincide."""
    square = jnp.sum(jnp.square(left), axis=1) * jnp.sum(jnp.square(right), axis=1)
    uniform = jax.random.uniform(key, (capacity,))

    def step(i, state):
        gain, picks = state
        pick = jnp.where(i == 0, blockwise_argmax(gain), _drawn(uniform[i], gain))
        product = exact_matmul(left, left[pick]) * exact_matmul(right, right[pick])
        apart = jnp.maximum(square + square[pick] - 2.0 * product, 0.0)
        nearest = jnp.where(i == 0, apart, jnp.minimum(gain, apart))
        gain = jnp.where(gain < 0, -1.0, nearest).at[pick].set(-1.0)
        return gain, picks.at[i].set(pick)

    picks = jnp.full(capacity, -1, jnp.int32)
    gain = jnp.where(is_real, square, -1.0)
    return jax.lax.fori_loop(0, num, step, (gain, picks))[1]


@functools.partial(jax.jit, static_argnames=("capacity",))
def _pick_informative(
    left: Float[Array, "s c"],
    right: Float[Array, "s d"],
    bounds: Float[Array, "s"],
    information: Float[Array, "c d"],
    ridge: Float[Array, ""],
    num: int | Int[Array, ""],
    *,
    capacity: int,
) -> Int[Array, "capacity"]:
    """The greatest gain ``num`` times; negative bounds are never picked."""
    size = min(BLOCK, len(bounds))
    left = left.reshape(-1, size, left.shape[1])
    right = right.reshape(-1, size, right.shape[1])

    def step(i, state):
        information, bounds, picks = state
        per_unit = 1.0 / (information + ridge)

        def is_stale(carry):
            bounds, is_current = carry
            return ~is_current[jnp.argmax(jnp.max(bounds, axis=1))]

        def evaluate(carry):
            bounds, is_current = carry
            block = jnp.argmax(jnp.max(bounds, axis=1))
            gain = jnp.sum(exact_matmul(left[block], per_unit) * right[block], axis=1)
            gain = jnp.where(bounds[block] < 0, -1.0, gain)
            return bounds.at[block].set(gain), is_current.at[block].set(True)

        none = jnp.zeros(len(bounds), bool)
        bounds, _ = jax.lax.while_loop(is_stale, evaluate, (bounds, none))
        block = jnp.argmax(jnp.max(bounds, axis=1))
        row = jnp.argmax(bounds[block])
        information = information + jnp.outer(left[block, row], right[block, row])
        bounds = bounds.at[block, row].set(-1.0)
        return information, bounds, picks.at[i].set(block * size + row)

    picks = jnp.full(capacity, -1, jnp.int32)
    state = information, bounds.reshape(-1, size), picks
    return jax.lax.fori_loop(0, num, step, state)[2]


def _drawn(uniform: Float[Array, ""], gain: Float[Array, "s"]) -> Int[Array, ""]:
    """Index drawn in proportion to its gain; the greatest if that is rounded away."""
    rows = jnp.maximum(gain, 0.0).reshape(-1, min(BLOCK, len(gain)))
    ends = jnp.cumsum(jnp.sum(rows, axis=1))
    level = uniform * ends[-1]
    row = jnp.minimum(jnp.sum(ends <= level), len(ends) - 1)
    before = jnp.where(row > 0, ends[row - 1], 0.0)
    inside = jnp.sum(jnp.cumsum(rows[row]) <= level - before)
    drawn = row * rows.shape[1] + jnp.minimum(inside, rows.shape[1] - 1)
    return jnp.where(gain[drawn] > 0, drawn, blockwise_argmax(gain)).astype(jnp.int32)
