"""Running steps: many in one compiled call, and many calls in one fit."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from alsem.core import rng
from alsem.core.arrays import Array, PRNGKeyArray
from alsem.core.mesh import replicated
from alsem.training.state import Step, TrainState


def make_runner(
    step: Step,
    *,
    steps_per_call: int,
    mesh: jax.sharding.Mesh,
    refresh: Callable[[TrainState, PRNGKeyArray], TrainState] | None = None,
) -> Step:
    """Compiles ``steps_per_call`` steps into one call; the state is donated.

    ``refresh`` runs once a call, after the steps: the place for a proposal grid.
    Returns the state and the mean of every part over the call.
    """

    def run(state: TrainState, data, key: PRNGKeyArray):
        state, parts = jax.lax.scan(
            lambda carry, _: step(carry, data, key), state, length=steps_per_call
        )
        if refresh is not None:
            state = refresh(state, rng.stream(key, "refresh", state.step))
        return state, jax.tree.map(jnp.mean, parts)

    everywhere = replicated(mesh)
    compiled = jax.jit(
        run,
        in_shardings=everywhere,
        out_shardings=everywhere,
        donate_argnums=0,
    )

    def call(state: TrainState, data, key: PRNGKeyArray):
        # A state that is not on the mesh yet would be compiled for by itself.
        return compiled(jax.device_put(state, everywhere), data, key)

    return call


def fit(
    run: Step,
    state: TrainState,
    data: Any,
    key: PRNGKeyArray,
    *,
    num_steps: int,
    steps_per_call: int,
    after_call: Callable[[TrainState, dict[str, Array]], None] | None = None,
) -> TrainState:
    """Calls a runner until ``num_steps`` steps are done, from wherever it stands.

    Args:
        run: A compiled runner.
        state: Where to go on from; donated.
        data: What the runner's step draws from.
        key: The fit's key; steps fold their number in.
        num_steps: Total steps, a multiple of ``steps_per_call``.
        steps_per_call: Steps of one call.
        after_call: Told the state and the parts (device arrays) after every call;
            checkpoints and logs go here.

    Raises:
        FloatingPointError: The loss is not finite.
    """
    done = int(state.step)
    for _ in range(done, num_steps, steps_per_call):
        state, parts = run(state, data, key)
        loss = float(parts["loss"])
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss} at step {int(state.step)}")
        if after_call is not None:
            after_call(state, parts)
    return state
