"""Scores of one candidate: their contract, definitions and known answers."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from pools import (
    CLEAR,
    GROUPS,
    KEY,
    ROUNDING,
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


@functools.cache
def scorer(name):
    return acquisition.make_scorer(SCORES[name], posterior_of)


def score_all(name, candidates, *, key=KEY):
    ids = np.arange(len(candidates), dtype=np.int32)
    inputs = model_inputs(candidates, ids)
    return np.asarray(scorer(name)(WEIGHTS, key, ids, inputs, all_cues(candidates)))


# --- contract


@each_score
def test_a_score_is_a_finite_scalar_and_not_negative(name):
    predicted = [[1.0, 0, 0]], [[1 / 3] * 3], [[0.2, 0.3, 0.5], [0, 1.0, 0]], [[1.0]]
    zeros = dict.fromkeys(CLEAR, 0)
    no_labels = {"label_distance": np.inf, "label_feature_distance": np.inf}
    for probs in predicted:
        classes = len(probs[0])
        for changes in ({}, zeros, no_labels, {"view_mean_log": -27.0}):
            for view_probs in ((), np.eye(classes)[:1]):
                posterior = one(probs, view_probs=view_probs)
                value = SCORES[name](KEY, posterior, cues_of(classes, **changes))
                assert value.shape == () and value.dtype == jnp.float32
                assert np.isfinite(value) and value >= 0


@each_score
def test_scores_of_a_chunk_are_those_of_single_candidates(name, strict_dtypes):
    candidates = room(20)
    cues = jax.tree.map(jnp.asarray, all_cues(candidates))
    posterior = posterior_of(WEIGHTS, model_inputs(candidates, np.arange(20)))
    singly = [
        SCORES[name](jax.random.fold_in(KEY, i), take(posterior, i), take(cues, i))
        for i in range(20)
    ]
    np.testing.assert_allclose(score_all(name, candidates), singly, atol=ROUNDING)


@each_score
def test_chunks_order_and_padding_do_not_matter(name):
    candidates = room(300)
    cues, inputs = all_cues(candidates), model_inputs(candidates, np.arange(300))
    whole = score_all(name, candidates)

    def score(index):
        return scorer(name)(
            WEIGHTS, KEY, index.astype(np.int32), inputs[index], take(cues, index)
        )

    for chunk in np.split(np.random.default_rng(3).permutation(300), 3):
        np.testing.assert_allclose(score(chunk), whole[chunk], atol=ROUNDING)
    padded = np.minimum(np.arange(400), 299)
    np.testing.assert_allclose(score(padded)[:300], whole, atol=ROUNDING)


def has_no_collective(score, *arguments):
    hlo = score.lower(*arguments).compile().as_text()
    collectives = ("all-gather", "all-reduce", "all-to-all", "collective-permute")
    return not any(collective in hlo for collective in collectives)


@each_score
def test_eight_devices_score_as_one_without_communication(name):
    candidates = room(800)
    ids = np.arange(800, dtype=np.int32)
    expected = score_all(name, candidates)
    mesh = make_mesh(8)
    chunk = ids, model_inputs(candidates, ids), all_cues(candidates)
    sharded = jax.device_put(chunk, batched(mesh))
    params, key = jax.device_put((WEIGHTS, KEY), replicated(mesh))
    together = scorer(name)(params, key, *sharded)
    if name != "coverage":  # a constant lives on no device in particular
        assert len(together.sharding.device_set) == 8
    np.testing.assert_allclose(together, expected, atol=ROUNDING)
    assert has_no_collective(scorer(name), params, key, *sharded)


def test_cues_are_gathered_without_communication():
    candidates = room(800)
    ids, cues = np.arange(800, dtype=np.int32), all_cues(candidates)
    table = take(cues, np.arange(40))
    voxel = ids % 40
    score = acquisition.make_scorer(
        SCORES["geometry"], posterior_of, lambda given: take(given[0], given[1])
    )
    mesh = make_mesh(8)
    sharded = jax.device_put((ids, model_inputs(candidates, ids), voxel), batched(mesh))
    params, key, table = jax.device_put((WEIGHTS, KEY, table), replicated(mesh))
    arguments = params, key, sharded[0], sharded[1], (table, sharded[2])
    expected = scorer("geometry")(
        WEIGHTS, KEY, ids, model_inputs(candidates, ids), take(cues, voxel)
    )
    np.testing.assert_allclose(score(*arguments), expected, atol=ROUNDING)
    assert has_no_collective(score, *arguments)


def test_a_random_score_differs_between_keys_and_candidates():
    first = score_all("uniform", room(100))
    second = score_all("uniform", room(100), key=jax.random.key(8))
    assert len(np.unique(first)) == 100 and not np.intersect1d(first, second).size


def test_several_scores_are_computed_in_one_pass():
    candidates = room(60)
    ids = np.arange(60, dtype=np.int32)
    names = ("margin", "uniform", "view_divergence")
    parts = scores.stacked(tuple(SCORES[name] for name in names))
    together = acquisition.make_scorer(parts, posterior_of)(
        WEIGHTS, KEY, ids, model_inputs(candidates, ids), all_cues(candidates)
    )
    assert together.shape == (60, 3)
    for name, values in zip(names, np.asarray(together).T, strict=True):
        np.testing.assert_allclose(values, score_all(name, candidates), atol=ROUNDING)


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("view_entropy", "views"),
        ("view_divergence", "views"),
        ("balanced", "classes"),
        ("label_distance", "labels"),
        ("label_feature_distance", "labels"),
    ],
)
def test_a_missing_cue_is_an_error_that_names_its_group(name, group):
    cues = cues_of(without=GROUPS[group])
    with pytest.raises(AttributeError, match=f"add '{group}' to the strategy's needs"):
        SCORES[name](KEY, one([[0.5, 0.5, 0, 0, 0]]), cues)


# --- definitions


def entropy_np(probs, views, cues):
    return scipy.stats.entropy(probs.mean(axis=1), axis=-1)


def margin_np(probs, views, cues):
    ranked = np.sort(probs.mean(axis=1), axis=-1)
    return 1.0 - (ranked[:, -1] - ranked[:, -2])


def least_confidence_np(probs, views, cues):
    """The probability of all classes but the likeliest."""
    return np.sort(probs.mean(axis=1), axis=-1)[:, :-1].sum(axis=-1)


def bvsb_np(probs, views, cues):
    ranked = np.sort(probs.mean(axis=1), axis=-1)
    return ranked[:, -2] / ranked[:, -1]


def bald_np(probs, views, cues):
    """Mean divergence of the members from their mean."""
    mean = probs.mean(axis=1, keepdims=True)
    return scipy.stats.entropy(probs, mean, axis=-1).mean(axis=-1)


def vote_entropy_np(probs, views, cues):
    values = []
    for votes in probs.argmax(axis=-1):
        _, count = np.unique(votes, return_counts=True)
        values.append(math.log(len(votes)) - np.sum(count * np.log(count)) / len(votes))
    return values


def view_entropy_np(probs, views, cues):
    return cues.view_entropy


def view_divergence_np(probs, views, cues):
    own = views[np.arange(len(views)), cues.frame % G]
    cross = -np.sum(own * cues.view_mean_log.astype(np.float64), axis=-1)
    return np.maximum(cross - scipy.stats.entropy(own, axis=-1), 0.0)


def balanced_np(probs, views, cues):
    best = probs.mean(axis=1).argmax(axis=-1)
    fraction = np.take_along_axis(cues.class_fraction, best[:, None], axis=-1)[:, 0]
    return margin_np(probs, views, cues) / np.exp(fraction.astype(np.float64))


def redal_np(probs, views, cues):
    mean = probs.mean(axis=1)
    bits = -np.mean(mean * np.log2(mean), axis=-1)
    return bits + 0.1 * cues.gradient + 0.05 * cues.variation


def geometry_np(probs, views, cues):
    visible = 1.0 / (1.0 + 2.0 / cues.num_views)
    reliable = (visible, cues.purity, cues.consistency)
    weight = np.prod([np.clip(cue, 0.1, 1.0) for cue in reliable], axis=0)
    two = np.argsort(-probs.mean(axis=1), axis=-1, kind="stable")[:, :2]
    class_weight = np.take_along_axis(cues.class_weight, two, axis=-1).mean(axis=-1)
    return weight * class_weight * margin_np(probs, views, cues)


def normal_dispersion_np(probs, views, cues):
    return 1.0 - cues.coherence


def inconsistency_np(probs, views, cues):
    return 1.0 - cues.consistency


def visibility_np(probs, views, cues):
    return 1.0 / (1.0 + 2.0 / cues.num_views)


def label_distance_np(probs, views, cues):
    return cues.label_distance / (1.0 + cues.label_distance)


def label_feature_distance_np(probs, views, cues):
    return cues.label_feature_distance / (1.0 + cues.label_feature_distance)


DEFINITIONS = [value for name, value in list(globals().items()) if name[-3:] == "_np"]


def test_every_score_but_the_constant_ones_has_a_definition():
    names = {definition.__name__.removesuffix("_np") for definition in DEFINITIONS}
    assert names == SCORES.keys() - {"uniform", "coverage", "policy"}


def softmax_np(inputs, layers):
    embedding = np.maximum(inputs @ WEIGHTS["embed"].astype(np.float64), 0.0)
    logits = np.einsum("rd,kdc->rkc", embedding, layers.astype(np.float64))
    probs = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return probs / probs.sum(axis=-1, keepdims=True)


@functools.cache
def large_pool():
    # Many: some compilers go wrong only where they split the work.
    candidates = room(100_000)
    inputs = model_inputs(candidates, np.arange(100_000)).astype(np.float64)
    probs = (softmax_np(inputs, WEIGHTS[part]) for part in ("members", "groups"))
    return candidates, *probs, all_cues(candidates)


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_scores_of_a_whole_pool_match_numpy(definition):
    candidates, probs, views, cues = large_pool()
    expected = definition(probs, views, cues)
    found = score_all(definition.__name__.removesuffix("_np"), candidates)
    assert np.ptp(expected) > 0.1
    # Logits of about 20 in float32 are known to 1e-6, their softmax to a few of that.
    np.testing.assert_allclose(found, expected, atol=5e-5)


def test_view_divergence_is_the_mean_kl_over_views():
    rng = np.random.default_rng(0)
    views = rng.dirichlet(np.ones(C), 7)
    own = rng.dirichlet(np.ones(C))
    expected = np.mean([np.sum(own * np.log(own / view)) for view in views])
    cues = cues_of(view_mean_log=np.log(views).mean(axis=0))
    score = SCORES["view_divergence"](KEY, one([own]), cues)
    np.testing.assert_allclose(score, expected, rtol=1e-5)


# --- known answers


@pytest.mark.parametrize("classes", [2, 3, 100])
def test_equal_probabilities_are_the_least_certain(classes):
    even, cues = one(np.full((3, classes), 1 / classes)), cues_of(classes)
    answers = {
        "entropy": math.log(classes),
        "margin": 1.0,
        "bvsb": 1.0,
        "least_confidence": 1.0 - 1.0 / classes,
        "redal": math.log2(classes) / classes,
    }
    for name, answer in answers.items():
        np.testing.assert_allclose(SCORES[name](KEY, even, cues), answer, rtol=1e-5)


PREDICTION_SCORES = (
    *("entropy", "margin", "least_confidence", "bvsb", "bald"),
    *("vote_entropy", "balanced", "geometry", "redal", "view_divergence"),
)


@pytest.mark.parametrize("classes", [1, 2, 7])
@pytest.mark.parametrize("name", PREDICTION_SCORES)
def test_certainty_scores_zero(name, classes):
    certain = one(np.eye(classes)[:1])
    assert SCORES[name](KEY, certain, cues_of(classes)) == 0.0


@pytest.mark.parametrize(
    ("name", "probs", "answer"),
    [
        # The examples of the docstrings.
        ("entropy", [[0.7, 0.2, 0.1]], 0.8018),
        ("margin", [[0.7, 0.2, 0.1]], 0.5),
        ("bald", [[0.9, 0.1], [0.1, 0.9]], 0.3681),
        # Members that disagree about certain classes.
        ("entropy", np.eye(3), math.log(3)),
        ("margin", np.eye(3), 1.0),
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


def test_view_divergence_uses_the_member_of_the_frames_group():
    views = np.log([[0.8, 0.2], [0.2, 0.8]]).mean(axis=0)
    # Group 0 predicts what the first view does, group 1 the second.
    posterior = one([[0.5, 0.5]], view_probs=[[0.8, 0.2], [0.2, 0.8]])
    for frame in (0, 4, 7):
        cues = cues_of(2, frame=frame, view_mean_log=views)
        score = SCORES["view_divergence"](KEY, posterior, cues)
        np.testing.assert_allclose(score, 0.4159, atol=1e-4)
    cues = cues_of(2, frame=7, view_mean_log=np.log([0.8, 0.2]))
    score = SCORES["view_divergence"](KEY, posterior, cues)
    np.testing.assert_allclose(score, 0.6 * math.log(4), atol=1e-6)


def test_the_expected_gain_is_made_positive():
    for gain, answer in ((0.0, math.log(2) / 4), (3.0, 3.0), (-90.0, 0.0)):
        score = SCORES["policy"](KEY, one([[1.0]], gain=gain), cues_of(1))
        np.testing.assert_allclose(score, answer, atol=1e-5)
