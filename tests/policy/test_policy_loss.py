"""The policy's head and loss."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alsem.core.mesh import make_mesh
from alsem.policy.features import policy_names
from alsem.policy.head import PolicyHead
from alsem.policy.loss import Observations, PolicyLoss, policy_loss
from alsem.policy.weights import init_params

KEY = jax.random.key(3)
HEAD = PolicyHead(width=8, depth=2)
WIDTH = len(policy_names())


@pytest.fixture(scope="module")
def start():
    return init_params(HEAD, jax.random.key(0), 5)


@pytest.fixture(scope="module")
def data():
    """Forty observations, of which the last ten have no gain."""
    cues = np.random.default_rng(0).random((40, WIDTH), np.float32)
    gain = np.where(np.arange(40) < 30, 3.0 * cues[:, 0], np.nan)
    return Observations(
        pixel=jnp.arange(40, dtype=jnp.int32),
        compact=None,
        cues=jnp.asarray(cues),
        wrong=jnp.asarray(cues[:, 1] > 0.5, jnp.float32),
        gain=jnp.asarray(gain, jnp.float32),
        count=jnp.int32(40),
    )


def no_features(compact, pixel, key):
    return jnp.zeros((pixel.shape[0], 5))


def test_a_new_policy_ignores_geometry_features(start):
    cues = jnp.ones((3, WIDTH))
    gains = [HEAD.apply(start, cues, jnp.full((3, 5), v)).gain for v in (0.0, 7.0)]
    np.testing.assert_array_equal(*gains)


def test_unknown_targets_do_not_count(start):
    @jax.jit
    @jax.value_and_grad
    def loss(params, wrong, gain):
        cues, features = jnp.ones((4, WIDTH)), jnp.zeros((4, 5))
        return policy_loss(HEAD, params, cues, features, wrong, gain)

    assert loss(start, jnp.full(4, -1.0), jnp.full(4, jnp.nan))[0] == 0.0
    wrong = jnp.array([1.0, -1.0, -1.0, -1.0])
    gain = jnp.array([jnp.nan, 2.0, jnp.nan, jnp.nan])
    grads = jax.tree.leaves(loss(start, wrong, gain)[1])
    assert all(np.isfinite(leaf).all() for leaf in grads)
    assert any(np.any(leaf != 0) for leaf in grads)


def test_gains_and_mistakes_are_learned_from_cues(start, data):
    loss, mesh = PolicyLoss(HEAD, 1.0, 64), make_mesh(1)

    def step(params, key):
        value, grads = jax.value_and_grad(loss)(params, data, key, no_features, mesh)
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads), value

    keys = jax.random.split(KEY, 1500)
    params, losses = jax.jit(lambda p: jax.lax.scan(step, p, keys))(start)
    assert np.mean(losses[-20:]) < 0.4 * np.mean(losses[:5])
    forecast = HEAD.apply(params, data.cues, jnp.zeros((40, 5)))
    gain = 3.0 * np.asarray(data.cues[:, 0])
    assert np.corrcoef(forecast.gain, gain)[0, 1] > 0.9
    assert np.corrcoef(forecast.wrong, data.wrong)[0, 1] > 0.6


def test_another_key_draws_another_batch(start, data):
    mesh, drawn = make_mesh(1), []

    def features_of(compact, pixel, key):
        drawn.append((pixel.tolist(), jax.random.key_data(key).tolist()))
        return no_features(compact, pixel, key)

    half, again, _ = (
        PolicyLoss(HEAD, 0.5, 8)(start, data, key, features_of, mesh)
        for key in (KEY, KEY, jax.random.key(4))
    )
    assert drawn[0] == drawn[1] and half == again
    assert drawn[0][0] != drawn[2][0] and drawn[0][1] != drawn[2][1]
    whole = PolicyLoss(HEAD, 1.0, 8)(start, data, KEY, no_features, mesh)
    np.testing.assert_allclose(half, 0.5 * whole, rtol=1e-6)
