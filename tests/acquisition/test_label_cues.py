"""Label cues: distances to queries and class weights."""

import numpy as np
import pytest
from pools import room
from scipy.spatial.distance import cdist

from alsem.acquisition import class_cues, label_cues, surface_area, surface_coordinates
from alsem.acquisition.voxel_statistics import representatives


@pytest.mark.parametrize("name", ["label_distance", "label_feature_distance"])
def test_distances_are_in_mean_spacings_of_the_labels(name):
    candidates, queried = room(500), np.arange(0, 500, 40)
    found = label_cues(candidates, queried, np.ones(3))[name]
    valid = queried[candidates.is_valid[queried]]
    place = candidates.x_world
    if name == "label_feature_distance":
        place = surface_coordinates(candidates, np.arange(500))
    distance = cdist(place[representatives(candidates)], place[valid]).min(axis=1)
    spacing = np.sqrt(surface_area(candidates) / len(valid))
    np.testing.assert_allclose(found, np.append(distance / spacing, 0), atol=1e-4)
    none = label_cues(candidates, queried[:0], np.zeros(3))
    assert (none[name][:-1] == 100.0).all() and none[name][-1] == 0.0


def test_fractions_of_classes():
    found = label_cues(room(50), np.array([3]), np.array([3, 1, 0]))["label_fraction"]
    np.testing.assert_allclose(found, [0.75, 0.25, 0.0])
    found = class_cues(np.array([90.0, 10.0]), 5)["class_fraction"]
    np.testing.assert_allclose(found, [0.9, 0.1])


@pytest.mark.parametrize(
    ("predicted", "num_answers", "expected"),
    [
        ([900, 99, 1], 100, [0.11, 0.318, 1]),  # the example of the docstring
        ([900, 99, 1, 0], 100, [0.105, 0.303, 0.953, 1]),
        ([900, 100], 1, [0.760, 1]),  # with few labels nearly equal
        ([0, 0, 0], 0, [1, 1, 1]),
    ],
)
def test_class_weights_are_inverse_roots_bounded_by_one_label(
    predicted, num_answers, expected
):
    found = class_cues(np.array(predicted, float), num_answers)["class_weight"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-3)
