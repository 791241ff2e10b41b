"""Cameras: pixels to rays and back, in OpenCV's axes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alsem.core.types import Intrinsics, frame_cameras
from alsem.nerf import cameras

pytestmark = pytest.mark.usefixtures("strict_dtypes")

CAMERA = Intrinsics(width=160, height=120, fx=81.0, fy=78.0, cx=79.5, cy=59.5)
LARGE = 19_200 * 5  # rays; the CPU compiler has gone wrong beyond 32768 numbers


def random_poses(rng: np.random.Generator, count: int) -> np.ndarray:
    """Rigid ``world_from_cam`` matrices, float64."""
    rotation, _ = np.linalg.qr(rng.normal(size=(count, 3, 3)))
    rotation *= np.linalg.det(rotation)[:, None, None]
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, :3, :3] = rotation
    poses[:, :3, 3] = rng.uniform(-5, 5, size=(count, 3))
    return poses


def pixel_rays_np(row, col, poses):
    """Matrix product by matrix product, float64."""
    origins, directions, z_scale = [], [], []
    for r, c, pose in zip(row, col, poses, strict=True):
        in_cam = np.array(
            [(c - CAMERA.cx) / CAMERA.fx, (r - CAMERA.cy) / CAMERA.fy, 1.0]
        )
        length = np.sqrt(in_cam @ in_cam)
        origins.append(pose[:3, 3])
        directions.append(pose[:3, :3] @ in_cam / length)
        z_scale.append(1.0 / length)
    return np.array(origins), np.array(directions), np.array(z_scale)


def project_np(points, poses):
    """World to camera by the inverse matrix, float64."""
    out = []
    for point, pose in zip(points, poses, strict=True):
        x, y, z, _ = np.linalg.inv(pose) @ np.append(point, 1.0)
        row, col = CAMERA.fy * y / z + CAMERA.cy, CAMERA.fx * x / z + CAMERA.cx
        out.append((row, col, z))
    return np.array(out).T


def test_rays_equal_the_definition():
    rng = np.random.default_rng(0)
    row, col = rng.uniform(-9, 130, 50), rng.uniform(-9, 170, 50)
    poses = random_poses(rng, 50)
    rays = cameras.pixel_rays(*_float32(row, col, poses), CAMERA)
    origins, directions, z_scale = pixel_rays_np(row, col, poses)
    np.testing.assert_allclose(rays.origins, origins, rtol=1e-6)
    np.testing.assert_allclose(rays.directions, directions, atol=1e-6)
    np.testing.assert_allclose(rays.z_scale, z_scale, rtol=1e-6)
    lengths = np.linalg.norm(rays.directions, axis=-1)
    np.testing.assert_allclose(lengths, 1.0, atol=1e-6)


def test_the_axes_are_right_down_forward():
    eye = jnp.eye(4)
    row, col = jnp.float32(CAMERA.cy), jnp.float32(CAMERA.cx)
    ahead = cameras.pixel_rays(row, col, eye, CAMERA)
    np.testing.assert_allclose(ahead.directions, [0, 0, 1], atol=1e-7)
    assert ahead.z_scale == 1.0
    right = cameras.pixel_rays(row, col + CAMERA.fx, eye, CAMERA)
    np.testing.assert_allclose(right.directions, [0.5**0.5, 0, 0.5**0.5], rtol=1e-6)
    down = cameras.pixel_rays(row + CAMERA.fy, col, eye, CAMERA)
    np.testing.assert_allclose(down.directions, [0, 0.5**0.5, 0.5**0.5], rtol=1e-6)
    np.testing.assert_allclose(down.z_scale, 0.5**0.5, rtol=1e-6)


def test_projection_equals_the_definition():
    rng = np.random.default_rng(1)
    poses = random_poses(rng, 50)
    in_cam = np.concatenate(
        [rng.uniform(-2, 2, (50, 2)), rng.uniform(0.5, 6, (50, 1))], axis=-1
    )
    points = np.einsum("nij,nj->ni", poses[:, :3, :3], in_cam) + poses[:, :3, 3]
    actual = cameras.project(*_float32(points, poses), CAMERA)
    # 1e-6 of a world coordinate, through the focal length, at the nearest depth
    np.testing.assert_allclose(actual, project_np(points, poses), atol=2e-3)


def test_projecting_a_point_of_a_ray_gives_its_pixel_and_depth():
    rng = np.random.default_rng(2)
    row, col = rng.uniform(0, 119, (4, 30)), rng.uniform(0, 159, (4, 30))
    distance = rng.uniform(0.1, 9.0, (4, 30))
    poses = random_poses(rng, 120).reshape(4, 30, 4, 4)
    row, col, distance, poses = _float32(row, col, distance, poses)
    rays = cameras.pixel_rays(row, col, poses, CAMERA)
    points = rays.origins + rays.directions * distance[..., None]
    back = cameras.project(points, poses, CAMERA)
    np.testing.assert_allclose(back[0], row, atol=5e-3)
    np.testing.assert_allclose(back[1], col, atol=5e-3)
    np.testing.assert_allclose(back[2], distance * rays.z_scale, atol=1e-5)


def test_points_behind_the_camera_have_no_depth_and_finite_gradients():
    points = jnp.array([[0.3, 0.2, -1.0], [0.3, 0.2, 0.0], [0.0, 0.0, 0.0]])
    poses = jnp.tile(jnp.eye(4), (3, 1, 1))
    row, col, depth_z = cameras.project(points, poses, CAMERA)
    assert (depth_z <= 0).all()
    assert np.isfinite(row).all() and np.isfinite(col).all()

    def total(x):
        row, col, z = cameras.project(x, poses, CAMERA)
        return jnp.sum(row) + jnp.sum(col) + jnp.sum(z)

    assert np.isfinite(jax.grad(total)(points)).all()


def test_a_pixel_reaches_half_a_pixel_around_its_centre():
    # left/top border, inside, right/bottom border, on each axis
    row = jnp.array([-0.51, -0.5, 0.0, 119.49, 119.5, 60.0, 60.0, 60.0, 60.0, jnp.nan])
    col = jnp.array([80.0, 80.0, 80.0, 80.0, 80.0, -0.51, -0.5, 159.49, 159.5, 1.0])
    expected = [False, True, True, True, False, False, True, True, False, False]
    np.testing.assert_array_equal(cameras.in_image(row, col, CAMERA), expected)


def test_all_rays_of_a_frame_share_one_pose():
    # One pose and more than 10922 rays: what the compiler got wrong of a stacked form.
    pose = random_poses(np.random.default_rng(5), 1)
    row, col = (v.ravel() for v in np.mgrid[:120, :160].astype(np.float32))
    rays = jax.jit(lambda r, c, p: cameras.pixel_rays(r, c, p, CAMERA))(
        *_float32(row, col, pose)
    )
    x, y = (col - CAMERA.cx) / CAMERA.fx, (row - CAMERA.cy) / CAMERA.fy
    in_cam = np.stack([x, y, np.ones_like(x)], axis=-1)
    in_cam /= np.linalg.norm(in_cam, axis=-1, keepdims=True)
    np.testing.assert_allclose(rays.directions, in_cam @ pose[0, :3, :3].T, atol=1e-6)


def test_rays_of_pool_pixels_under_jit():
    rng = np.random.default_rng(3)
    poses = random_poses(rng, 40)
    pixel = rng.integers(40 * 160 * 120, size=LARGE).astype(np.int32)
    offset = (0.25, -0.5)
    views = frame_cameras(poses, CAMERA, offset)
    assert (views.rays_per_frame, views.num_rays) == (160 * 120, 40 * 160 * 120)
    rays = jax.jit(cameras.pool_rays)(pixel, views)
    frame, row, col = np.unravel_index(pixel, (40, 120, 160))
    x = (col + offset[1] - CAMERA.cx) / CAMERA.fx
    y = (row + offset[0] - CAMERA.cy) / CAMERA.fy
    in_cam = np.stack([x, y, np.ones(LARGE)], axis=-1)
    in_cam /= np.linalg.norm(in_cam, axis=-1, keepdims=True)
    directions = np.einsum("nij,nj->ni", poses[frame][:, :3, :3], in_cam)
    np.testing.assert_allclose(rays.directions, directions, atol=1e-6)
    np.testing.assert_allclose(rays.origins, poses[frame][:, :3, 3], rtol=1e-6)
    np.testing.assert_allclose(rays.z_scale, in_cam[:, 2], rtol=1e-6)


@pytest.mark.parametrize("shared_pose", [True, False])
def test_projection_of_a_large_batch_under_jit(shared_pose):
    rng = np.random.default_rng(4)
    in_cam = np.concatenate(
        [rng.uniform(-2, 2, (LARGE, 2)), rng.uniform(0.5, 6, (LARGE, 1))], axis=-1
    )
    poses = random_poses(rng, 1 if shared_pose else LARGE)
    points = (
        np.einsum(
            "nij,nj->ni", poses[:, :3, :3].repeat(LARGE // len(poses), axis=0), in_cam
        )
        + poses[:, :3, 3]
    )

    @jax.jit
    def project(points, poses):
        poses = jnp.broadcast_to(poses, (LARGE, 4, 4))
        return cameras.project(points, poses, CAMERA)

    row, col, depth_z = project(*_float32(points, poses))
    np.testing.assert_allclose(depth_z, in_cam[:, 2], atol=2e-5)
    expected = CAMERA.fy * in_cam[:, 1] / in_cam[:, 2] + CAMERA.cy
    np.testing.assert_allclose(row, expected, atol=1e-2)
    expected = CAMERA.fx * in_cam[:, 0] / in_cam[:, 2] + CAMERA.cx
    np.testing.assert_allclose(col, expected, atol=1e-2)


def _float32(*arrays):
    return [jnp.asarray(a, jnp.float32) for a in arrays]
