import numpy as np
import pytest
from captures import input_error
from scipy import ndimage

from alsem.annotation import CostModel, point_cost, segments_cost


@pytest.mark.parametrize(
    "options",
    [
        {"counts": "hours"},
        {"seconds": {"points": 1.0}},
        *({"seconds": {"point": value}} for value in (-1.0, np.inf, np.nan)),
    ],
)
def test_impossible_cost_models_are_input_errors(options):
    assert input_error(CostModel, **options).startswith("cost: ")


def test_a_point_costs_a_click_and_labels_a_pixel_unless_void():
    clicks, pixels = point_cost(np.array([4, -1, 0], np.int16))
    assert clicks.tolist() == [1, 1, 1] and pixels.tolist() == [1, 0, 1]
    assert clicks.dtype == pixels.dtype == np.int64


def test_segments_are_those_of_equal_neighbours():
    generator = np.random.default_rng(1)
    for i in range(60):
        labels = generator.integers(-1, 1 + i % 3, (9, 11)).astype(np.int16)
        mask = generator.random((9, 11)) < 0.8
        clicks, pixels = segments_cost(labels, mask)
        segments = sum(ndimage.label(mask & (labels == c))[1] for c in range(3))
        assert clicks == max(segments, 1)
        assert pixels == (mask & (labels >= 0)).sum()


def test_a_void_unit_costs_a_click_and_an_empty_one_is_refused():
    assert segments_cost(np.full((2, 3), -1), np.ones((2, 3), bool)) == (1, 0)
    with pytest.raises(ValueError, match="empty"):
        segments_cost(np.zeros((2, 2), int), np.zeros((2, 2), bool))
    with pytest.raises(ValueError, match="must be one"):
        segments_cost(np.zeros((2, 2), int), np.ones((2, 3), bool))
