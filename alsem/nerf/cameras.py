"""Pinhole cameras: pixels to rays and world points to pixels.

OpenCV axes (x right, y down, z forward), integer pixel coordinates at pixel centres,
matrices read right to left: ``x_world = world_from_cam @ x_cam``. Directions are unit
length, so the distance along a ray is metres; ``z_scale`` turns it into ``depth_z``.

Why columns of the rotation are added up, and no vector is stacked and then reduced:
XLA's CPU compiler of jaxlib 0.10 miscompiles a stack fused into a broadcast and a
reduction once it holds more than 32768 numbers and all rays share one pose (a test
guards it).
"""

import jax.numpy as jnp

from alsem.core.arrays import Array, Bool, Float, Int
from alsem.core.types import FrameCameras, Intrinsics, Rays


def pixel_rays(
    row: Float[Array, "*b"],
    col: Float[Array, "*b"],
    world_from_cam: Float[Array, "*#b 4 4"],
    intrinsics: Intrinsics,
) -> Rays:
    """Rays through (possibly fractional) pixel positions; poses may broadcast.

    A pixel 3 columns and 4 rows off the axis of a camera with fx = fy = 5 has the
    direction (0.6, 0.8, 1) / sqrt(2), and ``z_scale`` 1 / sqrt(2).
    """
    x = (col - intrinsics.cx) / intrinsics.fx
    y = (row - intrinsics.cy) / intrinsics.fy
    length = jnp.sqrt(x * x + y * y + 1.0)
    rotation = world_from_cam[..., :3, :3]
    in_world = (
        rotation[..., 0] * x[..., None]
        + rotation[..., 1] * y[..., None]
        + rotation[..., 2]
    )
    return Rays(
        origins=jnp.broadcast_to(world_from_cam[..., :3, 3], in_world.shape),
        directions=in_world / length[..., None],
        z_scale=1.0 / length,
    )


def pool_rays(pixel: Int[Array, "r"], cameras: FrameCameras) -> Rays:
    """Rays of flat indices of pixels, at the point where depth and labels were sampled.

    Pixel ``(frame * height + row) * width + col`` is that of row and column of a frame.
    """
    width, height = cameras.intrinsics.width, cameras.intrinsics.height
    row = (pixel // width) % height
    col = pixel % width
    return pixel_rays(
        row.astype(jnp.float32) + cameras.pixel_offset[0],
        col.astype(jnp.float32) + cameras.pixel_offset[1],
        cameras.world_from_cam[pixel // (width * height)],
        cameras.intrinsics,
    )


def project(
    x_world: Float[Array, "*b 3"],
    world_from_cam: Float[Array, "*b 4 4"],
    intrinsics: Intrinsics,
) -> tuple[Float[Array, "*b"], Float[Array, "*b"], Float[Array, "*b"]]:
    """Row, column (pixels, fractional) and ``depth_z`` (metres) of world points.

    Points at or behind the camera plane have ``depth_z <= 0`` and meaningless pixels.
    """
    rotation = world_from_cam[..., :3, :3]
    offset = x_world - world_from_cam[..., :3, 3]
    x_cam = jnp.sum(rotation * offset[..., :, None], axis=-2)
    z = x_cam[..., 2]
    safe_z = jnp.where(z > 0, z, 1.0)
    col = intrinsics.fx * x_cam[..., 0] / safe_z + intrinsics.cx
    row = intrinsics.fy * x_cam[..., 1] / safe_z + intrinsics.cy
    return row, col, z


def in_image(
    row: Float[Array, "*b"], col: Float[Array, "*b"], intrinsics: Intrinsics
) -> Bool[Array, "*b"]:
    """Whether a position falls on a pixel's area."""
    return (
        (row >= -0.5)
        & (row < intrinsics.height - 0.5)
        & (col >= -0.5)
        & (col < intrinsics.width - 0.5)
    )
