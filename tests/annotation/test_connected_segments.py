import numpy as np
from label_stores import as_rows

from alsem.annotation.connected_segments import find_runs


def runs_of(unit, pixel, label):
    """Runs in images of 2 x 3: unit, first pixel, length, label, head."""
    return as_rows(find_runs(*map(np.array, (unit, pixel, label)), (2, 3)))


def test_known_runs_and_segments():
    assert runs_of([0] * 6, range(6), [0, 0, 1, 1, 0, 1]) == [
        (0, 0, 2, 0, 0),
        (0, 2, 1, 1, 1),
        (0, 3, 1, 1, 2),
        (0, 4, 1, 0, 0),
        (0, 5, 1, 1, 1),
    ]


def test_runs_end_at_image_edges_and_segments_with_the_frame():
    found = runs_of([0] * 12, range(12), [0] * 12)
    assert found == [(0, 3 * i, 3, 0, 2 * (i // 2)) for i in range(4)]


def test_overlapping_units_are_segmented_independently():
    assert runs_of([0, 0, 1, 1, 2, 2], [0, 1, 2, 5, 0, 2], [0] * 6) == [
        (0, 0, 2, 0, 0),
        (1, 2, 1, 0, 1),
        (1, 5, 1, 0, 1),
        (2, 0, 1, 0, 3),
        (2, 2, 1, 0, 4),
    ]
