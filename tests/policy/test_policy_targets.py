"""Policy targets: credit for changes of mIoU, and what is known of mistakes."""

import numpy as np
import pytest

from alsem.policy import targets


def miou(label, predicted, classes):
    scores = []
    for c in range(classes):
        union = np.sum((label == c) | (predicted == c))
        if union:
            scores.append(np.sum((label == c) & (predicted == c)) / union)
    return np.mean(scores)


@pytest.mark.parametrize("seed", range(3))
def test_changes_of_pixels_add_up_to_the_change_of_miou(seed):
    draw = np.random.default_rng(seed)
    label = draw.choice(6, 20_000, p=[0.5, 0.2, 0.15, 0.1, 0.04, 0.01])
    before = np.where(draw.random(20_000) < 0.3, draw.integers(0, 6, 20_000), label)
    after = before.copy()
    moved = draw.permutation(20_000)[:60]
    after[moved] = np.where(draw.random(60) < 0.7, label[moved], 1)
    part = targets.miou_change(label, before, after)
    np.testing.assert_array_equal(part != 0, before != after)
    change = miou(label, after, 6) - miou(label, before, 6)
    assert part.sum() == pytest.approx(change, rel=0.1, abs=2e-5)


def test_the_docstrings_example():
    label, before, after = np.array([[0, 0, 1], [0, 1, 1], [0, 0, 1]])
    found = targets.miou_change(label, before, after)
    np.testing.assert_allclose(found, [0, 3 / 8, 0])


def test_credit_goes_to_the_nearest_query():
    place = np.array([[0.0], [10.0]])
    judges = np.array([[1.0], [2.0], [9.0], [8.0]])
    label = np.array([0, 0, 0, 1])
    before = np.array([3, 0, 0, 3])
    after = np.array([0, 0, 3, 1])
    gain = targets.credit(place, judges, label, before, after)
    part = targets.miou_change(label, before, after)
    np.testing.assert_allclose(gain, [part[0], part[2] + part[3]], rtol=1e-6)
    assert part[0] > 0 > part[2] and part[3] > part[0]  # the rarer class
    nothing = np.zeros(0, int)
    none = targets.credit(place, np.zeros((0, 1)), nothing, nothing, nothing)
    np.testing.assert_array_equal(none, [0.0, 0.0])


def test_relative_gains_have_mean_size_one_and_are_clipped():
    gain = np.array([0.1, -0.1, 0.2, 0.0])
    assert np.abs(targets.relative(gain)).mean() == pytest.approx(1.0)
    spike = np.zeros(100)
    spike[0] = 1.0
    assert targets.relative(spike).max() == 10.0
    np.testing.assert_array_equal(targets.relative(np.zeros(3)), np.zeros(3))


def test_expected_gains_count_less_as_gains_are_observed():
    def shrunk(gain):
        found = targets.PolicyTargets(
            pixel=np.arange(101),
            cues=np.zeros((101, 2), np.float32),
            wrong=np.zeros(101, np.float32),
            gain=np.asarray(gain, np.float32),
        )
        return targets.shrunk(found, np.ones(101), 100.0).gain

    few, many = shrunk([3.0] + [np.nan] * 100), shrunk([3.0] * 100 + [np.nan])
    assert few[0] == pytest.approx(1.0 + 2.0 / 101)
    assert many[0] == pytest.approx(2.0)
    assert np.isnan(few[1]) and np.isnan(many[-1])


def test_mistakes_are_known_where_the_query_has_a_label():
    query, predicted = np.array([7, 2, 5]), np.array([1, 3, 1])
    pixel, label = np.array([2, 3, 7]), np.array([3, 0, 0])
    found = targets.mistakes(query, predicted, pixel, label)
    np.testing.assert_array_equal(found, [1.0, 0.0, -1.0])
    none = targets.mistakes(query, predicted, pixel[:0], label[:0])
    np.testing.assert_array_equal(none, [-1.0, -1.0, -1.0])
