"""Statistics over voxels: representatives and neighbourhoods."""

import numpy as np
import pytest
from pools import candidates_at, room, rows

from alsem.acquisition.voxel_statistics import neighbour_mean, representatives


def test_representatives_are_valid_and_do_not_depend_on_order():
    candidates = room(3000, invalid=0.3)
    best = representatives(candidates)
    expected = np.arange(candidates.num_voxels)
    np.testing.assert_array_equal(candidates.voxel[best], expected)
    assert candidates.is_valid[best].all()
    moved = rows(candidates, np.random.default_rng(5).permutation(3000))
    np.testing.assert_array_equal(
        candidates.x_world[best], moved.x_world[representatives(moved)]
    )


@pytest.mark.parametrize(
    "x, frame, purity, best",
    [
        # Central, but a silhouette; off the middle, but pure.
        ([0.05, 0.08], [0, 0], [0.6, 1.0], 1),
        ([0.09, 0.06], [0, 0], [0.9, 0.9], 1),
        # The same place seen twice: the earlier frame.
        ([0.05, 0.05], [5, 2], [1.0, 1.0], 1),
        # As far from the middle to either side: not whichever is first.
        ([0.025, 0.075], [0, 0], [1.0, 1.0], 1),
    ],
)
def test_representatives_are_pure_and_central(x, frame, purity, best):
    points = np.insert(np.full((2, 2), 0.05), 0, x, axis=1)
    for order in ([0, 1], [1, 0]):
        candidates = candidates_at(
            points[order], frame=np.array(frame)[order], purity=np.array(purity)[order]
        )
        assert candidates.num_voxels == 1
        assert order[representatives(candidates)[0]] == best


def test_neighbour_mean_is_over_the_occupied_cells_around():
    rng = np.random.default_rng(0)
    cells = rng.permutation(np.unique(rng.integers(-3, 4, (150, 3)), axis=0))
    values = rng.random((len(cells), 2))
    found = neighbour_mean(values, (cells + 0.3) * 0.25, size=0.25)
    near = np.abs(cells[:, None] - cells).max(axis=-1) <= 1
    expected = near @ values / near.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert near.sum(axis=1).min() < 5 and near.sum(axis=1).max() > 10
