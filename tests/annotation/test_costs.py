import numpy as np
import pytest

from alsem.annotation import CostModel, point_cost, segments_cost
from alsem.core.errors import InputError


@pytest.mark.parametrize(
    "options",
    [
        dict(counts="hours"),
        dict(seconds={"points": 1.0}),
        dict(seconds={"point": -1.0}),
        dict(seconds={"point": np.inf}),
        dict(seconds={"point": np.nan}),
    ],
)
def test_impossible_cost_models_are_input_errors(options):
    with pytest.raises(InputError, match="cost: "):
        CostModel(**options)


def test_a_point_costs_a_click_and_labels_a_pixel_unless_void():
    clicks, pixels = point_cost(np.array([4, -1, 0], np.int16))
    assert clicks.tolist() == [1, 1, 1] and pixels.tolist() == [1, 0, 1]
    assert clicks.dtype == pixels.dtype == np.int64


def count_segments_np(labels, mask):
    """Flood fill through equal 4-neighbours, one pixel at a time."""
    left = {tuple(p) for p in np.argwhere(mask & (labels >= 0)).tolist()}
    segments = 0
    while left:
        segments += 1
        front = [left.pop()]
        while front:
            row, col = front.pop()
            for step in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                beside = (row + step[0], col + step[1])
                if beside in left and labels[beside] == labels[row, col]:
                    left.remove(beside)
                    front.append(beside)
    return segments


def test_segments_are_counted_as_by_flood_fill():
    generator = np.random.default_rng(1)
    for i in range(60):
        labels = generator.integers(-1, 1 + i % 3, (9, 11)).astype(np.int16)
        mask = generator.random((9, 11)) < 0.8
        clicks, pixels = segments_cost(labels, mask)
        assert clicks == max(count_segments_np(labels, mask), 1)
        assert pixels == (mask & (labels >= 0)).sum()


def test_known_segment_costs():
    everything = np.ones((2, 3), bool)
    for label, cost in ((2, (1, 6)), (-1, (1, 0))):
        assert segments_cost(np.full((2, 3), label), everything) == cost
    assert segments_cost(np.array([[0, 0, 1], [1, 0, -1]]), everything) == (3, 5)
    with pytest.raises(ValueError, match="empty"):
        segments_cost(np.zeros((2, 2), int), np.zeros((2, 2), bool))
    with pytest.raises(ValueError, match="must be one"):
        segments_cost(np.zeros((2, 2), int), everything)
