"""Geometric cues of voxels: against their definitions, and known answers."""

import dataclasses

import box_room
import numpy as np
import pytest
from pools import candidates_at, rows

from alsem.acquisition import CUES, geometry_cues
from alsem.acquisition.cues import depth_consistency
from alsem.acquisition.voxel_statistics import representatives

NAMES = [n for n, cue in CUES.items() if cue.per == "voxel" and not cue.group]
ROUNDING = 1e-5  # float32 values of sums made in float64


def room(num_views=6, *, invalid=0.1):
    cameras, points = box_room.see(box_room.orbit(num_views))
    return box_room.pool(cameras, points, invalid=invalid), cameras


def cues_np(candidates, cameras):
    """Definitions, one voxel after the other."""
    x = candidates.x_world.astype(np.float64)
    diffuse = candidates.diffuse.astype(np.float64)
    members = [
        np.flatnonzero(candidates.voxel == v) for v in range(candidates.num_voxels)
    ]
    cell = [np.floor(x[ids[0]] / candidates.voxel_size).astype(int) for ids in members]
    number = {tuple(place): v for v, place in enumerate(cell)}
    mean = np.array([x[ids].mean(axis=0) for ids in members])
    second = np.array([x[ids].T @ x[ids] / len(ids) for ids in members])
    colour = np.array([diffuse[ids].mean(axis=0) for ids in members])
    out = {name: np.zeros(candidates.num_voxels + 1) for name in NAMES}
    for v, ids in enumerate(members):
        frames = np.unique(candidates.frame[ids])
        out["num_views"][v] = len(frames)
        normal = candidates.normal[ids].mean(axis=0)
        out["coherence"][v] = min(np.linalg.norm(normal) / 127, 1)
        offset = cameras.world_from_cam[frames, :3, 3] - mean[v]
        far = np.linalg.norm(offset, axis=-1)
        unit = (offset / far[:, None]).mean(axis=0)
        out["directions"][v] = 1 - np.linalg.norm(unit)
        out["view_distance"][v] = far.mean()
        steps = np.array(list(np.ndindex(3, 3, 3))) - 1
        keys = [tuple(place) for place in cell[v] + steps]
        around = [number[key] for key in keys if key in number]
        centre = mean[around].mean(axis=0)
        covariance = second[around].mean(axis=0) - np.outer(centre, centre)
        spectrum = np.linalg.eigvalsh(covariance)
        if spectrum.sum() > 1e-10:  # else all of them are in one place
            out["variation"][v] = max(spectrum[0], 0) / spectrum.sum()
        near = colour[around].mean(axis=0)
        out["gradient"][v] = np.abs(diffuse[ids] - near).mean() / 255
    return out


def test_cues_follow_their_definitions():
    candidates, cameras = room(invalid=0.3)
    found, expected = geometry_cues(candidates, cameras), cues_np(candidates, cameras)
    assert candidates.num_voxels > 500
    assert list(found) == NAMES
    for name, values in found.items():
        dtype = np.int32 if name == "num_views" else np.float32
        assert isinstance(values, np.ndarray) and values.dtype == dtype
        assert values.shape == (candidates.num_voxels + 1,) and values[-1] == 0
        if name != "consistency":
            np.testing.assert_allclose(
                values, expected[name], atol=ROUNDING, err_msg=name
            )
            assert np.ptp(values[:-1]) > 0.05, name


def test_consistency_of_a_voxel_is_that_of_its_representative():
    candidates, cameras = room(invalid=0.3)
    moved = dataclasses.replace(
        candidates, x_world=candidates.x_world + np.float32([0, 0, 0.2])
    )
    best = representatives(moved)
    fraction = depth_consistency.consistency(
        moved.x_world[best], moved.frame[best], cameras
    )
    found = geometry_cues(moved, cameras)["consistency"]
    np.testing.assert_array_equal(found, np.append(fraction, 0))
    assert 0.1 < (fraction < 1).mean() < 1


def test_order_and_padding_of_the_pool_do_not_matter():
    candidates, cameras = room(invalid=0.2)
    order = np.random.default_rng(5).permutation(len(candidates))
    moved = rows(candidates, np.pad(order, (3, 77), constant_values=-1))
    other = geometry_cues(moved, cameras)
    for name, values in geometry_cues(candidates, cameras).items():
        np.testing.assert_allclose(other[name], values, atol=ROUNDING, err_msg=name)


def test_variation_tells_planes_from_creases_and_corners():
    a, b = np.random.default_rng(0).uniform(0.02, 0.98, (2, 20000))
    low = np.full_like(a, 0.02)
    faces = [a, b, low], [low, b, a], [a, low, b]
    candidates = candidates_at(np.concatenate([np.stack(f, axis=-1) for f in faces]))
    of_voxel = geometry_cues(candidates)["variation"][candidates.voxel]
    places = [0.5, 0.5, 0.02], [0.02, 0.5, 0.02], [0.02, 0.02, 0.02]
    flat, folded, pointed = (
        of_voxel[np.linalg.norm(candidates.x_world - place, axis=-1).argmin()]
        for place in places
    )
    assert flat < 1e-6 and 0.08 < folded < pointed <= 1 / 3


def test_a_single_point_has_no_variation_and_no_gradient():
    tables = geometry_cues(candidates_at([[1.0, 2.0, 3.0]] * 4))
    assert tables["variation"][0] == tables["gradient"][0] == 0.0


def test_without_cameras_the_cues_that_need_them_are_neutral():
    candidates, cameras = room()
    without, known = geometry_cues(candidates), geometry_cues(candidates, cameras)
    assert not without["directions"].any() and not without["view_distance"].any()
    np.testing.assert_array_equal(without["consistency"][:-1], 1.0)
    for name in ("num_views", "coherence", "variation", "gradient"):
        np.testing.assert_array_equal(without[name], known[name])


def test_a_frame_without_camera_is_an_error():
    candidates, cameras = room(3)
    fewer = dataclasses.replace(cameras, world_from_cam=cameras.world_from_cam[:2])
    with pytest.raises(ValueError, match="0 to 2, but 2 cameras"):
        geometry_cues(candidates, fewer)


def test_a_pool_without_a_valid_candidate_has_one_row_of_zeros():
    candidates, cameras = room(2, invalid=1.1)
    for values in geometry_cues(candidates, cameras).values():
        np.testing.assert_array_equal(values, [0])
