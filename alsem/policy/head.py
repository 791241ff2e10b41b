"""The query policy's head: from a candidate's cues to the gain expected of a query."""

import flax.linen as nn
import jax.numpy as jnp

from alsem.core.arrays import Array, Float
from alsem.core.pytrees import pytree


@pytree
class Forecast:
    """What the policy expects of querying candidates.

    Attributes:
        wrong: Log-odds that the model is wrong there.
        gain: Expected gain, in units of a round's mean absolute gain.
    """

    wrong: Float[Array, "*b"]
    gain: Float[Array, "*b"]


class PolicyHead(nn.Module):
    """A small MLP over cues, plus a linear layer over the field's geometry features.

    The cues mean the same in every scene, so what is learned from them transfers; the
    geometry features mean something in one scene only, and their weights start at zero.

    Attributes:
        width: Width of the hidden layers.
        depth: Number of hidden layers.
    """

    width: int = 32
    depth: int = 2

    @nn.compact
    def __call__(
        self, cues: Float[Array, "*b d"], features: Float[Array, "*b f"]
    ) -> Forecast:
        """Forecasts from `features.policy_cues` and composited geometry features."""
        h = cues
        for i in range(self.depth):
            h = nn.relu(nn.Dense(self.width, name=f"hidden_{i}")(h))
        out = nn.Dense(2, name="forecast")(h)
        in_scene = nn.Dense(
            2, name="features", use_bias=False, kernel_init=nn.initializers.zeros
        )
        out = out + in_scene(features)
        return Forecast(wrong=out[..., 0], gain=jnp.asarray(out[..., 1]))
