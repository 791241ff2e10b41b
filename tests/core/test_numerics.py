"""Safe functions: NumPy's values, and finite values and gradients anywhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alsem.core import numerics

pytestmark = pytest.mark.usefixtures("strict_dtypes")

LARGE = 40_000  # rows; the CPU compiler has gone wrong beyond 32768 numbers


def values_and_gradients(fn, x):
    return jax.jit(jax.vmap(jax.value_and_grad(fn)))(x)


def test_trunc_exp_is_exp_of_clipped_values_and_its_own_gradient():
    x = np.array([-1e30, -100, -15, -3.2, -1e-8, 0, 1e-7, 2.5, 15, 100, 1e30])
    value, gradient = values_and_gradients(numerics.trunc_exp, x)
    expected = np.exp(np.clip(x, -15.0, 15.0))
    np.testing.assert_allclose(value, expected, rtol=3e-6)  # 15 * float32 eps
    np.testing.assert_allclose(gradient, value, rtol=1e-6)  # d exp = exp


@jax.jit
def normalized(x):
    # Columns computed, stacked and at once reduced: what the compiler gets wrong.
    turned = jnp.stack([x[:, 1] - x[:, 2], x[:, 2] * 2.0, x[:, 0] + 1.0], axis=-1)
    return numerics.safe_normalize(x), numerics.safe_normalize(turned)


def test_safe_normalize_is_x_over_its_length():
    x = np.random.default_rng(0).normal(size=(LARGE, 3))
    x[:3] *= [[0.0], [1e-5], [1e9]]
    unit, turned = normalized(x)
    expected = x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-9)
    np.testing.assert_allclose(unit, expected, atol=3e-7)
    y = np.stack([x[:, 1] - x[:, 2], x[:, 2] * 2.0, x[:, 0] + 1.0], axis=-1)
    y /= np.linalg.norm(y, axis=-1, keepdims=True)
    np.testing.assert_allclose(turned, y, atol=3e-4)  # short vectors: cancellation


jacobian = jax.jit(jax.jacobian(numerics.safe_normalize))


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-8, 1.0, 1e8, 1e15])
def test_safe_normalize_has_finite_gradients(scale):
    u = np.array([0.6, -0.8, 0.0])
    gradients = jacobian(u * scale)
    if scale < 1e-6:
        np.testing.assert_array_equal(gradients, 0.0)
    else:  # (1 - u u^T) / |x|
        expected = (np.eye(3) - np.outer(u, u)) / scale
        np.testing.assert_allclose(gradients, expected, atol=1e-6 / scale)


def test_safe_log_is_log_and_zero_for_entropies_of_zeros():
    x = np.array([1e-12, 1e-9, 0.3, 1.0, 7.0, 1e30])
    actual = numerics.safe_log(jnp.asarray(x))
    np.testing.assert_allclose(actual, np.log(x), rtol=1e-6, atol=1e-7)
    probs = jnp.array([[0.0, 1.0, 0.0], [0.5, 0.5, 0.0]])
    entropy = -jnp.sum(probs * numerics.safe_log(probs), axis=-1)
    np.testing.assert_allclose(entropy, [0.0, np.log(2.0)], rtol=1e-6)


def test_safe_log_has_a_finite_gradient():
    x = np.array([-1.0, 0.0, 1e-30, 1e-12, 1e-8, 1.0, 1e30])
    assert np.isfinite(values_and_gradients(numerics.safe_log, x)).all()
