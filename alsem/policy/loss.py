"""The policy's loss: forecasts of past queries against their targets."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax

from alsem.core.arrays import Array, Float, Int, PRNGKeyArray
from alsem.core.mesh import split_batch
from alsem.core.pytrees import pytree
from alsem.nerf import losses
from alsem.policy.head import PolicyHead
from alsem.training.state import FeaturesOf


@pytree
class Observations:
    """Targets of past queries on the devices, padded to a fixed length.

    Attributes:
        pixel: Index of the queried pixel into the flattened pool.
        compact: Its samples of the surface cache ``[n s ...]``; None in joint training.
        cues: What the policy saw of it before it was answered.
        wrong: 1 where the model was wrong before it learned the label, 0 where it was
            right, -1 unknown.
        gain: Gain of the answer, in units of its round's mean; NaN unknown.
        count: How many are real; at least 1.
    """

    pixel: Int[Array, "n"]
    compact: Any
    cues: Float[Array, "n d"]
    wrong: Float[Array, "n"]
    gain: Float[Array, "n"]
    count: Int[Array, ""]


def policy_loss(
    head: PolicyHead,
    params: Any,
    cues: Float[Array, "r d"],
    features: Float[Array, "r f"],
    wrong: Float[Array, "r"],
    gain: Float[Array, "r"],
) -> Float[Array, ""]:
    """Binary cross entropy of mistakes plus squared error of gains.

    Unknown targets (wrong -1, gain NaN) do not count.
    """
    forecast: Any = head.apply(params, cues, features)
    log_loss = optax.sigmoid_binary_cross_entropy(forecast.wrong, wrong)
    known = ~jnp.isnan(gain)
    square = jnp.square(forecast.gain - jnp.where(known, gain, 0.0))
    return losses.masked_mean(log_loss, wrong >= 0) + losses.masked_mean(square, known)


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
        """The weighted loss of a random batch of observations.

        Args:
            params: The head's parameters.
            data: Targets of past queries.
            key: Of this training step: another one draws another batch.
            features_of: Gives geometry features of pool pixels.
            mesh: Devices that the batch is split over.
        """
        draw_key, feature_key = jax.random.split(key)
        chosen = jax.random.randint(draw_key, (self.batch,), 0, data.count)
        chosen = split_batch(chosen, mesh)
        columns = data.pixel, data.compact, data.cues, data.wrong, data.gain
        pixel, compact, cues, wrong, gain = jax.tree.map(
            lambda leaf: leaf[chosen], columns
        )
        features = features_of(compact, pixel, feature_key)
        return self.weight * policy_loss(self.head, params, cues, features, wrong, gain)
