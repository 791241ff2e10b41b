"""Scores: one candidate in, one scalar out; the larger, the sooner it is asked.

A score takes a key that is the candidate's own, what the model believes of it and
its geometric cues, each without leading axes. Vectorising is `pool.make_scorer`'s
work; what a score does not use is never computed. Scores are finite and never
negative, so that batch rules may weigh them.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from alsem.acquisition.cues import Cues
from alsem.numerics import safe_log
from alsem.types import Posterior
from alsem.typing import Array, Float, PRNGKeyArray

ScoreFn = Callable[[PRNGKeyArray, Posterior, Cues], Array]

MIN_WEIGHT = 0.1  # no single cue may silence a candidate altogether
HALF_TRUST_VIEWS = 2.0  # a place seen by this many frames counts half


def uniform(key: PRNGKeyArray, posterior: Posterior, cues: Cues) -> Float[Array, ""]:
    """Uniform draw in [0, 1): every candidate alike."""
    del posterior, cues
    return jax.random.uniform(key)


def coverage(key: PRNGKeyArray, posterior: Posterior, cues: Cues) -> Float[Array, ""]:
    """One, whatever the candidate: leaves the choice to the batch rule's distances."""
    del key, posterior, cues
    return jnp.ones(())


def entropy(key: PRNGKeyArray, posterior: Posterior, cues: Cues) -> Float[Array, ""]:
    """Entropy in nats of the members' mean belief, from 0 to log c."""
    del key, cues
    probs = jnp.mean(posterior.probs, axis=0)
    return jnp.maximum(-jnp.sum(probs * safe_log(probs)), 0.0)


def margin(key: PRNGKeyArray, posterior: Posterior, cues: Cues) -> Float[Array, ""]:
    """One minus the lead of the best class over the second, in [0, 1].

    The usual margin ``p1 - p2`` of the members' mean belief, turned round so that
    larger means less decided: 1 for a tie, 0 for certainty (Scheffer et al. 2001).
    """
    del key, cues
    probs = jnp.mean(posterior.probs, axis=0)
    best = jnp.argmax(probs)
    is_best = jnp.arange(probs.shape[-1]) == best
    second = jnp.max(jnp.where(is_best, 0.0, probs))
    return jnp.clip(1.0 - (jnp.max(probs) - second), 0.0, 1.0)


def geometry(key: PRNGKeyArray, posterior: Posterior, cues: Cues) -> Float[Array, ""]:
    """Margin, weighed down where geometry says that a label would teach little.

    A place that few frames see informs few pixels; at an edge, a crease or a
    silhouette a click is often mislabelled. Each of the three weights stays in
    [`MIN_WEIGHT`, 1].
    """
    views = cues.num_views.astype(jnp.float32)
    visibility = views / (views + HALF_TRUST_VIEWS)
    weight = 1.0
    for cue in (visibility, cues.coherence, cues.purity):
        weight = weight * jnp.clip(cue, MIN_WEIGHT, 1.0)
    return weight * margin(key, posterior, cues)


SCORES: dict[str, ScoreFn] = {
    "uniform": uniform,
    "coverage": coverage,
    "entropy": entropy,
    "margin": margin,
    "geometry": geometry,
}
