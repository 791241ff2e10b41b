"""Light maps: the light of a room, computed once per texel of every face.

Surfaces are diffuse, so the light that reaches a point is the same from every view: it
is baked by `alsem.rooms.light_baking` and looked up by every camera ray. Why baked:
shadow rays per pixel would cost fifty times more, and their noise would differ from
view to view.
"""

import jax.numpy as jnp
import numpy as np

from alsem.core.arrays import Array, Float, Int
from alsem.core.pytrees import pytree
from alsem.rooms.materials import MaterialTable, evaluate_material
from alsem.rooms.solids import (
    BOX,
    FACES_PER_SOLID,
    FRUSTUM,
    SolidTable,
    to_local,
)


@pytree
class LightMap:
    """Light that arrives at every texel.

    Attributes:
        charts: int32, of `FACES_PER_SOLID` faces of each solid: first texel, columns,
            rows.
        texels: RGB radiance reflected by a white diffuse surface, times the fourth
            channel, which is 0 for texels inside another solid and 1 otherwise.
    """

    charts: Int[Array, "q 3"]
    texels: Float[Array, "l 4"]


@pytree
class BakedRoom:
    """A room whose light is baked, ready to be rendered.

    Attributes:
        solids: The solids.
        materials: The materials.
        light: The baked light.
        exposure: Factor of radiance.
    """

    solids: SolidTable
    materials: MaterialTable
    light: LightMap
    exposure: Float[Array, ""]


def face_coordinates(
    kind: Int[Array, " r"], local: Float[Array, "3 r"]
) -> tuple[Int[Array, " r"], Float[Array, "2 r"]]:
    """Finds the face of a unit solid that a point lies on, and its coordinates there.

    Args:
        kind: Kinds of the solids.
        local: Points on their unit solids.

    Returns:
        Number of the face, and coordinates on it from -1 to 1. Boxes have faces 0 to
        5 (-x, +x, -y, +y, -z, +z); of round solids 0 is the side, with the angle
        about z as first coordinate, and 1 and 2 are a frustum's lower and upper end.
    """
    x, y, z = local
    size = jnp.abs(local)
    along_x = (size[0] >= size[1]) & (size[0] >= size[2])
    along_y = ~along_x & (size[1] >= size[2])
    axis = jnp.where(along_x, 0, jnp.where(along_y, 1, 2))
    picked = jnp.where(along_x, x, jnp.where(along_y, y, z))
    box_face = 2 * axis + (picked > 0)
    box_uv = jnp.stack([jnp.where(along_x, y, x), jnp.where(axis == 2, y, z)])

    around = jnp.stack([jnp.arctan2(y, x) / np.pi, z])
    is_cap = (kind == FRUSTUM) & (size[2] > 0.9999)
    round_face = jnp.where(is_cap, jnp.where(z > 0, 2, 1), 0)
    round_uv = jnp.where(is_cap[None], jnp.stack([x, y]), around)
    is_box = kind == BOX
    uv = jnp.where(is_box[None], box_uv, round_uv)
    return jnp.where(is_box, box_face, round_face), jnp.clip(uv, -1.0, 1.0)


def sample_light(
    light: LightMap,
    row: Int[Array, " r"],
    face: Int[Array, " r"],
    uv: Float[Array, "2 r"],
) -> Float[Array, "3 r"]:
    """Samples the light map bilinearly, leaving out texels inside other solids."""
    first, columns, rows = light.charts[row * FACES_PER_SOLID + face].T
    x = (0.5 * uv[0] + 0.5) * (columns - 1)
    y = (0.5 * uv[1] + 0.5) * (rows - 1)
    x0 = jnp.clip(x.astype(jnp.int32), 0, columns - 2)
    y0 = jnp.clip(y.astype(jnp.int32), 0, rows - 2)
    fx, fy = x - x0, y - y0
    corner = first + y0 * columns + x0
    total = 1e-6 * light.texels[corner]
    for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = (fx if dx else 1.0 - fx) * (fy if dy else 1.0 - fy)
        total += weight[:, None] * light.texels[corner + dy * columns + dx]
    return (total[:, :3] / jnp.maximum(total[:, 3:], 1e-9)).T


def radiance(
    solids: SolidTable,
    materials: MaterialTable,
    light: LightMap,
    row: Int[Array, " r"],
    x: Float[Array, "3 r"],
) -> tuple[Float[Array, "3 r"], Float[Array, "3 r"]]:
    """Reflected radiance and emission at surface points.

    The emission of lamps and windows is in units of the tone-mapped image, not of
    radiance, so that the exposure of a room does not overexpose them.

    Args:
        solids: All solids.
        materials: Their materials.
        light: The light that arrives at their texels.
        row: Rows of the solids the points lie on.
        x: The points, world, metres.
    """
    matrix = jnp.moveaxis(solids.local_from_world[row], 0, -1)
    local = to_local(matrix, x, w=1.0)
    kind, half = solids.kind[row], solids.half_size[row].T
    face, uv = face_coordinates(kind, local)
    axis = face // 2
    width = jnp.where(axis == 0, half[1], half[0])
    height = jnp.where(axis == 2, half[1], half[2])
    is_round = (kind != BOX) & (face == 0)
    width = jnp.where(is_round, np.pi * half[0], width)
    height = jnp.where(is_round, half[2], height)
    metres = uv * jnp.stack([width, height])
    diffuse, emitted = evaluate_material(
        materials, solids.material[row], local * half, metres, uv
    )
    return diffuse * sample_light(light, row, face, uv), emitted
