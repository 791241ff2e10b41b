"""Geometry of posed depth: normals, boxes, voxels."""

import jax
import numpy as np
import pytest

from alsem.core import geometry, voxels

FOCAL = 60.0

image_normals = jax.jit(geometry.image_normals)


def plane_points(normal, offset, height=20, width=24):
    """World points where pixel rays of a camera at the origin meet a plane."""
    row, col = np.mgrid[:height, :width]
    x, y = (col - (width - 1) / 2) / FOCAL, (row - (height - 1) / 2) / FOCAL
    rays = np.stack([x, y, np.ones_like(x)], axis=-1)
    return rays * (offset / (rays @ np.asarray(normal)))[..., None]


def image_normals_np(points):
    """Pixel by pixel, from the nearer neighbour on either axis, float64."""

    def tangent(line, i):
        forward, backward = line[i + 1 : i + 2] - line[i], line[i] - line[i - 1 : i]
        return min([*forward, *backward], key=lambda step: step @ step)

    out = np.zeros(points.shape)
    for i, j in np.ndindex(points.shape[:2]):
        normal = np.cross(tangent(points[:, j], i), tangent(points[i], j))
        out[i, j] = normal / np.linalg.norm(normal)
    return out


# Where the tangents are nearly parallel, rounding turns the normal most.
@pytest.mark.parametrize(
    ("height", "width", "noise", "atol"), [(9, 11, 0.1, 1e-4), (80, 110, 1e-3, 2e-2)]
)
def test_normals_equal_the_loops_over_pixels(height, width, noise, atol):
    rng = np.random.default_rng(0)
    points = plane_points((0.2, 0.1, -1.0), -2.0, height, width)
    points = points * rng.uniform(1 - noise, 1 + noise, (height, width, 1))
    batch = np.stack([points, points[::-1] + 1.0])
    expected = [image_normals_np(p) for p in batch]
    np.testing.assert_allclose(image_normals(batch), expected, atol=atol)


def test_normals_of_pixels_without_a_point_are_finite():
    points = plane_points((0, 0, -1), offset=-2.0)
    points[5:9, 3:9] = 0.0
    normals = image_normals(points)
    lengths = np.linalg.norm(normals, axis=-1)
    assert ((lengths == 0) | (np.abs(lengths - 1) < 1e-5)).all()
    np.testing.assert_array_equal(normals[6, 5], 0.0)


def test_normals_close_to_the_camera_are_exact_and_face_it():
    # 5 cm away and 600 pixels of focal length: neighbours are 80 micrometres apart.
    points = plane_points((0.5, 0.3, -1.0), offset=-0.05) * [0.1, 0.1, 1.0]
    points[..., 2] = 0.05 + 0.5 * points[..., 0] + 0.3 * points[..., 1]
    expected = np.array([0.5, 0.3, -1.0]) / np.linalg.norm([0.5, 0.3, -1.0])
    expected = np.broadcast_to(expected, points.shape)
    np.testing.assert_allclose(image_normals(points), expected, atol=1e-3)


def test_the_bounding_box_holds_the_points_and_a_margin():
    points = np.array([[0.0, 5.0, -1.0], [2.0, 3.0, 1.0]])
    box = geometry.bounding_box(points, margin=0.1)
    np.testing.assert_allclose(box, [[-0.1, 2.9, -1.1], [2.1, 5.1, 1.1]])


@pytest.mark.usefixtures("strict_dtypes")
def test_rays_leave_a_box_by_its_nearest_face():
    shape = (2, 20_000)  # the CPU compiler has gone wrong beyond 32768 numbers
    rng = np.random.default_rng(2)
    low, high = np.array([-1.0, 0.0, -3.0]), np.array([2.0, 1.5, 3.0])
    origins = rng.uniform(low, high, (*shape, 3)).astype(np.float32)
    directions = rng.normal(size=(*shape, 3)).astype(np.float32)
    directions[:, ::4] = [0.0, -1.0, 0.0]  # along an axis: divides by zero
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    origins[:, ::8, 1] = np.resize([0.0, 1.5], 2_500)  # leaves at once, or crosses
    actual = jax.jit(geometry.ray_box_exit)(origins, directions, low, high)
    face = np.where(directions > 0, high, low)
    along = np.where(directions == 0, 1e-30, directions)
    to_face = np.where(directions == 0, np.inf, (face - origins) / along)
    np.testing.assert_allclose(actual, to_face.min(axis=-1), rtol=1e-4, atol=1e-6)


def test_voxel_keys_are_equal_exactly_within_a_voxel():
    points = np.random.default_rng(3).uniform(-1.0, 1.0, (8000, 3))
    keys = voxels.voxel_keys(points, size=0.25)
    assert keys.dtype == np.int64
    cells = np.floor(points / 0.25)
    both = np.concatenate([keys[:, None], cells], axis=1)
    # Zero is a border of voxels, so there are eight on each axis.
    assert [len(np.unique(a, axis=0)) for a in (keys, cells, both)] == [8**3] * 3


def test_voxel_keys_cover_a_million_voxels_and_raise_beyond():
    edge = (1 << 20) * 0.02
    inside = np.array([[edge - 0.01, 0, 0], [-edge, 0, 0], [0, edge - 0.01, -edge]])
    assert len(np.unique(voxels.voxel_keys(inside, size=0.02))) == 3
    for beyond in ([edge, 0, 0], [0, -edge - 0.01, 0], [0, 0, 1e30], [np.nan, 0, 0]):
        with pytest.raises(ValueError, match="beyond 20972 m"):
            voxels.voxel_keys(np.array([beyond]), size=0.02)
    assert voxels.voxel_keys(np.zeros((0, 3)), size=0.02).shape == (0,)


def test_float32_points_fall_into_the_voxel_of_their_own_value():
    # 0.7 in float32 is below 0.7, but divided by 0.1 in float32 it is 7.
    point, below = np.full((1, 3), 0.7, np.float32), np.full((1, 3), 0.65)
    keys = [voxels.voxel_keys(x, size=0.1) for x in (point, below)]
    np.testing.assert_array_equal(*keys)


def test_compact_renumbers_without_gaps():
    index, count = voxels.compact(np.array([70, -4, 70, 1 << 60, -4]))
    assert index.dtype == np.int32 and count == 3
    np.testing.assert_array_equal(index, [1, 0, 1, 2, 0])
