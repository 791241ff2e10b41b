"""Greedy picks at their extremes; the steps that use them are tested by definition."""

import math

import jax
import numpy as np
import pytest
from pools import KEY
from reference import greedy

from alsem.acquisition.batch import embedding_picks, farthest_first


def test_weighted_farthest_first_of_many_points():
    # Many: some compilers go wrong only where they split the work.
    rng = np.random.default_rng(4)
    points = rng.random((40_000, 3), np.float32)
    scores = np.float32(0.1) + rng.random(40_000, np.float32)
    near = rng.uniform(0.0, 0.5, 40_000).astype(np.float32)
    given = {"num": 20, "radius": 0.3, "power": 0.5}
    found = farthest_first.weighted_farthest_first(points, scores, near, **given)
    expected = greedy.weighted_farthest_first(points, scores, near, **given)
    np.testing.assert_array_equal(found, expected)


def test_points_of_score_zero_are_picked_by_distance():
    points = np.linspace(0.0, 1.0, 101, dtype=np.float32)[:, None]
    scores, far = np.zeros(101, np.float32), np.full(101, np.inf, np.float32)
    picks = farthest_first.weighted_farthest_first(points, scores, far, num=5)
    assert set(picks.tolist()) == {0, 25, 50, 75, 100}


@pytest.mark.parametrize("num_others", [1, 300])
def test_farthest_first_in_many_dimensions(num_others):
    # Far from the origin, where squares lose the digits that matter.
    points = 100.0 + np.random.default_rng(5).random((900, 33), np.float32)
    points, others = points[300:], points[:num_others]
    found = farthest_first.farthest_first(points, others, num=50)
    np.testing.assert_array_equal(found, greedy.farthest_first(points, others, 50))


def test_seeds_are_drawn_in_proportion_to_squared_distance():
    # From the longest, at 10, the others are 9, 8 and 6 away.
    left = np.array([[10.0], [1.0], [2.0], [4.0]], np.float32)
    right = np.ones((4, 1), np.float32)
    keys = jax.random.split(jax.random.key(0), 400)
    second = [embedding_picks.kmeans_plus_plus(left, right, k, num=2)[1] for k in keys]
    fraction = np.bincount(second, minlength=4) / 400
    expected = np.array([0, 81, 64, 36]) / 181
    # Four standard deviations of 400 draws.
    np.testing.assert_allclose(fraction, expected, atol=4 * 0.5 / math.sqrt(400))


@pytest.mark.parametrize("num", [1, 37])
@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_equal_rows_are_picked_once_each(num, scale):
    left, right = np.full((num, 2), scale, np.float32), np.ones((num, 4), np.float32)
    far, known = np.full(num, np.inf, np.float32), np.ones((2, 4), np.float32)
    more = num + 9
    for picks in (
        farthest_first.weighted_farthest_first(left, right[:, 0], far, num=more),
        farthest_first.farthest_first(left, left[:1], num=more),
        embedding_picks.kmeans_plus_plus(left, right, KEY, num=more),
        embedding_picks.greedy_information_gain(
            left, right, known, ridge=1.0, num=more
        ),
    ):
        assert picks.dtype == np.int64
        np.testing.assert_array_equal(np.sort(picks), np.arange(num))
