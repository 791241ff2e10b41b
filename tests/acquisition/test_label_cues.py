"""Label cues: distances to queries and class weights."""

import numpy as np
import pytest
from pools import room
from scipy.spatial.distance import cdist

from alsem.acquisition import class_cues, label_cues, surface_area, surface_coordinates
from alsem.acquisition.voxel_statistics import representatives


@pytest.mark.parametrize("name", ["label_distance", "label_feature_distance"])
def test_distances_are_in_mean_spacings_of_the_labels(name):
    candidates = room(500)
    queried = np.arange(0, 500, 40)
    found = label_cues(candidates, queried, np.ones(3))[name]
    valid = queried[candidates.is_valid[queried]]
    best = representatives(candidates)
    places = [
        surface_coordinates(candidates, ids)
        if name == "label_feature_distance"
        else candidates.x_world[ids]
        for ids in (best, valid)
    ]
    spacing = np.sqrt(surface_area(candidates) / len(valid))
    np.testing.assert_allclose(
        found, np.append(cdist(*places).min(axis=1) / spacing, 0), atol=1e-4
    )
    none = label_cues(candidates, queried[:0], np.zeros(3))
    assert (none[name][:-1] == 100.0).all() and none[name][-1] == 0.0


def test_fractions_of_classes():
    found = label_cues(room(50), np.array([3]), np.array([3, 1, 0]))["label_fraction"]
    np.testing.assert_allclose(found, [0.75, 0.25, 0.0])
    found = class_cues(np.array([90.0, 10.0]), 5)["class_fraction"]
    np.testing.assert_allclose(found, [0.9, 0.1])


def test_class_weights_are_inverse_roots_bounded_by_one_label():
    def weights(predicted, num_answers):
        return class_cues(np.array(predicted), num_answers)["class_weight"]

    found = weights([900.0, 99.0, 1.0, 0.0], 100)
    assert found.dtype == np.float32 and found.max() == 1
    expected = [(1e-2 / (fraction + 1e-2)) ** 0.5 for fraction in (0.9, 0.099, 0.001)]
    np.testing.assert_allclose(found[:3], expected, rtol=1e-5)
    # The example of the docstring.
    np.testing.assert_allclose(weights([900, 99, 1], 100), [0.11, 0.318, 1], atol=1e-3)
    # With few labels all classes are nearly equal.
    assert weights([900.0, 100.0], 1).min() > 0.7
    assert weights([0.0, 0.0, 0.0], 0).tolist() == [1, 1, 1]
