"""Exact multi-view statistics: against their definition."""

import dataclasses

import box_room
import jax
import numpy as np
import pytest
from view_pools import divergence_of, predictions_of

from alsem.acquisition import exact_views, geometry_cues

ROUNDING = 2e-5


def views_np(candidates, cameras, probs, i):
    """Views of one candidate by definition; None where a threshold is close."""
    depth, of_views = cameras.depth_z, []
    camera, offset = cameras.intrinsics, cameras.pixel_offset
    for view, pose in enumerate(cameras.world_from_cam):
        if view == candidates.frame[i]:
            of_views.append(probs[i])
            continue
        found = box_room.pixel_of(candidates.x_world[i], pose, camera, offset)
        if found is None:
            continue
        r, c, z = found or (0, 0, 0.0)
        off = abs(depth[view, r, c] - z) - max(0.05, 0.02 * z)
        if not found or abs(off) < 1e-4:
            return None
        j = np.ravel_multi_index((view, r, c), depth.shape)
        if depth[view, r, c] > 0 and off < 0 and candidates.is_valid[j]:
            of_views.append(probs[j])
    return np.array(of_views, np.float64)


def test_exact_statistics_follow_their_definition():
    cameras, points = box_room.see(box_room.orbit(5), offset=(0.5, 0.5))
    cameras.depth_z[:, 3:5, 7:9] = 0.0
    # Off their rays, so that some would not even find their own pixel.
    points += np.random.default_rng(1).normal(0, 0.02, points.shape).astype(np.float32)
    candidates = box_room.pool(cameras, points, invalid=0.2)
    probs = predictions_of(len(points))
    found = exact_views(candidates, cameras, probs, chunk=700)
    divergence = divergence_of(probs, found.cues["view_mean_log"][:-1])
    valid = np.flatnonzero(candidates.is_valid)
    views = {i: views_np(candidates, cameras, probs, i) for i in valid}
    clear = {i: of_views for i, of_views in views.items() if of_views is not None}
    assert len(clear) > 0.9 * len(valid)
    for i, of_views in clear.items():
        assert found.num_views[i] == len(of_views)
        mean = of_views.mean(axis=0)
        entropy = -np.sum(mean * np.log(mean))
        kl = np.sum(probs[i] * np.log(probs[i] / of_views), axis=-1).mean()
        assert abs(found.cues["view_entropy"][i] - entropy) < ROUNDING
        assert abs(divergence[i] - kl) < ROUNDING
    assert found.num_views[valid].min() == 1 and found.num_views.max() > 3
    # Invalid candidates, and the last row.
    no_candidate = np.append(np.flatnonzero(~candidates.is_valid), len(points))
    for leaf in jax.tree.leaves(found):
        assert not leaf[no_candidate].any()


def test_consistency_is_that_of_the_voxels():
    cameras, points = box_room.see(box_room.orbit(6))
    points += np.float32([0.0, 0.0, 0.15])  # no point agrees with the views
    candidates = box_room.pool(cameras, points, voxel_size=1e-3)
    found = exact_views(candidates, cameras, predictions_of(len(points)))
    per_voxel = geometry_cues(candidates, cameras)["consistency"][candidates.voxel]
    only_one = np.bincount(candidates.voxel)[candidates.voxel] == 1
    assert only_one.mean() > 0.99
    np.testing.assert_array_equal(per_voxel[only_one], found.consistency[:-1][only_one])
    assert 0.05 < np.mean(found.consistency[:-1] < 1) < 0.95


def test_pools_out_of_order_or_without_depth_are_refused():
    cameras, points = box_room.see(box_room.orbit(2))
    candidates, probs = box_room.pool(cameras, points), predictions_of(len(points))
    swapped = dataclasses.replace(candidates, frame=candidates.frame[::-1])
    with pytest.raises(ValueError, match="2 whole frames of 30 x 40"):
        exact_views(swapped, cameras, probs)
    no_depth = dataclasses.replace(cameras, depth_z=None)
    with pytest.raises(ValueError, match="depth"):
        exact_views(candidates, no_depth, probs)
