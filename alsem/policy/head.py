"""The query policy's head: from a candidate's cues to what asking there would bring."""

import flax.linen as nn
import flax.struct
import jax.numpy as jnp

from alsem.core.arrays import Array, Float, Leaf


@flax.struct.dataclass
class Forecast:
    """What the policy expects of asking about candidates, leading axes ``*b``.

    Attributes:
        wrong: ``[*b]`` log-odds that the model is wrong there.
        gain: ``[*b]`` expected gain, in units of a round's mean absolute gain.
    """

    wrong: Leaf
    gain: Leaf


class PolicyHead(nn.Module):
    """A small MLP over cues, and a linear look at the field's description.

    The cues mean the same in every scene, so what is learnt from them travels; the
    description means something in one scene only, and its weights are born zero.

    Attributes:
        width: Width of the hidden layers.
        depth: Hidden layers.
    """

    width: int = 32
    depth: int = 2

    @nn.compact
    def __call__(
        self, cues: Float[Array, "*b d"], description: Float[Array, "*b f"]
    ) -> Forecast:
        """Forecasts of candidates from `acquisition.policy_cues` and the field."""
        h = cues
        for i in range(self.depth):
            h = nn.relu(nn.Dense(self.width, name=f"hidden_{i}")(h))
        out = nn.Dense(2, name="forecast")(h)
        here = nn.Dense(
            2, name="description", use_bias=False, kernel_init=nn.initializers.zeros
        )
        out = out + here(description)
        return Forecast(wrong=out[..., 0], gain=jnp.asarray(out[..., 1]))
