"""The room of the tests of alsem.rooms, and rays and solids by their definitions."""

import jax.numpy as jnp
import numpy as np

from alsem.rooms.solids import BOX, ELLIPSOID
from alsem.rooms.write import intrinsics

SEED, WIDTH, HEIGHT, TRAIN, TEST = 3, 44, 33, 36, 18
CAMERA = intrinsics(WIDTH, HEIGHT)


def is_inside(solid, points):
    """Whether points ``[... 3]`` (world, metres) are inside a solid, in float64."""
    part_from_world = np.linalg.inv(solid.world_from_part)
    local = points @ part_from_world[:3, :3].T + part_from_world[:3, 3]
    x, y, z = np.moveaxis(local / solid.half_size, -1, 0)
    if solid.kind == BOX:
        return (abs(x) <= 1) & (abs(y) <= 1) & (abs(z) <= 1)
    if solid.kind == ELLIPSOID:
        return x * x + y * y + z * z <= 1
    radius = 1 + (solid.taper - 1) * (z + 1) / 2
    return (abs(z) <= 1) & (x * x + y * y <= radius**2)


def pixel_rays(world_from_cam, rows, columns):
    """Origin and directions of rays through pixels, with camera z component 1."""
    x, y = (columns - CAMERA.cx) / CAMERA.fx, (rows - CAMERA.cy) / CAMERA.fy
    cam = np.stack([x, y, 1 + 0.0 * rows], -1)
    return world_from_cam[:3, 3], cam @ world_from_cam[:3, :3].T


def columns(vectors):
    """Vectors ``[... 3]`` as the float32 ``[3 r]`` of the ray caster."""
    return jnp.asarray(np.reshape(vectors, (-1, 3)).T, jnp.float32)
