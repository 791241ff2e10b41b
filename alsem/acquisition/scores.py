"""Scores: one candidate in, one scalar out; the greatest are queried first.

A score takes a key of the candidate's own, the model's prediction of it and its cues,
each without leading axes; `vectorize.make_scorer` vectorises it. What a score does not
use is not computed, and a score that reads a cue that its strategy's needs do not
provide fails when it is compiled. Scores are finite and never negative, so that batch
rules and mixtures can weight them.

``p`` is the ensemble's mean prediction unless stated otherwise.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from alsem.acquisition.cues import multiview
from alsem.acquisition.cues.gather import Cues
from alsem.acquisition.cues.table import bounded_distance, views_seen
from alsem.core.arrays import Array, Float, PRNGKeyArray
from alsem.core.types import Posterior

ScoreFn = Callable[[PRNGKeyArray, Posterior, Cues], Array]

MIN_WEIGHT = 0.1  # no single cue lowers a score below this fraction of it
GAIN_SHARPNESS = 4.0
REDAL_WEIGHTS = (1.0, 0.1, 0.05)  # entropy, colour gradient, surface variation


def uniform(key: PRNGKeyArray, posterior: Posterior, cues: Cues) -> Float[Array, ""]:
    """Uniform draw in [0, 1), the same for every candidate."""
    del posterior, cues
    return jax.random.uniform(key)


def coverage(key: PRNGKeyArray, posterior: Posterior, cues: Cues) -> Float[Array, ""]:
    """One for every candidate: the steps of the batch decide."""
    del key, posterior, cues
    return jnp.ones(())


# --- predictions


def entropy(key: PRNGKeyArray, posterior: Posterior, cues: Cues) -> Float[Array, ""]:
    """Entropy of ``p`` in nats, from 0 to log c: ``-sum_c p_c log p_c``.

    0.802 for p = (0.7, 0.2, 0.1); log 3 = 1.099 for three equal classes.
    """
    del key, cues
    return multiview.entropy(jnp.mean(posterior.probs, axis=0))


def margin(key: PRNGKeyArray, posterior: Posterior, cues: Cues) -> Float[Array, ""]:
    """One minus the margin ``p1 - p2`` of the two most probable classes, in [0, 1].

    1 for a tie, 0 for certainty, 0.5 for p = (0.7, 0.2, 0.1) (Scheffer et al. 2001).
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
    """Mutual information of label and ensemble member, nats (Houlsby et al. 2011).

    Entropy of the mean minus mean of the entropies: from 0, where the members agree, to
    log k, where each is certain of a different class. Members (0.9, 0.1) and (0.1, 0.9)
    give 0.693 - 0.325 = 0.368.
    """
    del key, cues
    expected = jnp.mean(multiview.entropy(posterior.probs))
    total = multiview.entropy(jnp.mean(posterior.probs, axis=0))
    return jnp.maximum(total - expected, 0.0)


def vote_entropy(
    key: PRNGKeyArray, posterior: Posterior, cues: Cues
) -> Float[Array, ""]:
    """Entropy of the members' votes, nats (Engelson & Dagan 1999).

    One vote per member, for its most probable class. It takes few values, so most
    candidates tie.
    """
    del key, cues
    num_classes = posterior.probs.shape[-1]
    votes = jax.nn.one_hot(jnp.argmax(posterior.probs, axis=-1), num_classes)
    return multiview.entropy(jnp.mean(votes, axis=0))


# --- all views of the place


def view_entropy(
    key: PRNGKeyArray, posterior: Posterior, cues: Cues
) -> Float[Array, ""]:
    """Entropy of the mean prediction over all views (ViewAL, eq. 2), nats."""
    del key, posterior
    return jnp.maximum(cues.view_entropy, 0.0)


def view_divergence(
    key: PRNGKeyArray, posterior: Posterior, cues: Cues
) -> Float[Array, ""]:
    """Mean over the voxel's views ``Q`` of ``KL(P || Q)`` (ViewAL, eq. 4), nats.

    ``P`` is the prediction of the candidate's own view: of the member fitted on its
    group of frames, or ``p`` where there are no such members. It is linear in
    ``log Q``, so the voxel's mean of that suffices. P = (0.8, 0.2), seen by itself and
    by a view with (0.2, 0.8), gives (0 + 0.832) / 2 = 0.416.
    """
    del key
    groups = posterior.view_probs.shape[0]
    if groups:
        own = jax.nn.one_hot(cues.frame % groups, groups) @ posterior.view_probs
    else:
        own = jnp.mean(posterior.probs, axis=0)
    return multiview.divergence(own, cues.view_mean_log)


# --- predictions and cues


def balanced(key: PRNGKeyArray, posterior: Posterior, cues: Cues) -> Float[Array, ""]:
    """Margin times ``exp(-fraction)`` of the predicted class (Cai et al., CVPR 2021).

    The fraction is that of the pool predicted as that class.
    """
    fraction = cues.class_fraction[jnp.argmax(jnp.mean(posterior.probs, axis=0))]
    return margin(key, posterior, cues) * jnp.exp(-fraction)


def redal(key: PRNGKeyArray, posterior: Posterior, cues: Cues) -> Float[Array, ""]:
    """Uncertainty, colour gradient and surface variation (ReDAL, eq. 4).

    As in the published code the entropy is the mean over classes of ``-p log2 p``.
    """
    alpha, beta, gamma = REDAL_WEIGHTS
    bits = entropy(key, posterior, cues) / jnp.log(2.0)
    uncertainty = bits / posterior.probs.shape[-1]
    score = alpha * uncertainty + beta * cues.gradient + gamma * cues.variation
    return jnp.maximum(score, 0.0)


def geometry(key: PRNGKeyArray, posterior: Posterior, cues: Cues) -> Float[Array, ""]:
    """Margin, weighted by class and by geometric reliability.

    Times the mean class weight of the two most probable classes, for rare classes
    decide mIoU; and lower where by geometry a label helps less: a place that few
    frames see informs few pixels, and on a silhouette or where the views' depths
    disagree a click is often mislabelled. Each of these three weights stays in
    [`MIN_WEIGHT`, 1]. The dispersion of normals is no weight: small objects consist of
    edges.
    """
    probs = jnp.mean(posterior.probs, axis=0)
    is_best = jnp.arange(len(probs)) == jnp.argmax(probs)
    second = jnp.argmax(jnp.where(is_best, -1.0, probs))
    class_weights = cues.class_weight[jnp.argmax(probs)] + cues.class_weight[second]
    weight = margin(key, posterior, cues) * 0.5 * class_weights
    visible = visibility(key, posterior, cues)
    for cue in (visible, cues.purity, cues.consistency):
        weight = weight * jnp.clip(cue, MIN_WEIGHT, 1.0)
    return weight


def policy(key: PRNGKeyArray, posterior: Posterior, cues: Cues) -> Float[Array, ""]:
    """Gain that the learned policy expects of a query, in mean gains of a round.

    Made positive by a sharp softplus, ``log(1 + exp(4 g)) / 4``: 0.17 for no gain, 1.00
    for a mean one.
    """
    del key, cues
    assert posterior.gain is not None  # the run has a policy
    return jax.nn.softplus(GAIN_SHARPNESS * posterior.gain) / GAIN_SHARPNESS


# --- cues


def normal_dispersion(
    key: PRNGKeyArray, posterior: Posterior, cues: Cues
) -> Float[Array, ""]:
    """One minus the length of the voxel's mean normal: 0 on a flat surface."""
    del key, posterior
    return jnp.clip(1.0 - cues.coherence, 0.0, 1.0)


def inconsistency(
    key: PRNGKeyArray, posterior: Posterior, cues: Cues
) -> Float[Array, ""]:
    """Of the conclusive views, the fraction whose depth disagrees, in [0, 1]."""
    del key, posterior
    return jnp.clip(1.0 - cues.consistency, 0.0, 1.0)


def visibility(key: PRNGKeyArray, posterior: Posterior, cues: Cues) -> Float[Array, ""]:
    """Visibility ``n / (n + 2)`` of a place that n frames see, in [0, 1)."""
    del key, posterior
    return views_seen(cues.num_views)


def label_distance(
    key: PRNGKeyArray, posterior: Posterior, cues: Cues
) -> Float[Array, ""]:
    """Distance ``d / (1 + d)`` to the nearest query, d in mean label spacings."""
    del key, posterior
    return bounded_distance(cues.label_distance)


def label_feature_distance(
    key: PRNGKeyArray, posterior: Posterior, cues: Cues
) -> Float[Array, ""]:
    """The same where normal and colour are distances too."""
    del key, posterior
    return bounded_distance(cues.label_feature_distance)


def stacked(parts: tuple[ScoreFn, ...]) -> ScoreFn:
    """Several scores as one with values ``[m]``: one pass over the pool for all."""

    def scores(
        key: PRNGKeyArray, posterior: Posterior, cues: Cues
    ) -> Float[Array, "m"]:
        return jnp.stack([part(key, posterior, cues) for part in parts])

    return scores


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
    "normal_dispersion": normal_dispersion,
    "inconsistency": inconsistency,
    "visibility": visibility,
    "label_distance": label_distance,
    "label_feature_distance": label_feature_distance,
}
