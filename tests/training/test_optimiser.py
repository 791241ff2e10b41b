"""Optimisers: equal to optax's own with a schedule of the fit's length."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from alsem.training import gradient_step, init_state
from alsem.training.optimiser import Optimiser

SCHEDULES = {
    "cosine": optax.cosine_decay_schedule(0.01, 40, 0.02),
    "exponential": optax.exponential_decay(0.01, 40, 0.02),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_updates_equal_optax_adamw(schedule, weight_decay):
    theirs = optax.adamw(
        SCHEDULES[schedule], b2=0.99, eps=1e-8, weight_decay=weight_decay
    )
    ours = Optimiser(0.01, schedule=schedule, weight_decay=weight_decay).build()
    params = expected = {"a": jnp.array([1.0, -2.0]), "b": jnp.array(3.0)}
    state = init_state(params, ours, num_steps=40)
    opt_state = theirs.init(params)

    @jax.jit
    def one_step(state, grads):
        def loss(params):  # linear: its gradients are those given
            return sum(jax.tree.leaves(jax.tree.map(jnp.vdot, params, grads))), {}

        return gradient_step(state, ours, loss)[0]

    for step in range(45):  # beyond the end the rate stays
        grads = jax.tree.map(lambda p, step=step: jnp.cos(p + step), expected)
        state = one_step(state, grads)
        updates, opt_state = theirs.update(grads, opt_state, expected)
        expected = optax.apply_updates(expected, updates)
        for name, value in state.params.items():
            np.testing.assert_allclose(value, expected[name], rtol=2e-6)


def test_equal_options_make_one_optimiser():
    assert Optimiser(0.01).build() is Optimiser(0.01).build()
    assert Optimiser(0.01).build() is not Optimiser(0.02).build()
