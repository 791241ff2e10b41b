"""Ranking and random draws of candidates."""

import dataclasses
import math

import jax
import numpy as np
import pytest
from batches import NONE, some_scores
from pools import KEY, room, rows

from alsem.acquisition.batch import ranking


def known_draws(ids):
    """Known numbers in place of random draws."""
    return (np.asarray(ids) * 7919 % 1009).astype(np.uint64)


def test_best_is_the_head_of_the_sorted_scores_with_ties_by_draw():
    ids, scores = np.arange(1000) * 3, some_scores(1000, levels=9)
    ranked = np.lexsort((known_draws(ids), -scores))
    for num in (0, 1, 450, 999, 1000, 5000):
        found = ranking.best(ids, scores, known_draws, num=num)
        np.testing.assert_array_equal(found, ranked[:num])


def test_best_per_group_breaks_ties_by_the_greatest_draw():
    ids, scores = np.arange(900), some_scores(900, levels=3)
    group = np.random.default_rng(3).integers(0, 200, 900)
    drawn = known_draws(ids)
    expected = [
        max(np.flatnonzero(group == g), key=lambda i: (scores[i], drawn[i]))
        for g in np.unique(group)
    ]
    found = ranking.best_per_group(group, ids, scores, known_draws, num_groups=205)
    np.testing.assert_array_equal(found, sorted(expected))


def test_of_candidates_with_the_same_draw_one_is_best():
    group, ids, scores = (
        np.zeros(5, np.int64),
        np.zeros(5, int),
        some_scores(5, levels=1),
    )
    found = ranking.best_per_group(group, ids, scores, known_draws, num_groups=1)
    assert len(found) == 1


def test_ranks_within_groups_count_from_zero():
    group = np.array([2, 0, 2, 2, 1, 0])
    np.testing.assert_array_equal(ranking.rank_in_group(group), [0, 0, 1, 2, 0, 1])
    assert ranking.rank_in_group(NONE).shape == (0,)


def test_draws_are_uniform_and_follow_the_candidate():
    candidates, ids = room(200_000, invalid=0.0), np.arange(200_000)
    draws = ranking.make_draws(KEY, "ties", candidates)(ids)
    assert len(np.unique(draws)) == 200_000
    # A hundred bins of 2000 each, to five standard deviations.
    count = np.bincount((draws >> np.uint64(40)) * 100 >> np.uint64(24), minlength=100)
    np.testing.assert_allclose(count, 2000, atol=5 * math.sqrt(2000))
    order = np.random.default_rng(0).permutation(200_000)
    moved = ranking.make_draws(KEY, "ties", rows(candidates, order))
    np.testing.assert_array_equal(moved(ids[7:9]), draws[order[7:9]])


@pytest.mark.parametrize(
    ("key", "name", "frames_on"), [(7, "order", 0), (8, "ties", 0), (7, "ties", 1)]
)
def test_another_key_name_or_frame_has_other_draws(key, name, frames_on):
    candidates, ids = room(), np.arange(1000)
    moved = dataclasses.replace(candidates, frame=candidates.frame + frames_on)
    draws = ranking.make_draws(KEY, "ties", candidates)(ids)
    other = ranking.make_draws(jax.random.key(key), name, moved)(ids)
    assert not np.intersect1d(other, draws).size
