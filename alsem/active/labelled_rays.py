"""What fits learn from: pixels, labels, outcomes of queries, taken to the device.

Labels and outcomes are padded there, so that few sizes are compiled.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from alsem import training
from alsem.core import geometry
from alsem.core.numerics import padded
from alsem.data import Scene
from alsem.nerf.cameras import pixel_rays
from alsem.policy import loss
from alsem.policy.targets import PolicyTargets
from alsem.surface import SurfaceCache


@dataclasses.dataclass(frozen=True)
class LabelledRays:
    """Labelled pool pixels.

    Attributes:
        pixel: int32 ``[n]``, flat pixel numbers.
        label: int32 ``[n]``.
        seen: How many of them somebody has looked at: all of points and exact answers,
            one of a unit that was answered as a whole; None for all.
    """

    pixel: np.ndarray
    label: np.ndarray
    seen: int | None = None


def pixel_data(scene: Scene) -> training.PixelData:
    """The training frames on the device, with normals from their depth."""
    frames = scene.train
    if frames.depth_z is None:
        depth_z = np.zeros(frames.rgb.shape[:3], np.float32)
        normal = np.zeros(frames.rgb.shape, np.int8)
    else:
        depth_z = frames.depth_z
        normal = np.concatenate(
            [
                np.asarray(depth_normals(depth, pose, scene))
                for depth, pose in zip(depth_z, frames.world_from_cam, strict=True)
            ]
        ).reshape(frames.rgb.shape)
    return training.PixelData(
        rgb=jnp.asarray(frames.rgb),
        depth_z=jnp.asarray(depth_z),
        normal=jnp.asarray(normal),
        world_from_cam=jnp.asarray(frames.world_from_cam),
        valid_mask=(
            None
            if frames.valid_mask is None
            else jnp.asarray(np.flatnonzero(frames.valid_mask), jnp.int32)
        ),
    )


def depth_normals(depth_z: np.ndarray, world_from_cam: np.ndarray, scene: Scene):
    """Normals of one depth image, int8 [h w 3]; zero at holes and beside them."""
    camera = scene.intrinsics
    row, col = np.meshgrid(
        np.arange(camera.height) + scene.pixel_offset[0],
        np.arange(camera.width) + scene.pixel_offset[1],
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


def surface_labels(
    labelled: LabelledRays, pool: SurfaceCache
) -> training.LabelledSurface:
    """Labels with what the pool's cache holds of their rays: for staged fits."""
    pixel = padded(labelled.pixel, 0)
    return training.LabelledSurface(
        pixel=jnp.asarray(pixel),
        compact=jax.tree.map(jnp.asarray, pool.take(pixel)),
        label=jnp.asarray(padded(labelled.label, -1)),
        count=jnp.int32(len(labelled.label)),
    )


def pixel_labels(labelled: LabelledRays) -> training.LabelledPixels:
    """Labels of pixels whose rays are rendered anew: for joint fits."""
    return training.LabelledPixels(
        pixel=jnp.asarray(padded(labelled.pixel, 0)),
        label=jnp.asarray(padded(labelled.label, -1)),
        count=jnp.int32(len(labelled.label)),
    )


def observed(
    policy_targets: PolicyTargets, pool: SurfaceCache | None
) -> loss.Observations:
    """What the policy learns from.

    Args:
        policy_targets: Of queries.
        pool: Cache to take their rays from; None in joint fits, which render them.
    """
    pixel = padded(policy_targets.pixel.astype(np.int32), 0)
    compact = None if pool is None else jax.tree.map(jnp.asarray, pool.take(pixel))
    return loss.Observations(
        pixel=jnp.asarray(pixel),
        compact=compact,
        cues=jnp.asarray(padded(policy_targets.cues, 0)),
        wrong=jnp.asarray(padded(policy_targets.wrong, -1)),
        gain=jnp.asarray(padded(policy_targets.gain, np.nan)),
        count=jnp.int32(max(len(policy_targets), 1)),
    )
