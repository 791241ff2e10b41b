"""Geometry of posed depth: surface normals, boxes, rays in boxes."""

import jax.numpy as jnp
import numpy as np

from alsem.core.arrays import Array, Float
from alsem.core.numerics import safe_normalize


def image_normals(points: Float[Array, "*b h w 3"]) -> Float[Array, "*b h w 3"]:
    """Unit surface normals of images of world points, pointing towards the camera.

    On each axis the nearer of the two neighbours gives the tangent, so that a pixel at
    a depth edge has the normal of its own side. Points must be finite; three zeros mean
    that there is no point: normals there and beside it are unreliable.
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

    # Normalised, for neighbours may be a tenth of a millimetre apart.
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
    """Distance in metres at which rays that start inside a box leave it.

    In the unit cube a ray from (0, .5, .5) leaves at 1 along x and at .5 along y.
    """
    safe = jnp.where(jnp.abs(directions) < 1e-9, 1e-9, directions)
    t_low = (jnp.broadcast_to(low, origins.shape) - origins) / safe
    t_high = (jnp.broadcast_to(high, origins.shape) - origins) / safe
    return jnp.min(jnp.maximum(t_low, t_high), axis=-1)
