"""Label efficiency: levels, crossings and intervals, against known answers."""

import math

import numpy as np
import pytest

from alsem.evaluation import label_efficiency, segmentation

C = 4


def counts_of(right, *, frames=6, pixels=400, seed=0):
    """Confusions ``[f c c]`` of which a share is right, frame by frame a little off."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(frames):
        fraction = np.clip(right + rng.normal(0, 0.02), 0, 1)
        true = rng.integers(0, C, pixels)
        wrong = (true + rng.integers(1, C, pixels)) % C
        seen = np.where(rng.uniform(size=pixels) < fraction, true, wrong)
        made.append(segmentation.confusion(seen, true, num_classes=C))
    return np.stack(made)


def curve_of(clicks, fractions, *, seed=0):
    counts = [counts_of(s, seed=seed + i) for i, s in enumerate(fractions)]
    clicks = np.asarray(clicks)
    return label_efficiency.Curve(
        clicks, 3 * clicks, segmentation.class_sums(np.stack(counts))
    )


def test_a_crossing_lies_between_its_points_over_the_logarithm():
    clicks = np.array([48, 100, 1000])
    values = np.array([0.2, 0.4, 0.8])
    assert label_efficiency.crossing(clicks, values, 0.3) == pytest.approx(4800**0.5)
    assert label_efficiency.crossing(clicks, values, 0.4) == 100
    assert label_efficiency.crossing(clicks, values, 0.7) == pytest.approx(10**2.75)
    assert label_efficiency.crossing(clicks, values, 0.1) == 48  # not 48.00000000000001
    assert label_efficiency.crossing(clicks, values, 0.9) == math.inf


def test_the_isotonic_fit_pools_what_falls_and_means_what_is_equal():
    clicks = np.array([10, 20, 40, 10, 20, 40])
    values = np.array([0.1, 0.6, 0.4, 0.3, 0.4, 0.6])
    at, fit = label_efficiency.isotonic(clicks, values)
    assert at.tolist() == [10, 20, 40]
    # Means .2, .5, .5; then one curve alone that falls.
    np.testing.assert_allclose(fit, [0.2, 0.5, 0.5])
    _, fit = label_efficiency.isotonic(clicks[:3], values[:3])
    np.testing.assert_allclose(fit, [0.1, 0.5, 0.5])


def test_the_first_draw_is_the_estimate_itself():
    curve = curve_of([10, 100], [0.5, 0.9])
    draws = label_efficiency.make_draws(6, num=50)
    group = label_efficiency.Group([curve], draws)
    pooled = [segmentation.miou(c.sum(axis=0)) for c in curve.sums]
    np.testing.assert_allclose(group.miou[0][0], pooled)
    assert group.miou[0].shape == (51, 2)
    assert np.std(group.miou[0][1:, 0]) > 0  # frames differ
    again = label_efficiency.make_draws(6, num=50)
    np.testing.assert_array_equal(again.frames, draws.frames)
    assert np.all(draws.frames.sum(axis=1) == 6)


def test_draws_of_runs_take_all_at_first_and_then_with_replacement():
    runs = label_efficiency.make_draws(3, num=200).runs(4)
    np.testing.assert_array_equal(runs[0], np.arange(4))
    assert runs.min() == 0 and runs.max() == 3
    assert any(len(set(row)) < 4 for row in runs[1:].tolist())


def test_levels_that_are_not_reached_are_infinitely_far():
    draws = label_efficiency.make_draws(6, num=20)
    curves = [curve_of([10, 100], [0.4, 0.7], seed=s) for s in (0, 100)]
    group = label_efficiency.Group(curves, draws)
    ones = np.ones(21)
    assert np.isinf(group.clicks_to(0.99 * ones)).all()
    reached = group.clicks_to(0.35 * ones)
    assert np.all((reached > 10) & (reached < 100))
    low, high = label_efficiency.interval(reached[1:])
    assert low <= np.median(reached[1:]) <= high
    assert label_efficiency.interval(np.array([1.0] * 9 + [math.inf])) == (
        1.0,
        math.inf,
    )
    assert group.last_clicks == 100


def test_pixels_and_ious_are_read_off_the_curves():
    group = label_efficiency.Group(
        [curve_of([10, 100], [0.5, 0.9])], label_efficiency.make_draws(6, num=5)
    )
    assert group.pixels_at(10) == pytest.approx(30)
    assert 30 < group.pixels_at(30) < 300
    assert group.iou_at(99).mean() < group.iou_at(100).mean()
    assert group.iou_at(5).size == 0
    area = group.area(10, 100)
    assert group.at(np.array([10]))[0, 0] < area[0] < group.at(np.array([100]))[0, 0]


def test_a_group_needs_rounds():
    empty = label_efficiency.Curve(np.zeros(0), np.zeros(0), np.zeros((0, 6, 3, C)))
    for curves in ([], [empty]):
        with pytest.raises(ValueError, match="finished rounds"):
            label_efficiency.Group(curves, label_efficiency.make_draws(6, num=2))


def test_runs_of_different_lengths_are_cut_nowhere():
    long, short = curve_of([10, 100, 1000], [0.3, 0.6, 0.9]), curve_of([10], [0.3])
    group = label_efficiency.Group([long, short], label_efficiency.make_draws(6, num=3))
    assert (group.common_clicks, group.last_clicks) == (10, 1000)
    assert group.pixels_at(100) == pytest.approx(300)  # of the one that got there
    assert np.isfinite(group.clicks_to(np.full(4, 0.7))[0])


def test_a_ratio_is_a_bound_where_one_of_the_two_does_not_arrive():
    base = np.array([400.0, 400, 800, math.inf])
    fast = np.array([100.0, 100, 100, 100])
    assert label_efficiency.ratio(base, fast, base_last=1000) == (4, (4, math.inf))
    value, (low, high) = label_efficiency.ratio(
        np.full(4, math.inf), fast, base_last=1000
    ) or (0, (0, 0))
    assert (value, low, high) == (10, 10, math.inf)
    some = np.array([100.0, 100, math.inf, 100])
    assert label_efficiency.ratio(base, some, base_last=1000) == (4, (0, math.inf))
    assert label_efficiency.ratio(base, np.full(4, math.inf), base_last=1000) is None
    # A finite base counts as it is, however short another of its runs.
    assert label_efficiency.ratio(base[:2], fast[:2], base_last=20) == (4, (4, 4))
