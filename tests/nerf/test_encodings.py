"""Encodings of positions and directions: equal to their definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linen_modules import LARGE

from alsem.nerf import encodings

pytestmark = pytest.mark.usefixtures("strict_dtypes")


def test_sinusoidal_equals_the_definition():
    shape = (2, LARGE // 2)
    x = np.random.default_rng(0).normal(size=(*shape, 3)).astype(np.float32)
    angles = x[..., None, :].astype(float) * (0.5 * 2.0 ** np.arange(3)[:, None])
    angles = angles.reshape(*shape, 9)
    expected = np.concatenate([x, np.sin(angles), np.cos(angles)], axis=-1)
    encode = jax.jit(lambda x: encodings.sinusoidal(x, octaves=3, base=0.5))
    np.testing.assert_allclose(encode(x), expected, atol=2e-6)


def test_sinusoidal_has_the_published_sizes():
    x = jnp.ones(3)
    assert encodings.sinusoidal(x, octaves=10).shape == (63,)
    assert encodings.sinusoidal(x, octaves=4).shape == (27,)
    np.testing.assert_array_equal(encodings.sinusoidal(x, octaves=0), x)


def test_spherical_harmonics_equal_their_polynomials_also_reduced_under_jit():
    # Stacked columns that are broadcast and summed at once are what the compiler of
    # jaxlib 0.10 gets wrong; a field's first layer is such a sum.
    rng = np.random.default_rng(9)
    direction = rng.normal(size=(LARGE, 3))
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    matrix = rng.normal(size=(9, 5))

    @jax.jit
    def layer(direction, matrix):
        values = encodings.spherical_harmonics(direction)
        each = jnp.broadcast_to(matrix, (LARGE, 9, 5))
        return values, jnp.sum(values[..., None] * each, axis=-2), values @ matrix

    values, by_sum, by_dot = layer(direction, matrix)
    x, y, z = direction.T
    one = np.ones(LARGE)
    polynomials = [one, y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y]
    square = np.array([4, 12, 12, 12, 60, 60, 5, 60, 15]) / (16 * np.pi)
    expected = np.stack(polynomials, axis=-1) * np.sqrt(square)
    np.testing.assert_allclose(values, expected, atol=1e-6)
    np.testing.assert_allclose(by_sum, expected @ matrix, atol=1e-5)
    np.testing.assert_allclose(by_dot, expected @ matrix, atol=1e-5)
