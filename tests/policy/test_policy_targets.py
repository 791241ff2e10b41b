"""Policy targets: credit for changes of mIoU, and what is known of mistakes."""

import numpy as np
import pytest

from alsem.policy import targets


def miou(label, predicted, classes):
    scores = []
    for c in range(classes):
        union = np.sum((label == c) | (predicted == c))
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
    place, judges = np.array([[0.0], [10.0]]), np.array([[1.0], [2.0], [9.0], [8.0]])
    label, before, after = np.array([[0, 0, 0, 1], [3, 0, 0, 3], [0, 0, 3, 1]])
    gain = targets.credit(place, judges, label, before, after)
    part = targets.miou_change(label, before, after)
    np.testing.assert_allclose(gain, [part[0], part[2] + part[3]], rtol=1e-6)
    assert part[0] > 0 > part[2] and part[3] > part[0]  # the rarer class
    none = targets.credit(place, judges[:0], label[:0], before[:0], after[:0])
    np.testing.assert_array_equal(none, [0.0, 0.0])


@pytest.mark.parametrize(
    ("gain", "expected"),
    [
        ([0.1, -0.1, 0.2, 0.0], [1.0, -1.0, 2.0, 0.0]),  # their mean size is 1
        ([1.0, *[0.0] * 99], [10.0, *[0.0] * 99]),  # clipped
        ([0.0, 0.0], [0.0, 0.0]),
    ],
)
def test_gains_are_relative_to_their_mean_size(gain, expected):
    np.testing.assert_allclose(targets.relative(np.array(gain)), expected)


@pytest.mark.parametrize("known", [1, 100])
def test_expected_gains_count_less_as_gains_are_observed(known):
    gain = np.where(np.arange(101) < known, 3.0, np.nan).astype(np.float32)
    none = np.zeros(101, np.float32)
    observed = targets.PolicyTargets(np.arange(101), none[:, None], none, gain)
    found = targets.shrunk(observed, np.ones(101), 100.0).gain
    expected = (known * gain + 100.0) / (known + 100.0)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_mistakes_are_known_where_the_query_has_a_label():
    query, predicted = np.array([7, 2, 5]), np.array([1, 3, 1])
    pixel, label = np.array([2, 3, 7]), np.array([3, 0, 0])
    found = targets.mistakes(query, predicted, pixel, label)
    np.testing.assert_array_equal(found, [1.0, 0.0, -1.0])
    none = targets.mistakes(query, predicted, pixel[:0], label[:0])
    np.testing.assert_array_equal(none, [-1.0, -1.0, -1.0])
