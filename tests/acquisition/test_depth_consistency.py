"""Depth consistency: reprojection against its definition, and known answers."""

import dataclasses

import box_room
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alsem.acquisition.cues import depth_consistency
from alsem.core.types import Intrinsics

# A camera, and its view of a chair at 1.5 m (columns 3 to 5) before a wall at 3 m.
PINHOLE = Intrinsics(width=9, height=7, fx=10.0, fy=10.0, cx=4.0, cy=3.0)
CHAIR_AND_WALL = np.full((7, 9), 3.0, np.float32)
CHAIR_AND_WALL[:, 3:6] = 1.5


def reproject(points, depth, *, offset=(0.0, 0.0)):
    """Reprojection of points into a view at the origin, as lists."""
    found = depth_consistency.reproject(
        jnp.atleast_2d(jnp.asarray(points, jnp.float32)),
        jnp.eye(4),
        depth_consistency.depth_window(jnp.asarray(depth, jnp.float32)),
        intrinsics=PINHOLE,
        pixel_offset=offset,
    )
    return jax.tree.map(lambda leaf: np.asarray(leaf).tolist(), found)


def flat(depth):
    return np.full((7, 9), depth, np.float32)


def point(row, col, depth):
    """The point of a depth at a pixel of the view."""
    return [
        (col - PINHOLE.cx) / PINHOLE.fx * depth,
        (row - PINHOLE.cy) / PINHOLE.fy * depth,
        depth,
    ]


@pytest.mark.parametrize(
    "place, hits, agrees, sees_through",
    [
        # On the wall and on the chair.
        (point(2, 7, 3.0), True, True, False),
        (point(5, 4, 1.5), True, True, False),
        # The wall behind the chair is occluded: inconclusive.
        (point(3, 4, 3.0), False, False, False),
        # In the air before the wall.
        (point(3, 7, 2.2), False, False, True),
        # One pixel from an edge the other side's depth agrees as well ...
        (point(3, 6, 1.5), False, True, False),
        (point(3, 5, 3.0), False, True, False),
        # ... two pixels from it it does not.
        (point(3, 7, 1.5), False, False, True),
        # Between both sides of an edge, as on a silhouette.
        (point(3, 6, 2.2), False, False, False),
        (point(3, 5, 2.2), False, False, False),
    ],
)
def test_a_chair_before_a_wall(place, hits, agrees, sees_through):
    found = reproject(place, CHAIR_AND_WALL)
    assert found[1:] == ([hits], [agrees], [sees_through])


def test_pixels_without_depth_are_inconclusive():
    depth = flat(3.0)
    depth[3, 4] = 0.0
    found = reproject([point(3, 4, 3.0), point(3, 4, 1.0), point(3, 5, 3.0)], depth)
    assert found.hits == found.agrees == [False, False, True]
    assert found.sees_through == [False, False, False]
    # Not even about a point so near that zero depth is within the tolerance.
    assert reproject(point(3, 4, 0.03), depth)[1:] == ([False], [False], [False])
    # Beside a hole or on the border a surface may continue nearer.
    before = [point(3, 5, 1.0), point(2, 8, 1.0), point(0, 6, 1.0), point(2, 6, 1.0)]
    assert reproject(before, depth).sees_through == [False, False, False, True]


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
def test_views_are_inconclusive_about_points_outside_the_image(where):
    for depth in (3.0, 1.0, 9.0):
        assert reproject(where, flat(depth)) == ([0], [False], [False], [False])


def reproject_np(points, pose, depth, offset):
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


def test_reprojection_of_many_points_matches_the_definition():
    # Many: some compilers go wrong only where they split the work.
    cameras, points, _ = box_room.see(box_room.orbit(3), offset=(0.5, 0.5))
    rng = np.random.default_rng(0)
    points = np.tile(points, (30, 1)) + rng.normal(0, 0.1, (len(points) * 30, 3))
    points = points.astype(np.float32)
    depth = cameras.depth_z[1].copy()
    depth[rng.random(depth.shape) < 0.02] = 0.0
    found = depth_consistency.reproject(
        jnp.asarray(points),
        jnp.asarray(cameras.world_from_cam[1]),
        depth_consistency.depth_window(jnp.asarray(depth)),
        intrinsics=cameras.intrinsics,
        pixel_offset=cameras.pixel_offset,
    )
    some = np.arange(0, len(points), 7)
    expected = reproject_np(points[some], cameras.world_from_cam[1], depth, (0.5, 0.5))
    clear = [i for i, e in enumerate(expected) if e is not None]
    assert len(points) > 1e5 and len(clear) > 0.9 * len(some)
    found = np.stack([np.asarray(leaf)[some[clear]] for leaf in found], axis=-1)
    np.testing.assert_array_equal(found, [expected[i] for i in clear])
    assert (found[:, 1:].mean(axis=0) > 0.05).all()


def test_exact_points_are_consistent_despite_occlusion():
    cameras, points, is_chair = box_room.see(box_room.orbit(8))
    frame = np.repeat(np.arange(8), len(points) // 8)
    assert 0.02 < is_chair.mean() < 0.5
    fraction = depth_consistency.consistency(points, frame, cameras)
    assert fraction.dtype == np.float32
    np.testing.assert_array_equal(fraction, 1.0)


def test_views_from_the_side_see_through_a_silhouette_point():
    # One camera looks along x past the chair's edge, two look across.
    eyes = [[0.3, 1.75, 0.5], [1.9, 0.2, 0.5], [3.0, 0.2, 0.5]]
    looks_at = [[4.0, 1.75, 0.5], [1.9, 3.0, 0.5], [3.0, 3.0, 0.5]]
    poses = np.stack(
        [box_room.look_at(*pair) for pair in zip(eyes, looks_at, strict=True)]
    )
    cameras, _, _ = box_room.see(poses)
    hanging = np.array([[3.0, 1.75, 0.5]], np.float32)
    # It is not occluded in the other two: both see through it.
    fraction = depth_consistency.consistency(hanging, np.array([0]), cameras)
    np.testing.assert_allclose(fraction, 1 / 3)
    # Behind the chair, the second camera is inconclusive, the third is not.
    hidden = np.array([[1.9, 2.6, 0.5]], np.float32)
    fraction = depth_consistency.consistency(hidden, np.array([0]), cameras)
    np.testing.assert_allclose(fraction, 1 / 2)


def test_consistency_without_depth_or_points_is_one():
    cameras, points, _ = box_room.see(box_room.orbit(2))
    no_depth = dataclasses.replace(cameras, depth_z=None)
    frame = np.zeros(len(points), np.int32)
    np.testing.assert_array_equal(
        depth_consistency.consistency(points, frame, no_depth), 1.0
    )
    assert depth_consistency.consistency(points[:0], frame[:0], cameras).shape == (0,)


def test_consistency_does_not_depend_on_padding(monkeypatch):
    cameras, points, _ = box_room.see(box_room.orbit(4))
    frame = np.repeat(np.arange(4), len(points) // 4)
    wrong = points + np.float32(0.2)
    whole = depth_consistency.consistency(wrong, frame, cameras)
    monkeypatch.setattr(depth_consistency, "SIZE_STEP", 1000)
    padded = depth_consistency.consistency(wrong, frame, cameras)
    np.testing.assert_array_equal(whole, padded)
    assert 0.2 < (whole < 1).mean() < 1
