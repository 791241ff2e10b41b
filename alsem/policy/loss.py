"""The policy's loss term: what asking brought, against what was expected of it."""

import dataclasses
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

from alsem.core.arrays import Array, Float, Leaf, PRNGKeyArray
from alsem.core.mesh import split_batch
from alsem.nerf import losses
from alsem.policy.head import PolicyHead
from alsem.training.state import FeaturesOf


@flax.struct.dataclass
class Observations:
    """What became of past queries, padded to a fixed length.

    Attributes:
        pixel: ``[n]`` int32 index of the asked pixel into the flattened pool.
        compact: Its samples of the surface cache ``[n s ...]``; None in joint training.
        cues: ``[n d]`` float32, what was known when it was asked.
        wrong: ``[n]`` float32, 1 where the model was wrong just before it learnt the
            label, 0 where it was right, -1 where nobody knows.
        gain: ``[n]`` float32, credit for what turned right afterwards; NaN unknown.
        count: How many are real; at least 1.
    """

    pixel: Leaf
    compact: Any
    cues: Leaf
    wrong: Leaf
    gain: Leaf
    count: Leaf


def policy_loss(
    head: PolicyHead,
    params: Any,
    cues: Float[Array, "r d"],
    description: Float[Array, "r f"],
    wrong: Float[Array, "r"],
    gain: Float[Array, "r"],
) -> Float[Array, ""]:
    """Binary cross entropy of the mistakes, squared error of the gains.

    What is not known (wrong -1, gain NaN) does not count.
    """
    forecast: Any = head.apply(params, cues, description)
    log_loss = optax.sigmoid_binary_cross_entropy(forecast.wrong, wrong)
    known = ~jnp.isnan(gain)
    miss = jnp.square(forecast.gain - jnp.where(known, gain, 0.0))
    return losses.masked_mean(log_loss, wrong >= 0) + losses.masked_mean(miss, known)


@dataclasses.dataclass(frozen=True)
class PolicyLoss:
    """The policy's loss, as a `training.ExtraLoss`.

    Attributes:
        head: The policy.
        weight: Of the loss.
        batch: Observations of one step.
    """

    head: PolicyHead
    weight: float
    batch: int
    name: str = "policy"

    def __call__(
        self,
        params: Any,
        data: Observations,
        key: PRNGKeyArray,
        features_of: FeaturesOf,
        mesh: jax.sharding.Mesh,
    ) -> Float[Array, ""]:
        """The weighted loss of a random batch of observations."""
        draw_key, look_key = jax.random.split(key)
        chosen = jax.random.randint(draw_key, (self.batch,), 0, data.count)
        chosen = split_batch(chosen, mesh)
        drawn = jax.tree.map(lambda leaf: leaf[chosen], data.replace(count=None))  # pyright: ignore[reportAttributeAccessIssue]
        description = features_of(drawn.compact, drawn.pixel, look_key)
        return self.weight * policy_loss(
            self.head, params, drawn.cues, description, drawn.wrong, drawn.gain
        )
