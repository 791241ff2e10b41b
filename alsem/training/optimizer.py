"""The optimiser of a fit, and how long a fit is."""

import dataclasses

import optax


@dataclasses.dataclass(frozen=True)
class Optimiser:
    """Adam with a learning rate that falls.

    Attributes:
        learning_rate: At the first step.
        final_fraction: What is left of it at the last step.
        schedule: ``cosine`` or ``exponential``.
        weight_decay: Decoupled, 0 for none.
        b2: Adam's second moment decay.
        eps: Adam's.
    """

    learning_rate: float
    final_fraction: float = 0.02
    schedule: str = "cosine"
    weight_decay: float = 0.0
    b2: float = 0.99
    eps: float = 1e-8

    def build(self, steps: int) -> optax.GradientTransformation:
        """The optimiser of a fit of so many steps."""
        if self.schedule == "cosine":
            rate = optax.cosine_decay_schedule(
                self.learning_rate, max(1, steps), self.final_fraction
            )
        else:
            rate = optax.exponential_decay(
                self.learning_rate, max(1, steps), self.final_fraction
            )
        return optax.adamw(
            rate, b2=self.b2, eps=self.eps, weight_decay=self.weight_decay
        )


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
