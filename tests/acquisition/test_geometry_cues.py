"""Geometric cues of voxels: against their definitions, and known answers."""

import dataclasses

import box_room
import numpy as np
import pytest
from pools import rows

from alsem.acquisition import CUES, geometry_cues
from alsem.acquisition.candidates import make_candidates
from alsem.acquisition.cues import depth_consistency
from alsem.acquisition.voxel_statistics import representatives

NAMES = [n for n, cue in CUES.items() if cue.per == "voxel" and not cue.group]
ROUNDING = 1e-5  # float32 values of sums made in float64


def room(num_views=6, *, invalid=0.1, offset=(0.0, 0.0)):
    cameras, points, _ = box_room.see(box_room.orbit(num_views), offset=offset)
    return box_room.pool(cameras, points, invalid=invalid), cameras


def cues_np(candidates, cameras):
    """Definitions, one voxel after the other."""
    size, ok = candidates.voxel_size, candidates.is_valid
    x = candidates.x_world.astype(np.float64)
    cell = np.floor(np.where(ok[:, None], x, 0.0) / size).astype(int)
    pixels = {
        v: np.flatnonzero(candidates.voxel == v) for v in range(candidates.num_voxels)
    }
    number = {tuple(cell[ids[0]]): v for v, ids in pixels.items()}
    mean = {v: x[ids].mean(axis=0) for v, ids in pixels.items()}
    colour = {v: candidates.diffuse[ids].mean(axis=0) for v, ids in pixels.items()}
    second = {
        v: np.einsum("ni,nj->ij", x[ids], x[ids]) / len(ids)
        for v, ids in pixels.items()
    }
    out = {name: np.zeros(candidates.num_voxels + 1) for name in NAMES}
    for v, ids in pixels.items():
        frames = np.unique(candidates.frame[ids])
        out["num_views"][v] = len(frames)
        normal = candidates.normal[ids].mean(axis=0)
        out["coherence"][v] = min(np.linalg.norm(normal) / 127, 1)
        offset = cameras.world_from_cam[frames, :3, 3] - mean[v]
        far = np.linalg.norm(offset, axis=-1)
        unit = (offset / far[:, None]).mean(axis=0)
        out["directions"][v] = 1 - np.linalg.norm(unit)
        out["view_distance"][v] = far.mean()
        around = [
            number[key]
            for step in np.ndindex(3, 3, 3)
            if (key := tuple(cell[ids[0]] + np.array(step) - 1)) in number
        ]
        centre = np.mean([mean[u] for u in around], axis=0)
        covariance = np.mean([second[u] for u in around], axis=0)
        covariance -= np.outer(centre, centre)
        spectrum = np.linalg.eigvalsh(covariance)
        if spectrum.sum() > 1e-10:  # else all of them are in one place
            out["variation"][v] = max(spectrum[0], 0) / spectrum.sum()
        near = np.mean([colour[u] for u in around], axis=0)
        out["gradient"][v] = np.abs(candidates.diffuse[ids] - near).mean() / 255
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


@pytest.mark.parametrize("change", ["order", "padding"])
def test_order_and_padding_of_the_pool_do_not_matter(change):
    candidates, cameras = room(invalid=0.2)
    num = len(candidates)
    index = np.random.default_rng(5).permutation(num)
    if change == "padding":
        index = np.pad(np.arange(num), (3, 77), constant_values=-1)
    other = geometry_cues(rows(candidates, index), cameras)
    for name, values in geometry_cues(candidates, cameras).items():
        np.testing.assert_allclose(other[name], values, atol=ROUNDING, err_msg=name)


def surface(points, *, frame=None, diffuse=None):
    num = len(points)
    return make_candidates(
        np.asarray(points, np.float32),
        np.zeros((num, 3)),
        np.full((num, 3), 0.5) if diffuse is None else diffuse,
        np.zeros(num) if frame is None else frame,
        np.ones(num),
        voxel_size=0.1,
        min_purity=0.5,
    )


def test_variation_tells_planes_from_creases_and_corners():
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0.02, 0.98, (2, 20000))
    low = np.full_like(a, 0.02)
    plane = [a, b, low]
    crease = [np.append(a, low), np.append(b, b), np.append(low, a)]
    corner = [
        np.concatenate(parts) for parts in ([a, low, a], [b, b, low], [low, a, b])
    ]

    def variation(shape, at):
        candidates = surface(np.stack(shape, axis=-1))
        near = np.linalg.norm(candidates.x_world - at, axis=-1).argmin()
        return geometry_cues(candidates)["variation"][candidates.voxel[near]]

    flat_one = variation(plane, [0.5, 0.5, 0.02])
    folded = variation(crease, [0.02, 0.5, 0.02])
    pointed = variation(corner, [0.02, 0.02, 0.02])
    assert flat_one < 1e-6 and 0.08 < folded < pointed <= 1 / 3
    # Away from the crease the plane is a plane again.
    assert variation(crease, [0.5, 0.5, 0.02]) < 1e-6


def test_a_single_point_has_no_variation_and_no_gradient():
    tables = geometry_cues(surface([[1.0, 2.0, 3.0]] * 4))
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
