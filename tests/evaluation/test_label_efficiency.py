"""Levels, crossings and intervals against known answers."""

import math

import numpy as np
import pytest
from made_runs import CLASSES, make_counts

from alsem.evaluation import label_efficiency, segmentation


def make_curve(clicks, fractions, *, seed=0):
    counts = [make_counts(s, seed=seed + i) for i, s in enumerate(fractions)]
    clicks, sums = np.array(clicks), segmentation.class_sums(np.stack(counts))
    return label_efficiency.LearningCurve(clicks, 3 * clicks, sums)


def make_group(*curves, samples=5):
    bootstrap = label_efficiency.make_bootstrap(6, num=samples)
    return label_efficiency.SeedGroup(curves, bootstrap)


@pytest.mark.parametrize(
    ("level", "clicks"),
    [
        (0.3, pytest.approx((49 * 53) ** 0.5)),
        (0.4, 53),  # not 53.00000000000001
        (0.7, pytest.approx((53 * 1000**3) ** 0.25)),
        (0.1, 49),
        (0.9, math.inf),
    ],
)
def test_crossing_is_between_points_over_the_logarithm(level, clicks):
    curve = np.array([49, 53, 1000]), np.array([0.2, 0.4, 0.8])
    assert label_efficiency.crossing(*curve, level) == clicks


def test_isotonic_fit_pools_falling_values_and_averages_equal_clicks():
    clicks = np.array([10, 20, 40, 10, 20, 40])
    values = np.array([0.1, 0.6, 0.4, 0.3, 0.4, 0.6])
    at, fit = label_efficiency.isotonic_fit(clicks, values)  # means .2, .5, .5
    assert at.tolist() == [10, 20, 40]
    np.testing.assert_allclose(fit, [0.2, 0.5, 0.5])
    # The example of the module's docstring.
    at, fit = label_efficiency.isotonic_fit(clicks[:3], values[:3])
    np.testing.assert_allclose(fit, [0.1, 0.5, 0.5])
    assert label_efficiency.crossing(at, fit, 0.3) == pytest.approx(14.14, abs=0.01)
    assert label_efficiency.crossing(at, fit, 0.55) == math.inf


def test_first_bootstrap_sample_is_the_estimate_itself():
    curve = make_curve([10, 100], [0.5, 0.9])
    group = make_group(curve, samples=50)
    pooled = [segmentation.miou(c.sum(axis=0)) for c in curve.sums]
    np.testing.assert_allclose(group.miou[0][0], pooled)
    assert group.miou[0].shape == (51, 2)
    assert np.std(group.miou[0][1:, 0]) > 0  # frames differ
    samples, again = (label_efficiency.make_bootstrap(6, num=50) for _ in range(2))
    np.testing.assert_array_equal(again.frames, samples.frames)
    assert np.all(samples.frames.sum(axis=1) == 6)
    runs = samples.runs(4)
    np.testing.assert_array_equal(runs[0], np.arange(4))
    assert runs.min() == 0 and runs.max() == 3
    assert any(len(set(row)) < 4 for row in runs[1:].tolist())  # with replacement


def test_levels_that_are_not_reached_need_infinitely_many_clicks():
    curves = [make_curve([10, 100], [0.4, 0.7], seed=s) for s in (0, 100)]
    group = make_group(*curves, samples=20)
    assert np.isinf(group.clicks_to(np.full(21, 0.99))).all()
    reached = group.clicks_to(np.full(21, 0.35))
    assert np.all((reached > 10) & (reached < 100))
    low, high = label_efficiency.interval(reached[1:])
    assert low <= np.median(reached[1:]) <= high
    ends = label_efficiency.interval(np.array([1.0] * 9 + [math.inf]))
    assert ends == (1.0, math.inf)


def test_pixels_and_ious_are_interpolated():
    group = make_group(make_curve([10, 100], [0.5, 0.9]))
    assert group.pixels_at(10) == pytest.approx(30)
    assert 30 < group.pixels_at(30) < 300
    assert group.iou_at(99).mean() < group.iou_at(100).mean()
    assert group.iou_at(5).size == 0
    first, last = group.miou_at(np.array([10, 100]))[0]
    assert first < group.mean_miou(10, 100)[0] < last


def test_a_group_needs_rounds():
    sums = np.zeros((0, 6, 3, len(CLASSES)))
    empty = label_efficiency.LearningCurve(np.zeros(0), np.zeros(0), sums)
    for curves in ([], [empty]):
        with pytest.raises(ValueError, match="finished rounds"):
            make_group(*curves)


def test_runs_of_different_lengths_are_used_in_full():
    long, short = make_curve([10, 100, 1000], [0.3, 0.6, 0.9]), make_curve([10], [0.3])
    group = make_group(long, short)
    assert (group.common_clicks, group.last_clicks) == (10, 1000)
    assert group.pixels_at(100) == pytest.approx(300)  # of the one that reached it
    assert np.isfinite(group.clicks_to(np.full(6, 0.7))[0])


INF = math.inf


@pytest.mark.parametrize(
    ("base", "clicks", "base_last", "ratio"),
    [
        ([400, 400, 800, INF], [100] * 4, 1000, (4, (4, INF))),
        ([INF] * 4, [100] * 4, 1000, (10, (10, INF))),
        ([400, 400, 800, INF], [100, 100, INF, 100], 1000, (4, (0, INF))),
        ([400, 400, 800, INF], [INF] * 4, 1000, None),
        # A finite base counts as it is, however short another of its runs.
        ([400, 400], [100, 100], 20, (4, (4, 4))),
    ],
)
def test_ratio_is_a_bound_where_one_of_the_two_misses_the_level(
    base, clicks, base_last, ratio
):
    base, clicks = np.array(base, float), np.array(clicks, float)
    found = label_efficiency.click_ratio(base, clicks, base_last=base_last)
    assert found == ratio
