"""Encodings of positions and directions: equal to their definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alsem.nerf import encodings

pytestmark = pytest.mark.usefixtures("strict_dtypes")

LARGE = 100_000  # points; the CPU compiler has gone wrong beyond 32768 numbers


@pytest.mark.parametrize("shape", [(4, 5), (LARGE,)])
def test_sinusoidal_equals_the_definition(shape):
    x = np.random.default_rng(0).normal(size=(*shape, 3)).astype(np.float32)
    angles = x[..., None, :].astype(float) * (0.5 * 2.0 ** np.arange(3)[:, None])
    angles = angles.reshape(*shape, 9)
    expected = np.concatenate([x, np.sin(angles), np.cos(angles)], axis=-1)
    encode = jax.jit(lambda x: encodings.sinusoidal(x, octaves=3, base=0.5))
    np.testing.assert_allclose(encode(jnp.asarray(x)), expected, atol=2e-6)


def test_sinusoidal_has_the_published_sizes():
    x = jnp.ones(3)
    assert encodings.sinusoidal(x, octaves=10).shape == (63,)
    assert encodings.sinusoidal(x, octaves=4).shape == (27,)
    np.testing.assert_array_equal(encodings.sinusoidal(x, octaves=0), x)


def test_spherical_harmonics_are_orthonormal():
    # Gauss-Legendre in z and even angles integrate degree 4 exactly.
    z, z_weight = np.polynomial.legendre.leggauss(6)
    angle = 2 * np.pi * np.arange(8) / 8
    radius = np.sqrt(1 - z**2)
    direction = np.stack(
        [
            np.outer(radius, np.cos(angle)),
            np.outer(radius, np.sin(angle)),
            np.outer(z, np.ones(8)),
        ],
        axis=-1,
    )
    values = encodings.spherical_harmonics(jnp.asarray(direction, jnp.float32))
    area = np.outer(z_weight, np.full(8, 2 * np.pi / 8))
    values = np.asarray(values, float)
    gram = np.einsum("zai,zaj,za->ij", values, values, area)
    np.testing.assert_allclose(gram, np.eye(9), atol=1e-6)
    # Degree 1 is (y, z, x), so that the order is not free.
    degree_one = values[..., 1:4] * np.sqrt(4 * np.pi / 3)
    np.testing.assert_allclose(degree_one, direction[..., [1, 2, 0]], atol=1e-6)


def test_a_large_batch_multiplied_and_reduced_under_jit():
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

    values, by_sum, by_dot = layer(
        jnp.asarray(direction, jnp.float32), jnp.asarray(matrix, jnp.float32)
    )
    x, y, z = direction.T
    expected = np.stack(
        [
            np.full(LARGE, np.sqrt(1 / (4 * np.pi))),
            *(np.sqrt(3 / (4 * np.pi)) * v for v in (y, z, x)),
            *(np.sqrt(15 / (4 * np.pi)) * v for v in (x * y, y * z)),
            np.sqrt(5 / (16 * np.pi)) * (3 * z * z - 1),
            np.sqrt(15 / (4 * np.pi)) * x * z,
            np.sqrt(15 / (16 * np.pi)) * (x * x - y * y),
        ],
        axis=-1,
    )
    np.testing.assert_allclose(values, expected, atol=1e-6)
    np.testing.assert_allclose(by_sum, expected @ matrix, atol=1e-5)
    np.testing.assert_allclose(by_dot, expected @ matrix, atol=1e-5)
