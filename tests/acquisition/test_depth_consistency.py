"""Depth consistency: reprojection against its definition, and known answers."""

import dataclasses

import box_room
import jax
import numpy as np
import pytest

from alsem.acquisition.cues import depth_consistency
from alsem.core.types import Intrinsics

PINHOLE = Intrinsics(width=9, height=7, fx=10.0, fy=10.0, cx=4.0, cy=3.0)
# What a camera sees: a chair at 1.5 m (columns 3 to 5) before a wall at 3 m.
CHAIR_AND_WALL = np.full((7, 9), 3.0, np.float32)
CHAIR_AND_WALL[:, 3:6] = 1.5
WALL_WITH_HOLE = np.full((7, 9), 3.0, np.float32)
WALL_WITH_HOLE[3, 4] = 0.0
NOTHING = (False, False, False)


def at(row, col, depth):
    """The point of a depth at a pixel of the view."""
    x, y = (col - PINHOLE.cx) / PINHOLE.fx, (row - PINHOLE.cy) / PINHOLE.fy
    return [x * depth, y * depth, depth]


@jax.jit
def reproject(points, pose, depth, camera, offset):
    window = depth_consistency.depth_window(depth)
    return depth_consistency.reproject(
        points, pose, window, intrinsics=camera, pixel_offset=offset
    )


@pytest.mark.parametrize(
    # Whether the view hits the point, agrees with it, and sees through it.
    ("depth", "place", "expected"),
    [
        # On the wall and on the chair.
        (CHAIR_AND_WALL, at(2, 7, 3.0), (True, True, False)),
        (CHAIR_AND_WALL, at(5, 4, 1.5), (True, True, False)),
        # The wall behind the chair is occluded.
        (CHAIR_AND_WALL, at(3, 4, 3.0), NOTHING),
        # In the air before the wall.
        (CHAIR_AND_WALL, at(3, 7, 2.2), (False, False, True)),
        # One pixel from an edge the other side's depth agrees as well ...
        (CHAIR_AND_WALL, at(3, 6, 1.5), (False, True, False)),
        (CHAIR_AND_WALL, at(3, 5, 3.0), (False, True, False)),
        # ... two pixels from it it does not.
        (CHAIR_AND_WALL, at(3, 7, 1.5), (False, False, True)),
        # Between both sides of an edge, as on a silhouette.
        (CHAIR_AND_WALL, at(3, 6, 2.2), NOTHING),
        (CHAIR_AND_WALL, at(3, 5, 2.2), NOTHING),
        # In a hole, even so near that a depth of zero is within the tolerance.
        *((WALL_WITH_HOLE, at(3, 4, z), NOTHING) for z in (3.0, 1.0, 0.03)),
        # Beside it and on the border a surface may continue nearer.
        *((WALL_WITH_HOLE, at(*p, 1.0), NOTHING) for p in ((3, 5), (2, 8), (0, 6))),
        (WALL_WITH_HOLE, at(2, 6, 1.0), (False, False, True)),
        # Behind the camera, in its centre or its plane, and outside the image.
        (WALL_WITH_HOLE, at(3, 4, -3.0), NOTHING),
        (WALL_WITH_HOLE, [0.0, 0.0, 0.0], NOTHING),
        (WALL_WITH_HOLE, [1.0, 0.0, 0.0], NOTHING),
        (WALL_WITH_HOLE, [1e30, 1e30, 1e-30], NOTHING),
        (WALL_WITH_HOLE, at(3, 8.6, 1.0), NOTHING),
        (WALL_WITH_HOLE, at(-0.6, 4, 3.0), NOTHING),
    ],
)
def test_what_a_view_says_of_a_point(depth, place, expected):
    points, pose = np.array([place], np.float32), np.eye(4, dtype=np.float32)
    found = reproject(points, pose, depth, PINHOLE, (0.0, 0.0))
    assert (*found.hits, *found.agrees, *found.sees_through) == expected


def reproject_np(x, pose, depth, offset):
    """Definition in float64; None where a threshold is too close to tell."""
    found = box_room.pixel_of(x, pose, box_room.CAMERA, offset)
    if not found:
        return (0, *NOTHING) if found is None else None
    r, c, z = found
    pixel = r * box_room.CAMERA.width + c
    if not depth[r, c] > 0:
        return pixel, *NOTHING
    around = depth[max(r - 1, 0) : r + 2, max(c - 1, 0) : c + 2]
    around, near = around[around > 0], max(0.05, 0.02 * z)
    off = np.abs(z - np.array([depth[r, c], around.min(), around.max()], np.float64))
    if np.abs(off - near).min() < 1e-4:
        return None
    sees_through = around.size == 9 and z < around.min() - near
    return pixel, off[0] < near, off.min() < near, sees_through


def test_reprojection_of_many_points_matches_the_definition():
    # Many: some compilers go wrong only where they split the work.
    cameras, points = box_room.see(box_room.orbit(3), offset=(0.5, 0.5))
    rng = np.random.default_rng(0)
    points = np.tile(points, (12, 1)) + rng.normal(0, 0.1, (len(points) * 12, 3))
    points = points.astype(np.float32)
    pose, depth = cameras.world_from_cam[1], cameras.depth_z[1].copy()
    depth[rng.random(depth.shape) < 0.02] = 0.0
    found = reproject(points, pose, depth, cameras.intrinsics, cameras.pixel_offset)
    some = np.arange(0, len(points), 3)
    expected = [
        reproject_np(x, pose, depth, (0.5, 0.5)) for x in points[some].astype(float)
    ]
    clear = [i for i, e in enumerate(expected) if e is not None]
    assert len(points) > 40_000 and len(clear) > 0.9 * len(some)
    found = np.stack(found, axis=-1)[some[clear]]
    np.testing.assert_array_equal(found, [expected[i] for i in clear])
    assert (found[:, 1:].mean(axis=0) > 0.05).all()


def test_exact_points_are_consistent_despite_occlusion():
    cameras, points = box_room.see(box_room.orbit(8))
    frame = np.repeat(np.arange(8), len(points) // 8)
    fraction = depth_consistency.consistency(points, frame, cameras)
    assert fraction.dtype == np.float32
    np.testing.assert_array_equal(fraction, 1.0)


@pytest.mark.parametrize(
    ("place", "fraction"),
    [
        # Past the chair's edge; not occluded in the other two, which see through it.
        ([3.0, 1.75, 0.5], 1 / 3),
        # Behind the chair, where the second camera is inconclusive.
        ([1.9, 2.6, 0.5], 1 / 2),
    ],
)
def test_views_from_the_side_see_through_a_silhouette_point(place, fraction):
    # One camera looks along x past the chair, two look across.
    eyes = [[0.3, 1.75, 0.5], [1.9, 0.2, 0.5], [3.0, 0.2, 0.5]]
    looks_at = [[4.0, 1.75, 0.5], [1.9, 3.0, 0.5], [3.0, 3.0, 0.5]]
    cameras, _ = box_room.see(np.stack(list(map(box_room.look_at, eyes, looks_at))))
    points, own = np.array([place], np.float32), np.array([0])
    found = depth_consistency.consistency(points, own, cameras)
    np.testing.assert_allclose(found, fraction)


def test_consistency_without_depth_or_points_is_one():
    cameras, points = box_room.see(box_room.orbit(2))
    no_depth = dataclasses.replace(cameras, depth_z=None)
    frame = np.zeros(len(points), np.int32)
    fraction = depth_consistency.consistency(points, frame, no_depth)
    np.testing.assert_array_equal(fraction, 1.0)
    assert depth_consistency.consistency(points[:0], frame[:0], cameras).shape == (0,)


def test_consistency_does_not_depend_on_padding(monkeypatch):
    cameras, points = box_room.see(box_room.orbit(4))
    frame, wrong = np.repeat(np.arange(4), len(points) // 4), points + np.float32(0.2)
    whole = depth_consistency.consistency(wrong, frame, cameras)
    monkeypatch.setattr(depth_consistency, "SIZE_STEP", 1000)
    padded = depth_consistency.consistency(wrong, frame, cameras)
    np.testing.assert_array_equal(whole, padded)
    assert 0.2 < (whole < 1).mean() < 1
