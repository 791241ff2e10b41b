"""Running steps: many in one compiled call, and many calls in one fit.

Calls run asynchronously: the host sends the next before the last one has ended. It
reads a loss only at log points and before a checkpoint.
"""

import dataclasses
import math
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp

from alsem.core import rng
from alsem.core.arrays import Array, PRNGKeyArray
from alsem.core.memoize import memoize
from alsem.core.mesh import put, replicated
from alsem.training.state import Step, TrainState

CALLS_PER_LOG = 50
IN_FLIGHT = 2  # calls that are queued on the devices at most

Refresh = Callable[[TrainState, PRNGKeyArray], TrainState]


@runtime_checkable
class Saver(Protocol):
    """Saves a fit while it runs."""

    def is_due(self) -> bool:
        """Whether to save now; asked after every call."""
        ...

    def save(self, step: int, state: TrainState) -> None:
        """Saves the state after ``step`` steps; may raise to end the fit."""
        ...


@dataclasses.dataclass(frozen=True)
class Runner:
    """A compiled call of several training steps.

    Attributes:
        compiled: ``(state, data, key) -> (state, parts)``; the state is donated.
        steps_per_call: Steps of one call.
        mesh: Devices that state and data are put on, whole.
    """

    compiled: Step
    steps_per_call: int
    mesh: jax.sharding.Mesh

    def __call__(
        self, state: TrainState, data: Any, key: PRNGKeyArray
    ) -> tuple[TrainState, dict[str, Array]]:
        """One call: the new state and the mean of every part of the loss."""
        return self.compiled(*put((state, data, key), self.mesh))


@memoize
def make_runner(
    step: Step,
    *,
    steps_per_call: int,
    mesh: jax.sharding.Mesh,
    refresh: Refresh | None = None,
) -> Runner:
    """Compiles ``steps_per_call`` steps into one call; the state is donated.

    Args:
        step: The step.
        steps_per_call: Steps of one call.
        mesh: The devices.
        refresh: Runs once a call, after the steps, for instance to update a proposal
            grid.
    """

    def run(state: TrainState, data: Any, key: PRNGKeyArray):
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
    return Runner(compiled, steps_per_call, mesh)


def fit(
    runner: Runner,
    state: TrainState,
    data: Any,
    key: PRNGKeyArray,
    *,
    num_steps: int | None = None,
    after_call: Callable[[int], object] | None = None,
    log: Callable[[int, dict[str, float]], None] | None = None,
    calls_per_log: int = CALLS_PER_LOG,
    saver: Saver | None = None,
) -> TrainState:
    """Calls a runner until a number of steps is done, from wherever the state is.

    Args:
        runner: The compiled call.
        state: Where to start from; donated.
        data: What the steps draw from; put on the devices once.
        key: The fit's key; steps fold their number in.
        num_steps: Steps at which to stop, a multiple of the runner's; None for those
            of the state.
        after_call: Receives the steps done after every call, which may still run.
        log: Receives the steps done and the mean parts of the loss over the last call,
            at log points.
        calls_per_log: Calls between log points; the last call is one, too.
        saver: Saves the state on the way.

    Raises:
        FloatingPointError: The loss is not finite.
    """
    state, data, key = put((state, data, key), runner.mesh)
    step, end = (int(n) for n in jax.device_get((state.step, state.num_steps)))
    if num_steps is not None:
        end = num_steps
    running: deque[Array] = deque()
    calls = 0
    while step < end:
        state, parts = runner.compiled(state, data, key)
        step += runner.steps_per_call
        calls += 1
        running.append(parts["loss"])
        if len(running) > IN_FLIGHT:
            running.popleft().block_until_ready()
        if after_call is not None:
            after_call(step)
        if calls % calls_per_log == 0 or step >= end:
            values = _finite(parts, step)
            if log is not None:
                log(step, values)
        if saver is not None and saver.is_due():
            _finite(parts, step)
            saver.save(step, state)
    return state


def _finite(parts: dict[str, Array], step: int) -> dict[str, float]:
    """The parts of a loss on the host."""
    values = {name: float(value) for name, value in jax.device_get(parts).items()}
    if not math.isfinite(values["loss"]):
        raise FloatingPointError(
            f"the loss is {values['loss']} at step {step}; lower the learning rate"
        )
    return values
