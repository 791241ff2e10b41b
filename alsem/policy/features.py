"""Features of the query policy: a candidate's cues as one vector without units.

Every entry means the same in any scene: scores relative to their greatest value,
distances in mean spacings of labels, fractions on a logarithmic scale. So a policy
that learned in one room can be used in another.
"""

import jax
import jax.numpy as jnp

from alsem.acquisition import CUES, scores
from alsem.acquisition.cues.gather import Cues
from alsem.acquisition.cues.table import log_fraction
from alsem.core.arrays import Array, Float
from alsem.core.types import Posterior

SCORES_SEEN = ("entropy", "margin", "least_confidence", "bald")
_IN_NATS = ("entropy", "bald")  # divided by the log of the number of classes
_HIDDEN = "hidden_fraction"


def policy_names() -> tuple[str, ...]:
    """Names of the entries of `policy_cues`: scores, cues of `CUES`, hidden fraction.

    ``hidden_fraction`` is the expected logarithm of the pool's fraction over the
    classes that the model considers possible: low where a rare class may be hidden.
    """
    seen = (name for name, cue in CUES.items() if cue.policy is not None)
    return (*SCORES_SEEN, *seen, _HIDDEN)


def policy_cues(posterior: Posterior, cues: Cues) -> Float[Array, "d"]:
    """The cue vector of one candidate, in the order of `policy_names`.

    Each entry is about in [-1, 1]. Of a cue per class it is the predicted class's.
    """
    key = jax.random.key(0)  # none of these scores draws
    probs = jnp.mean(posterior.probs, axis=0)
    greatest = jnp.log(float(max(2, probs.shape[-1])))
    best = jnp.argmax(probs)
    values: list[Array] = []
    for name in SCORES_SEEN:
        score = scores.SCORES[name](key, posterior, cues)
        values.append(score / greatest if name in _IN_NATS else score)
    for name, cue in CUES.items():
        if cue.policy is not None:
            value = cue.policy(getattr(cues, name))
            values.append(value[best] if cue.per == "class" else value)
    values.append(jnp.sum(probs * log_fraction(cues.class_fraction)))
    return jnp.stack(values).astype(jnp.float32)
