"""Pretraining: fits a policy to targets of many queries, and tests its ranking."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from alsem.policy.head import PolicyHead
from alsem.policy.loss import policy_loss
from alsem.policy.targets import PolicyTargets
from alsem.policy.weights import init_params


def fit_policy(
    head: PolicyHead,
    targets: PolicyTargets,
    key: jax.Array,
    *,
    steps: int = 3000,
    batch: int = 1024,
    learning_rate: float = 3e-3,
) -> Any:
    """Parameters of a policy fitted to targets of queries in any rooms."""
    params = init_params(head, key, 1)
    tx = optax.adamw(
        optax.cosine_decay_schedule(learning_rate, steps, 0.02), weight_decay=1e-3
    )
    columns = [jnp.asarray(c) for c in (targets.cues, targets.wrong, targets.gain)]

    def step(carry: Any, key: jax.Array):
        params, opt_state = carry
        chosen = jax.random.randint(key, (batch,), 0, len(targets))
        cues, wrong, gain = (column[chosen] for column in columns)
        no_features = jnp.zeros((batch, 1))
        value, grads = jax.value_and_grad(
            lambda p: policy_loss(head, p, cues, no_features, wrong, gain)
        )(params)
        updates, opt_state = tx.update(grads, opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), value

    keys = jax.random.split(key, steps)
    (params, _), _ = jax.jit(lambda c: jax.lax.scan(step, c, keys))(
        (params, tx.init(params))
    )
    return params


def rank_agreement(head: PolicyHead, params: Any, targets: PolicyTargets) -> float:
    """Rank correlation of expected and observed gains, on rooms not trained on."""
    forecast: Any = head.apply(
        params, jnp.asarray(targets.cues), jnp.zeros((len(targets), 1))
    )
    expected, observed = (
        np.argsort(np.argsort(values))
        for values in (np.asarray(forecast.gain), targets.gain)
    )
    return float(np.corrcoef(expected, observed)[0, 1])
