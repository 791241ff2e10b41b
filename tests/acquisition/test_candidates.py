"""Candidates: packing, errors, surface area and coordinates."""

import numpy as np
import pytest
from pools import candidates_at, room, rows

from alsem import acquisition
from alsem.acquisition.candidates import weighted_coordinates


def test_candidates_are_packed_and_their_voxels_numbered():
    x = np.array([[0.01, 0, 0], [0.02, 0, 0], [np.nan, 0, 0], [0.5, 0, 0]])
    candidates = candidates_at(
        x, normal=np.float32([0, 0, -1]), purity=np.array([1.0, 0.4, 1.0, 0.8])
    )
    np.testing.assert_array_equal(candidates.is_valid, [True, False, False, True])
    np.testing.assert_array_equal(candidates.voxel, [0, -1, -1, 1])
    np.testing.assert_array_equal(candidates.normal[0], [0, 0, -127])
    np.testing.assert_array_equal(candidates.diffuse[0], [128, 128, 128])
    np.testing.assert_array_equal(candidates.purity, [255, 102, 255, 204])
    assert candidates.num_voxels == 2 and len(candidates) == 4
    # What is packed already stays as it is.
    again = rows(candidates, np.arange(4))
    for field in ("purity", "normal", "diffuse"):
        np.testing.assert_array_equal(getattr(again, field), getattr(candidates, field))


def test_candidates_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="different lengths"):
        acquisition.make_candidates(
            *(np.zeros((n, 3), np.float32) for n in (4, 4, 3)),
            *(np.zeros(4), np.ones(4)),
            voxel_size=0.1,
            min_purity=0.5,
        )


def test_the_voxel_size_must_be_positive():
    with pytest.raises(ValueError, match="not positive"):
        room(5, voxel_size=-0.1)


def test_the_area_of_a_floor():
    x, y = np.meshgrid(np.arange(0.01, 3, 0.02), np.arange(0.01, 2, 0.02))
    floor = candidates_at(np.stack([x, y, 0 * x + 0.05], axis=-1).reshape(-1, 3))
    assert acquisition.surface_area(floor) == pytest.approx(6.0, rel=0.01)


def test_coordinates_join_position_normal_and_colour():
    candidates, ids = room(50, invalid=0.0), np.arange(50)

    def square(values):
        return np.sum((values[1:] - values[0]) ** 2, axis=-1, dtype=np.float64)

    given = {"normal_metres": 0.4, "diffuse_metres": 2.0}
    np.testing.assert_allclose(
        square(weighted_coordinates(candidates, ids, **given)),
        square(candidates.x_world)
        + 0.4**2 * square(candidates.normal / 127.0)
        + 2.0**2 * square(candidates.diffuse / 255.0),
        rtol=1e-5,
    )
    assert weighted_coordinates(candidates, ids).shape == (50, 3)
