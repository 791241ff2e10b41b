"""Safe functions: NumPy's values, and finite values and gradients anywhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alsem.core import numerics

pytestmark = pytest.mark.usefixtures("strict_dtypes")

EXTREMES = [-1e30, -100.0, -15.0, -1e-8, 0.0, 1e-8, 15.0, 100.0, 1e30]
LARGE = 100_000  # rows; the CPU compiler has gone wrong beyond 32768 numbers


def test_trunc_exp_is_exp_of_clipped_values():
    x = np.array([-1e30, -100, -15, -3.2, 0, 1e-7, 2.5, 15, 100, 1e30])
    expected = np.exp(np.clip(x, -15.0, 15.0))
    actual = numerics.trunc_exp(jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(actual, expected, rtol=3e-6)  # 15 * float32 eps


@pytest.mark.parametrize("x", EXTREMES)
def test_trunc_exp_has_a_finite_positive_gradient(x):
    value, gradient = jax.value_and_grad(numerics.trunc_exp)(jnp.float32(x))
    assert np.isfinite(value)
    assert 0 < gradient < 1e7
    np.testing.assert_allclose(gradient, value, rtol=1e-6)  # d exp = exp


def test_safe_normalize_is_x_over_its_length():
    x = np.random.default_rng(0).normal(size=(7, 5, 3)).astype(np.float32)
    x[0, 0] = 0.0
    x[0, 1] *= 1e-5
    x[0, 2] *= 1e9
    expected = np.zeros(x.shape)
    for i in np.ndindex(7, 5):
        length = np.sqrt(sum(float(v) ** 2 for v in x[i]))
        expected[i] = x[i] / length if length else 0.0
    actual = numerics.safe_normalize(jnp.asarray(x))
    np.testing.assert_allclose(actual, expected, atol=3e-7)


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-8, 1.0, 1e8, 1e15])
def test_safe_normalize_has_finite_gradients(scale):
    x = jnp.array([0.6, -0.8, 0.0]) * scale
    gradients = jax.jacobian(numerics.safe_normalize)(x)
    assert np.isfinite(gradients).all()
    if scale < 1e-6:
        np.testing.assert_array_equal(gradients, 0.0)
    else:  # (1 - u u^T) / |x|
        u = np.array([0.6, -0.8, 0.0])
        expected = (np.eye(3) - np.outer(u, u)) / scale
        np.testing.assert_allclose(gradients, expected, atol=1e-6 / scale)


def test_safe_log_is_log_and_zero_for_entropies_of_zeros():
    x = np.array([1e-12, 1e-9, 0.3, 1.0, 7.0, 1e30])
    actual = numerics.safe_log(jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(actual, np.log(x), rtol=1e-6, atol=1e-7)

    def entropy(probs):
        return -jnp.sum(probs * numerics.safe_log(probs))

    assert entropy(jnp.array([0.0, 1.0, 0.0])) == 0.0
    half = entropy(jnp.array([0.5, 0.5, 0.0]))
    np.testing.assert_allclose(half, np.log(2.0), rtol=1e-6)


@pytest.mark.parametrize("x", [-1.0, 0.0, 1e-30, 1e-12, 1e-8, 1.0, 1e30])
def test_safe_log_has_a_finite_gradient(x):
    value, gradient = jax.value_and_grad(numerics.safe_log)(jnp.float32(x))
    assert np.isfinite(value) and np.isfinite(gradient)


def test_large_arrays_under_jit():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(LARGE, 3))
    x32 = jnp.asarray(x, jnp.float32)
    unit = x / np.linalg.norm(x, axis=-1, keepdims=True)
    np.testing.assert_allclose(jax.jit(numerics.safe_normalize)(x32), unit, atol=1e-6)
    # Columns computed, stacked and at once reduced: what the compiler gets wrong.
    turned = jax.jit(
        lambda v: numerics.safe_normalize(
            jnp.stack([v[:, 1] - v[:, 2], v[:, 2] * 2.0, v[:, 0] + 1.0], axis=-1)
        )
    )(x32)
    y = np.stack([x[:, 1] - x[:, 2], x[:, 2] * 2.0, x[:, 0] + 1.0], axis=-1)
    y /= np.linalg.norm(y, axis=-1, keepdims=True)
    np.testing.assert_allclose(turned, y, atol=3e-4)  # short vectors: cancellation
    np.testing.assert_allclose(jax.jit(numerics.trunc_exp)(x32), np.exp(x), rtol=1e-5)
    actual = jax.jit(numerics.safe_log)(jnp.abs(x32) + 1e-3)
    np.testing.assert_allclose(actual, np.log(np.abs(x) + 1e-3), atol=1e-4)
