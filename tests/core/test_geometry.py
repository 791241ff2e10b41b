"""Geometry of posed depth: normals, boxes, voxels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alsem.core import geometry, voxels

FOCAL = 60.0


def plane_points(normal, offset, height=20, width=24):
    """World points where pixel rays of a camera at the origin meet a plane."""
    row, col = np.mgrid[:height, :width]
    x = (col - (width - 1) / 2) / FOCAL
    y = (row - (height - 1) / 2) / FOCAL
    rays = np.stack([x, y, np.ones_like(x)], axis=-1)
    return rays * (offset / (rays @ np.asarray(normal)))[..., None]


def image_normals_np(points):
    """Pixel by pixel, from the nearer neighbour on either axis, float64."""
    h, w, _ = points.shape

    def tangent(i, j, di, dj):
        forward = backward = None
        if i + di < h and j + dj < w:
            forward = points[i + di, j + dj] - points[i, j]
        if i - di >= 0 and j - dj >= 0:
            backward = points[i, j] - points[i - di, j - dj]
        if backward is None:
            return forward
        if forward is None or backward @ backward < forward @ forward:
            return backward
        return forward

    out = np.zeros(points.shape)
    for i, j in np.ndindex(h, w):
        normal = -np.cross(tangent(i, j, 0, 1), tangent(i, j, 1, 0))
        out[i, j] = normal / np.linalg.norm(normal)
    return out


@pytest.mark.parametrize("normal", [(0, 0, -1), (0.5, 0.3, -1.0), (-0.4, 0.8, -0.7)])
def test_normals_of_a_tilted_plane_face_the_camera(normal):
    normal = np.array(normal) / np.linalg.norm(normal)
    points = plane_points(normal, offset=-2.0)
    assert (points[..., 2] > 0).all()
    normals = geometry.image_normals(jnp.asarray(points, jnp.float32))
    # Points round to 2e-7, over steps of 3 cm.
    np.testing.assert_allclose(
        normals, np.broadcast_to(normal, points.shape), atol=1e-4
    )
    assert (np.sum(np.asarray(normals) * points, axis=-1) < 0).all()


def test_a_step_edge_keeps_the_normals_of_both_sides():
    left = plane_points((0.2, 0.0, -1.0), offset=-1.0)
    right = plane_points((-0.3, 0.1, -1.0), offset=-4.0)
    points = left.copy()
    points[:, 11:] = right[:, 11:]
    points[13:] = plane_points((0.0, -0.4, -1.0), offset=-7.0)[13:]
    normals = geometry.image_normals(jnp.asarray(points, jnp.float32))
    expected = np.zeros(points.shape)
    expected[:, :11], expected[:, 11:] = (0.2, 0.0, -1.0), (-0.3, 0.1, -1.0)
    expected[13:] = (0.0, -0.4, -1.0)
    expected /= np.linalg.norm(expected, axis=-1, keepdims=True)
    np.testing.assert_allclose(normals, expected, atol=2e-4)


def test_normals_equal_the_loops_over_pixels():
    rng = np.random.default_rng(0)
    points = plane_points((0.2, 0.1, -1.0), offset=-2.0, height=9, width=11)
    points = points * rng.uniform(0.9, 1.1, (9, 11, 1))
    batch = np.stack([points, points[::-1] + 1.0])
    expected = [image_normals_np(p) for p in batch]
    normals = geometry.image_normals(jnp.asarray(batch, jnp.float32))
    np.testing.assert_allclose(normals, expected, atol=1e-4)


def test_normals_of_pixels_without_a_point_are_finite():
    points = plane_points((0, 0, -1), offset=-2.0)
    points[5:9, 3:9] = 0.0
    normals = geometry.image_normals(jnp.asarray(points, jnp.float32))
    lengths = np.linalg.norm(normals, axis=-1)
    assert ((lengths == 0) | (np.abs(lengths - 1) < 1e-5)).all()
    np.testing.assert_array_equal(normals[6, 5], 0.0)


def test_normals_close_to_the_camera_are_exact():
    # 5 cm away and 600 pixels of focal length: neighbours are 80 micrometres apart.
    points = plane_points((0.5, 0.3, -1.0), offset=-0.05) * [0.1, 0.1, 1.0]
    points[..., 2] = 0.05 + 0.5 * points[..., 0] + 0.3 * points[..., 1]
    normals = geometry.image_normals(jnp.asarray(points, jnp.float32))
    expected = np.array([0.5, 0.3, -1.0]) / np.linalg.norm([0.5, 0.3, -1.0])
    np.testing.assert_allclose(normals, np.tile(expected, (20, 24, 1)), atol=1e-3)


def test_normals_of_a_large_image_under_jit():
    rng = np.random.default_rng(1)
    points = plane_points((0.2, 0.1, -1.0), offset=-2.0, height=240, width=400)
    points = points * rng.uniform(0.999, 1.001, (240, 400, 1))
    normals = jax.jit(geometry.image_normals)(jnp.asarray(points, jnp.float32))
    # Where the tangents are nearly parallel, rounding turns the normal most.
    np.testing.assert_allclose(normals, image_normals_np(points), atol=2e-2)


def test_the_bounding_box_holds_the_points_and_a_margin():
    points = np.array([[0.0, 5.0, -1.0], [2.0, 3.0, 1.0]])
    low, high = geometry.bounding_box(points, margin=0.1)
    np.testing.assert_allclose(low, [-0.1, 2.9, -1.1])
    np.testing.assert_allclose(high, [2.1, 5.1, 1.1])


def ray_box_exit_np(origin, direction, low, high):
    """The nearest of the faces the ray runs towards."""
    distance = np.inf
    for o, d, a, b in zip(origin, direction, low, high, strict=True):
        if d:
            distance = min(distance, ((b if d > 0 else a) - o) / d)
    return distance


@pytest.mark.usefixtures("strict_dtypes")
@pytest.mark.parametrize("shape", [(6, 8), (100_000,)])
def test_rays_leave_a_box_by_its_nearest_face(shape):
    rng = np.random.default_rng(2)
    low, high = np.array([-1.0, 0.0, -3.0]), np.array([2.0, 1.5, 3.0])
    origins = rng.uniform(low, high, (*shape, 3)).astype(np.float32)
    directions = rng.normal(size=(*shape, 3)).astype(np.float32)
    axis = rng.integers(0, 4, shape)
    directions[axis == 3] = [0.0, -1.0, 0.0]  # along an axis: divides by zero
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    actual = jax.jit(geometry.ray_box_exit)(
        origins,
        directions,
        jnp.asarray(low, jnp.float32),
        jnp.asarray(high, jnp.float32),
    )
    if len(shape) == 2:
        expected = np.zeros(shape)
        for i in np.ndindex(shape):
            expected[i] = ray_box_exit_np(origins[i], directions[i], low, high)
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-6)
    ends = origins + directions * np.asarray(actual)[..., None]
    from_face = np.minimum(ends - low, high - ends).min(axis=-1)
    np.testing.assert_allclose(from_face, 0.0, atol=1e-5)


def test_rays_from_the_border_leave_at_once_or_cross_the_box():
    low, high = jnp.zeros(3), jnp.ones(3)
    origins = jnp.tile(jnp.array([0.0, 0.5, 0.5]), (3, 1))
    directions = jnp.array([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    actual = geometry.ray_box_exit(origins, directions, low, high)
    np.testing.assert_allclose(actual, [0.0, 1.0, 0.5], atol=1e-6)


def test_voxel_keys_are_equal_exactly_within_a_voxel():
    rng = np.random.default_rng(3)
    points = rng.uniform(-1.0, 1.0, (8000, 3))
    keys = voxels.voxel_keys(points, size=0.25)
    assert keys.dtype == np.int64
    by_key, by_cell = {}, {}
    for i, (key, point) in enumerate(zip(keys, points, strict=True)):
        cell = tuple(int(np.floor(v / 0.25)) for v in point)
        by_key.setdefault(int(key), set()).add(i)
        by_cell.setdefault(cell, set()).add(i)
    assert sorted(map(sorted, by_key.values())) == sorted(map(sorted, by_cell.values()))
    assert len(by_key) == 8**3  # zero is a border of voxels


def test_voxel_keys_cover_a_million_voxels_and_raise_beyond():
    edge = (1 << 20) * 0.02
    inside = np.array([[edge - 0.01, 0, 0], [-edge, 0, 0], [0, edge - 0.01, -edge]])
    assert len(np.unique(voxels.voxel_keys(inside, size=0.02))) == 3
    beyond = [[edge, 0, 0], [0, -edge - 0.01, 0], [0, 0, 1e30], [np.nan, 0, 0]]
    for point in beyond:
        with pytest.raises(ValueError, match="beyond 20972 m"):
            voxels.voxel_keys(np.array([point]), size=0.02)
    assert voxels.voxel_keys(np.zeros((0, 3)), size=0.02).shape == (0,)


def test_float32_points_fall_into_the_voxel_of_their_own_value():
    # 0.7 in float32 is below 0.7, but divided by 0.1 in float32 it is 7.
    point = np.full((1, 3), 0.7, np.float32)
    below = np.full((1, 3), 0.65)
    key = voxels.voxel_keys(point, size=0.1)
    np.testing.assert_array_equal(key, voxels.voxel_keys(below, size=0.1))


def test_compact_renumbers_without_gaps():
    keys = np.array([70, -4, 70, 1 << 60, -4])
    index, count = voxels.compact(keys)
    assert index.dtype == np.int32 and count == 3
    np.testing.assert_array_equal(index, [1, 0, 1, 2, 0])
