import dataclasses

import numpy as np
import pytest
from captures import input_error
from label_stores import SIZE, answer_points, write_points

from alsem.annotation import expand_annotations


def test_the_later_of_two_answers_holds(store):
    place = dict(frame=[0, 0, 0], row=0, col=[0, 1, 2])
    store.write_queries(0, "patch", **place, unit=[0, 1, 2], score=0.0)
    answer_points(store, [2], [1], kind="dominant", pixels=3)
    answer_points(store, [1], [0], kind="exact", pixels=2, row=[0], col=[1])
    answer_points(store, [3], [2], kind="point")
    units = {0: [0, 1], 1: [4, 1, 0], 2: [2]}

    def expand(unit_pixels=lambda unit: np.array(units[unit])):
        annotations = store.annotations()
        return expand_annotations(annotations, unit_pixels=unit_pixels, image_size=SIZE)

    pixel, label = expand()
    assert pixel.tolist() == [0, 1, 2, 4] and label.tolist() == [1, 0, 2, 1]
    assert pixel.dtype == np.int64 and label.dtype == np.int32
    units[1] = [4, 1]
    error = input_error(expand)
    assert "unit 1 had 3 pixels" in error and " 2 now" in error
    with pytest.raises(ValueError, match="need unit_pixels"):
        expand(unit_pixels=None)


def test_points_no_answers_and_unknown_kinds(store):
    pixel, label = expand_annotations(store.annotations(), image_size=SIZE)
    assert pixel.shape == label.shape == (0,)
    answer_points(store, write_points(store, n=1).query_id, [0])
    found = store.annotations()
    pixel, _ = expand_annotations(found, image_size=SIZE)
    assert pixel.tolist() == [2 * SIZE[0] * SIZE[1] + 1]
    odd = dataclasses.replace(found, kind=np.array(["guess"]))
    with pytest.raises(ValueError, match="guess"):
        expand_annotations(odd, image_size=SIZE)
