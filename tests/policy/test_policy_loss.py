"""The policy's head and loss."""

import jax
import jax.numpy as jnp
import numpy as np

from alsem.core.mesh import make_mesh
from alsem.policy.features import policy_names
from alsem.policy.head import PolicyHead
from alsem.policy.loss import Observations, PolicyLoss, policy_loss
from alsem.policy.weights import init_params

KEY = jax.random.key(3)
HEAD = PolicyHead(width=8, depth=2)
WIDTH = len(policy_names())
PARAMS = init_params(HEAD, jax.random.key(0), 5)


def observations(n=40, known=30):
    draw = np.random.default_rng(0)
    cues = draw.uniform(0, 1, (n, WIDTH)).astype(np.float32)
    gain = (3.0 * cues[:, 0]).astype(np.float32)
    gain[known:] = np.nan
    return Observations(
        pixel=jnp.arange(n, dtype=jnp.int32),
        compact=None,
        cues=jnp.asarray(cues),
        wrong=jnp.asarray((cues[:, 1] > 0.5).astype(np.float32)),
        gain=jnp.asarray(gain),
        count=jnp.int32(n),
    )


def no_features(compact, pixel, key):
    del compact, key
    return jnp.zeros((pixel.shape[0], 5))


def test_a_new_policy_ignores_geometry_features():
    cues = jnp.ones((3, WIDTH))
    gains = [HEAD.apply(PARAMS, cues, jnp.full((3, 5), v)).gain for v in (0.0, 7.0)]
    np.testing.assert_array_equal(*gains)


def test_unknown_targets_do_not_count():
    cues, features = jnp.ones((4, WIDTH)), jnp.zeros((4, 5))
    unknown = jnp.full(4, -1.0), jnp.full(4, jnp.nan)
    assert float(policy_loss(HEAD, PARAMS, cues, features, *unknown)) == 0.0
    wrong = jnp.array([1.0, -1.0, -1.0, -1.0])
    gain = jnp.array([jnp.nan, 2.0, jnp.nan, jnp.nan])
    grads = jax.grad(lambda p: policy_loss(HEAD, p, cues, features, wrong, gain))(
        PARAMS
    )
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(grads))
    assert any(np.any(leaf != 0) for leaf in jax.tree.leaves(grads))


def test_gains_and_mistakes_are_learned_from_cues():
    loss, data, mesh = PolicyLoss(HEAD, 1.0, 64), observations(), make_mesh(1)

    @jax.jit
    def step(params, key):
        value, grads = jax.value_and_grad(
            lambda p: loss(p, data, key, no_features, mesh)
        )(params)
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads), value

    params, losses = PARAMS, []
    for i in range(1500):
        params, value = step(params, jax.random.fold_in(KEY, i))
        losses.append(float(value))
    assert np.mean(losses[-20:]) < 0.4 * np.mean(losses[:5])
    forecast = HEAD.apply(params, data.cues, jnp.zeros((40, 5)))
    gain = 3.0 * np.asarray(data.cues[:, 0])
    assert np.corrcoef(forecast.gain, gain)[0, 1] > 0.9
    assert np.corrcoef(forecast.wrong, data.wrong)[0, 1] > 0.6


def test_another_key_draws_another_batch():
    loss, data, mesh = PolicyLoss(HEAD, 0.5, 8), observations(), make_mesh(1)
    assert loss.name == "policy"
    drawn = []

    def features_of(compact, pixel, key):
        drawn.append((pixel.tolist(), jax.random.key_data(key).tolist()))
        return no_features(compact, pixel, key)

    for i in (1, 1, 2):
        loss(PARAMS, data, jax.random.fold_in(KEY, i), features_of, mesh)
    assert drawn[0] == drawn[1]
    assert drawn[0][0] != drawn[2][0] and drawn[0][1] != drawn[2][1]
    whole = PolicyLoss(HEAD, 1.0, 8)(PARAMS, data, KEY, no_features, mesh)
    half = loss(PARAMS, data, KEY, no_features, mesh)
    np.testing.assert_allclose(half, 0.5 * whole, rtol=1e-6)
