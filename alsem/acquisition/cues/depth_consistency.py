"""Depth consistency: points reprojected into other views and compared with their depth.

A view agrees that there is a surface at a point, or is inconclusive (the point is
outside the image, behind the camera, or occluded), or it sees through the point: then
the point or the view's depth is wrong.

Why three depths per pixel: at a depth edge one pixel decides between foreground and
background, and neither geometry nor reprojection is exact to a pixel. A point agrees
with a view if its depth is that of the pixel it falls on or one of the two extremes of
the 3 x 3 pixels around it (the two sides of an edge). It is seen through only if all
nine are known and lie behind it. So a point on a silhouette, between both sides, agrees
with neither, and a correct point at an edge never counts as inconsistent.
"""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from alsem.core.arrays import Array, Bool, Float, Int
from alsem.core.types import Intrinsics
from alsem.nerf import cameras as pinhole

# Depth differences up to the larger of the two count as the same surface: the accuracy
# of a fitted field, and the depth range of half a pixel on a slanted floor.
TOLERANCE_METRES = 0.05
TOLERANCE_FRACTION = 0.02
PixelOffset = tuple[float | Array, float | Array]  # rows and columns
SIZE_STEP = 1 << 16  # many points are padded to a multiple: few compilations


@dataclasses.dataclass(frozen=True)
class Cameras:
    """The views of a pool.

    Attributes:
        world_from_cam: float32 ``[f 4 4]``, one pose per training frame.
        intrinsics: Camera of every frame.
        pixel_offset: Where in a pixel its ray passes, rows and columns.
        depth_z: float32 ``[f h w]`` depth along the optical axis, metres, as the
            fitted geometry renders it; 0 where a view has none. May be a memory map.
            None if it is not known: then every point counts as consistent.
    """

    world_from_cam: np.ndarray
    intrinsics: Intrinsics
    pixel_offset: tuple[float, float] = (0.0, 0.0)
    depth_z: np.ndarray | None = None

    def __len__(self) -> int:
        """Number of views."""
        return len(self.world_from_cam)


class Reprojection(NamedTuple):
    """Points in one view, axes ``*b``.

    Attributes:
        pixel: int32, flat number in its image of the pixel it falls on; 0 if outside.
        hits: The ray of that pixel ends at the point.
        agrees: It does, or the nearest or farthest of its 3 x 3 neighbourhood does.
        sees_through: That pixel and all its neighbours end behind the point.
    """

    pixel: Array
    hits: Array
    agrees: Array
    sees_through: Array


def tolerance(depth_z: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Metres by which two depths of one surface may differ."""
    return jnp.maximum(TOLERANCE_METRES, TOLERANCE_FRACTION * depth_z)


def depth_window(depth_z: Float[Array, "h w"]) -> Float[Array, "h w 4"]:
    """The depths that a point is compared with, for each pixel it can fall on.

    Its own depth, the least and the greatest of the 3 x 3 around it that have one, and
    the depth that a point must be nearer than to be seen through: the least again, but
    -inf unless all nine have depth, for on the border of an image a slanted surface
    continues nearer than its last pixel. All are 0 where the pixel itself has no depth.
    """
    has_depth = depth_z > 0
    known = jnp.where(has_depth, depth_z, jnp.inf)
    least = _extreme(known, jnp.minimum, outside=jnp.inf)
    greatest = _extreme(jnp.where(has_depth, depth_z, 0.0), jnp.maximum, outside=0.0)
    is_whole = _extreme(known, jnp.maximum, outside=jnp.inf) < jnp.inf
    before = jnp.where(is_whole, least, -jnp.inf)
    window = jnp.stack([depth_z, least, greatest, before], axis=-1)
    return jnp.where(has_depth[..., None], window, 0.0)


def _extreme(values: Array, pick, *, outside: float) -> Array:
    """Extreme of the 3 x 3 around every pixel."""
    for axis in (0, 1):
        width = [(0, 0), (0, 0)]
        width[axis] = (1, 1)
        size = values.shape[axis]
        padded = jnp.pad(values, width, constant_values=outside)
        first, middle, last = (
            jax.lax.slice_in_dim(padded, i, i + size, axis=axis) for i in range(3)
        )
        values = pick(middle, pick(first, last))
    return values


def reproject(
    points: Float[Array, "r 3"],
    world_from_cam: Float[Array, "4 4"],
    window: Float[Array, "h w 4"],
    *,
    intrinsics: Intrinsics,
    pixel_offset: PixelOffset,
) -> Reprojection:
    """Projects world points into one view and compares their depth with the view's.

    Args:
        points: In the world, metres; must be finite.
        world_from_cam: Pose of the view.
        window: From `depth_window` of its depth.
        intrinsics: Its camera.
        pixel_offset: Where in a pixel its ray passes.
    """
    # One pose for all points, without a copy of it for each.
    project = jax.vmap(lambda x: pinhole.project(x, world_from_cam, intrinsics))
    row, col, z = project(points)
    row, col = row - pixel_offset[0], col - pixel_offset[1]
    inside = (z > 0) & pinhole.in_image(row, col, intrinsics)
    pixel = _nearest(row, inside, intrinsics.height) * intrinsics.width
    pixel = pixel + _nearest(col, inside, intrinsics.width)
    own, least, greatest, before = jnp.moveaxis(window.reshape(-1, 4)[pixel], -1, 0)
    near = tolerance(z)
    can_tell = inside & (own > 0)
    hits = can_tell & (jnp.abs(z - own) < near)
    at_extreme = (jnp.abs(z - least) < near) | (jnp.abs(z - greatest) < near)
    return Reprojection(
        pixel=jnp.where(inside, pixel, 0),
        hits=hits,
        agrees=hits | (can_tell & at_extreme),
        sees_through=can_tell & (z < before - near),
    )


def _nearest(position: Array, inside: Array, size: int) -> Int[Array, "r"]:
    """Number of the pixel that contains the position; any valid one if outside."""
    # Before the cast: a position far outside an image does not fit an integer.
    safe = jnp.where(inside, position, 0.0)
    return jnp.clip(jnp.floor(safe + 0.5).astype(jnp.int32), 0, size - 1)


def consistency(points: np.ndarray, frame: np.ndarray, cameras: Cameras) -> np.ndarray:
    """Of the conclusive views, the fraction that agrees that a surface is there.

    A point's own view always agrees: with two views that see through it, 1/3. The work
    is views times points; one view's image is in memory at a time.

    Args:
        points: ``[v 3]`` world points, metres, finite.
        frame: ``[v]`` the view that each comes from, -1 for none of them.
        cameras: All views.

    Returns:
        float32 ``[v]`` in [0, 1]; 1 where no other view is conclusive, or 0 if the
        point comes from none; 1 everywhere if the cameras have no depth.
    """
    if cameras.depth_z is None or not len(points):
        return np.ones(len(points), np.float32)
    extra = -len(points) % SIZE_STEP if len(points) > SIZE_STEP else 0
    placed = jnp.asarray(np.pad(np.asarray(points, np.float32), ((0, extra), (0, 0))))
    own = jnp.asarray(np.pad(np.asarray(frame, np.int32), (0, extra)))
    votes = jnp.zeros((len(placed), 2), jnp.int32)
    for view in range(len(cameras)):
        votes = _vote(
            votes,
            placed,
            own == view,
            jnp.asarray(cameras.world_from_cam[view], jnp.float32),
            jnp.asarray(cameras.depth_z[view], jnp.float32),
            intrinsics=cameras.intrinsics,
            pixel_offset=cameras.pixel_offset,
        )
    agree, against = np.asarray(votes)[: len(points)].T
    return (agree / np.maximum(agree + against, 1)).astype(np.float32)


@functools.partial(jax.jit, donate_argnums=0)
def _vote(
    votes: Int[Array, "v 2"],
    points: Float[Array, "v 3"],
    is_own: Bool[Array, "v"],
    world_from_cam: Float[Array, "4 4"],
    depth_z: Float[Array, "h w"],
    *,
    intrinsics: Intrinsics,
    pixel_offset: PixelOffset,
) -> Int[Array, "v 2"]:
    """Adds one view's votes, for and against."""
    found = reproject(
        points,
        world_from_cam,
        depth_window(depth_z),
        intrinsics=intrinsics,
        pixel_offset=pixel_offset,
    )
    for_it = found.agrees | is_own
    against = found.sees_through & ~is_own
    return votes + jnp.stack([for_it, against], axis=-1).astype(jnp.int32)
