"""Cameras: pixels to rays and back, in OpenCV's axes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linen_modules import LARGE

from alsem.core.types import Intrinsics, frame_cameras
from alsem.nerf import cameras

pytestmark = pytest.mark.usefixtures("strict_dtypes")

CAMERA = Intrinsics(width=160, height=120, fx=81.0, fy=78.0, cx=79.5, cy=59.5)


@jax.jit
def pixel_rays(row, col, poses):
    return cameras.pixel_rays(row, col, poses, CAMERA)


@jax.jit
def project(points, poses):
    poses = jnp.broadcast_to(poses, (*points.shape[:-1], 4, 4))
    return cameras.project(points, poses, CAMERA)


def random_poses(rng, *shape):
    """Rigid ``world_from_cam`` matrices, float64."""
    rotation, _ = np.linalg.qr(rng.normal(size=(*shape, 3, 3)))
    rotation *= np.linalg.det(rotation)[..., None, None]
    poses = np.tile(np.eye(4), (*shape, 1, 1))
    poses[..., :3, :3] = rotation
    poses[..., :3, 3] = rng.uniform(-5, 5, size=(*shape, 3))
    return poses


def assert_rays(rays, row, col, poses):
    """Against float64, within float32 rounding."""
    x, y = (col - CAMERA.cx) / CAMERA.fx, (row - CAMERA.cy) / CAMERA.fy
    in_cam = np.stack([x, y, np.ones_like(x)], axis=-1)
    in_cam /= np.linalg.norm(in_cam, axis=-1, keepdims=True)
    directions = np.einsum("...ij,...j->...i", poses[..., :3, :3], in_cam)
    np.testing.assert_allclose(rays.directions, directions, atol=1e-6)
    np.testing.assert_allclose(rays.z_scale, in_cam[..., 2], rtol=1e-6)
    origins = np.broadcast_to(poses[..., :3, 3], rays.origins.shape)
    np.testing.assert_allclose(rays.origins, origins, rtol=1e-6)


# Large and of one pose: what the compiler got wrong of a stacked form.
@pytest.mark.parametrize(("shape", "poses"), [((5, 10), (5, 10)), ((LARGE,), (1,))])
def test_rays_equal_the_definition(shape, poses):
    rng = np.random.default_rng(0)
    row, col = rng.uniform(-9, 130, shape), rng.uniform(-9, 170, shape)
    poses = random_poses(rng, *poses)
    assert_rays(pixel_rays(row, col, poses), row, col, poses)


def test_rays_of_pool_pixels():
    rng = np.random.default_rng(3)
    poses = random_poses(rng, 40)
    pixel = rng.integers(40 * 160 * 120, size=LARGE).astype(np.int32)
    offset = (0.25, -0.5)
    views = frame_cameras(poses, CAMERA, offset)
    assert (views.rays_per_frame, views.num_rays) == (160 * 120, 40 * 160 * 120)
    frame, row, col = np.unravel_index(pixel, (40, 120, 160))
    rays = jax.jit(cameras.pool_rays)(pixel, views)
    assert_rays(rays, row + offset[0], col + offset[1], poses[frame])


# 1e-6 of a world coordinate, through the focal length, at the nearest depth; more
# where the batch is large.
@pytest.mark.parametrize(
    ("count", "poses", "atol"), [(50, 50, 2e-3), (LARGE, LARGE, 1e-2), (LARGE, 1, 1e-2)]
)
def test_projection_finds_the_pixel_and_depth_of_a_point(count, poses, atol):
    rng = np.random.default_rng(4)
    sides, depth = rng.uniform(-2, 2, (count, 2)), rng.uniform(0.5, 6, (count, 1))
    in_cam = np.concatenate([sides, depth], axis=-1)
    poses = random_poses(rng, poses)
    points = np.einsum("...ij,...j->...i", poses[:, :3, :3], in_cam) + poses[:, :3, 3]
    row, col, depth_z = project(points, poses)
    x, y, z = in_cam.T
    np.testing.assert_allclose(row, CAMERA.fy * y / z + CAMERA.cy, atol=atol)
    np.testing.assert_allclose(col, CAMERA.fx * x / z + CAMERA.cx, atol=atol)
    np.testing.assert_allclose(depth_z, z, atol=2e-5)


def test_points_behind_the_camera_have_no_depth_and_finite_gradients():
    points = jnp.array([[0.3, 0.2, -1.0], [0.3, 0.2, 0.0], [0.0, 0.0, 0.0]])
    row, col, depth_z = project(points, np.eye(4))
    assert (depth_z <= 0).all()
    assert np.isfinite(row).all() and np.isfinite(col).all()
    gradient = jax.grad(lambda x: sum(map(jnp.sum, project(x, np.eye(4)))))(points)
    assert np.isfinite(gradient).all()


def test_a_pixel_reaches_half_a_pixel_around_its_centre():
    row = jnp.array([-0.51, -0.5, 0.0, 119.49, 119.5, jnp.nan])
    found = cameras.in_image(row, jnp.full(6, 80.0), CAMERA)
    np.testing.assert_array_equal(found, [False, True, True, True, False, False])
    col = jnp.array([-0.51, -0.5, 159.49, 159.5])
    found = cameras.in_image(jnp.full(4, 60.0), col, CAMERA)
    np.testing.assert_array_equal(found, [False, True, True, False])
