"""Stereo: depth of textured planes, agreement between views, extent, and resuming."""

import dataclasses

import numpy as np
import pytest
from textured_planes import CAMERA, WALL, frames

from alsem import stereo
from alsem.stereo import agreement, depth_maps, semi_global
from alsem.stereo.plane_sweep import matching_cost

EXTENT = stereo.SceneExtent(
    near=0.8,
    middle=2.5,
    far=6.0,
    low=np.full(3, -3.0),
    high=np.full(3, 3.0),
    points=1000,
)
OPTIONS = stereo.StereoOptions(frames=12, agreeing=2)


@pytest.fixture(scope="module")
def photos():
    return frames()


@pytest.fixture(scope="module")
def measured(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stereo")
    return stereo.measure_depth(photos[0], CAMERA, EXTENT, OPTIONS, folder), folder


def test_depth_of_textured_planes_is_found_and_what_is_wrong_is_left_out(
    photos, measured
):
    found, true = measured[0].depth_z, photos[1]
    known = found > 0
    assert measured[0].coverage == known.mean() > 0.5
    error = np.abs(found - true)[known] / true[known]
    assert np.median(error) < 0.01
    assert np.mean(error > 0.05) < 0.08


def test_depth_maps_on_disk_are_not_measured_again(photos, measured, monkeypatch):
    first, folder = measured
    (folder / "depth_3.npy").unlink()
    asked = []

    def counted(*args, **options):
        asked.append(1)
        return matching_cost(*args, **options)

    monkeypatch.setattr(depth_maps, "matching_cost", counted)
    again = stereo.measure_depth(photos[0], CAMERA, EXTENT, OPTIONS, folder)
    assert len(asked) == 1
    np.testing.assert_array_equal(again.depth_z, first.depth_z)


def test_few_frames_are_chosen_evenly_and_with_those_asked_for(photos, tmp_path):
    options = dataclasses.replace(OPTIONS, frames=3, width=32)
    found = stereo.measure_depth(
        photos[0], CAMERA, EXTENT, options, tmp_path, held_out=np.array([5])
    )
    assert found.frame.tolist() == [0, 4, 5, 8]
    assert found.depth_z.shape == (4, 24, 32) and found.camera.width == 32


def test_photographs_that_are_held_out_have_no_part_in_the_depth_of_others(
    photos, measured, tmp_path
):
    rgb = photos[0].rgb.copy()
    rgb[5] = np.random.default_rng(0).integers(0, 255, rgb[5].shape)
    noisy = dataclasses.replace(photos[0], rgb=rgb)
    found = [
        stereo.measure_depth(
            frames, CAMERA, EXTENT, OPTIONS, tmp_path / name, held_out=[5]
        ).depth_z
        for name, frames in (("true", photos[0]), ("noisy", noisy))
    ]
    others = np.arange(len(rgb)) != 5
    np.testing.assert_array_equal(found[0][others], found[1][others])
    # Its own depth is measured with them, and checked by them.
    known = found[0][5] > 0
    assert known.mean() > 0.4
    error = np.abs(found[0][5] / photos[1][5] - 1.0)[known]
    assert np.median(error) < 0.02


def test_as_many_photographs_are_matched_at_once_as_memory_holds(
    photos, tmp_path, monkeypatch
):
    running, most = [], []

    def counted(*args, **options):
        running.append(1)
        most.append(len(running))
        cost = matching_cost(*args, **options)
        running.pop()
        return cost

    monkeypatch.setattr(depth_maps, "matching_cost", counted)
    monkeypatch.setattr(depth_maps.os, "cpu_count", lambda: 4)
    monkeypatch.setattr(depth_maps, "MEMORY", 1)
    stereo.measure_depth(photos[0], CAMERA, EXTENT, OPTIONS, tmp_path)
    assert max(most) == 1 and len(most) == len(photos[0].names)


def test_matching_cost_does_not_depend_on_exposure_and_is_greatest_outside(photos):
    grey = photos[0].rgb[:2, ..., 0].astype(np.float32)
    poses = photos[0].world_from_cam.astype(float)
    pose = [np.linalg.inv(poses[1]) @ poses[0]]
    planes = np.array([0.3, 1 / WALL, 0.4])
    matrix = np.array([[50, 0, 31.5], [0, 50, 23.5], [0, 0, 1]])
    cost = matching_cost(grey[0], [grey[1]], matrix, pose, planes)
    brighter = matching_cost(grey[0], [0.5 * grey[1] + 60], matrix, pose, planes)
    assert np.abs(brighter - cost).mean() < 0.02  # all but rounding where it is flat
    wall = np.s_[:, 10:25, 15:50]  # before its wall plane costs are least
    assert (cost[wall].argmin(axis=0) == 1).mean() > 0.9
    away = matching_cost(
        grey[0], [grey[1]], matrix, [np.eye(4) + 9 * np.eye(4, k=3)], planes
    )
    assert np.all(away == 2.0)


def test_smoothing_carries_depth_over_a_place_without_texture():
    cost = np.full((5, 1, 9), 1.0, np.float32)
    cost[2, 0, :3] = cost[2, 0, 6:] = 0.0  # nothing is known in the middle
    grey = np.zeros((1, 9), np.float32)
    smooth = semi_global.aggregate(cost, grey)
    assert np.all(smooth.argmin(axis=0) == 2)


def test_a_step_costs_less_than_a_jump_and_a_jump_less_at_an_edge():
    cost = np.zeros((4, 1, 2), np.float32)
    cost[1:, 0, 0] = 9.0  # the left pixel is on plane 0
    smooth = semi_global.aggregate(cost, np.zeros((1, 2), np.float32))
    right = smooth[:, 0, 1] - smooth[0, 0, 1]
    np.testing.assert_allclose(right, [0, 0.08, 0.5, 0.5], atol=1e-6)
    edge = semi_global.aggregate(cost, np.array([[0.0, 8.0]], np.float32))
    assert edge[2, 0, 1] - edge[0, 0, 1] == pytest.approx(0.25)


def test_the_cheapest_depth_lies_between_planes():
    cost = np.array([4.0, 3.0, 1.0, 2.0], np.float32)[:, None, None]
    depth = semi_global.cheapest_depth(cost, np.array([0.2, 0.3, 0.4, 0.5]))
    assert depth[0, 0] == pytest.approx(1 / (0.4 + 0.1 / 6))


def test_views_agree_where_depth_is_right(photos):
    poses, true = photos[0].world_from_cam.astype(float), photos[1]
    others = [(true[i], poses[i]) for i in (1, 2)]
    count = agreement.agreeing_views(true[0], poses[0], others, CAMERA)
    assert (count == 2).mean() > 0.7
    wrong = agreement.agreeing_views(1.1 * true[0], poses[0], others, CAMERA)
    assert wrong.mean() < 0.1


def test_extent_comes_from_sparse_points_or_matches_and_is_none_without(photos):
    draw = np.random.default_rng(0)
    cloud = draw.uniform((-1, -0.8, 2.0), (1, 0.8, 3.0), (500, 3))
    found = stereo.measure_extent(photos[0], CAMERA, cloud)
    assert 1.2 < found.near < 1.6 and 2.3 < found.middle < 2.7 and 4 < found.far < 5
    assert np.all(found.low < cloud.min(axis=0) + 0.05)
    matched = stereo.measure_extent(photos[0], CAMERA, None)
    assert matched.points >= 100
    assert matched.near < 2.0 and WALL < matched.far < 7.0
    blank = dataclasses.replace(photos[0], rgb=np.full_like(photos[0].rgb, 90))
    assert stereo.measure_extent(blank, CAMERA, None) is None
    hidden = np.zeros(photos[0].rgb.shape[:3], bool)
    masked = dataclasses.replace(photos[0], valid_mask=hidden)
    assert stereo.measure_extent(masked, CAMERA, None) is None


def test_neighbours_are_near_the_best_baseline_and_apart(photos):
    poses = photos[0].world_from_cam.astype(float)
    found = depth_maps.neighbours(poses, 0, EXTENT, most=3)
    apart = np.linalg.norm(poses[found, :3, 3] - poses[0, :3, 3], axis=1)
    assert len(found) == 3 and np.all((apart > 0.04) & (apart < 1.0))
    turned = poses.copy()
    turned[1:, :3, :3] = np.diag([-1, 1, -1])  # the others look backwards
    assert depth_maps.neighbours(turned, 0, EXTENT, most=3) == []


def test_planes_are_a_pixel_and_a_quarter_apart():
    extent = dataclasses.replace(EXTENT, near=0.5, middle=2.0, far=5.0)
    camera = dataclasses.replace(CAMERA, fx=160.0)
    planes = depth_maps.sweep_planes(extent, camera)
    assert len(planes) == 56 and planes[0] == 0.2 and planes[-1] == 2.0


def test_hidden_pixels_have_no_depth(photos, tmp_path):
    mask = np.ones(photos[0].rgb.shape[:3], bool)
    mask[:, 10:30, 20:40] = False
    hidden = dataclasses.replace(photos[0], valid_mask=mask)
    found = stereo.measure_depth(hidden, CAMERA, EXTENT, OPTIONS, tmp_path)
    assert not np.any(found.depth_z[:, 10:30, 20:40]) and found.coverage > 0.4
