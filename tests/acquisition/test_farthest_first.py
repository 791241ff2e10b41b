"""Farthest-first traversal, weighted and in embeddings, against its definition."""

import math

import numpy as np
import pytest
from reference import greedy

from alsem.acquisition.batch.farthest_first import (
    farthest_first,
    weighted_farthest_first,
)


@pytest.mark.parametrize(
    ("num_points", "dims", "radius", "power"),
    [
        (700, 3, 0.2, 1.0),
        (700, 9, 0.2, 0.5),
        (700, 3, math.inf, 3.0),
        (700, 9, math.inf, 1.0),
        # Many: some compilers go wrong only where they split the work.
        (100_000, 3, 0.3, 1.0),
    ],
)
def test_weighted_picks_follow_their_definition(num_points, dims, radius, power):
    rng = np.random.default_rng(4)
    points = rng.random((num_points, dims)).astype(np.float32)
    scores = (0.1 + rng.random(num_points)).astype(np.float32)
    near = rng.uniform(0.0, 0.5, num_points).astype(np.float32)
    given = {"num": 20, "radius": radius, "power": power}
    found = weighted_farthest_first(points, scores, near, **given)
    expected = greedy.weighted_farthest_first(points, scores, near, **given)
    np.testing.assert_array_equal(found, expected)


def test_points_of_score_zero_are_picked_by_distance():
    points = np.linspace(0.0, 1.0, 101, dtype=np.float32)[:, None]
    far = np.full(101, np.inf, np.float32)
    picks = weighted_farthest_first(points, np.zeros(101, np.float32), far, num=5)
    assert set(picks.tolist()) == {0, 25, 50, 75, 100}


@pytest.mark.parametrize("num_others", [0, 1, 300])
def test_picks_in_many_dimensions_follow_their_definition(num_others):
    rng = np.random.default_rng(5)
    # Far from the origin, where squares lose the digits that matter.
    points = (100.0 + rng.random((600, 33))).astype(np.float32)
    others = (100.0 + rng.random((num_others, 33))).astype(np.float32)
    found = farthest_first(points, others, num=50)
    np.testing.assert_array_equal(found, greedy.farthest_first(points, others, 50))


@pytest.mark.parametrize("num", [1, 2, 37, 700])
def test_equal_points_are_picked_once_each(num):
    def ones(*shape):
        return np.ones(shape, np.float32)

    for picks in (
        weighted_farthest_first(
            0 * ones(num, 3), ones(num), np.inf * ones(num), num=num
        ),
        farthest_first(ones(num, 4), ones(3, 4), num=num + 9),
    ):
        assert picks.dtype == np.int64
        np.testing.assert_array_equal(np.sort(picks), np.arange(num))
