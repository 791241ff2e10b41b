import numpy as np

from alsem.annotation.connected_segments import find_runs


def runs_of(unit, pixel, label, image_size=(2, 3)):
    runs = find_runs(*map(np.array, (unit, pixel, label)), image_size)
    return {name: column.tolist() for name, column in vars(runs).items()}


def test_known_runs_and_segments():
    found = runs_of([0] * 6, range(6), [0, 0, 1, 1, 0, 1])
    assert found == {
        "unit": [0] * 5,
        "first": [0, 2, 3, 4, 5],
        "length": [2, 1, 1, 1, 1],
        "label": [0, 1, 1, 0, 1],
        "head": [0, 1, 2, 0, 1],
    }


def test_runs_end_at_image_edges():
    # 2 frames of 2 x 3 in one unit: segments do not continue in the next frame
    found = runs_of([0] * 12, range(12), [0] * 12)
    assert found["first"] == [0, 3, 6, 9] and found["length"] == [3] * 4
    assert found["head"] == [0, 0, 2, 2]


def test_overlapping_units_are_segmented_independently():
    found = runs_of([0, 0, 1, 1, 2, 2], [0, 1, 2, 5, 0, 2], [0] * 6)
    assert found["unit"] == [0, 1, 1, 2, 2]
    assert found["first"] == [0, 2, 5, 0, 2]
    assert found["length"] == [2, 1, 1, 1, 1]
    assert found["head"] == [0, 1, 1, 3, 4]
