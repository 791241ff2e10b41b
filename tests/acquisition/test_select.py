"""Ranking, greedy loops and the steps of a batch: definitions and known answers."""

import dataclasses
import functools
import math
from collections import Counter

import jax
import numpy as np
import pytest
from pools import KEY, predictions_in, room, rows
from scipy.cluster.vq import vq

from alsem import acquisition
from alsem.acquisition import STEPS, Batch, Running
from alsem.acquisition.batch import (
    embedding_steps,
    greedy,
    information_gain,
    ranking,
    select,
    steps,
)
from alsem.acquisition.batch.context import shortlist
from alsem.acquisition.candidates import features
from alsem.core import rng

NONE = np.zeros(0, np.int64)


def batch_of(candidates, *, num, queried=NONE, key=KEY, beliefs=None):
    return Batch(key, candidates, np.asarray(queried, np.int64), num, beliefs)


def running_in(candidates, scores=None, *, queried=NONE):
    ids = np.setdiff1d(np.flatnonzero(candidates.is_valid), queried)
    if scores is None:
        return Running(ids, np.ones(len(ids), np.float32))
    return Running(ids, np.asarray(scores, np.float32)[ids])


def some_scores(n, *, levels=None, seed=2):
    rng = np.random.default_rng(seed)
    return (rng.random(n) if levels is None else rng.integers(0, levels, n)).astype(
        np.float32
    )


def apply(step, candidates, scores=None, *, num, keep=None, queried=NONE, **given):
    """Ids in the order in which a step leaves them."""
    batch = batch_of(candidates, num=num, queried=queried, **given)
    running = running_in(candidates, scores, queried=queried)
    after = step(batch, running, keep=num if keep is None else keep)
    return after.ids[np.argsort(-after.scores, kind="stable")]


# --- ranking


def draws_np(ids):
    """Stand-in for random draws: known ones."""
    return (np.asarray(ids) * 7919 % 1009).astype(np.uint64)


def test_the_best_are_the_sorted_head_and_ties_fall_by_the_draws():
    ids = np.arange(1000) * 3
    scores = some_scores(1000, levels=9)
    drawn = draws_np(ids)
    ranked = sorted(range(1000), key=lambda i: (-scores[i], drawn[i]))
    for num in (0, 1, 450, 999, 1000, 5000):
        found = ranking.best(ids, scores, draws_np, num=num)
        np.testing.assert_array_equal(found, ranked[:num])


def test_the_best_of_each_group_and_of_equals_the_greatest_draw():
    ids, scores = np.arange(900), some_scores(900, levels=3)
    group = np.random.default_rng(3).integers(0, 200, 900)
    drawn = draws_np(ids)
    best: dict[int, int] = {}
    for i in range(900):
        held = best.setdefault(int(group[i]), i)
        if (scores[i], drawn[i]) > (scores[held], drawn[held]):
            best[int(group[i])] = i
    found = ranking.best_per_group(group, ids, scores, draws_np, num_groups=205)
    np.testing.assert_array_equal(found, sorted(best.values()))


def test_of_coinciding_rays_one_speaks_for_the_group():
    found = ranking.best_per_group(
        np.zeros(5, np.int64),
        np.arange(5),
        np.ones(5, np.float32),
        lambda ids: np.zeros(len(ids), np.uint64),
        num_groups=1,
    )
    assert len(found) == 1


def test_ranks_within_groups_count_from_zero():
    group = np.array([2, 0, 2, 2, 1, 0])
    np.testing.assert_array_equal(ranking.rank_in_group(group), [0, 0, 1, 2, 0, 1])
    assert ranking.rank_in_group(NONE).shape == (0,)


def test_draws_follow_the_candidate_and_differ_by_key_and_name():
    candidates = room(200_000, invalid=0.0)
    ids = np.arange(200_000)
    draws = ranking.make_draws(KEY, "ties", candidates)(ids)
    assert len(np.unique(draws)) == 200_000
    order = np.random.default_rng(0).permutation(200_000)
    moved = ranking.make_draws(KEY, "ties", rows(candidates, order))(ids)
    np.testing.assert_array_equal(moved, draws[order])
    np.testing.assert_array_equal(
        ranking.make_draws(KEY, "ties", candidates)(ids[7:9]), draws[7:9]
    )
    for key, name in ((KEY, "order"), (jax.random.key(8), "ties")):
        other = ranking.make_draws(key, name, candidates)(ids)
        assert not np.intersect1d(other, draws).size
    # Uniform: a hundred bins of 2000 each, to five standard deviations.
    count = np.bincount((draws >> np.uint64(40)) * 100 >> np.uint64(24), minlength=100)
    np.testing.assert_allclose(count, 2000, atol=5 * math.sqrt(2000))


def test_another_frame_is_another_draw():
    candidates = room(100)
    moved = dataclasses.replace(candidates, frame=candidates.frame + 1)
    first, second = (
        ranking.make_draws(KEY, "ties", c)(np.arange(100)) for c in (candidates, moved)
    )
    assert (first != second).all()


# --- greedy loops


def greedy_np(points, scores, near, *, num, radius, power):
    """Definition: the gate and all distances anew for each pick, in float64."""
    points, near = points.astype(np.float64), near.astype(np.float64)
    picks: list[int] = []
    for _ in range(num):
        gain = scores * np.minimum(near, radius) ** power
        gain[picks] = -1.0
        picks.append(int(np.argmax(gain)))
        offset = np.linalg.norm(points - points[picks[-1]], axis=-1)
        near = np.minimum(near, offset)
    return picks


@pytest.mark.parametrize("power", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("radius", [0.2, math.inf])
@pytest.mark.parametrize("dims", [3, 9])
def test_greedy_follows_its_definition(dims, radius, power):
    rng = np.random.default_rng(4)
    points = rng.random((700, dims)).astype(np.float32)
    scores = (0.1 + rng.random(700)).astype(np.float32)
    near = rng.uniform(0.0, 0.5, 700).astype(np.float32)
    given = {"num": 60, "radius": radius, "power": power}
    found = greedy.greedy(points, scores, near, **given)
    np.testing.assert_array_equal(found, greedy_np(points, scores, near, **given))


def test_greedy_follows_its_definition_among_very_many():
    rng = np.random.default_rng(4)
    points = rng.random((100_000, 3)).astype(np.float32)
    scores = rng.random(100_000).astype(np.float32)
    near = np.full(100_000, np.inf, np.float32)
    given = {"num": 20, "radius": 0.3, "power": 1.0}
    found = greedy.greedy(points, scores, near, **given)
    np.testing.assert_array_equal(found, greedy_np(points, scores, near, **given))


def test_greedy_spreads_out_what_the_score_thinks_worthless():
    points = np.linspace(0.0, 1.0, 101, dtype=np.float32)[:, None]
    far = np.full(101, np.inf, np.float32)
    picks = greedy.greedy(points, np.zeros(101, np.float32), far, num=5)
    assert set(picks.tolist()) == {0, 25, 50, 75, 100}


def ones(*shape):
    return np.ones(shape, np.float32)


@pytest.mark.parametrize(
    "choose",
    [
        lambda n: greedy.greedy(0 * ones(n, 3), ones(n), np.inf * ones(n), num=n),
        lambda n: greedy.farthest(ones(n, 4), ones(3, 4), num=n + 9),
        lambda n: greedy.plus_plus(ones(n, 2), ones(n, 4), KEY, num=n + 9),
        lambda n: greedy.plus_plus(0 * ones(n, 2), ones(n, 4), KEY, num=n),
        lambda n: information_gain.most_informative(
            ones(n, 2), ones(n, 4), ones(2, 4), ridge=1.0, num=n + 9
        ),
        lambda n: information_gain.most_informative(
            0 * ones(n, 2), ones(n, 4), 0 * ones(2, 4), ridge=1.0, num=n
        ),
    ],
)
def test_no_row_is_picked_twice_even_where_all_are_alike(choose):
    for n in (1, 2, 37, 64, 700):
        picks = choose(n)
        assert picks.dtype == np.int64
        np.testing.assert_array_equal(np.sort(picks), np.arange(n))


def farthest_np(points, others, num):
    """Definition of farthest-first traversal, in float64."""
    points, others = points.astype(np.float64), others.astype(np.float64)
    picks: list[int] = []
    for _ in range(num):
        seeds = np.concatenate([others, points[picks]])
        if not len(seeds):
            picks.append(0)
            continue
        distance = np.linalg.norm(points[:, None] - seeds, axis=-1)
        picks.append(int(np.argmax(distance.min(axis=1))))
    return picks


@pytest.mark.parametrize("num_others", [0, 1, 300])
def test_farthest_first_in_many_dimensions_follows_its_definition(num_others):
    rng = np.random.default_rng(5)
    # Far from the origin, where squares lose the digits that matter.
    points = (100.0 + rng.random((600, 33))).astype(np.float32)
    others = (100.0 + rng.random((num_others, 33))).astype(np.float32)
    found = greedy.farthest(points, others, num=50)
    np.testing.assert_array_equal(found, farthest_np(points, others, 50))


def plus_plus_np(left, right, uniform, num):
    """Definition: outer products written out, k-means++ by inverting the sums."""
    x = np.einsum("sc,sd->scd", left, right).reshape(len(left), -1).astype(np.float64)
    picks = [int(np.argmax(np.linalg.norm(x, axis=1)))]
    for i in range(1, num):
        distance = np.linalg.norm(x[:, None] - x[picks], axis=-1).min(axis=1) ** 2
        ends = np.cumsum(distance)
        picks.append(int(np.searchsorted(ends, uniform[i] * ends[-1], side="right")))
    return picks


def test_seeds_of_outer_products_follow_their_definition():
    rng = np.random.default_rng(6)
    left = rng.normal(size=(700, 4)).astype(np.float32)
    right = rng.normal(size=(700, 8)).astype(np.float32)
    found = greedy.plus_plus(left, right, KEY, num=32)
    uniform = np.asarray(jax.random.uniform(KEY, (32,)))
    np.testing.assert_array_equal(found, plus_plus_np(left, right, uniform, 32))


def test_seeds_are_drawn_in_proportion_to_squared_distance():
    # From the longest, at 10, the others are 9, 8 and 6 away.
    left = np.array([[10.0], [1.0], [2.0], [4.0]], np.float32)
    keys = jax.random.split(jax.random.key(0), 400)
    second = [greedy.plus_plus(left, ones(4, 1), k, num=2)[1] for k in keys]
    fraction = np.bincount(second, minlength=4) / 400
    expected = np.array([0, 81, 64, 36]) / 181
    # Four standard deviations of 400 draws.
    np.testing.assert_allclose(fraction, expected, atol=4 * 0.5 / math.sqrt(400))


def most_informative_np(left, right, information, ridge, num):
    """Definition: every gain anew for each pick, in float64."""
    terms = np.einsum("sc,sd->scd", left, right).astype(np.float64)
    information, picks = information.astype(np.float64), []
    for _ in range(num):
        gain = (terms / (information + ridge)).sum(axis=(1, 2))
        gain[picks] = -1.0
        picks.append(int(np.argmax(gain)))
        information = information + terms[picks[-1]]
    return picks


@pytest.mark.parametrize("known", [0.0, 30.0])
def test_information_gain_follows_its_definition(known):
    rng = np.random.default_rng(7)
    left = rng.gamma(0.3, size=(3000, 4)).astype(np.float32)
    right = rng.gamma(0.3, size=(3000, 6)).astype(np.float32)
    information = (known * rng.random((4, 6))).astype(np.float32)
    found = information_gain.most_informative(
        left, right, information, ridge=0.1, num=60
    )
    expected = most_informative_np(left, right, information, 0.1, 60)
    np.testing.assert_array_equal(found, expected)


# --- steps: known answers


def test_top_k_is_the_sorted_head():
    candidates, scores = room(5000, invalid=0.2), some_scores(5000)
    ranked = sorted(np.flatnonzero(candidates.is_valid), key=lambda i: -scores[i])
    ids = apply(steps.top_k, candidates, scores, num=900, queried=[ranked[2]])
    np.testing.assert_array_equal(ids, ranked[:2] + ranked[3:901])


def test_one_per_voxel_keeps_the_best_of_each():
    candidates, scores = room(2000, voxel_size=1.0), some_scores(2000)
    ids = apply(steps.one_per_voxel, candidates, scores, num=3)
    assert len(ids) == candidates.num_voxels
    for i in ids:
        same = candidates.voxel == candidates.voxel[i]
        assert scores[i] == scores[same].max()
    # The others come after them if there are not enough voxels.
    more = apply(steps.one_per_voxel, candidates, scores, num=len(ids) + 5)
    np.testing.assert_array_equal(more[: len(ids)], ids[np.argsort(-scores[ids])])
    left = np.setdiff1d(np.flatnonzero(candidates.is_valid), ids)
    np.testing.assert_array_equal(more[len(ids) :], left[np.argsort(-scores[left])][:5])


def frame_cap_np(candidates, scores, num, cap):
    """Definition: walk down the ranking, leaving out frames that are full."""
    picks, count = [], Counter()
    for i in np.argsort(-scores):
        frame = int(candidates.frame[i])
        if candidates.is_valid[i] and count[frame] < cap and len(picks) < num:
            picks.append(i)
            count[frame] += 1
    return picks


def test_no_frame_gets_more_than_its_cap():
    candidates = room(3000)
    # Frames 0, 1 and 2 have all that is wanted.
    scores = some_scores(3000) - 0.9 * (candidates.frame > 2) + 1.0
    ids = apply(steps.frame_cap, candidates, scores, num=40)
    cap = math.ceil(2.0 * 40 / 12)
    assert Counter(candidates.frame[ids].tolist())[0] == cap
    np.testing.assert_array_equal(ids, frame_cap_np(candidates, scores, 40, cap))
    # A cap so tight that the best of the rest must fill the batch.
    tight = functools.partial(steps.frame_cap, fraction=0.5)
    ids = apply(tight, candidates, scores, num=40)
    assert len(np.unique(ids)) == 40
    first = frame_cap_np(candidates, scores, 40, 2)
    np.testing.assert_array_equal(ids[:24], first)
    left = np.setdiff1d(np.flatnonzero(candidates.is_valid), first)
    np.testing.assert_array_equal(ids[24:], left[np.argsort(-scores[left])][:16])


def test_of_the_top_share_a_random_few():
    candidates, scores = room(4000), some_scores(4000)
    valid = np.flatnonzero(candidates.is_valid)
    top = valid[np.argsort(-scores[valid])][: math.ceil(0.05 * len(valid))]
    ids = apply(steps.top_fraction, candidates, scores, num=20)
    assert set(ids.tolist()) == set(top.tolist())
    # Where they stand in the new order has nothing to do with their scores.
    correlation = np.corrcoef(scores[ids], np.arange(len(ids)))[0, 1]
    assert abs(correlation) < 4 / math.sqrt(len(ids))
    again = apply(steps.top_fraction, candidates, scores, num=20, key=jax.random.key(8))
    assert set(again.tolist()) == set(top.tolist()) and (again != ids).any()
    # Not fewer than are wanted.
    assert len(apply(steps.top_fraction, candidates, scores, num=300)) == 300


def decay_np(scores, cluster, decay, num):
    """Definition: take the greatest, then weigh its cluster down."""
    weight, picks = np.ones(cluster.max() + 1), []
    worth = scores.astype(np.float64)
    for _ in range(num):
        now = worth * weight[cluster]
        now[picks] = -1.0
        picks.append(int(np.argmax(now)))
        weight[cluster[picks[-1]]] *= decay
    return picks


def test_picks_from_one_cluster_count_less_and_less(monkeypatch):
    candidates = room(600, voxel_size=0.001, invalid=0.0)  # a voxel for each
    scores = 0.5 + 0.5 * some_scores(600)
    # Clusters that can be told without k-means: the frames.
    monkeypatch.setattr(
        steps, "_clusters", lambda batch, running, num: candidates.frame[running.ids]
    )
    given = functools.partial(steps.cluster_decay, decay=0.8)
    ids = apply(given, candidates, scores, num=80)
    expected = decay_np(scores, candidates.frame, 0.8, 80)
    np.testing.assert_array_equal(ids, expected)


def test_clusters_are_kmeans_on_places_and_colours():
    candidates = room(2000, invalid=0.0)
    running = running_in(candidates)
    cluster = steps._clusters(batch_of(candidates, num=5), running, num=30)
    x = features(candidates, running.ids, normal_metres=0.3, diffuse_metres=1.0)
    means = np.stack([x[cluster == c].mean(axis=0) for c in range(30)])

    def spread(centres):
        return np.mean(vq(x, centres)[1] ** 2)

    start = np.argsort(ranking.make_draws(KEY, "clusters", candidates)(running.ids))
    assert spread(means) < 0.9 * spread(x[start[:30]])  # better than where it began
    # Everyone is with the nearest centre, but for the last step of the centres.
    assert np.mean(vq(x, means)[0] == cluster) > 0.9


def test_the_least_labelled_places_come_first():
    candidates = room(6000, invalid=0.0)
    queried = np.flatnonzero(candidates.x_world[:, 0] < 2.0)[::15]
    ids = apply(steps.least_labelled, candidates, num=60, queried=queried)
    size = math.sqrt(acquisition.surface_area(candidates) / (len(queried) + 60))
    cell = np.floor(candidates.x_world.astype(np.float64) / size).astype(int)
    labels = Counter(map(tuple, cell[queried].tolist()))
    turn, seen = [], Counter()
    for place in map(tuple, cell[ids].tolist()):
        turn.append(labels[place] + seen[place])
        seen[place] += 1
    assert turn == sorted(turn)  # every pick counts as a label
    # As many empty cells as there are, before any that has a label.
    empty = set(map(tuple, cell.tolist())) - set(labels)
    assert turn.count(0) == min(60, len(empty))
    assert len(np.unique(candidates.voxel[ids])) == 60


def test_of_the_least_labelled_places_the_best_scores():
    candidates, scores = room(6000, invalid=0.0), some_scores(6000)
    ids = apply(steps.least_labelled, candidates, scores, num=20)
    size = math.sqrt(acquisition.surface_area(candidates) / 20)
    cell = np.floor(candidates.x_world.astype(np.float64) / size).astype(int)
    best = {}
    for place, score in zip(map(tuple, cell.tolist()), scores, strict=True):
        best[place] = max(best.get(place, 0.0), score)
    expected = sorted(best.values(), reverse=True)[:20]
    np.testing.assert_array_equal(scores[ids], expected)


def test_spaced_is_greedy_with_the_radius_of_the_labels_to_come():
    candidates = room(400, voxel_size=0.001, invalid=0.0)  # a voxel for each
    scores, queried = some_scores(400, seed=3), np.arange(30)
    area = acquisition.surface_area(candidates)
    assert area == pytest.approx(400 * 0.001**2)
    spacing = 0.6 / math.sqrt(area / (30 + 25))  # a radius of 0.6 m
    step = functools.partial(steps.spaced, spacing=spacing, power=2.0)
    ids = apply(step, candidates, scores, num=25, queried=queried)
    x = candidates.x_world
    near = np.linalg.norm(x[:, None] - x[queried], axis=-1).min(axis=1)
    scores[queried] = 0.0
    expected = greedy_np(x, scores, near, num=25, radius=0.6, power=2.0)
    np.testing.assert_array_equal(ids, expected)


def test_k_centre_is_farthest_first_whatever_the_scores():
    candidates = room(400, voxel_size=0.001, invalid=0.0)
    side = math.sqrt(acquisition.surface_area(candidates))
    points = features(
        candidates,
        np.arange(400),
        normal_metres=0.02 * side,
        diffuse_metres=0.2 * side,
    )
    ids = apply(steps.k_centre, candidates, some_scores(400), num=50)
    others = points[ids[:1]]
    np.testing.assert_array_equal(ids[1:], farthest_np(points, others, 49))
    # A second batch goes on where the first one stopped.
    more = apply(steps.k_centre, candidates, num=30, queried=ids[:20])
    np.testing.assert_array_equal(more, ids[20:])


def test_spaced_keeps_its_distance_where_top_k_huddles():
    candidates = room(5000)
    x = candidates.x_world
    # The most wanted all lie in one corner.
    scores = np.exp(-np.linalg.norm(x - x[candidates.is_valid][0], axis=-1) / 2.0)
    queried = np.flatnonzero(candidates.is_valid)[:30]

    def least_distance(ids):
        pairs = np.linalg.norm(x[ids][:, None] - x[ids], axis=-1)
        np.fill_diagonal(pairs, np.inf)
        old = np.linalg.norm(x[ids][:, None] - x[queried], axis=-1)
        return min(pairs.min(), old.min())

    def picks(step, **options):
        step = functools.partial(step, **options)
        return apply(step, candidates, scores, num=40, queried=queried)

    radius = 0.5 * math.sqrt(acquisition.surface_area(candidates) / (30 + 40))
    soft = picks(steps.spaced)
    assert least_distance(picks(steps.top_k)) < 0.1 * radius
    assert least_distance(soft) > 0.3 * radius
    assert least_distance(picks(steps.spaced, power=50.0)) > 0.85 * radius
    assert scores[picks(steps.spaced, spacing=1.0)].mean() < scores[soft].mean()


def test_batches_of_a_large_pool_come_from_a_shortlist():
    candidates, scores = room(3000), some_scores(3000)
    batch, running = batch_of(candidates, num=5), running_in(candidates, scores)
    short = shortlist(batch, running, size=64)
    best = steps.one_per_voxel(batch, running, keep=5).ids
    np.testing.assert_array_equal(short.ids, best[np.argsort(-scores[best])][:64])
    # Equal scores: a random subset, not the first frames.
    even = shortlist(batch, running_in(candidates), size=64)
    assert len(np.unique(even.ids)) == 64 and 1000 < even.ids.mean() < 2000
    # More than there are voxels: everyone takes part.
    wide = room(300, voxel_size=2.0)
    everyone = shortlist(batch_of(wide, num=250), running_in(wide), size=9999)
    assert len(everyone.ids) == wide.is_valid.sum()


# --- steps that look at beliefs


@pytest.fixture
def believed():
    candidates = room(500, voxel_size=0.001, invalid=0.0)  # a voxel for each
    posterior = predictions_in(candidates)(np.arange(500))
    return candidates, posterior.probs[:, 0], posterior.embedding


def shortlisted(candidates, queried):
    """The order in which the shortlist holds candidates of equal scores."""
    running = running_in(candidates, queried=queried)
    return running.ids[
        np.argsort(ranking.make_draws(KEY, "ties", candidates)(running.ids))
    ]


@pytest.mark.parametrize("queried", [NONE, np.arange(40)])
def test_coreset_is_farthest_first_in_the_embedding(believed, queried):
    candidates, _, embedding = believed
    ids = apply(
        STEPS["coreset"],
        candidates,
        num=30,
        queried=queried,
        beliefs=predictions_in(candidates),
    )
    short = shortlisted(candidates, queried)
    expected = farthest_np(embedding[short], embedding[queried], 30)
    np.testing.assert_array_equal(ids, short[expected])


def test_badge_seeds_the_gradients_of_the_last_layer(believed):
    candidates, probs, embedding = believed
    ids = apply(STEPS["badge"], candidates, num=16, beliefs=predictions_in(candidates))
    short = shortlisted(candidates, NONE)
    logits = np.log(probs[short])

    def loss(logits, label):
        return -jax.nn.log_softmax(logits)[label]

    error = np.array(
        [jax.grad(loss)(row, int(row.argmax())) for row in logits], np.float32
    )
    uniform = np.asarray(jax.random.uniform(rng.stream(KEY, "badge"), (16,)))
    expected = plus_plus_np(error, embedding[short], uniform, 16)
    np.testing.assert_array_equal(ids, short[expected])


@pytest.mark.parametrize("queried", [NONE, np.arange(40)])
def test_fisher_adds_most_to_what_the_asked_ones_say(believed, queried):
    candidates, probs, embedding = believed
    ids = apply(
        STEPS["fisher"],
        candidates,
        num=20,
        queried=queried,
        beliefs=predictions_in(candidates),
    )
    left, right = probs * (1 - probs), embedding**2
    short = shortlisted(candidates, queried)
    known = np.einsum("sc,sd->cd", left[queried], right[queried])
    mean = known.mean() if len(queried) else np.mean(left[short].T @ right[short]) / 500
    expected = most_informative_np(left[short], right[short], known, 0.01 * mean, 20)
    np.testing.assert_array_equal(ids, short[expected])


@pytest.mark.parametrize("name", sorted(select.NEED_BELIEFS))
def test_a_step_that_needs_beliefs_says_so(name):
    with pytest.raises(ValueError, match=f"{name}.*beliefs"):
        apply(STEPS[name], room(50), num=3)


def test_the_rows_that_need_beliefs_are_those_that_look_at_them():
    looking = {
        n for n, step in STEPS.items() if step.__module__ == embedding_steps.__name__
    }
    assert looking == select.NEED_BELIEFS


@pytest.mark.parametrize("name", sorted(select.NEED_BELIEFS))
def test_beliefs_are_asked_for_a_shortlist_only(name, monkeypatch):
    monkeypatch.setattr(embedding_steps, "MAX_SHORTLIST", 64)
    candidates, asked_for = room(3000), []
    beliefs = predictions_in(candidates)

    def counting(ids):
        asked_for.append(len(ids))
        return beliefs(ids)

    apply(STEPS[name], candidates, num=20, queried=[3, 4], beliefs=counting)
    assert max(asked_for) == 64


# --- rules


def test_a_rule_hands_on_more_than_the_batch_and_cuts_the_last_result():
    candidates, scores = room(3000), some_scores(3000)
    batch, running = batch_of(candidates, num=30), running_in(candidates, scores)
    tight = functools.partial(steps.frame_cap, fraction=1.2)
    rule = (STEPS["spaced"], tight)
    ids = select.run(rule, batch, running, keep=30)
    spaced = STEPS["spaced"](batch, running, keep=60)
    assert len(spaced.ids) == 60
    worth = np.zeros(3000)
    worth[spaced.ids] = spaced.scores
    expected = frame_cap_np(candidates, worth, 30, math.ceil(1.2 * 30 / 12))
    assert set(expected) != set(spaced.ids[:30].tolist())
    np.testing.assert_array_equal(ids, expected)


def test_a_mixed_batch_explores_its_share_and_exploits_the_rest():
    candidates = room(2000)
    scores = np.linspace(0.0, 1.0, len(candidates), dtype=np.float32)
    valid = np.flatnonzero(candidates.is_valid)
    queried, seen = valid[-3:], []

    def explore(batch, running, *, keep):
        seen.append(running.scores)
        return steps.ranked(running.ids[:keep])

    def exploit(batch, running, *, keep):
        np.testing.assert_array_equal(batch.queried, [*queried, *valid[:5]])
        assert batch.num == keep == 15
        return steps.top_k(batch, running, keep=keep)

    step = functools.partial(
        select.mixed, explore=(explore,), exploit=(exploit,), fraction=0.25
    )
    ids = apply(step, candidates, scores, num=20, queried=queried)
    # In turns, so that a batch cut short has a quarter of them as well.
    explored = np.arange(len(ids)) % 4 == 1
    np.testing.assert_array_equal(ids[explored], valid[:5])
    np.testing.assert_array_equal(ids[~explored], valid[:-3][::-1][:15])
    assert np.ptp(seen[0]) == 0.0  # exploring sees no score
