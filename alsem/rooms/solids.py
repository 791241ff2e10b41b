"""Solids of a room and exact ray intersection.

Every solid is convex and the image of a unit solid under an affine map, so a ray is
inside it in one interval of ``t``, and ``t`` is the same in local and in world
coordinates. Vectors are stored component first, ``[3 r]``, which keeps the innermost
loop over rays contiguous.

The unit solids are: the box ``[-1, 1]^3``; the frustum, whose axis is z from -1 to 1
and whose radius runs from 1 at the bottom to ``taper`` at the top (a cylinder has
taper 1); and the unit ball.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from alsem.core.arrays import Array, Bool, Float, Int
from alsem.core.pytrees import pytree

BOX, FRUSTUM, ELLIPSOID = range(3)
MAX_SOLIDS = 512  # of a room; tables are padded to it
FACES_PER_SOLID = 6  # a box has six, a frustum three, an ellipsoid one


@dataclasses.dataclass(frozen=True)
class Solid:
    """One solid of a room.

    Attributes:
        kind: ``BOX``, ``FRUSTUM`` or ``ELLIPSOID``.
        world_from_part: ``[4 4]`` rigid motion, metres.
        half_size: ``[3]`` half extents, metres.
        class_name: Class of the object it belongs to.
        material: Row of the material table.
        taper: Upper radius over lower radius, of frusta only.
        is_shell: Whether it is a wall, floor or ceiling.
    """

    kind: int
    world_from_part: np.ndarray
    half_size: np.ndarray
    class_name: str
    material: int
    taper: float = 1.0
    is_shell: bool = False

    def local_from_world(self) -> np.ndarray:
        """The affine map ``[3 4]`` from the world to the frame of the unit solid."""
        scale = np.diag([*(1.0 / self.half_size), 1.0])
        return (scale @ np.linalg.inv(self.world_from_part))[:3]

    def corners(self) -> np.ndarray:
        """Corners ``[8 3]`` of the oriented bounding box, world, metres."""
        signs = np.stack(np.meshgrid(*[[-1.0, 1.0]] * 3), axis=-1).reshape(-1, 3)
        rotation, shift = self.world_from_part[:3, :3], self.world_from_part[:3, 3]
        return (signs * self.half_size) @ rotation.T + shift


@pytree
class SolidTable:
    """All solids of a room as arrays, sorted by kind and padded to ``m`` rows.

    Attributes:
        local_from_world: Affine maps to the frames of the unit solids.
        half_size: Half extents, metres.
        taper: Upper radius over lower radius.
        kind: int32.
        material: int32 rows of the material table.
        class_id: int32, 0 in padding.
    """

    local_from_world: Float[Array, "m 3 4"]
    half_size: Float[Array, "m 3"]
    taper: Float[Array, " m"]
    kind: Int[Array, " m"]
    material: Int[Array, " m"]
    class_id: Int[Array, " m"]


def solid_table(
    solids: list[Solid], class_ids: dict[str, int], *, rows: int
) -> SolidTable:
    """Stacks solids, sorted by kind, into arrays.

    Raises:
        ValueError: There are more solids than rows.
    """
    if len(solids) > rows:
        raise ValueError(f"{len(solids)} solids do not fit in {rows} rows")
    affine = np.zeros((rows, 3, 4), np.float32)
    half_size = np.ones((rows, 3), np.float32)
    taper = np.ones(rows, np.float32)
    kind, material, class_id = np.zeros((3, rows), np.int32)
    for i, solid in enumerate(solids):
        affine[i] = solid.local_from_world()
        half_size[i] = solid.half_size
        taper[i] = solid.taper
        kind[i] = solid.kind
        material[i] = solid.material
        class_id[i] = class_ids[solid.class_name]
    return SolidTable(
        *map(jnp.asarray, (affine, half_size, taper, kind, material, class_id))
    )


def to_local(
    matrix: Float[Array, "3 4 *r"], points: Float[Array, "3 r"], *, w: float
) -> Float[Array, "3 r"]:
    """Applies a ``[3 4]`` affine map to ``[3 r]`` points (w=1) or directions (w=0).

    Written out because XLA does not fuse a matrix product of this size.
    """
    x, y, z = points
    rows = [
        matrix[i, 0] * x + matrix[i, 1] * y + matrix[i, 2] * z + w * matrix[i, 3]
        for i in range(3)
    ]
    return jnp.stack(rows)


def _away_from_zero(x: Array, limit: float) -> Array:
    return jnp.where(jnp.abs(x) < limit, jnp.where(x < 0, -limit, limit), x)


def box_interval(
    o: Float[Array, "3 #r"], d: Float[Array, "3 r"], taper: Float[Array, ""]
) -> tuple[Float[Array, " r"], Float[Array, " r"]]:
    """Interval of ``t`` in which rays ``o + t d`` are inside the unit box."""
    del taper
    inverse = 1.0 / _away_from_zero(d, 1e-9)
    a, b = (-1.0 - o) * inverse, (1.0 - o) * inverse
    low, high = jnp.minimum(a, b), jnp.maximum(a, b)
    enter = jnp.maximum(jnp.maximum(low[0], low[1]), low[2])
    leave = jnp.minimum(jnp.minimum(high[0], high[1]), high[2])
    return enter, leave


def ellipsoid_interval(
    o: Float[Array, "3 #r"], d: Float[Array, "3 r"], taper: Float[Array, ""]
) -> tuple[Float[Array, " r"], Float[Array, " r"]]:
    """Interval of ``t`` in which rays ``o + t d`` are inside the unit ball."""
    del taper
    speed2 = d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
    t_mid = -(o[0] * d[0] + o[1] * d[1] + o[2] * d[2]) / speed2
    # Measured from the point nearest the centre: the usual discriminant loses its
    # digits to cancellation when a small ball is far away.
    x, y, z = o[0] + t_mid * d[0], o[1] + t_mid * d[1], o[2] + t_mid * d[2]
    room = 1.0 - (x * x + y * y + z * z)
    half = jnp.sqrt(jnp.maximum(room, 0.0) / speed2)
    return jnp.where(room > 0, t_mid - half, jnp.inf), t_mid + half


def frustum_interval(
    o: Float[Array, "3 #r"], d: Float[Array, "3 r"], taper: Float[Array, ""]
) -> tuple[Float[Array, " r"], Float[Array, " r"]]:
    """Interval of ``t`` in which rays ``o + t d`` are inside the unit frustum.

    Where the ray misses, the interval is empty: it ends before it begins.
    """
    mean, slope = 0.5 * (1.0 + taper), 0.5 * (taper - 1.0)
    t_mid = -(o[0] * d[0] + o[1] * d[1] + o[2] * d[2]) / (
        d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
    )
    x, y, z = o[0] + t_mid * d[0], o[1] + t_mid * d[1], o[2] + t_mid * d[2]
    inverse = 1.0 / _away_from_zero(d[2], 1e-9)
    cap_a, cap_b = (-1.0 - z) * inverse, (1.0 - z) * inverse
    enter, leave = jnp.minimum(cap_a, cap_b), jnp.maximum(cap_a, cap_b)

    radius, growth = mean + slope * z, slope * d[2]
    quad = _away_from_zero(d[0] * d[0] + d[1] * d[1] - growth * growth, 1e-9)
    half_lin = x * d[0] + y * d[1] - radius * growth
    room = half_lin * half_lin - quad * (x * x + y * y - radius * radius)
    root = jnp.sqrt(jnp.maximum(room, 0.0))
    t_a, t_b = (-half_lin - root) / quad, (-half_lin + root) / quad
    first, second = jnp.minimum(t_a, t_b), jnp.maximum(t_a, t_b)
    # A ray steeper than the side enters or leaves through it once; the other crossing
    # belongs to the mirror image of the cone, outside the caps.
    steep = quad < 0
    widening = growth > 0
    side_in = jnp.where(steep, jnp.where(widening, second, -jnp.inf), first)
    side_out = jnp.where(steep, jnp.where(widening, jnp.inf, first), second)
    enter, leave = jnp.maximum(enter, side_in), jnp.minimum(leave, side_out)
    missed = (room < 0) & ~steep
    return jnp.where(missed, jnp.inf, enter + t_mid), leave + t_mid


INTERVALS = (box_interval, frustum_interval, ellipsoid_interval)


def closest_hit(
    table: SolidTable,
    ids: Int[Array, " m"],
    bounds: Int[Array, "4"],
    origins: Float[Array, "3 #r"],
    directions: Float[Array, "3 r"],
) -> tuple[Float[Array, " r"], Int[Array, " r"]]:
    """Finds the first solid that each ray enters.

    Args:
        table: The solids.
        ids: Rows of the table to test, sorted by kind.
        bounds: Where in ``ids`` each kind starts, and the end.
        origins: World, metres, outside every solid.
        directions: Of any length.

    Returns:
        ``t`` of the hit, infinite where a ray hits nothing, and the row of the solid.
    """
    best = (
        jnp.full(directions.shape[1:], jnp.inf),
        jnp.zeros(directions.shape[1:], jnp.int32),
    )
    for kind, interval in enumerate(INTERVALS):

        def visit(i, best, interval=interval):
            row = ids[i]
            matrix = table.local_from_world[row]
            o, d = to_local(matrix, origins, w=1.0), to_local(matrix, directions, w=0.0)
            enter, leave = interval(o, d, table.taper[row])
            hit = (enter < leave) & (enter > 1e-4) & (enter < best[0])
            return jnp.where(hit, enter, best[0]), jnp.where(hit, row, best[1])

        best = jax.lax.fori_loop(bounds[kind], bounds[kind + 1], visit, best)
    return best


def inside_any(
    table: SolidTable,
    ids: Int[Array, " m"],
    bounds: Int[Array, "4"],
    points: Float[Array, "3 r"],
) -> Bool[Array, " r"]:
    """Whether each point (world, metres) is inside any solid."""
    inside = jnp.zeros(points.shape[1:], bool)
    up = jnp.zeros_like(points).at[2].set(1.0)
    for kind, interval in enumerate(INTERVALS):

        def visit(i, inside, interval=interval):
            matrix = table.local_from_world[ids[i]]
            o, d = to_local(matrix, points, w=1.0), to_local(matrix, up, w=0.0)
            enter, leave = interval(o, d, table.taper[ids[i]])
            return inside | ((enter < 0) & (leave > 0))

        inside = jax.lax.fori_loop(bounds[kind], bounds[kind + 1], visit, inside)
    return inside
