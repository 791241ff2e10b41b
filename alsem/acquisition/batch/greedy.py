"""Greedy choices, one pick after the other, as compiled loops.

Arrays are padded to powers of two: few shapes, so few compilations. All functions
return int64 indices of ``num`` rows, or of all rows if there are fewer; no row twice.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from alsem.core.arrays import Array, Float, Int, PRNGKeyArray
from alsem.core.numerics import power_of_two

MIN_WEIGHT = 1e-4  # share of the best score: hopeless candidates still spread out
_BLOCK = 512  # rows that are looked at together
# Distances are differences of products: accelerators must not round these first.
_dot = functools.partial(jnp.matmul, precision="highest")


def greedy(
    points: np.ndarray,
    scores: np.ndarray,
    distance: np.ndarray,
    *,
    num: int,
    radius: float = math.inf,
    power: float = 1.0,
) -> np.ndarray:
    """Points of a high score far from all picked before them.

    Args:
        points: ``[s d]`` metres.
        scores: ``[s]``, not negative.
        distance: ``[s]`` metres to the nearest point that counts as picked already.
        num: How many; all points if there are fewer.
        radius: Metres from which on distance does not matter.
        power: How sharply closeness is punished.
    """
    num = min(num, len(points))
    if num <= 0:
        return np.zeros(0, np.int64)
    # Maximising score * d**power is maximising score**(2/power) * d**2: no root and
    # no power in the loop.
    relative = scores / max(float(scores.max()), np.finfo(np.float32).tiny)
    weight = np.maximum(relative, MIN_WEIGHT) ** (2 / power)
    gain = weight * np.square(np.minimum(distance, radius))
    picks = _spread(
        tuple(_padded(column) for column in points.T),
        _padded(weight),
        _padded(gain, fill=-1.0),
        num,
        capacity=power_of_two(num),
    )
    return np.asarray(picks, np.int64)[:num]


def farthest(points: np.ndarray, others: np.ndarray, *, num: int) -> np.ndarray:
    """Farthest-first traversal of points ``[s d]`` that starts from ``others [m d]``.

    Sener & Savarese 2018 (core-set). In as many dimensions as an embedding has, a
    distance is a product of matrices.
    """
    num = min(num, len(points))
    if num <= 0:
        return np.zeros(0, np.int64)
    centre = points.mean(axis=0)  # small numbers: few digits cancel
    points, others = points - centre, others - centre
    if len(others):
        known = np.arange(power_of_two(len(others))) < len(others)
        gain = _nearest(_padded(points), _padded(others), known)
    else:
        gain = np.full(power_of_two(len(points)), np.inf, np.float32)
    is_real = np.arange(len(gain)) < len(points)
    picks = _traverse(
        _padded(points),
        jnp.where(is_real, gain, -1.0),
        num,
        capacity=power_of_two(num),
    )
    return np.asarray(picks, np.int64)[:num]


def plus_plus(
    left: np.ndarray, right: np.ndarray, key: PRNGKeyArray, *, num: int
) -> np.ndarray:
    """Seeds of k-means++ among the rows' outer products ``left (x) right``.

    The longest first, then each with probability proportional to its squared distance
    to the nearest seed (Ash et al. 2020, BADGE). The products are never formed:
    ``<a (x) b, c (x) d> = <a, c> <b, d>``.

    Args:
        left: ``[s c]``.
        right: ``[s d]``.
        key: Of the draws.
        num: How many.
    """
    num = min(num, len(left))
    if num <= 0:
        return np.zeros(0, np.int64)
    is_real = np.arange(power_of_two(len(left))) < len(left)
    picks = _plus_plus(
        _padded(left), _padded(right), is_real, key, num, capacity=power_of_two(num)
    )
    return np.asarray(picks, np.int64)[:num]


def _padded(values: np.ndarray, *, fill: float = 0.0) -> np.ndarray:
    """Float32 with the leading axis rounded up to a power of two."""
    extra = power_of_two(len(values)) - len(values)
    widths = [(0, extra)] + [(0, 0)] * (values.ndim - 1)
    return np.pad(values, widths, constant_values=fill).astype(np.float32)


@functools.partial(jax.jit, static_argnames=("capacity",))
def _spread(
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
        pick = _argmax(gain)
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
    """As `_spread` without weights, for points of many dimensions."""
    square = jnp.sum(jnp.square(points), axis=1)

    def step(i, state):
        gain, picks = state
        pick = _argmax(gain)
        apart = square + square[pick] - 2.0 * _dot(points, points[pick])
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
        apart = jnp.min(start[None, :] - 2.0 * _dot(points, rows.T), axis=1)
        return jnp.minimum(least, apart), None

    size = min(256, len(others))
    blocks = others.reshape(-1, size, others.shape[1]), is_real.reshape(-1, size)
    least, _ = jax.lax.scan(step, jnp.full(len(points), jnp.inf), blocks)
    return jnp.maximum(square + least, 0.0)


@functools.partial(jax.jit, static_argnames=("capacity",))
def _plus_plus(
    left: Float[Array, "s c"],
    right: Float[Array, "s d"],
    is_real: Array,
    key: PRNGKeyArray,
    num: int | Int[Array, ""],
    *,
    capacity: int,
) -> Int[Array, "capacity"]:
    """First the longest, then by chance; all that are left once they coincide."""
    square = jnp.sum(jnp.square(left), axis=1) * jnp.sum(jnp.square(right), axis=1)
    uniform = jax.random.uniform(key, (capacity,))

    def step(i, state):
        gain, picks = state
        pick = jnp.where(i == 0, _argmax(gain), _drawn(uniform[i], gain))
        product = _dot(left, left[pick]) * _dot(right, right[pick])
        apart = jnp.maximum(square + square[pick] - 2.0 * product, 0.0)
        nearest = jnp.where(i == 0, apart, jnp.minimum(gain, apart))
        gain = jnp.where(gain < 0, -1.0, nearest).at[pick].set(-1.0)
        return gain, picks.at[i].set(pick)

    picks = jnp.full(capacity, -1, jnp.int32)
    gain = jnp.where(is_real, square, -1.0)
    return jax.lax.fori_loop(0, num, step, (gain, picks))[1]


def _argmax(values: Float[Array, "s"]) -> Int[Array, ""]:
    """First index of the greatest of a power of two of values.

    By rows, because the CPU compiler vectorises a maximum but not an argmax (the
    whole loop of picks runs ten times as fast).
    """
    rows = values.reshape(-1, min(_BLOCK, len(values)))
    row = jnp.argmax(jnp.max(rows, axis=1))
    column = jnp.argmax(rows[row])
    return (row * rows.shape[1] + column).astype(jnp.int32)


def _drawn(uniform: Float[Array, ""], gain: Float[Array, "s"]) -> Int[Array, ""]:
    """Index drawn in proportion to its gain; the greatest if that is rounded away."""
    rows = jnp.maximum(gain, 0.0).reshape(-1, min(_BLOCK, len(gain)))
    ends = jnp.cumsum(jnp.sum(rows, axis=1))
    level = uniform * ends[-1]
    row = jnp.minimum(jnp.sum(ends <= level), len(ends) - 1)
    before = jnp.where(row > 0, ends[row - 1], 0.0)
    inside = jnp.sum(jnp.cumsum(rows[row]) <= level - before)
    drawn = row * rows.shape[1] + jnp.minimum(inside, rows.shape[1] - 1)
    return jnp.where(gain[drawn] > 0, drawn, _argmax(gain)).astype(jnp.int32)
