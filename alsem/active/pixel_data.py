"""Photographs as training data: colours, depth and normals on the devices."""

import jax.numpy as jnp
import numpy as np

from alsem import training
from alsem.core import geometry
from alsem.core.types import frame_cameras
from alsem.data import Photographs
from alsem.nerf.cameras import pixel_rays


def pixel_data(photos: Photographs) -> training.PixelData:
    """Photographs as arrays, with surface normals from their depth."""
    frames = photos.frames
    if frames.depth_z is None:
        depth_z = np.zeros(frames.rgb.shape[:3], np.float32)
        normal = np.zeros(frames.rgb.shape, np.int8)
    else:
        depth_z = frames.depth_z
        normal = np.concatenate(
            [
                np.asarray(depth_normals(depth, pose, photos))
                for depth, pose in zip(depth_z, frames.world_from_cam, strict=True)
            ]
        ).reshape(frames.rgb.shape)
    return training.PixelData(
        rgb=jnp.asarray(frames.rgb),
        depth_z=jnp.asarray(depth_z),
        normal=jnp.asarray(normal),
        cameras=frame_cameras(
            frames.world_from_cam, photos.intrinsics, photos.pixel_offset
        ),
        **training.valid_pixels(frames.valid_mask),
    )


def depth_normals(depth_z: np.ndarray, world_from_cam: np.ndarray, photos: Photographs):
    """Surface normals of one depth image: int8 ``[h w 3]``, 127 = 1, world frame.

    Zero where depth is unknown, and beside such pixels.
    """
    camera = photos.intrinsics
    row, col = np.meshgrid(
        np.arange(camera.height) + photos.pixel_offset[0],
        np.arange(camera.width) + photos.pixel_offset[1],
        indexing="ij",
    )
    rays = pixel_rays(
        jnp.asarray(row, jnp.float32),
        jnp.asarray(col, jnp.float32),
        jnp.broadcast_to(jnp.asarray(world_from_cam), (*row.shape, 4, 4)),
        camera,
    )
    distance = jnp.asarray(depth_z) / rays.z_scale
    points = rays.origins + rays.directions * distance[..., None]
    normal = np.asarray(geometry.image_normals(points))
    known = depth_z > 0
    for axis in (0, 1):
        for shift in (-1, 1):
            known = known & np.roll(depth_z > 0, shift, axis)
    return np.round(127.0 * np.where(known[..., None], normal, 0.0)).astype(np.int8)
