"""Steps that use scores and positions: definitions and known answers."""

import functools
import math
from collections import Counter

import jax
import numpy as np
import pytest
from batches import apply, batch_of, frame_cap_np, running_in, some_scores
from pools import room
from reference import greedy
from scipy.cluster.vq import vq

from alsem import acquisition
from alsem.acquisition.batch import steps
from alsem.acquisition.batch.context import shortlist
from alsem.acquisition.candidates import surface_coordinates, weighted_coordinates


def best_of(ids, scores, num=None):
    return ids[np.argsort(-scores[ids])][:num]


def test_one_per_voxel_keeps_the_best_of_each():
    candidates, scores = room(2000, voxel_size=1.0), some_scores(2000)
    ids = apply(steps.one_per_voxel, candidates, scores, num=3)
    assert len(ids) == candidates.num_voxels
    for i in ids:
        same = candidates.voxel == candidates.voxel[i]
        assert scores[i] == scores[same].max()
    # The others follow if there are not enough voxels.
    more = apply(steps.one_per_voxel, candidates, scores, num=len(ids) + 5)
    left = np.setdiff1d(np.flatnonzero(candidates.is_valid), ids)
    expected = [*best_of(ids, scores), *best_of(left, scores, 5)]
    np.testing.assert_array_equal(more, expected)


def test_no_frame_gets_more_than_its_cap():
    candidates = room(3000)
    # The best are in frames 0, 1 and 2.
    scores = some_scores(3000) - 0.9 * (candidates.frame > 2) + 1.0
    ids = apply(steps.frame_cap, candidates, scores, num=40)
    cap = math.ceil(2.0 * 40 / 12)
    assert Counter(candidates.frame[ids].tolist())[0] == cap
    np.testing.assert_array_equal(ids, frame_cap_np(candidates, scores, 40, cap))
    # With so low a cap the best of the rest fill the batch.
    tight = functools.partial(steps.frame_cap, fraction=0.5)
    ids = apply(tight, candidates, scores, num=40)
    first = frame_cap_np(candidates, scores, 40, 2)
    left = np.setdiff1d(np.flatnonzero(candidates.is_valid), first)
    np.testing.assert_array_equal(ids, [*first, *best_of(left, scores, 16)])


def test_top_fraction_ranks_the_best_at_random():
    candidates, scores = room(4000), some_scores(4000)
    valid = np.flatnonzero(candidates.is_valid)
    top = best_of(valid, scores, math.ceil(0.05 * len(valid)))
    ids = apply(steps.top_fraction, candidates, scores, num=20)
    again = apply(steps.top_fraction, candidates, scores, num=20, key=jax.random.key(8))
    assert set(ids.tolist()) == set(again.tolist()) == set(top.tolist())
    assert (again != ids).any()
    # The new order is independent of the scores.
    correlation = np.corrcoef(scores[ids], np.arange(len(ids)))[0, 1]
    assert abs(correlation) < 4 / math.sqrt(len(ids))
    # Not fewer than wanted.
    assert len(apply(steps.top_fraction, candidates, scores, num=300)) == 300


def decay_np(scores, cluster, decay, num):
    """Takes the greatest score, then multiplies those of its cluster by the decay."""
    value, picks = scores.astype(np.float64), []
    for _ in range(num):
        picks.append(int(np.argmax(value)))
        value[cluster == cluster[picks[-1]]] *= decay
        value[picks] = -1.0
    return picks


def test_cluster_decay_follows_its_definition(monkeypatch):
    candidates = room(600, voxel_size=0.001, invalid=0.0)  # a voxel for each
    scores = 0.5 + 0.5 * some_scores(600)
    # The frames in place of k-means clusters.
    monkeypatch.setattr(
        steps, "_clusters", lambda batch, running, num: candidates.frame[running.ids]
    )
    given = functools.partial(steps.cluster_decay, decay=0.8)
    ids = apply(given, candidates, scores, num=80)
    expected = decay_np(scores, candidates.frame, 0.8, 80)
    np.testing.assert_array_equal(ids, expected)


def test_clusters_are_k_means_of_position_and_colour():
    candidates = room(2000, invalid=0.0)
    running = running_in(candidates)
    cluster = steps._clusters(batch_of(candidates, num=5), running, num=30)
    x = surface_coordinates(candidates, running.ids)
    means = np.stack([x[cluster == c].mean(axis=0) for c in range(30)])
    nearest, distance = vq(x, means)
    some = np.random.default_rng(0).choice(x, 30)
    assert np.mean(distance**2) < 0.9 * np.mean(vq(x, some)[1] ** 2)
    # All are with the nearest centre, but for the last step of the centres.
    assert np.mean(nearest == cluster) > 0.9


def cells(candidates, num_labels):
    """The cell of each candidate, as large as the surface per label."""
    size = math.sqrt(acquisition.surface_area(candidates) / num_labels)
    place = np.floor(candidates.x_world.astype(np.float64) / size)
    return np.unique(place, axis=0, return_inverse=True)[1].ravel()


def test_least_labelled_cells_come_first():
    candidates = room(6000, invalid=0.0)
    queried = np.flatnonzero(candidates.x_world[:, 0] < 2.0)[::15]
    ids = apply(steps.least_labelled, candidates, num=60, queried=queried)
    cell = cells(candidates, len(queried) + 60)
    labels, turn = Counter(cell[queried].tolist()), []
    num_empty = len(np.setdiff1d(cell, cell[queried]))
    for place in cell[ids].tolist():
        turn.append(labels[place])
        labels[place] += 1  # every pick counts as a label
    assert turn == sorted(turn)
    # As many empty cells as there are, before any that has a label.
    assert turn.count(0) == min(60, num_empty)
    assert len(np.unique(candidates.voxel[ids])) == 60


def test_least_labelled_takes_the_best_score_of_each_cell():
    candidates, scores = room(6000, invalid=0.0), some_scores(6000)
    ids = apply(steps.least_labelled, candidates, scores, num=20)
    best = np.zeros(6000)
    np.maximum.at(best, cells(candidates, 20), scores)
    np.testing.assert_array_equal(scores[ids], np.sort(best)[::-1][:20])


def test_spaced_is_weighted_farthest_first_up_to_a_radius():
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
    expected = greedy.weighted_farthest_first(
        x, scores, near, num=25, radius=0.6, power=2.0
    )
    np.testing.assert_array_equal(ids, expected)


def test_k_centre_is_farthest_first_for_any_scores():
    candidates = room(400, voxel_size=0.001, invalid=0.0)
    side = math.sqrt(acquisition.surface_area(candidates))
    weights = {"normal_metres": 0.02 * side, "diffuse_metres": 0.2 * side}
    points = weighted_coordinates(candidates, np.arange(400), **weights)
    ids = apply(steps.k_centre, candidates, some_scores(400), num=50)
    others = points[ids[:1]]
    np.testing.assert_array_equal(ids[1:], greedy.farthest_first(points, others, 49))
    # A second batch continues the first.
    more = apply(steps.k_centre, candidates, num=30, queried=ids[:20])
    np.testing.assert_array_equal(more, ids[20:])


def test_a_shortlist_has_the_best_of_each_voxel():
    candidates, scores = room(3000), some_scores(3000)
    batch, running = batch_of(candidates, num=5), running_in(candidates, scores)
    short = shortlist(batch, running, size=64)
    best = steps.one_per_voxel(batch, running, keep=5).ids
    np.testing.assert_array_equal(short.ids, best_of(best, scores, 64))
    # Equal scores: a random subset, not the first frames.
    even = shortlist(batch, running_in(candidates), size=64)
    assert len(np.unique(even.ids)) == 64 and 1000 < even.ids.mean() < 2000
    # A batch of more than there are voxels: all candidates.
    wide = room(300, voxel_size=2.0)
    all_of_them = shortlist(batch_of(wide, num=250), running_in(wide), size=9999)
    assert len(all_of_them.ids) == wide.is_valid.sum()
