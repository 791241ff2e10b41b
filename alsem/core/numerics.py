"""Functions with finite values and gradients everywhere, and padding of rows."""

import jax
import jax.numpy as jnp
import numpy as np

from alsem.core.arrays import Array, Float

MIN_ROWS = 256  # least number of rows after padding
EXP_LIMIT = 15.0  # exp(15) is 3e6 per metre: opaque within a micrometre


@jax.custom_vjp
def trunc_exp(x: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """``exp(x)`` with value and gradient held at ``exp(±EXP_LIMIT)`` beyond it.

    Outside the limits the gradient is that at the limit, not zero, so that an
    optimiser can return from there (Instant-NGP's density activation).
    """
    return jnp.exp(jnp.clip(x, -EXP_LIMIT, EXP_LIMIT))


def _trunc_exp_fwd(x):
    y = trunc_exp(x)
    return y, y


def _trunc_exp_bwd(y, g):
    return (g * y,)


trunc_exp.defvjp(_trunc_exp_fwd, _trunc_exp_bwd)


def safe_normalize(
    x: Float[Array, "*b d"], *, eps: float = 1e-12
) -> Float[Array, "*b d"]:
    """Unit vectors along the last axis; zero, with zero gradient, for zero vectors."""
    square = jnp.sum(x * x, axis=-1, keepdims=True)
    is_zero = square < eps
    norm = jnp.sqrt(jnp.where(is_zero, 1.0, square))
    return jnp.where(is_zero, 0.0, x / norm)


def safe_log(x: Float[Array, "*b"], *, eps: float = 1e-12) -> Float[Array, "*b"]:
    """``log(max(x, eps))``, so that ``0 log 0`` is zero and gradients are finite."""
    return jnp.log(jnp.maximum(x, eps))


def power_of_two(count: int) -> int:
    """The least power of two that is not below a positive count."""
    return 1 << (count - 1).bit_length()


def padded(values: np.ndarray, fill: float | int | None = None) -> np.ndarray:
    """Rows padded to a power of two of at least `MIN_ROWS`, so that few are compiled.

    The padding is ``fill``, or copies of the last row if that is None: 300 rows become
    512.
    """
    extra = power_of_two(max(len(values), MIN_ROWS)) - len(values)
    width = [(0, extra)] + [(0, 0)] * (values.ndim - 1)
    if fill is None:
        return np.pad(values, width, mode="edge")
    return np.pad(values, width, constant_values=fill)
