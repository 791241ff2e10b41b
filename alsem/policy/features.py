"""What the learned policy looks at: a candidate's cues as one vector without units.

Everything here means the same in any scene: beliefs by their share of certainty,
distances in units of the mean spacing of labels, shares by their logarithm. So a
policy that learned in one room can be used in the next.
"""

import jax
import jax.numpy as jnp

from alsem.acquisition import scores
from alsem.acquisition.cues.geometry import Cues
from alsem.core.arrays import Array, Float
from alsem.core.numerics import safe_log
from alsem.core.types import Posterior

NAMES = (
    *("entropy", "margin", "least_confidence", "bald"),
    *("num_views", "coherence", "purity", "consistency"),
    *("directions", "variation", "gradient"),
    *("label_distance", "label_feature_distance"),
    *("class_share", "label_share", "hidden_share"),
)


def policy_cues(posterior: Posterior, cues: Cues) -> Float[Array, "d"]:
    """The cue vector of one candidate, in the order of `NAMES`, each about in [-1, 1].

    ``class_share`` and ``label_share`` are the shares of the pool and of the labels
    that the predicted class has; ``hidden_share`` is the expected logarithm of the
    pool's share over the classes that the model leaves possible: low where a rare
    class may hide.
    """
    key = jax.random.key(0)  # none of these scores draws
    probs = jnp.mean(posterior.probs, axis=0)
    most = jnp.log(float(max(2, probs.shape[-1])))
    best = jnp.argmax(probs)
    fractions = _log_fraction(cues.class_fractions)
    values = {
        "entropy": scores.entropy(key, posterior, cues) / most,
        "margin": scores.margin(key, posterior, cues),
        "least_confidence": scores.least_confidence(key, posterior, cues),
        "bald": scores.bald(key, posterior, cues) / most,
        "num_views": cues.num_views / (cues.num_views + 2.0),
        "coherence": cues.coherence,
        "purity": cues.purity,
        "consistency": cues.consistency,
        "directions": cues.directions,
        "variation": 3.0 * cues.variation,
        "gradient": jnp.sqrt(cues.gradient),
        "label_distance": _distance(cues.label_distance),
        "label_feature_distance": _distance(cues.label_feature_distance),
        "class_share": fractions[best],
        "label_share": _log_fraction(cues.label_fractions)[best],
        "hidden_share": jnp.sum(probs * fractions),
    }
    return jnp.stack([values[name] for name in NAMES]).astype(jnp.float32)


def _log_fraction(fraction: Array) -> Array:
    """A share of one as a number in [-1, 0]; a ten-thousandth and less are -1."""
    return safe_log(fraction, eps=1e-4) / jnp.log(1e4)


def _distance(distance: Array) -> Array:
    """A relative distance squeezed into [0, 1]."""
    return distance / (1.0 + distance)


def policy_names() -> tuple[str, ...]:
    """What the entries of `policy_cues` are, in order."""
    return NAMES
