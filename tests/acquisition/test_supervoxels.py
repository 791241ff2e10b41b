"""Supervoxels: connected segments of the surface, merged as Ward clustering does."""

import dataclasses

import numpy as np
import pytest
from corner_pool import NODE, corner, partition
from pools import candidates_at
from scipy import ndimage
from scipy.cluster.hierarchy import fcluster, ward

from alsem.acquisition.units import supervoxels


def test_voxel_units_are_cubes():
    candidates = corner().candidates
    assert supervoxels.voxel_units(candidates, size=NODE) is candidates.voxel
    unit = supervoxels.voxel_units(candidates, size=0.25)
    cell = np.floor(candidates.x_world.astype(float) / 0.25)
    for u in range(0, unit.max(), 5):
        assert len(np.unique(cell[unit == u], axis=0)) == 1


def num_pieces(x_world):
    """Number of connected pieces of the cells that hold points."""
    cell = np.floor(x_world.astype(float) / NODE).astype(int)
    cell -= cell.min(axis=0)
    grid = np.zeros(cell.max(axis=0) + 1, bool)
    grid[tuple(cell.T)] = True
    return ndimage.label(grid, np.ones((3, 3, 3)))[1]


@pytest.mark.parametrize("size", [0.15, 0.3, 0.6])
def test_supervoxels_are_connected_and_as_many_as_wanted(size):
    c = corner(invalid=0.3).candidates
    unit = supervoxels.supervoxel_units(c, size=size, node_size=NODE)
    for u in range(unit.max() + 1):
        assert num_pieces(c.x_world[unit == u]) == 1
    assert unit.max() + 1 == round(c.num_voxels * (NODE / size) ** 2)


def test_supervoxels_follow_colour_and_creases():
    # Shifted so that no cell holds rays of two of the four parts.
    c = corner(noise=0.0, shift=(1.5, 0.5, 1.5)).candidates
    part = 2 * (c.diffuse[:, 0] > 100) + (c.normal[:, 2] > 0)
    given = {"size": (c.num_voxels * NODE**2 / 4) ** 0.5, "node_size": NODE}
    unit = supervoxels.supervoxel_units(c, **given)
    assert unit.max() + 1 == 4
    for p in range(4):
        assert len(set(unit[c.is_valid & (part == p)])) == 1
    # Without colour and normal only position decides.
    by_place = supervoxels.supervoxel_units(
        c, **given, normal_metres=0.0, diffuse_metres=0.0
    )
    mixed = [len(set(part[by_place == u])) for u in range(by_place.max() + 1)]
    assert max(mixed) > 1


def test_the_order_of_the_pool_does_not_matter():
    rng = np.random.default_rng(0)
    c = corner().candidates
    # From metres to almost nothing: the order of a sum would show in its last digits.
    x_world = c.x_world * rng.choice([1.0, 1e-13], c.x_world.shape)
    c = dataclasses.replace(c, x_world=x_world.astype(np.float32), voxel_size=1.0)
    order = rng.permutation(len(c))
    fields = ("x_world", "normal", "diffuse", "frame", "is_valid")
    per_ray = {field: getattr(c, field)[order] for field in fields}
    shuffled = dataclasses.replace(c, **per_ray)
    node = supervoxels.voxel_units(c, size=NODE)
    means = supervoxels._node_means(c, node[c.is_valid], NODE)
    others = supervoxels._node_means(shuffled, node[order][shuffled.is_valid], NODE)
    np.testing.assert_array_equal(means, others)
    x, first = c.x_world[node == 0].astype(float), means[0][0]
    np.testing.assert_allclose(first, x.mean(axis=0), atol=NODE / supervoxels.SUBSTEPS)
    unit = supervoxels.supervoxel_units(c, size=0.3, node_size=NODE)
    found = supervoxels.supervoxel_units(shuffled, size=0.3, node_size=NODE)
    np.testing.assert_array_equal(found, unit[order])


@pytest.mark.parametrize(("gap", "num"), [(0.5, 1), (0.9, 2)])
def test_isolated_pieces_are_joined_within_reach_only(gap, num):
    # A patch of surface, and a single ray beyond a gap.
    patch = np.stack(np.meshgrid(range(6), range(6), [0]), axis=-1).reshape(-1, 3)
    x_world = np.concatenate([patch, [[5 + gap / NODE, 3, 0]]]) * NODE + NODE / 2
    candidates = candidates_at(x_world, voxel_size=NODE)
    unit = supervoxels.supervoxel_units(candidates, size=0.7, node_size=NODE)
    assert unit.max() + 1 == num


def test_neighbours_against_all_pairs():
    cell = np.random.default_rng(0).integers(-4, 4, (60, 3))
    cell = np.unique(cell, axis=0)
    near = np.abs(cell[:, None] - cell).max(axis=-1) == 1
    found = np.sort(supervoxels._neighbours(cell), axis=0).T
    expected = np.argwhere(np.triu(near))
    np.testing.assert_array_equal(found[np.lexsort(found.T[::-1])], expected)


def test_merging_is_ward_clustering_where_all_are_neighbours():
    rng = np.random.default_rng(2)
    middle = rng.normal(0, 10, (6, 1, 2))
    points = (middle + rng.normal(0, 0.3, (6, 15, 2))).reshape(-1, 2)
    pairs = np.stack(np.triu_indices(len(points), 1))
    tree = ward(points)
    for num in (6, 4, 2, 1):
        segment = supervoxels._merge(points, pairs, num=num)
        expected = fcluster(tree, num, "maxclust")
        np.testing.assert_array_equal(partition(segment), partition(expected))


def test_merging_weights_a_segment_by_its_nodes():
    # 0.9 apart: two heavy pairs, and a light one that is 1.0 from its neighbour.
    points = np.array([0.0, 0.0, 0.0, 0.0, 0.9, 0.9, 0.9, 0.9, 1.9])[:, None]
    pairs = np.stack([np.arange(8), np.arange(1, 9)])
    segment = supervoxels._merge(points, pairs, num=2)
    assert segment.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 1]
