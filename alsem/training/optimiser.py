"""The optimiser of a fit, and how long a fit is."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax

from alsem.core.arrays import Array, Float
from alsem.core.memoize import memoize


@dataclasses.dataclass(frozen=True)
class Optimiser:
    """Adam with a learning rate that falls over a fit.

    Attributes:
        learning_rate: At the first step.
        final_fraction: What is left of it at the last step.
        schedule: ``cosine`` or ``exponential``.
        weight_decay: Decoupled, 0 for none.
        b2: Decay of Adam's second moment.
        eps: Adam's.
    """

    learning_rate: float
    final_fraction: float = 0.02
    schedule: str = "cosine"
    weight_decay: float = 0.0
    b2: float = 0.99
    eps: float = 1e-8

    def build(self) -> optax.GradientTransformation:
        """The optimiser, for fits of any length; the same object for equal options."""
        return _build(self)

    def rate(self, progress: Float[Array, ""]) -> Float[Array, ""]:
        """Learning rate when this fraction of the steps is done.

        Half way the cosine from 0.01 to 0.0002 is at their mean, 0.0051; the
        exponential at their geometric mean, 0.0014.
        """
        if self.schedule == "cosine":
            cosine = 0.5 * (1.0 + jnp.cos(jnp.pi * jnp.minimum(progress, 1.0)))
            fall = (1.0 - self.final_fraction) * cosine + self.final_fraction
        else:
            fall = self.final_fraction**progress
        return self.learning_rate * fall


@memoize
def _build(options: Optimiser) -> optax.GradientTransformation:
    return optax.chain(
        optax.scale_by_adam(b2=options.b2, eps=options.eps),
        optax.add_decayed_weights(options.weight_decay),
        _scale_by_rate(options),
    )


def _scale_by_rate(options: Optimiser) -> optax.GradientTransformationExtraArgs:
    """Scales by minus the learning rate at ``progress``, an argument of each update.

    Why no schedule of optax: it is a function of the step, so that every length of a
    fit would be compiled by itself.
    """

    def init(params: Any) -> optax.EmptyState:
        del params
        return optax.EmptyState()

    def update(
        updates: Any, state: Any, params: Any = None, *, progress: Array, **_: Any
    ) -> tuple[Any, Any]:
        del params
        rate = options.rate(progress)
        return jax.tree.map(lambda update: -rate * update, updates), state

    return optax.GradientTransformationExtraArgs(init, update)  # pyright: ignore[reportArgumentType]


@dataclasses.dataclass(frozen=True)
class Fit:
    """How long a fit is and what one step of it draws.

    Attributes:
        optimiser: See there.
        steps: Steps in all, a multiple of ``steps_per_call``.
        batch_rays: Rays of a step.
        steps_per_call: Steps of one compiled call.
    """

    optimiser: Optimiser
    steps: int
    batch_rays: int
    steps_per_call: int
