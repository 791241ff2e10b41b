"""Helpers of the compiled greedy loops: padded arrays and reductions by blocks.

Arrays are padded to powers of two: few shapes, so few compilations.
"""

import functools

import jax.numpy as jnp
import numpy as np

from alsem.core.arrays import Array, Float, Int
from alsem.core.numerics import power_of_two

BLOCK = 512  # rows that are reduced together
# Distances are differences of products: accelerators must not round these first.
exact_matmul = functools.partial(jnp.matmul, precision="highest")


def pad_rows(values: np.ndarray, *, fill: float = 0.0) -> np.ndarray:
    """Float32 with the leading axis rounded up to a power of two."""
    extra = power_of_two(len(values)) - len(values)
    widths = [(0, extra)] + [(0, 0)] * (values.ndim - 1)
    return np.pad(values, widths, constant_values=fill).astype(np.float32)


def blockwise_argmax(values: Float[Array, "s"]) -> Int[Array, ""]:
    """First index of the greatest of a power of two of values.

    By rows, because the CPU compiler vectorises a maximum but not an argmax (the
    whole loop of picks runs ten times as fast).
    """
    rows = values.reshape(-1, min(BLOCK, len(values)))
    row = jnp.argmax(jnp.max(rows, axis=1))
    column = jnp.argmax(rows[row])
    return (row * rows.shape[1] + column).astype(jnp.int32)
