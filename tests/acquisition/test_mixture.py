"""Mixtures of scores: scales, and how they are written."""

import numpy as np
import pytest
import scipy.stats
from pools import KEY, NO_PREDICTION, cues_of, one, room

from alsem import acquisition
from alsem.acquisition import STRATEGIES, Mixture, mix
from alsem.core.errors import InputError


def test_a_mixture_by_rank_averages_fractional_ranks():
    rng, valid = np.random.default_rng(1), room(500).is_valid
    parts = np.stack([rng.random(500), rng.integers(0, 4, 500)], 1).astype(np.float32)
    parts[~valid] = np.nan
    found = mix(parts, Mixture((3.0, 1.0), "rank"), valid)
    ranks = [scipy.stats.rankdata(part[valid]) - 1 for part in parts.T]
    expected = (0.75 * ranks[0] + 0.25 * ranks[1]) / (valid.sum() - 1)
    np.testing.assert_allclose(found[valid], expected, atol=1e-6)
    assert (found[~valid] == 0).all()


def test_a_mixture_by_range_keeps_distances():
    parts = np.array([[2.0, 5.0], [3.0, 5.0], [6.0, 5.0], [99.0, 0.0]], np.float32)
    valid = np.array([True, True, True, False])
    found = mix(parts, Mixture((1.0, 1.0), "minmax"), valid)
    np.testing.assert_allclose(found, [0.0, 0.125, 0.5, 0.0])  # equal scores are 0
    one_left = mix(parts[:1], Mixture((1.0, 1.0), "rank"), valid[:1])
    np.testing.assert_allclose(one_left, 0.5)


@pytest.mark.parametrize("by", ["rank", "minmax"])
def test_a_mixture_of_one_ranks_as_its_part_does(by):
    candidates, none = room(), np.zeros(0, np.int64)
    scores = np.random.default_rng(3).random(1000, dtype=np.float32)
    expected = STRATEGIES["margin"].select(KEY, scores, candidates, none, num=30)
    row = acquisition.mixture_strategy({"margin": 2.0}, by)
    ids = row.select(KEY, scores[:, None], candidates, none, num=30)
    np.testing.assert_array_equal(ids, expected)
    # What is combined already is unchanged.
    combined = row.combined(scores[:, None], candidates)
    np.testing.assert_array_equal(row.combined(combined, candidates), combined)


def test_a_mixture_is_written_as_a_sum():
    row = acquisition.parse_strategy("0.7*margin + 0.3*view_entropy", mix_by="minmax")
    assert row.mixture == Mixture((0.7, 0.3), "minmax")
    assert row.needs == {"model", "views"}
    posterior, cues = one([[0.5, 0.5, 0, 0, 0]]), cues_of(view_entropy=0.25)
    np.testing.assert_allclose(row.score(KEY, posterior, cues), [1.0, 0.25])
    assert acquisition.parse_strategy("margin") is STRATEGIES["margin"]
    assert acquisition.parse_strategy("margin+entropy").mixture.weights == (1.0, 1.0)
    # In a mixture coverage is the distance to the labels.
    row = acquisition.parse_strategy("coverage+random")
    assert row.needs == {"labels"} and row.coverage_until == 0.0
    assert row.score(KEY, NO_PREDICTION, cues_of(label_feature_distance=3.0))[0] == 0.75
    assert acquisition.for_round(row, has_model=False, was_trusted=False) is row


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("margin+entropi", "did you mean 'entropy'"),
        ("half*margin+entropy", "'half' is no weight"),
        ("margin+margin", "twice"),
        ("margin+", "''"),
        ("-1*margin+entropy", "positive"),
        ("nan*margin+entropy", "positive"),
        ("0*margin+0*entropy", "positive"),
        ("margin+badge", "'badge' cannot be mixed"),
        ("margin+policy", "'policy' cannot be mixed"),
    ],
)
def test_bad_mixtures_are_refused(text, complaint):
    with pytest.raises(InputError, match=complaint) as error:
        acquisition.parse_strategy(text)
    assert "\n" not in str(error.value)


def test_scales_and_weights_are_checked():
    with pytest.raises(InputError, match="did you mean 'minmax'"):
        acquisition.parse_strategy("margin+entropy", mix_by="min-max")
    with pytest.raises(ValueError, match="2 weights"):
        mix(np.ones((4, 3), np.float32), Mixture((1.0, 1.0)), np.ones(4, bool))
