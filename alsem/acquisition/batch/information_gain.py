"""Greedy choice of the candidates that add most to the information matrix."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from alsem.acquisition.batch.greedy import _BLOCK, _dot, _padded
from alsem.core.arrays import Array, Float, Int
from alsem.core.numerics import power_of_two


def most_informative(
    left: np.ndarray,
    right: np.ndarray,
    information: np.ndarray,
    *,
    ridge: float,
    num: int,
) -> np.ndarray:
    """Rows whose ``left (x) right`` adds most to what is known, batch-greedy.

    Each pick maximises ``sum(left_c right_d / (information_cd + ridge))`` and is added
    to the information (FisherRF, Jiang et al. 2024).

    A row's gain only falls as information grows, so an old gain bounds the new one:
    blocks of rows are looked at again only while their bound is the greatest. The
    picks are those of looking at all of them each time.

    Args:
        left: ``[s c]``, not negative.
        right: ``[s d]``, not negative.
        information: ``[c d]`` to start from.
        ridge: Positive; keeps what nothing is known of finite.
        num: How many.
    """
    num = min(num, len(left))
    if num <= 0:
        return np.zeros(0, np.int64)
    start = (left @ (1.0 / (information + ridge)) * right).sum(axis=1)
    order = np.argsort(-start, kind="stable")  # so that few blocks matter
    picks = _most_informative(
        _padded(left[order]),
        _padded(right[order]),
        _padded(start[order], fill=-1.0),
        jnp.asarray(information, jnp.float32),
        jnp.float32(ridge),
        num,
        capacity=power_of_two(num),
    )
    return order[np.asarray(picks, np.int64)[:num]]


@functools.partial(jax.jit, static_argnames=("capacity",))
def _most_informative(
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
    size = min(_BLOCK, len(bounds))
    left = left.reshape(-1, size, left.shape[1])
    right = right.reshape(-1, size, right.shape[1])

    def step(i, state):
        information, bounds, picks = state
        worth = 1.0 / (information + ridge)

        def is_stale(carry):
            bounds, is_fresh = carry
            return ~is_fresh[jnp.argmax(jnp.max(bounds, axis=1))]

        def look_again(carry):
            bounds, is_fresh = carry
            block = jnp.argmax(jnp.max(bounds, axis=1))
            gain = jnp.sum(_dot(left[block], worth) * right[block], axis=1)
            gain = jnp.where(bounds[block] < 0, -1.0, gain)
            return bounds.at[block].set(gain), is_fresh.at[block].set(True)

        nothing = jnp.zeros(len(bounds), bool)
        bounds, _ = jax.lax.while_loop(is_stale, look_again, (bounds, nothing))
        block = jnp.argmax(jnp.max(bounds, axis=1))
        row = jnp.argmax(bounds[block])
        information = information + jnp.outer(left[block, row], right[block, row])
        bounds = bounds.at[block, row].set(-1.0)
        return information, bounds, picks.at[i].set(block * size + row)

    picks = jnp.full(capacity, -1, jnp.int32)
    state = information, bounds.reshape(-1, size), picks
    return jax.lax.fori_loop(0, num, step, state)[2]
