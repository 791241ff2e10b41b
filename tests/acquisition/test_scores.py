"""Scores of one candidate: their contract, definitions and known answers."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from pools import (
    KEY,
    WEIGHTS,
    C,
    G,
    all_cues,
    cues_of,
    model_inputs,
    one,
    posterior_of,
    room,
    take,
)

from alsem import acquisition
from alsem.acquisition import SCORES, scores
from alsem.core.mesh import batched, make_mesh, replicated

each_score = pytest.mark.parametrize("name", SCORES)
# Many: some compilers go wrong only where they split the work.
POOL = room(40_000)
IDS = np.arange(len(POOL), dtype=np.int32)
INPUTS, CUES = model_inputs(POOL), all_cues(POOL)
# Differences of float32 probabilities; how they are rounded follows the chunk's size.
ROUNDING = 2e-6


@functools.cache
def scorer(name):
    return acquisition.make_scorer(SCORES[name], posterior_of)


@functools.cache
def score_pool(name):
    return np.asarray(scorer(name)(WEIGHTS, KEY, IDS, INPUTS, CUES))


# --- contract


@each_score
def test_a_score_is_a_finite_scalar_and_not_negative(name):
    predicted = [[1.0, 0, 0]], [[1 / 3] * 3], [[0.2, 0.3, 0.5], [0, 1.0, 0]], [[1.0]]
    ones = dict.fromkeys(acquisition.CUES, 1)
    no_labels = {"label_distance": np.inf, "label_feature_distance": np.inf}
    for probs in predicted:
        classes = len(probs[0])
        for changes in ({}, ones, no_labels, {"view_mean_log": -27.0}):
            for view_probs in ((), np.eye(classes)[:1]):
                posterior = one(probs, view_probs=view_probs)
                value = SCORES[name](KEY, posterior, cues_of(classes, **changes))
                assert value.shape == () and value.dtype == jnp.float32
                assert np.isfinite(value) and value >= 0


@each_score
def test_scores_of_a_chunk_are_those_of_single_candidates(name, strict_dtypes):
    posterior = posterior_of(WEIGHTS, INPUTS[:5])
    cues = jax.tree.map(jnp.asarray, take(CUES, np.arange(5)))
    singly = [
        SCORES[name](jax.random.fold_in(KEY, i), take(posterior, i), take(cues, i))
        for i in range(5)
    ]
    np.testing.assert_allclose(score_pool(name)[:5], singly, atol=ROUNDING)


@each_score
def test_order_and_padding_of_a_chunk_do_not_matter(name):
    index = np.random.default_rng(3).integers(0, len(POOL), len(POOL))
    found = scorer(name)(WEIGHTS, KEY, IDS[index], INPUTS[index], take(CUES, index))
    np.testing.assert_allclose(found, score_pool(name)[index], atol=ROUNDING)


def without_communication(score, *arguments):
    """The scores, from a program that moves nothing between devices."""
    program = score.lower(*arguments).compile()
    for word in ("all-gather", "all-reduce", "all-to-all", "collective-permute"):
        assert word not in program.as_text()
    return program(*arguments)


@each_score
def test_eight_devices_score_as_one_without_communication(name):
    mesh = make_mesh(8)
    chunk = jax.device_put((IDS, INPUTS, CUES), batched(mesh))
    params, key = jax.device_put((WEIGHTS, KEY), replicated(mesh))
    together = without_communication(scorer(name), params, key, *chunk)
    if name != "coverage":  # a constant lives on no device in particular
        assert len(together.sharding.device_set) == 8
    np.testing.assert_allclose(together, score_pool(name), atol=ROUNDING)


def test_cues_are_gathered_without_communication():
    mesh, voxel = make_mesh(8), IDS % 40
    score = acquisition.make_scorer(
        SCORES["geometry"], posterior_of, lambda given: take(given[0], given[1])
    )
    ids, inputs, row = jax.device_put((IDS, INPUTS, voxel), batched(mesh))
    given = WEIGHTS, KEY, take(CUES, np.arange(40))
    params, key, table = jax.device_put(given, replicated(mesh))
    found = without_communication(score, params, key, ids, inputs, (table, row))
    expected = scorer("geometry")(WEIGHTS, KEY, IDS, INPUTS, take(CUES, voxel))
    np.testing.assert_allclose(found, expected, atol=ROUNDING)


def test_a_random_score_differs_between_keys_and_candidates():
    first = score_pool("uniform")
    second = scorer("uniform")(WEIGHTS, jax.random.key(8), IDS, INPUTS, CUES)
    assert (first != second).mean() > 0.99 and len(np.unique(first)) > 0.99 * len(POOL)


def test_several_scores_are_computed_in_one_pass():
    names = ("margin", "uniform", "view_divergence")
    parts = scores.stacked(tuple(SCORES[name] for name in names))
    score = acquisition.make_scorer(parts, posterior_of)
    found = score(WEIGHTS, KEY, IDS, INPUTS, CUES)
    expected = np.stack([score_pool(name) for name in names], axis=-1)
    np.testing.assert_allclose(found, expected, atol=ROUNDING)


# --- definitions


def softmax_np(part):
    embedding = np.maximum(INPUTS.astype(np.float64) @ WEIGHTS["embed"], 0.0)
    logits = np.einsum("rd,kdc->rkc", embedding, WEIGHTS[part].astype(np.float64))
    return scipy.special.softmax(logits, axis=-1)


@functools.cache
def definitions():
    """Scores of the whole pool, in float64."""
    entropy = functools.partial(scipy.stats.entropy, axis=-1)
    probs, views = softmax_np("members"), softmax_np("groups")
    mean = probs.mean(axis=1)
    ranked = np.argsort(-mean, axis=-1, kind="stable")
    best, second = np.take_along_axis(mean, ranked[:, :2], axis=-1).T
    margin = 1.0 - (best - second)
    votes = np.mean(probs.argmax(axis=-1)[..., None] == np.arange(C), axis=1)
    own = views[IDS, CUES.frame % G]
    cross = -np.sum(own * CUES.view_mean_log, axis=-1)
    fraction = CUES.class_fraction[IDS, ranked[:, 0]]
    bits = -np.mean(mean * np.log2(mean), axis=-1)
    visible = 1.0 / (1.0 + 2.0 / CUES.num_views)
    reliable = np.clip([visible, CUES.purity, CUES.consistency], 0.1, 1.0)
    class_weight = np.take_along_axis(CUES.class_weight, ranked[:, :2], axis=-1)
    near, near_in_features = CUES.label_distance, CUES.label_feature_distance
    return {
        "entropy": entropy(mean),
        "margin": margin,
        "least_confidence": np.sort(mean, axis=-1)[:, :-1].sum(axis=-1),
        "bvsb": second / best,
        "bald": entropy(probs, mean[:, None]).mean(axis=-1),  # KL of each member
        "vote_entropy": entropy(votes),
        "view_entropy": CUES.view_entropy,
        "view_divergence": np.maximum(cross - entropy(own), 0.0),
        "balanced": margin / np.exp(fraction.astype(np.float64)),
        "redal": bits + 0.1 * CUES.gradient + 0.05 * CUES.variation,
        "geometry": reliable.prod(axis=0) * class_weight.mean(axis=-1) * margin,
        "policy": np.logaddexp(0.0, 4.0 * INPUTS[:, 0]) / 4.0,
        "normal_dispersion": 1.0 - CUES.coherence,
        "inconsistency": 1.0 - CUES.consistency,
        "visibility": visible,
        "label_distance": near / (1.0 + near),
        "label_feature_distance": near_in_features / (1.0 + near_in_features),
    }


@pytest.mark.parametrize("name", sorted(SCORES.keys() - {"uniform", "coverage"}))
def test_scores_of_a_whole_pool_match_numpy(name):
    assert name in definitions(), "write its NumPy definition in definitions()"
    expected, found = definitions()[name], score_pool(name)
    assert np.ptp(expected) > 0.1
    if name == "balanced":  # where two classes tie, rounding decides which is best
        decided = definitions()["margin"] < 1.0 - 1e-4
        expected, found = expected[decided], found[decided]
    # Logits of about 20 in float32 are known to 1e-6, their softmax to a few of that.
    np.testing.assert_allclose(found, expected, atol=5e-5)


# --- known answers


PREDICTION_SCORES = (
    *("entropy", "margin", "least_confidence", "bvsb", "bald"),
    *("vote_entropy", "balanced", "geometry", "redal", "view_divergence"),
)


@pytest.mark.parametrize("classes", [1, 2, 7])
def test_certainty_scores_zero(classes):
    certain, cues = one(np.eye(classes)[:1]), cues_of(classes)
    for name in PREDICTION_SCORES:
        assert SCORES[name](KEY, certain, cues) == 0.0, name


@pytest.mark.parametrize(
    ("name", "probs", "answer"),
    [
        # The examples of the docstrings.
        ("entropy", [[0.7, 0.2, 0.1]], 0.8018),
        ("margin", [[0.7, 0.2, 0.1]], 0.5),
        ("bald", [[0.9, 0.1], [0.1, 0.9]], 0.3681),
        # Equal probabilities are the least certain.
        *(("entropy", np.full((3, c), 1 / c), math.log(c)) for c in (2, 100)),
        *(("least_confidence", np.full((3, c), 1 / c), 1 - 1 / c) for c in (2, 100)),
        *(("redal", np.full((3, c), 1 / c), math.log2(c) / c) for c in (2, 100)),
        *((name, np.full((3, 7), 1 / 7), 1.0) for name in ("margin", "bvsb")),
        # Members that disagree about certain classes.
        ("bald", np.eye(3), math.log(3)),
        ("vote_entropy", np.eye(3), math.log(3)),
        # Members that agree, and members that differ but vote for the same class.
        ("bald", [[0.5, 0.3, 0.2]] * 4, 0.0),
        ("vote_entropy", [[0.5, 0.3, 0.2]] * 4, 0.0),
        ("vote_entropy", [[0.9, 0.1], [0.6, 0.4]], 0.0),
        ("bald", [[0.9, 0.1], [0.6, 0.4]], 0.0633),
    ],
)
def test_scores_of_members(name, probs, answer):
    score = SCORES[name](KEY, one(probs), cues_of(len(probs[0])))
    np.testing.assert_allclose(score, answer, atol=1e-4)


# Two views of one place: the mean of their divergences from the first.
TWO_VIEWS = np.array([[0.8, 0.2], [0.2, 0.8]])
HALF_KL = 0.6 * math.log(4) / 2


@pytest.mark.parametrize(
    ("groups", "frame", "answer"),
    [
        ((), 0, HALF_KL),  # no groups: the prediction of the ensemble
        (TWO_VIEWS, 4, HALF_KL),
        ([[0.5, 0.5], [0.8, 0.2]], 7, HALF_KL),
        ([[0.5, 0.5], [0.8, 0.2]], 4, math.log(1.25)),
    ],
)
def test_view_divergence_uses_the_member_of_the_frames_group(groups, frame, answer):
    posterior = one(TWO_VIEWS[:1], view_probs=groups)
    cues = cues_of(2, frame=frame, view_mean_log=np.log(TWO_VIEWS).mean(axis=0))
    score = SCORES["view_divergence"](KEY, posterior, cues)
    np.testing.assert_allclose(score, answer, atol=1e-6)


@pytest.mark.parametrize(("gain", "answer"), [(0, math.log(2) / 4), (3, 3), (-90, 0)])
def test_the_expected_gain_is_made_positive(gain, answer):
    score = SCORES["policy"](KEY, one([[1.0]], gain=gain), cues_of(1))
    np.testing.assert_allclose(score, answer, atol=1e-5)
