"""Encodings of positions and directions."""

import jax.numpy as jnp
import numpy as np

from alsem.core.arrays import Array, Float


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
