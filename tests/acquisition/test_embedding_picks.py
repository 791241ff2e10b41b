"""k-means++ seeds and information gains of outer products, against definitions."""

import math

import jax
import numpy as np
import pytest
from pools import KEY
from reference import greedy

from alsem.acquisition.batch.embedding_picks import (
    greedy_information_gain,
    kmeans_plus_plus,
)


def ones(*shape):
    return np.ones(shape, np.float32)


def test_seeds_follow_their_definition():
    rng = np.random.default_rng(6)
    left = rng.normal(size=(700, 4)).astype(np.float32)
    right = rng.normal(size=(700, 8)).astype(np.float32)
    found = kmeans_plus_plus(left, right, KEY, num=32)
    uniform = np.asarray(jax.random.uniform(KEY, (32,)))
    np.testing.assert_array_equal(
        found, greedy.kmeans_plus_plus(left, right, uniform, 32)
    )


def test_seeds_are_drawn_in_proportion_to_squared_distance():
    # From the longest, at 10, the others are 9, 8 and 6 away.
    left = np.array([[10.0], [1.0], [2.0], [4.0]], np.float32)
    keys = jax.random.split(jax.random.key(0), 400)
    second = [kmeans_plus_plus(left, ones(4, 1), k, num=2)[1] for k in keys]
    fraction = np.bincount(second, minlength=4) / 400
    expected = np.array([0, 81, 64, 36]) / 181
    # Four standard deviations of 400 draws.
    np.testing.assert_allclose(fraction, expected, atol=4 * 0.5 / math.sqrt(400))


@pytest.mark.parametrize("known", [0.0, 30.0])
def test_information_gain_follows_its_definition(known):
    rng = np.random.default_rng(7)
    left = rng.gamma(0.3, size=(3000, 4)).astype(np.float32)
    right = rng.gamma(0.3, size=(3000, 6)).astype(np.float32)
    information = (known * rng.random((4, 6))).astype(np.float32)
    found = greedy_information_gain(left, right, information, ridge=0.1, num=60)
    expected = greedy.greedy_information_gain(left, right, information, 0.1, 60)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("num", [1, 2, 37, 700])
@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_equal_rows_are_picked_once_each(num, scale):
    left, right = scale * ones(num, 2), ones(num, 4)
    for picks in (
        kmeans_plus_plus(left, right, KEY, num=num + 9),
        greedy_information_gain(left, right, ones(2, 4), ridge=1.0, num=num + 9),
    ):
        assert picks.dtype == np.int64
        np.testing.assert_array_equal(np.sort(picks), np.arange(num))
