"""Scores of one candidate: by contract, against definitions, and by known answers."""

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
    look,
    one,
    posterior_of,
    room,
    take,
)

from alsem import acquisition
from alsem.acquisition import SCORES, scores
from alsem.acquisition.cues.label import class_weight
from alsem.core.mesh import batched, make_mesh, replicated

each_score = pytest.mark.parametrize("name", SCORES)


@functools.cache
def scorer(name):
    return acquisition.make_scorer(SCORES[name], posterior_of)


def score_all(name, candidates, *, key=KEY):
    ids = np.arange(len(candidates), dtype=np.int32)
    seen = look(candidates, ids)
    return np.asarray(scorer(name)(WEIGHTS, key, ids, seen, all_cues(candidates)))


# --- by contract


@each_score
def test_one_score_is_a_finite_scalar_that_is_not_negative(name):
    believed = [[1.0, 0, 0]], [[1 / 3] * 3], [[0.2, 0.3, 0.5], [0, 1.0, 0]], [[1.0]]
    nothing = dict.fromkeys(CLEAR, 0)
    unseen = {"label_distance": np.inf, "label_feature_distance": np.inf}
    for probs in believed:
        classes = len(probs[0])
        for changes in ({}, nothing, unseen, {"view_mean_log": -27.0}):
            for view_probs in ((), np.eye(classes)[:1]):
                belief = one(probs, view_probs=view_probs)
                value = SCORES[name](KEY, belief, cues_of(classes, **changes))
                assert value.shape == () and value.dtype == jnp.float32
                assert np.isfinite(value) and value >= 0


@each_score
def test_scores_of_a_chunk_are_those_of_its_candidates_one_by_one(name, strict_dtypes):
    candidates = room(20)
    cues = jax.tree.map(jnp.asarray, all_cues(candidates))
    beliefs = posterior_of(WEIGHTS, look(candidates, np.arange(20)))
    alone = [
        SCORES[name](jax.random.fold_in(KEY, i), take(beliefs, i), take(cues, i))
        for i in range(20)
    ]
    np.testing.assert_allclose(score_all(name, candidates), alone, atol=ROUNDING)


@each_score
def test_chunks_order_and_padding_do_not_change_scores(name):
    candidates = room(300)
    cues, seen = all_cues(candidates), look(candidates, np.arange(300))
    whole = score_all(name, candidates)

    def score(index):
        return scorer(name)(
            WEIGHTS, KEY, index.astype(np.int32), seen[index], take(cues, index)
        )

    for chunk in np.split(np.random.default_rng(3).permutation(300), 3):
        np.testing.assert_allclose(score(chunk), whole[chunk], atol=ROUNDING)
    padded = np.minimum(np.arange(400), 299)
    np.testing.assert_allclose(score(padded)[:300], whole, atol=ROUNDING)


def send_nothing(score, *arguments):
    hlo = score.lower(*arguments).compile().as_text()
    collectives = ("all-gather", "all-reduce", "all-to-all", "collective-permute")
    return not any(collective in hlo for collective in collectives)


@each_score
def test_eight_devices_score_as_one_does_and_send_nothing(name):
    candidates = room(800)
    ids = np.arange(800, dtype=np.int32)
    alone = score_all(name, candidates)
    mesh = make_mesh(8)
    chunk = ids, look(candidates, ids), all_cues(candidates)
    spread = jax.device_put(chunk, batched(mesh))
    params, key = jax.device_put((WEIGHTS, KEY), replicated(mesh))
    together = scorer(name)(params, key, *spread)
    if name != "coverage":  # a constant lives on no device in particular
        assert len(together.sharding.device_set) == 8
    np.testing.assert_allclose(together, alone, atol=ROUNDING)
    assert send_nothing(scorer(name), params, key, *spread)


def test_cues_may_be_gathered_where_the_candidates_are():
    candidates = room(800)
    ids, cues = np.arange(800, dtype=np.int32), all_cues(candidates)
    table = take(cues, np.arange(40))
    voxel = ids % 40
    score = acquisition.make_scorer(
        SCORES["geometry"], posterior_of, lambda given: take(given[0], given[1])
    )
    mesh = make_mesh(8)
    spread = jax.device_put((ids, look(candidates, ids), voxel), batched(mesh))
    params, key, table = jax.device_put((WEIGHTS, KEY, table), replicated(mesh))
    there = params, key, spread[0], spread[1], (table, spread[2])
    expected = scorer("geometry")(
        WEIGHTS, KEY, ids, look(candidates, ids), take(cues, voxel)
    )
    np.testing.assert_allclose(score(*there), expected, atol=ROUNDING)
    assert send_nothing(score, *there)


def test_a_random_score_differs_between_keys_and_candidates():
    first = score_all("uniform", room(100))
    second = score_all("uniform", room(100), key=jax.random.key(8))
    assert len(np.unique(first)) == 100 and not np.intersect1d(first, second).size


def test_several_scores_come_out_of_one_pass():
    candidates = room(60)
    ids = np.arange(60, dtype=np.int32)
    names = ("margin", "uniform", "view_divergence")
    parts = scores.stacked(tuple(SCORES[name] for name in names))
    together = acquisition.make_scorer(parts, posterior_of)(
        WEIGHTS, KEY, ids, look(candidates, ids), all_cues(candidates)
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
def test_a_score_without_the_cues_it_reads_fails_loudly(name, group):
    cues = cues_of().replace(**dict.fromkeys(GROUPS[group]))
    with pytest.raises((TypeError, AttributeError)):
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
    fraction = np.take_along_axis(cues.class_fractions, best[:, None], axis=-1)[:, 0]
    return margin_np(probs, views, cues) / np.exp(fraction.astype(np.float64))


def redal_np(probs, views, cues):
    mean = probs.mean(axis=1)
    bits = -np.mean(mean * np.log2(mean), axis=-1)
    return bits + 0.1 * cues.gradient + 0.05 * cues.variation


def geometry_np(probs, views, cues):
    seen = 1.0 / (1.0 + 2.0 / cues.num_views)
    known = (seen, cues.purity, cues.consistency)
    weight = np.prod([np.clip(cue, 0.1, 1.0) for cue in known], axis=0)
    two = np.argsort(-probs.mean(axis=1), axis=-1, kind="stable")[:, :2]
    worth = np.take_along_axis(cues.class_weight, two, axis=-1).mean(axis=-1)
    return weight * worth * margin_np(probs, views, cues)


def normal_spread_np(probs, views, cues):
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


def softmax_np(seen, layers):
    embedding = np.maximum(seen @ WEIGHTS["embed"].astype(np.float64), 0.0)
    logits = np.einsum("rd,kdc->rkc", embedding, layers.astype(np.float64))
    probs = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return probs / probs.sum(axis=-1, keepdims=True)


@functools.cache
def large_pool():
    # Many: some compilers go wrong only where they split the work.
    candidates = room(100_000)
    seen = look(candidates, np.arange(100_000)).astype(np.float64)
    beliefs = (softmax_np(seen, WEIGHTS[part]) for part in ("members", "groups"))
    return candidates, *beliefs, all_cues(candidates)


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_scores_of_a_whole_pool_match_numpy(definition):
    candidates, probs, views, cues = large_pool()
    expected = definition(probs, views, cues)
    found = score_all(definition.__name__.removesuffix("_np"), candidates)
    assert np.ptp(expected) > 0.1
    # Logits of about 20 in float32 are known to 1e-6, their softmax to a few of that.
    np.testing.assert_allclose(found, expected, atol=5e-5)


def test_view_divergence_is_the_mean_over_views_compared_one_by_one():
    rng = np.random.default_rng(0)
    views = rng.dirichlet(np.ones(C), 7)
    own = rng.dirichlet(np.ones(C))
    expected = np.mean([np.sum(own * np.log(own / view)) for view in views])
    cues = cues_of(view_mean_log=np.log(views).mean(axis=0))
    score = SCORES["view_divergence"](KEY, one([own]), cues)
    np.testing.assert_allclose(score, expected, rtol=1e-5)


# --- known answers


@pytest.mark.parametrize("classes", [2, 3, 100])
def test_even_belief_is_the_least_certain(classes):
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


BELIEF_SCORES = (
    *("entropy", "margin", "least_confidence", "bvsb", "bald"),
    *("vote_entropy", "balanced", "geometry", "redal", "view_divergence"),
)


@pytest.mark.parametrize("classes", [1, 2, 7])
@pytest.mark.parametrize("name", BELIEF_SCORES)
def test_certainty_scores_zero(name, classes):
    certain = one(np.eye(classes)[:1])
    assert SCORES[name](KEY, certain, cues_of(classes)) == 0.0


def test_members_that_disagree_are_uncertain_together():
    torn, cues = one(np.eye(3)), cues_of(3)
    for name in ("entropy", "bald", "vote_entropy"):
        np.testing.assert_allclose(
            SCORES[name](KEY, torn, cues), math.log(3), rtol=1e-6
        )
    assert SCORES["margin"](KEY, torn, cues) == 1.0


def test_members_that_say_the_same_disagree_in_nothing():
    same = one([[0.5, 0.3, 0.2]] * 4)
    np.testing.assert_allclose(SCORES["bald"](KEY, same, cues_of(3)), 0.0, atol=1e-6)
    assert SCORES["vote_entropy"](KEY, same, cues_of(3)) == 0.0
    assert SCORES["bald"](KEY, one([[0.5, 0.5]]), cues_of(2)) == 0.0


def test_members_may_differ_and_still_vote_alike():
    belief = one([[0.9, 0.1], [0.6, 0.4]])
    assert SCORES["vote_entropy"](KEY, belief, cues_of(2)) == 0.0
    assert SCORES["bald"](KEY, belief, cues_of(2)) > 0.01


def test_a_view_is_judged_by_the_member_of_its_own_group():
    # Group 0 believes what all views do, group 1 the opposite.
    belief = one([[0.5, 0.5]], view_probs=[[0.9, 0.1], [0.1, 0.9]])
    logs = np.log([0.9, 0.1])
    for frame, answer in ((0, 0.0), (4, 0.0), (7, 0.8 * math.log(9))):
        cues = cues_of(2, frame=frame, view_mean_log=logs)
        score = SCORES["view_divergence"](KEY, belief, cues)
        np.testing.assert_allclose(score, answer, atol=1e-6)


def test_a_frequent_class_is_worth_less():
    belief, score = one([[0.5, 0.5]]), functools.partial(SCORES["balanced"], KEY)
    assert score(belief, cues_of(2, class_fractions=0.0)) == 1.0
    np.testing.assert_allclose(
        score(belief, cues_of(2, class_fractions=1.0)), math.exp(-1), rtol=1e-6
    )


def test_redal_adds_colour_and_shape_with_its_own_constants():
    certain, score = one([[1.0, 0.0]]), functools.partial(SCORES["redal"], KEY)
    np.testing.assert_allclose(score(certain, cues_of(2, gradient=0.5)), 0.05)
    np.testing.assert_allclose(score(certain, cues_of(2, variation=0.2)), 0.01)


def test_geometry_weighs_down_but_never_silences():
    torn = one([[0.5, 0.5]])

    def score(**changes):
        return SCORES["geometry"](KEY, torn, cues_of(2, **changes))

    assert score(num_views=2) < score(num_views=6) < score(num_views=60) < 1.0
    for cue in ("purity", "consistency"):
        assert score(**{cue: 0.5}) == 0.5 * score()
    worth = np.array([0.25, 0.75], np.float32)
    assert score(class_weight=worth) == 0.5 * score()
    worst = dict.fromkeys(("num_views", "purity", "consistency"), 0)
    np.testing.assert_allclose(score(**worst), 1e-3, rtol=1e-6)


def test_the_gain_that_the_policy_expects_is_made_positive():
    for gain, answer in ((0.0, math.log(2) / 4), (3.0, 3.0), (-90.0, 0.0)):
        score = SCORES["policy"](KEY, one([[1.0]], gain=gain), cues_of(1))
        np.testing.assert_allclose(score, answer, atol=1e-5)


def test_cues_are_scores_of_their_own():
    belief = one([[1.0]])
    for name, changes, answer in (
        ("normal_spread", {"coherence": 0.75}, 0.25),
        ("inconsistency", {"consistency": 0.25}, 0.75),
        ("visibility", {"num_views": 6}, 0.75),
        ("visibility", {"num_views": 0}, 0.0),
        ("view_entropy", {"view_entropy": 0.3}, 0.3),
        ("label_distance", {"label_distance": 3.0}, 0.75),
        ("label_distance", {"label_distance": np.inf}, 1.0),
        ("label_feature_distance", {"label_feature_distance": 1.0}, 0.5),
    ):
        score = SCORES[name](KEY, belief, cues_of(1, **changes))
        np.testing.assert_allclose(score, answer, rtol=1e-6)


def test_small_classes_are_worth_more_but_none_more_than_one_label_stands_for():
    worth = class_weight(np.array([900.0, 99.0, 1.0, 0.0]), 100)
    assert worth.dtype == np.float32 and worth.max() == 1
    np.testing.assert_allclose(
        worth[:3], [(1e-2 / s) ** 0.5 for s in SHARES], rtol=1e-5
    )
    assert worth[0] < worth[1] < worth[2] < worth[3] < 1.1 * worth[2]
    # Few labels: all classes alike, nearly.
    assert class_weight(np.array([900.0, 100.0]), 1).min() > 0.7
    assert class_weight(np.zeros(3), 0).tolist() == [1, 1, 1]


SHARES = (0.9 + 0.01, 0.099 + 0.01, 0.001 + 0.01)
