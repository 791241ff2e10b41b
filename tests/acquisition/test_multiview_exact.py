"""Exact multi-view statistics: against their definition, and against voxels."""

import dataclasses

import box_room
import jax
import numpy as np
import pytest
from view_pools import C, divergence_of, gather_views, predictions_of

from alsem.acquisition import exact_views, geometry_cues
from alsem.acquisition.candidates import make_candidates
from alsem.acquisition.cues.depth_consistency import Cameras
from alsem.core.types import Intrinsics

ROUNDING = 2e-5


def exact_np(candidates, cameras, probs):
    """Definition, pixel pair by pixel pair; None where a threshold is close."""
    camera, depth = cameras.intrinsics, cameras.depth_z
    per_frame = camera.width * camera.height
    rows = []
    for i in np.flatnonzero(candidates.is_valid):
        of_views, clear = [], True
        for view, pose in enumerate(cameras.world_from_cam.astype(np.float64)):
            if view == candidates.frame[i]:
                of_views.append(probs[i])
                continue
            x, y, z = pose[:3, :3].T @ (candidates.x_world[i] - pose[:3, 3])
            if z <= 0:
                continue
            row = camera.fy * y / z + camera.cy - cameras.pixel_offset[0]
            col = camera.fx * x / z + camera.cx - cameras.pixel_offset[1]
            clear &= min(abs(row % 1 - 0.5), abs(col % 1 - 0.5)) > 1e-3
            r, c = int(np.rint(row)), int(np.rint(col))
            if not (0 <= r < camera.height and 0 <= c < camera.width):
                continue
            off = abs(depth[view, r, c] - z) - max(0.05, 0.02 * z)
            clear &= abs(off) > 1e-4
            j = view * per_frame + r * camera.width + c
            if depth[view, r, c] > 0 and off < 0 and candidates.is_valid[j]:
                of_views.append(probs[j])
        q = np.mean(of_views, axis=0, dtype=np.float64)
        kl = [np.sum(probs[i] * np.log(probs[i] / q_view)) for q_view in of_views]
        rows.append((i, clear, len(of_views), -np.sum(q * np.log(q)), np.mean(kl)))
    return rows


def test_exact_statistics_follow_their_definition():
    cameras, points, _ = box_room.see(box_room.orbit(5), offset=(0.5, 0.5))
    depth = np.array(cameras.depth_z)
    depth[:, 3:5, 7:9] = 0.0
    cameras = dataclasses.replace(cameras, depth_z=depth)
    # Off their rays, so that some would not even find their own pixel.
    points += np.random.default_rng(1).normal(0, 0.02, points.shape)
    candidates = box_room.pool(cameras, points.astype(np.float32), invalid=0.2)
    probs = predictions_of(len(points))
    found = exact_views(candidates, cameras, probs, chunk=700)
    divergence = divergence_of(probs, found.cues["view_mean_log"][:-1])
    rows = exact_np(candidates, cameras, probs)
    clear = [row for row in rows if row[1]]
    assert len(clear) > 0.9 * len(rows)
    ids, _, num_views, entropy, kl = map(np.array, zip(*clear, strict=True))
    np.testing.assert_array_equal(found.num_views[ids], num_views)
    np.testing.assert_allclose(found.cues["view_entropy"][ids], entropy, atol=ROUNDING)
    np.testing.assert_allclose(divergence[ids], kl, atol=ROUNDING)
    assert num_views.min() == 1 and num_views.max() > 3
    # Invalid candidates, and the last row.
    no_candidate = np.append(np.flatnonzero(~candidates.is_valid), len(points))
    for leaf in jax.tree.leaves(found):
        assert not leaf[no_candidate].any()


def test_consistency_is_that_of_the_voxels():
    cameras, points, _ = box_room.see(box_room.orbit(6))
    points += np.float32([0.0, 0.0, 0.15])  # no point agrees with the views
    candidates = box_room.pool(cameras, points, voxel_size=1e-3)
    assert candidates.num_voxels > 0.99 * len(points)  # one candidate in each
    found = exact_views(candidates, cameras, predictions_of(len(points)))
    per_voxel = geometry_cues(candidates, cameras)["consistency"]
    only_one = np.bincount(candidates.voxel)[candidates.voxel] == 1
    np.testing.assert_array_equal(
        per_voxel[candidates.voxel][only_one], found.consistency[:-1][only_one]
    )
    assert 0.05 < np.mean(found.consistency[:-1] < 1) < 0.95


def test_an_occluding_chair_and_the_wall_behind_it_are_no_views_of_each_other():
    # Two views from opposite sides, the chair between them.
    poses = np.stack(
        [
            box_room.look_at([0.2, 1.4, 0.5], [4.0, 1.4, 0.5]),
            box_room.look_at([3.8, 1.4, 0.5], [0.0, 1.4, 0.5]),
        ]
    )
    cameras, points, is_chair = box_room.see(poses)
    candidates = box_room.pool(cameras, points)
    probs = np.where(is_chair[:, None], [0.9, 0.1], [0.1, 0.9]).astype(np.float32)
    found = exact_views(candidates, cameras, probs)
    # The sides that face the cameras are seen by one each, the top by both.
    side = is_chair & (points[:, 2] < 0.85)
    assert side.sum() > 50 and (found.num_views[:-1][side] == 1).all()
    np.testing.assert_array_equal(found.consistency[:-1], 1.0)
    # Without the comparison of depths the walls would count as views of the chair.
    np.testing.assert_allclose(
        divergence_of(probs, found.cues["view_mean_log"][:-1])[side], 0.0, atol=1e-6
    )


def test_voxels_hit_once_by_every_view_give_the_exact_answer():
    # A wall seen head on by cameras that are whole pixels apart, and voxels as wide
    # as pixels: wherever two views overlap, pixel meets pixel and voxel.
    camera = Intrinsics(width=8, height=6, fx=10.0, fy=10.0, cx=3.5, cy=2.5)
    distance, size = 2.5, 0.25  # metres, and a pixel's width on the wall
    shifts = np.array([[0, 0], [1, 0], [2, -1], [0, 3], [7, 5]])
    poses = np.tile(np.eye(4), (len(shifts), 1, 1))
    poses[:, :2, 3] = shifts * size
    depth = np.full((len(shifts), 6, 8), distance)
    origins, directions = box_room.rays(poses, camera)
    points = (origins + directions * distance).reshape(-1, 3)
    cameras = Cameras(poses.astype(np.float32), camera, (0.0, 0.0), depth)
    candidates = make_candidates(
        points,
        np.zeros_like(points),
        np.zeros_like(points),
        np.repeat(np.arange(len(shifts)), 48),
        np.ones(len(points)),
        voxel_size=size,
        min_purity=0.5,
    )
    probs = predictions_of(len(points))
    voxel = candidates.voxel.reshape(len(shifts), -1)
    found = gather_views(
        probs.reshape(len(shifts), -1, C), voxel, num_voxels=candidates.num_voxels
    )
    exact = exact_views(candidates, cameras, probs)
    of_voxel = candidates.voxel
    num_views = geometry_cues(candidates, cameras)["num_views"][of_voxel]
    np.testing.assert_array_equal(num_views, exact.num_views[:-1])
    assert set(num_views) == {1, 2, 3, 4}
    np.testing.assert_allclose(
        found["view_entropy"][of_voxel], exact.cues["view_entropy"][:-1], atol=1e-6
    )
    np.testing.assert_allclose(
        found["view_mean_log"][of_voxel], exact.cues["view_mean_log"][:-1], atol=1e-5
    )


def test_pools_out_of_order_or_without_depth_are_refused():
    cameras, points, _ = box_room.see(box_room.orbit(2))
    candidates, probs = box_room.pool(cameras, points), predictions_of(len(points))
    swapped = dataclasses.replace(candidates, frame=candidates.frame[::-1])
    with pytest.raises(ValueError, match="2 whole frames of 30 x 40"):
        exact_views(swapped, cameras, probs)
    no_depth = dataclasses.replace(cameras, depth_z=None)
    with pytest.raises(ValueError, match="depth"):
        exact_views(candidates, no_depth, probs)
