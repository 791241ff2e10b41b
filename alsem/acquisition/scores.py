"""Scores: one candidate in, one scalar out; the larger, the sooner it is asked.

A score takes a key that is the candidate's own, what the model believes of it and
its cues, each without leading axes. Vectorising is `pool.make_scorer`'s work; what a
score does not use is never computed, and a score that reads a cue its strategy did
not ask for (the cue is None) fails when it is compiled. Scores are finite and never
negative, so that batch rules and mixtures may weigh them.

``p`` is the members' mean belief unless a score says otherwise.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from alsem.acquisition.cues import multiview
from alsem.acquisition.cues.geometry import Cues
from alsem.core.arrays import Array, Float, PRNGKeyArray
from alsem.core.types import Posterior

ScoreFn = Callable[[PRNGKeyArray, Posterior, Cues], Array]

MIN_WEIGHT = 0.1  # no single cue may silence a candidate altogether
HALF_TRUST_VIEWS = 2.0  # a place seen by this many frames counts half
GAIN_SHARPNESS = 4.0
REDAL_WEIGHTS = (1.0, 0.1, 0.05)  # entropy, colour gradient, surface variation


def uniform(key: PRNGKeyArray, posterior: Posterior, cues: Cues) -> Float[Array, ""]:
    """Uniform draw in [0, 1): every candidate alike."""
    del posterior, cues
    return jax.random.uniform(key)


def coverage(key: PRNGKeyArray, posterior: Posterior, cues: Cues) -> Float[Array, ""]:
    """One, whatever the candidate: leaves the choice to the steps of the batch."""
    del key, posterior, cues
    return jnp.ones(())


# --- what the model believes of the candidate


def entropy(key: PRNGKeyArray, posterior: Posterior, cues: Cues) -> Float[Array, ""]:
    """Entropy of ``p`` in nats, from 0 to log c."""
    del key, cues
    return multiview.entropy(jnp.mean(posterior.probs, axis=0))


def margin(key: PRNGKeyArray, posterior: Posterior, cues: Cues) -> Float[Array, ""]:
    """One minus the lead of the best class over the second, in [0, 1].

    The usual margin ``p1 - p2``, turned round so that larger means less decided: 1
    for a tie, 0 for certainty (Scheffer et al. 2001).
    """
    del key, cues
    best, second = _best_two(jnp.mean(posterior.probs, axis=0))
    return jnp.clip(1.0 - (best - second), 0.0, 1.0)


def least_confidence(
    key: PRNGKeyArray, posterior: Posterior, cues: Cues
) -> Float[Array, ""]:
    """One minus the greatest probability, in [0, 1 - 1/c]."""
    del key, cues
    return jnp.clip(1.0 - jnp.max(jnp.mean(posterior.probs, axis=0)), 0.0, 1.0)


def bvsb(key: PRNGKeyArray, posterior: Posterior, cues: Cues) -> Float[Array, ""]:
    """Second-best over best probability, in [0, 1] (Joshi et al., CVPR 2009)."""
    del key, cues
    best, second = _best_two(jnp.mean(posterior.probs, axis=0))
    return jnp.clip(second / best, 0.0, 1.0)  # the best is at least 1/c


def bald(key: PRNGKeyArray, posterior: Posterior, cues: Cues) -> Float[Array, ""]:
    """Mutual information of label and member, nats (Houlsby et al. 2011).

    Entropy of the mean minus mean of the entropies: from 0, where the members say
    the same, to log k, where each is certain of a class of its own.
    """
    del key, cues
    expected = jnp.mean(multiview.entropy(posterior.probs))
    total = multiview.entropy(jnp.mean(posterior.probs, axis=0))
    return jnp.maximum(total - expected, 0.0)


def vote_entropy(
    key: PRNGKeyArray, posterior: Posterior, cues: Cues
) -> Float[Array, ""]:
    """Entropy of the classes that the members vote for, nats (Engelson & Dagan 1999).

    One vote a member, for its most probable class. Takes few values, so that most
    candidates tie.
    """
    del key, cues
    num_classes = posterior.probs.shape[-1]
    votes = jax.nn.one_hot(jnp.argmax(posterior.probs, axis=-1), num_classes)
    return multiview.entropy(jnp.mean(votes, axis=0))


# --- what all views of its place say


def view_entropy(
    key: PRNGKeyArray, posterior: Posterior, cues: Cues
) -> Float[Array, ""]:
    """Entropy of the mean belief over all views of the voxel (ViewAL, eq. 2), nats."""
    del key, posterior
    return jnp.maximum(cues.view_entropy, 0.0)


def view_divergence(
    key: PRNGKeyArray, posterior: Posterior, cues: Cues
) -> Float[Array, ""]:
    """Mean over the voxel's views ``Q`` of ``KL(P || Q)`` (ViewAL, eq. 4), nats.

    ``P`` is what the candidate's own view believes: the member that learns from its
    group of frames, or ``p`` where there are no such members. Linear in ``log Q``, so
    that the voxel's mean log belief is all it takes.
    """
    del key
    groups = posterior.view_probs.shape[0]
    if groups:
        own = jax.nn.one_hot(cues.frame % groups, groups) @ posterior.view_probs
    else:
        own = jnp.mean(posterior.probs, axis=0)
    return multiview.divergence(own, cues.view_mean_log)


# --- beliefs and cues together


def balanced(key: PRNGKeyArray, posterior: Posterior, cues: Cues) -> Float[Array, ""]:
    """Margin, times ``exp(-share)`` of the predicted class (Cai et al., CVPR 2021).

    The share is that of the pool which is predicted as that class.
    """
    fraction = cues.class_fractions[jnp.argmax(jnp.mean(posterior.probs, axis=0))]
    return margin(key, posterior, cues) * jnp.exp(-fraction)


def redal(key: PRNGKeyArray, posterior: Posterior, cues: Cues) -> Float[Array, ""]:
    """Uncertainty, colour gradient and surface variation (ReDAL, eq. 4).

    As in its program the entropy is the mean over classes of ``-p log2 p``.
    """
    alpha, beta, gamma = REDAL_WEIGHTS
    bits = entropy(key, posterior, cues) / jnp.log(2.0)
    uncertainty = bits / posterior.probs.shape[-1]
    score = alpha * uncertainty + beta * cues.gradient + gamma * cues.variation
    return jnp.maximum(score, 0.0)


def geometry(key: PRNGKeyArray, posterior: Posterior, cues: Cues) -> Float[Array, ""]:
    """Margin, weighed by what a label would teach and how sure it would be.

    Times the mean worth of the two classes between which the model wavers, for small
    classes decide mIoU; and weighed down where geometry says that a label would teach
    little: a place that few frames see informs few pixels, and on a silhouette or
    where the views' depths disagree a click is often mislabelled. Each of these three
    weights stays in [`MIN_WEIGHT`, 1]. The spread of normals is no weight: small
    things are all edges.
    """
    probs = jnp.mean(posterior.probs, axis=0)
    is_best = jnp.arange(len(probs)) == jnp.argmax(probs)
    second = jnp.argmax(jnp.where(is_best, -1.0, probs))
    worth = cues.class_weight[jnp.argmax(probs)] + cues.class_weight[second]
    weight = margin(key, posterior, cues) * 0.5 * worth
    seen = visibility(key, posterior, cues)
    for cue in (seen, cues.purity, cues.consistency):
        weight = weight * jnp.clip(cue, MIN_WEIGHT, 1.0)
    return weight


def policy(key: PRNGKeyArray, posterior: Posterior, cues: Cues) -> Float[Array, ""]:
    """What the learned policy expects to gain by asking.

    In mean gains of a round. Made positive by a softplus so sharp that a place without
    any gain is worth a sixth of a mean one, and a place of much gain what it says.
    """
    del key, cues
    assert posterior.gain is not None  # scored with a policy's parameters
    return jax.nn.softplus(GAIN_SHARPNESS * posterior.gain) / GAIN_SHARPNESS


# --- cues alone


def normal_spread(
    key: PRNGKeyArray, posterior: Posterior, cues: Cues
) -> Float[Array, ""]:
    """One minus the length of the voxel's mean normal: 0 on a flat surface."""
    del key, posterior
    return jnp.clip(1.0 - cues.coherence, 0.0, 1.0)


def inconsistency(
    key: PRNGKeyArray, posterior: Posterior, cues: Cues
) -> Float[Array, ""]:
    """Share of the views that could see the place whose depth says otherwise."""
    del key, posterior
    return jnp.clip(1.0 - cues.consistency, 0.0, 1.0)


def visibility(key: PRNGKeyArray, posterior: Posterior, cues: Cues) -> Float[Array, ""]:
    """How many frames see the place, from 0 for none towards 1 for many."""
    del key, posterior
    views = cues.num_views.astype(jnp.float32)
    return views / (views + HALF_TRUST_VIEWS)


def label_distance(
    key: PRNGKeyArray, posterior: Posterior, cues: Cues
) -> Float[Array, ""]:
    """How far the nearest asked candidate lies, from 0 towards 1 for very far."""
    del key, posterior
    return _squeezed(cues.label_distance)


def label_feature_distance(
    key: PRNGKeyArray, posterior: Posterior, cues: Cues
) -> Float[Array, ""]:
    """The same, where another normal or colour is a distance too."""
    del key, posterior
    return _squeezed(cues.label_feature_distance)


def stacked(parts: tuple[ScoreFn, ...]) -> ScoreFn:
    """Several scores as one with values ``[m]``: one pass over the pool for all."""

    def scores(
        key: PRNGKeyArray, posterior: Posterior, cues: Cues
    ) -> Float[Array, "m"]:
        return jnp.stack([part(key, posterior, cues) for part in parts])

    return scores


def _squeezed(distance: Float[Array, ""]) -> Float[Array, ""]:
    """A distance in the same order in [0, 1]; 1 where there is nothing to be near."""
    return 1.0 - 1.0 / (1.0 + jnp.maximum(distance, 0.0))


def _best_two(probs: Float[Array, "c"]) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The two greatest probabilities; the second is zero if there is one class."""
    is_best = jnp.arange(probs.shape[-1]) == jnp.argmax(probs)
    return jnp.max(probs), jnp.max(jnp.where(is_best, 0.0, probs))


SCORES: dict[str, ScoreFn] = {
    "uniform": uniform,
    "coverage": coverage,
    "entropy": entropy,
    "margin": margin,
    "least_confidence": least_confidence,
    "bvsb": bvsb,
    "bald": bald,
    "vote_entropy": vote_entropy,
    "view_entropy": view_entropy,
    "view_divergence": view_divergence,
    "balanced": balanced,
    "redal": redal,
    "geometry": geometry,
    "policy": policy,
    "normal_spread": normal_spread,
    "inconsistency": inconsistency,
    "visibility": visibility,
    "label_distance": label_distance,
    "label_feature_distance": label_feature_distance,
}
