"""Ranking and random draws of candidates."""

import dataclasses
import math

import jax
import numpy as np
from batches import NONE, some_scores
from pools import KEY, room, rows

from alsem.acquisition.batch import ranking


def draws_np(ids):
    """Known numbers in place of random draws."""
    return (np.asarray(ids) * 7919 % 1009).astype(np.uint64)


def test_best_is_the_head_of_the_sorted_scores_with_ties_by_draw():
    ids = np.arange(1000) * 3
    scores = some_scores(1000, levels=9)
    drawn = draws_np(ids)
    ranked = sorted(range(1000), key=lambda i: (-scores[i], drawn[i]))
    for num in (0, 1, 450, 999, 1000, 5000):
        found = ranking.best(ids, scores, draws_np, num=num)
        np.testing.assert_array_equal(found, ranked[:num])


def test_best_per_group_breaks_ties_by_the_greatest_draw():
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
    # Of candidates with the same draw there is one.
    equal = ranking.best_per_group(
        np.zeros(5, np.int64),
        np.arange(5),
        np.ones(5, np.float32),
        lambda ids: np.zeros(len(ids), np.uint64),
        num_groups=1,
    )
    assert len(equal) == 1


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
    moved = dataclasses.replace(candidates, frame=candidates.frame + 1)
    other_frame = ranking.make_draws(KEY, "ties", moved)(ids)
    assert (other_frame != draws).all()
    # Uniform: a hundred bins of 2000 each, to five standard deviations.
    count = np.bincount((draws >> np.uint64(40)) * 100 >> np.uint64(24), minlength=100)
    np.testing.assert_allclose(count, 2000, atol=5 * math.sqrt(2000))
