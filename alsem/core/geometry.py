"""Geometry of posed depth: points, boxes, normals, voxels."""

import jax.numpy as jnp
import numpy as np

from alsem.core.arrays import Array, Float
from alsem.core.numerics import safe_normalize


def image_normals(points: Float[Array, "*b h w 3"]) -> Float[Array, "*b h w 3"]:
    """Unit surface normals of images of world points, pointing at the camera side.

    On each axis the nearer of the two neighbours gives the tangent, so an edge takes
    its normal from its own side. Points must be finite; rows of three zeros mean "no
    point", and their normals and their neighbours' are unreliable.
    """

    def tangent(axis: int):
        last = jnp.take(points, jnp.array([points.shape[axis] - 1]), axis=axis)
        forward = jnp.diff(points, axis=axis, append=last)
        backward = jnp.roll(forward, 1, axis=axis)
        length_f = jnp.sum(jnp.square(forward), axis=-1, keepdims=True)
        length_b = jnp.sum(jnp.square(backward), axis=-1, keepdims=True)
        # At the two borders one of them is zero: take the other.
        use_forward = (length_f > 0) & ((length_f <= length_b) | (length_b == 0))
        return jnp.where(use_forward, forward, backward)

    # Unit tangents: pixels a tenth of a millimetre apart are a surface too.
    across = safe_normalize(tangent(-2), eps=1e-16)
    down = safe_normalize(tangent(-3), eps=1e-16)
    return safe_normalize(-jnp.cross(across, down))


def bounding_box(points: np.ndarray, *, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """Low and high corner, metres, of finite points ``[n 3]``, widened by a margin."""
    return points.min(axis=0) - margin, points.max(axis=0) + margin


def ray_box_exit(
    origins: Float[Array, "*b 3"],
    directions: Float[Array, "*b 3"],
    low: Float[Array, "3"],
    high: Float[Array, "3"],
) -> Float[Array, "*b"]:
    """Distance in metres at which rays that start inside a box leave it."""
    safe = jnp.where(jnp.abs(directions) < 1e-9, 1e-9, directions)
    t_low = (jnp.broadcast_to(low, origins.shape) - origins) / safe
    t_high = (jnp.broadcast_to(high, origins.shape) - origins) / safe
    return jnp.min(jnp.maximum(t_low, t_high), axis=-1)
