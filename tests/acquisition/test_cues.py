"""Geometric cues: against definitions, and what a view says of a point it may see."""

import dataclasses

import box_room
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alsem.acquisition.candidates import (
    make_candidates,
    neighbour_mean,
    representatives,
)
from alsem.acquisition.cues import depth_consistency
from alsem.acquisition.cues.geometry import Cues, VoxelTables, cues_at, voxel_cues
from alsem.acquisition.cues.multiview import ViewPredictions
from alsem.core.types import Intrinsics

TABLES = [field.name for field in dataclasses.fields(VoxelTables)]
OF_VIEWS = {"view_entropy", "view_mean_log"}
OF_CLASSES = {"class_fractions", "class_weight", "label_fractions"}
SCALARS = {"label_distance", "label_feature_distance"}
# float32 leaves of sums made in float64.
ROUNDING = 1e-5


def room(num_views=6, *, invalid=0.1, offset=(0.0, 0.0)):
    cameras, points, _ = box_room.see(box_room.orbit(num_views), offset=offset)
    return box_room.pool(cameras, points, invalid=invalid), cameras


def rows(candidates, index):
    """The same candidates in another order, or padded with index -1 (not valid)."""
    there = index >= 0
    return make_candidates(
        candidates.x_world[index],
        candidates.normal[index],
        candidates.diffuse[index],
        candidates.frame[index],
        np.where(there, candidates.purity[index], 0).astype(np.uint8),
        voxel_size=candidates.voxel_size,
        min_purity=0.5,
    )


# --- what one view says of a point

PINHOLE = Intrinsics(width=9, height=7, fx=10.0, fy=10.0, cx=4.0, cy=3.0)


def seen(points, depth, *, pose=None, offset=(0.0, 0.0)):
    """What a view says of points, as lists of booleans."""
    sight = depth_consistency.look(
        jnp.atleast_2d(jnp.asarray(points, jnp.float32)),
        jnp.asarray(np.eye(4) if pose is None else pose, jnp.float32),
        depth_consistency.depth_window(jnp.asarray(depth, jnp.float32)),
        intrinsics=PINHOLE,
        pixel_offset=offset,
    )
    return jax.tree.map(lambda leaf: np.asarray(leaf).tolist(), sight)


def flat(depth):
    return np.full((PINHOLE.height, PINHOLE.width), depth, np.float32)


def point(row, col, depth):
    """The point of a depth at a pixel of a camera at the origin."""
    return [
        (col - PINHOLE.cx) / PINHOLE.fx * depth,
        (row - PINHOLE.cy) / PINHOLE.fy * depth,
        depth,
    ]


# A chair at 1.5 m in columns 3 to 5 before a wall at 3 m.
CHAIR_AND_WALL = flat(3.0)
CHAIR_AND_WALL[:, 3:6] = 1.5


def test_a_point_on_a_surface_is_hit_by_the_ray_of_its_pixel():
    sight = seen([point(2, 7, 3.0), point(5, 4, 1.5)], CHAIR_AND_WALL)
    assert sight.pixel == [2 * 9 + 7, 5 * 9 + 4]
    assert sight.hits == sight.agrees == [True, True]
    assert sight.sees_through == [False, False]


def test_a_wall_behind_a_chair_is_neither_seen_nor_denied():
    sight = seen(point(3, 4, 3.0), CHAIR_AND_WALL)
    assert not (sight.hits[0] or sight.agrees[0] or sight.sees_through[0])


def test_a_point_in_the_air_before_a_wall_is_seen_through():
    sight = seen(point(3, 7, 2.2), CHAIR_AND_WALL)
    assert sight.sees_through == [True]
    assert not (sight.hits[0] or sight.agrees[0])


def test_at_an_edge_a_pixel_more_or_less_decides_nothing():
    # The wall's side of the edge is column 6: the chair's edge that falls there
    # agrees with the pixel beside it, and is not held against it.
    sight = seen([point(3, 6, 1.5), point(3, 5, 3.0)], CHAIR_AND_WALL)
    assert sight.hits == [False, False] and sight.agrees == [True, True]
    assert sight.sees_through == [False, False]
    # Two columns from the edge it decides.
    sight = seen([point(3, 7, 1.5), point(3, 4, 3.0)], CHAIR_AND_WALL)
    assert sight.agrees == [False, False] and sight.sees_through == [True, False]


def test_between_both_sides_of_an_edge_nobody_agrees():
    sight = seen([point(3, 6, 2.2), point(3, 5, 2.2)], CHAIR_AND_WALL)
    assert sight.agrees == sight.sees_through == [False, False]


def test_a_view_without_depth_there_says_nothing():
    depth = flat(3.0)
    depth[3, 4] = 0.0
    sight = seen([point(3, 4, 3.0), point(3, 4, 1.0), point(3, 5, 3.0)], depth)
    assert sight.hits == sight.agrees == [False, False, True]
    assert sight.sees_through == [False, False, False]
    # Not even of a point so near that no depth at all is within the tolerance.
    assert seen(point(3, 4, 0.03), depth)[1:] == ([False], [False], [False])
    # Beside a hole, or on the border, a surface may go on nearer: no denial there.
    before = [point(3, 5, 1.0), point(2, 8, 1.0), point(0, 6, 1.0), point(2, 6, 1.0)]
    assert seen(before, depth).sees_through == [False, False, False, True]


@pytest.mark.parametrize(
    "where",
    [
        point(3, 4, -3.0),
        [0.0, 0.0, 0.0],
        [1.0, 0.0, 0.0],
        [1e30, 1e30, 1e-30],
        point(3, 8.6, 3.0),
        point(-0.6, 4, 3.0),
        point(6.6, 4, 3.0),
    ],
)
def test_outside_the_image_or_behind_the_camera_nothing_is_said(where):
    for depth in (3.0, 1.0, 9.0):
        sight = seen(where, flat(depth))
        assert sight == ([0], [False], [False], [False])


@pytest.mark.parametrize("depth, off", [(1.0, 0.05), (2.5, 0.05), (5.0, 0.1)])
def test_the_tolerance_is_five_centimetres_or_two_per_cent(depth, off):
    # The share is of the point's own depth.
    for sign in (-1, 1):
        inside, outside = depth + sign * 0.97 * off, depth + sign * 1.03 * off
        found = seen([point(3, 4, inside), point(3, 4, outside)], flat(depth))
        assert found.hits == found.agrees == [True, False]
        assert found.sees_through == [False, sign < 0]


@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.5, 0.5), (-0.25, 0.4)])
def test_points_fall_on_the_pixel_whose_ray_they_end(offset):
    row, col = np.divmod(np.arange(63), 9)
    places = [
        point(r + offset[0], c + offset[1], 2.0) for r, c in zip(row, col, strict=True)
    ]
    sight = seen(places, flat(2.0), offset=offset)
    assert sight.pixel == list(range(63)) and all(sight.hits)


def look_np(points, pose, depth, offset):
    """Definition in float64; None where a threshold is too close to tell."""
    camera, (height, width) = box_room.CAMERA, depth.shape
    found = []
    for x in points.astype(np.float64):
        local = pose[:3, :3].T @ (x - pose[:3, 3])
        z = local[2]
        if z <= 0:
            found.append((0, False, False, False))
            continue
        row = camera.fy * local[1] / z + camera.cy - offset[0]
        col = camera.fx * local[0] / z + camera.cx - offset[1]
        if min(abs(row % 1 - 0.5), abs(col % 1 - 0.5)) < 1e-3:
            found.append(None)
            continue
        r, c = int(np.rint(row)), int(np.rint(col))
        if not (0 <= r < height and 0 <= c < width):
            found.append((0, False, False, False))
            continue
        around = depth[max(r - 1, 0) : r + 2, max(c - 1, 0) : c + 2]
        around = around[around > 0]
        near = max(0.05, 0.02 * z)
        if not depth[r, c] > 0:
            found.append((r * width + c, False, False, False))
            continue
        is_whole = around.size == 9
        edges = [depth[r, c], around.min(), around.max()]
        off = np.abs(z - np.array(edges, np.float64))
        if np.abs(off - near).min() < 1e-4:
            found.append(None)
            continue
        hits, agrees = off[0] < near, off.min() < near
        found.append((r * width + c, hits, agrees, is_whole and z < edges[1] - near))
    return found


def test_a_view_of_very_many_points_matches_the_definition():
    # Many: some compilers go wrong only where they split the work.
    cameras, points, _ = box_room.see(box_room.orbit(3), offset=(0.5, 0.5))
    rng = np.random.default_rng(0)
    points = np.tile(points, (30, 1)) + rng.normal(0, 0.1, (len(points) * 30, 3))
    points = points.astype(np.float32)
    depth = cameras.depth_z[1].copy()
    depth[rng.random(depth.shape) < 0.02] = 0.0
    sight = depth_consistency.look(
        jnp.asarray(points),
        jnp.asarray(cameras.world_from_cam[1]),
        depth_consistency.depth_window(jnp.asarray(depth)),
        intrinsics=cameras.intrinsics,
        pixel_offset=cameras.pixel_offset,
    )
    some = np.arange(0, len(points), 7)
    expected = look_np(points[some], cameras.world_from_cam[1], depth, (0.5, 0.5))
    clear = [i for i, e in enumerate(expected) if e is not None]
    assert len(points) > 1e5 and len(clear) > 0.9 * len(some)
    found = np.stack([np.asarray(leaf)[some[clear]] for leaf in sight], axis=-1)
    np.testing.assert_array_equal(found, [expected[i] for i in clear])
    assert (found[:, 1:].mean(axis=0) > 0.05).all()


# --- depth consistency over views


def test_every_true_point_is_consistent_whatever_hides_it():
    cameras, points, is_chair = box_room.see(box_room.orbit(8))
    frame = np.repeat(np.arange(8), len(points) // 8)
    assert 0.02 < is_chair.mean() < 0.5
    fraction = depth_consistency.consistency(points, frame, cameras)
    assert fraction.dtype == np.float32
    np.testing.assert_array_equal(fraction, 1.0)


def test_a_hanging_silhouette_point_is_denied_by_views_from_the_side():
    # One camera looks along x past the chair's edge, two look across.
    eyes = [[0.3, 1.75, 0.5], [1.9, 0.2, 0.5], [3.0, 0.2, 0.5]]
    looks_at = [[4.0, 1.75, 0.5], [1.9, 3.0, 0.5], [3.0, 3.0, 0.5]]
    poses = np.stack(
        [box_room.look_at(*pair) for pair in zip(eyes, looks_at, strict=True)]
    )
    cameras, _, _ = box_room.see(poses)
    hanging = np.array([[3.0, 1.75, 0.5]], np.float32)
    # Nothing hides the point from the other two: both look through it.
    fraction = depth_consistency.consistency(hanging, np.array([0]), cameras)
    np.testing.assert_allclose(fraction, 1 / 3)
    # Behind the chair, the second camera cannot tell; the third still can.
    hidden = np.array([[1.9, 2.6, 0.5]], np.float32)
    fraction = depth_consistency.consistency(hidden, np.array([0]), cameras)
    np.testing.assert_allclose(fraction, 1 / 2)


def test_consistency_without_depth_or_points_is_one():
    cameras, points, _ = box_room.see(box_room.orbit(2))
    blind = dataclasses.replace(cameras, depth_z=None)
    frame = np.zeros(len(points), np.int32)
    np.testing.assert_array_equal(
        depth_consistency.consistency(points, frame, blind), 1.0
    )
    assert depth_consistency.consistency(points[:0], frame[:0], cameras).shape == (0,)


def test_consistency_does_not_depend_on_how_points_are_padded(monkeypatch):
    candidates, cameras = room(4)
    wrong = candidates.x_world + np.float32(0.2)
    whole = depth_consistency.consistency(wrong, candidates.frame, cameras)
    monkeypatch.setattr(depth_consistency, "SIZE_STEP", 1000)
    padded = depth_consistency.consistency(wrong, candidates.frame, cameras)
    np.testing.assert_array_equal(whole, padded)
    assert 0.2 < (whole < 1).mean() < 1


# --- tables of voxels: by definition


def tables_np(candidates, cameras):
    """Definitions, one voxel after the other."""
    size, ok = candidates.voxel_size, candidates.is_valid
    x = candidates.x_world.astype(np.float64)
    cell = np.floor(np.where(ok[:, None], x, 0.0) / size).astype(int)
    members = {
        v: np.flatnonzero(candidates.voxel == v) for v in range(candidates.num_voxels)
    }
    number = {tuple(cell[ids[0]]): v for v, ids in members.items()}
    mean = {v: x[ids].mean(axis=0) for v, ids in members.items()}
    colour = {v: candidates.diffuse[ids].mean(axis=0) for v, ids in members.items()}
    second = {
        v: np.einsum("ni,nj->ij", x[ids], x[ids]) / len(ids)
        for v, ids in members.items()
    }
    out = {name: np.zeros(candidates.num_voxels + 1) for name in TABLES}
    for v, ids in members.items():
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


def test_tables_follow_their_definitions():
    candidates, cameras = room(invalid=0.3)
    found, expected = voxel_cues(candidates, cameras), tables_np(candidates, cameras)
    assert candidates.num_voxels > 500
    for name in TABLES:
        values = getattr(found, name)
        dtype = np.int32 if name == "num_views" else np.float32
        assert isinstance(values, np.ndarray) and values.dtype == dtype
        assert values.shape == (candidates.num_voxels + 1,) and values[-1] == 0
        if name != "consistency":
            np.testing.assert_allclose(
                values, expected[name], atol=ROUNDING, err_msg=name
            )
            assert np.ptp(values[:-1]) > 0.05, name


def test_consistency_of_a_voxel_is_that_of_a_point_in_it():
    candidates, cameras = room(invalid=0.3)
    moved = dataclasses.replace(
        candidates, x_world=candidates.x_world + np.float32([0, 0, 0.2])
    )
    best = representatives(moved)
    fraction = depth_consistency.consistency(
        moved.x_world[best], moved.frame[best], cameras
    )
    found = voxel_cues(moved, cameras).consistency
    np.testing.assert_array_equal(found, np.append(fraction, 0))
    assert 0.1 < (fraction < 1).mean() < 1


def test_representatives_are_valid_members_of_their_voxels():
    candidates, _ = room(invalid=0.3)
    best = representatives(candidates)
    np.testing.assert_array_equal(
        candidates.voxel[best], np.arange(candidates.num_voxels)
    )
    assert candidates.is_valid[best].all()


@pytest.mark.parametrize(
    "points, frame, purity, best",
    [
        # Central, but a silhouette; off the middle, but pure.
        ([[0.05, 0.05, 0.05], [0.08, 0.05, 0.05]], [0, 0], [0.6, 1.0], 1),
        ([[0.09, 0.05, 0.05], [0.06, 0.05, 0.05]], [0, 0], [0.9, 0.9], 1),
        # The same place seen twice: the earlier frame.
        ([[0.05, 0.05, 0.05], [0.05, 0.05, 0.05]], [5, 2], [1.0, 1.0], 1),
        # As far from the middle to one side as to the other: not whichever is first.
        ([[0.025, 0.05, 0.05], [0.075, 0.05, 0.05]], [0, 0], [1.0, 1.0], 1),
    ],
)
def test_a_voxel_is_represented_by_what_is_pure_and_central(
    points, frame, purity, best
):
    for order in ([0, 1], [1, 0]):
        candidates = make_candidates(
            np.array(points, np.float32)[order],
            np.zeros((2, 3)),
            np.zeros((2, 3)),
            np.array(frame)[order],
            np.array(purity)[order],
            voxel_size=0.1,
            min_purity=0.5,
        )
        assert candidates.num_voxels == 1
        assert order[representatives(candidates)[0]] == best


@pytest.mark.parametrize("change", ["order", "padding"])
def test_order_and_padding_of_the_pool_change_no_cue(change):
    candidates, cameras = room(invalid=0.2)
    num = len(candidates)
    index = np.random.default_rng(5).permutation(num)
    if change == "padding":
        index = np.pad(np.arange(num), (3, 77), constant_values=-1)
    other = rows(candidates, index)
    here, there = voxel_cues(candidates, cameras), voxel_cues(other, cameras)
    np.testing.assert_array_equal(
        candidates.x_world[representatives(candidates)],
        other.x_world[representatives(other)],
    )
    for name in TABLES:
        np.testing.assert_allclose(
            getattr(here, name), getattr(there, name), atol=ROUNDING, err_msg=name
        )


def test_neighbours_are_the_occupied_cells_around_in_whatever_order():
    cells = np.unique(np.random.default_rng(0).integers(-3, 4, (150, 3)), axis=0)
    cells = np.random.default_rng(1).permutation(cells)
    values = np.random.default_rng(2).random((len(cells), 2))
    found = neighbour_mean(values, (cells + 0.3) * 0.25, size=0.25)
    near = np.abs(cells[:, None] - cells).max(axis=-1) <= 1
    expected = near @ values / near.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert near.sum(axis=1).min() < 5 and near.sum(axis=1).max() > 10


# --- tables of voxels: known answers


def surface(points, *, frame=None, diffuse=None, voxel_size=0.1):
    num = len(points)
    return make_candidates(
        np.asarray(points, np.float32),
        np.zeros((num, 3)),
        np.full((num, 3), 0.5) if diffuse is None else diffuse,
        np.zeros(num) if frame is None else frame,
        np.ones(num),
        voxel_size=voxel_size,
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
        return voxel_cues(candidates).variation[candidates.voxel[near]]

    flat_one = variation(plane, [0.5, 0.5, 0.02])
    folded = variation(crease, [0.02, 0.5, 0.02])
    pointed = variation(corner, [0.02, 0.02, 0.02])
    assert flat_one < 1e-6 and 0.08 < folded < pointed <= 1 / 3
    # Away from the crease the plane is a plane again.
    assert variation(crease, [0.5, 0.5, 0.02]) < 1e-6


def test_a_single_point_is_flat_and_plain():
    tables = voxel_cues(surface([[1.0, 2.0, 3.0]] * 4))
    assert tables.variation[0] == tables.gradient[0] == 0.0


def test_gradient_sees_a_change_of_colour_and_nothing_in_one_colour():
    x = np.random.default_rng(0).uniform(0, 1, (5000, 3)) * [1, 1, 0]
    white = np.repeat((x[:, :1] > 0.45).astype(float), 3, axis=-1)
    assert voxel_cues(surface(x)).gradient.max() < 1e-6
    candidates = surface(x, diffuse=white)
    gradient = voxel_cues(candidates).gradient[candidates.voxel]
    at_step = np.abs(x[:, 0] - 0.45) < 0.04
    far = np.abs(x[:, 0] - 0.45) > 0.16
    assert gradient[at_step].min() > 0.4 and gradient[far].max() < 1e-6


def poses_at(eyes):
    poses = np.tile(np.eye(4), (len(eyes), 1, 1))
    poses[:, :3, 3] = eyes
    return poses


def test_directions_and_distance_count_views_not_rays():
    # Seen from opposite sides, a hundred times as often from the left.
    frame = np.array([0] * 100 + [1])
    candidates = surface(np.tile([[0.05, 0.05, 0.05]], (101, 1)), frame=frame)
    left, right = [-0.95, 0.05, 0.05], [3.05, 0.05, 0.05]
    cameras = depth_consistency.Cameras(poses_at([left, right]), PINHOLE)
    tables = voxel_cues(candidates, cameras)
    np.testing.assert_allclose(tables.directions[0], 1.0, atol=1e-6)
    np.testing.assert_allclose(tables.view_distance[0], 2.0, rtol=1e-6)
    both_left = depth_consistency.Cameras(poses_at([left, left]), PINHOLE)
    np.testing.assert_allclose(
        voxel_cues(candidates, both_left).directions[0], 0.0, atol=1e-6
    )


def test_without_cameras_the_cues_that_need_them_are_neutral():
    candidates, cameras = room()
    blind, seen_all = voxel_cues(candidates), voxel_cues(candidates, cameras)
    assert not blind.directions.any() and not blind.view_distance.any()
    np.testing.assert_array_equal(blind.consistency[:-1], 1.0)
    for name in ("num_views", "coherence", "variation", "gradient"):
        np.testing.assert_array_equal(getattr(blind, name), getattr(seen_all, name))


def test_a_candidate_of_a_frame_without_camera_is_refused():
    candidates, cameras = room(3)
    fewer = dataclasses.replace(cameras, world_from_cam=cameras.world_from_cam[:2])
    with pytest.raises(ValueError, match="0 to 2, but 2 cameras"):
        voxel_cues(candidates, fewer)


def test_a_pool_without_a_valid_candidate_has_one_row_of_zeros():
    candidates, cameras = room(2, invalid=1.1)
    tables = voxel_cues(candidates, cameras)
    for name in TABLES:
        np.testing.assert_array_equal(getattr(tables, name), [0])


# --- cues of candidates


def test_cues_of_candidates_are_the_rows_of_their_voxels():
    candidates, cameras = room(invalid=0.3)
    tables = voxel_cues(candidates, cameras)
    cues = cues_at(tables, candidates.voxel, candidates.frame, candidates.purity)
    for name in TABLES:
        expected = np.where(
            candidates.is_valid, getattr(tables, name)[candidates.voxel], 0
        )
        np.testing.assert_array_equal(getattr(cues, name), expected)
    np.testing.assert_array_equal(cues.frame, candidates.frame)
    np.testing.assert_allclose(cues.purity, candidates.purity / 255, rtol=1e-6)
    assert cues.purity.dtype == cues.consistency.dtype == jnp.float32
    assert cues.num_views.dtype == cues.frame.dtype == jnp.int32


def test_cues_that_nobody_asked_for_are_none():
    candidates, _ = room(2)
    tables = voxel_cues(candidates)
    where = candidates.voxel[:9], candidates.frame[:9], candidates.purity[:9]
    cues = cues_at(tables, *where)
    everything = {field.name for field in dataclasses.fields(Cues)}
    nobody = {name for name in everything if getattr(cues, name) is None}
    assert nobody == OF_VIEWS | OF_CLASSES | SCALARS
    given = np.linspace(0, 1, 9, dtype=np.float32)
    queried = dict.fromkeys(SCALARS, given)
    queried |= dict.fromkeys(OF_CLASSES, np.tile(given[:4], (9, 1)))
    rich = cues_at(tables, *where, **queried)
    for name in queried:
        np.testing.assert_array_equal(getattr(rich, name), queried[name])


def test_beliefs_of_views_are_gathered_by_voxel_or_by_a_row_of_their_own():
    candidates, _ = room(2, invalid=0.3)
    tables, num = voxel_cues(candidates), candidates.num_voxels + 1
    beliefs = ViewPredictions(
        view_entropy=np.arange(num, dtype=np.float32),
        view_mean_log=np.arange(3 * num, dtype=np.float32).reshape(num, 3),
    )
    where = candidates.voxel, candidates.frame, candidates.purity
    cues = jax.jit(cues_at)(tables, *where, views=beliefs)
    row = np.where(candidates.is_valid, candidates.voxel, num - 1)
    np.testing.assert_array_equal(cues.view_entropy, row)
    np.testing.assert_array_equal(cues.view_mean_log[:, 2], 3 * row + 2)
    own = np.arange(len(candidates)) % num
    cues = jax.jit(cues_at)(tables, *where, views=beliefs, view_row=own)
    np.testing.assert_array_equal(cues.view_entropy, own)
    np.testing.assert_array_equal(cues.num_views, tables.num_views[row])
