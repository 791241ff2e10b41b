"""Procedural textures: wood, planks, tiles, brick, marble, weave, art and others.

A texture is a function of where a solid was hit: of its local point in metres (solid
textures such as wood), of the face coordinates in metres (brick, tiles, stripes), or
of the face coordinates from -1 to 1 (pictures, rugs, book spines).
"""

import dataclasses

import flax.struct
import jax.numpy as jnp
import numpy as np

from alsem.core.arrays import Array, Float, Int, Leaf

PATTERNS = (
    "plain",
    "wood",
    "marble",
    "checker",
    "stripes",
    "brick",
    "tiles",
    "planks",
    "horizon",
    "rings",
    "blocks",
    "rug",
    "dots",
    "sky",
    "spine",
)


@dataclasses.dataclass(frozen=True)
class Material:
    """How a surface looks.

    Attributes:
        pattern: One of ``PATTERNS``.
        a: Main colour, linear RGB reflectance.
        b: Second colour.
        c: Third colour, of pictures, rugs and spines.
        noise_frequency: ``[3]`` noise frequency along the local axes, 1/metre.
        pattern_frequency: ``[2]`` pattern frequency along the two face axes, 1/metre.
        noise_strength: Relative strength of the noise that every pattern carries.
        emission: Glow relative to the colour; 1 makes it as bright as the colour.
        seed: Tells equal materials apart.
    """

    pattern: str
    a: tuple[float, ...]
    b: tuple[float, ...]
    c: tuple[float, ...] = (0.0, 0.0, 0.0)
    noise_frequency: tuple[float, ...] = (6.0, 6.0, 6.0)
    pattern_frequency: tuple[float, ...] = (4.0, 4.0)
    noise_strength: float = 0.15
    emission: float = 0.0
    seed: int = 0


@flax.struct.dataclass
class MaterialTable:
    """Materials as arrays of ``k`` rows.

    Attributes:
        pattern: ``[k]`` int32, index into ``PATTERNS``.
        seed: ``[k]`` int32.
        values: ``[k 16]`` a, b, c, grain, scale, rough, emission.
    """

    pattern: Leaf
    seed: Leaf
    values: Leaf


def material_table(materials: list[Material], *, rows: int) -> MaterialTable:
    """Turns materials into arrays padded to ``rows``."""
    values = np.zeros((rows, 16), np.float32)
    for i, m in enumerate(materials):
        values[i] = [
            *m.a,
            *m.b,
            *m.c,
            *m.noise_frequency,
            *m.pattern_frequency,
            m.noise_strength,
            m.emission,
        ]
    spare = [0] * (rows - len(materials))
    patterns = [PATTERNS.index(m.pattern) for m in materials]
    return MaterialTable(
        pattern=jnp.array(patterns + spare, jnp.int32),
        seed=jnp.array([m.seed for m in materials] + spare, jnp.int32),
        values=jnp.asarray(values),
    )


def _hash(x: Array, y: Array, z: Array, seed: Array) -> Array:
    """A number in [0, 1) for each integer cell."""
    h = x.astype(jnp.uint32) * np.uint32(0x8DA6B343)
    h = h ^ (y.astype(jnp.uint32) * np.uint32(0xD8163841))
    h = h ^ (z.astype(jnp.uint32) * np.uint32(0xCB1AB31F))
    h = h ^ (seed.astype(jnp.uint32) * np.uint32(0x9E3779B1))
    h = (h ^ (h >> 15)) * np.uint32(0x2C1B3C6D)
    h = (h ^ (h >> 12)) * np.uint32(0x297A2D39)
    return (h >> 8).astype(jnp.float32) * np.float32(2.0**-24)


def _value_noise(p: Array, seed: Array) -> Array:
    cell = jnp.floor(p)
    f = p - cell
    f = f * f * (3.0 - 2.0 * f)
    x, y, z = cell.astype(jnp.int32)

    def along_x(dy, dz):
        low, high = _hash(x, y + dy, z + dz, seed), _hash(x + 1, y + dy, z + dz, seed)
        return low + (high - low) * f[0]

    front = along_x(0, 0) + (along_x(1, 0) - along_x(0, 0)) * f[1]
    back = along_x(0, 1) + (along_x(1, 1) - along_x(0, 1)) * f[1]
    return front + (back - front) * f[2]


def _fractal_noise(p: Array, seed: Array) -> Array:
    total = _value_noise(p, seed) * 0.6
    return total + _value_noise(p * 2.7 + 11.3, seed) * 0.4


def _step(x: Array, edge: Array | float, width: float) -> Array:
    return jnp.clip((x - edge) / width + 0.5, 0.0, 1.0)


def evaluate_material(
    table: MaterialTable,
    row: Int[Array, " r"],
    point: Float[Array, "3 r"],
    metres: Float[Array, "2 r"],
    unit: Float[Array, "2 r"],
) -> tuple[Float[Array, "3 r"], Float[Array, "3 r"]]:
    """Reflectance and emitted light where solids were hit.

    Args:
        table: The materials.
        row: Rows of the table.
        point: Local points, metres.
        metres: Face coordinates, metres.
        unit: Face coordinates from -1 to 1.

    Returns:
        Linear RGB reflectance in [0, 1], and the glow.
    """
    values, seed = table.values[row].T, table.seed[row]
    a, b, c, noise_frequency = values[0:3], values[3:6], values[6:9], values[9:12]
    noise_strength, emission = values[14:15], values[15:16]
    u, v = metres * values[12:14]
    s, t = unit
    noise = _fractal_noise(point * noise_frequency, seed)
    zero = jnp.zeros_like(seed)

    def cell_tone(x, y):
        return _hash(x.astype(jnp.int32), y.astype(jnp.int32), zero, seed)

    # Every pattern is a pair of weights: how much of b and of c covers a.
    none = jnp.zeros_like(u)
    tau = 2.0 * np.pi
    cu, cv = jnp.floor(u), jnp.floor(v)
    fu, fv = u - cu, v - cv
    grout = jnp.maximum(_step(jnp.abs(fu - 0.5), 0.47, 0.02), _step(fv, 0.95, 0.02))
    shift = u + 0.5 * jnp.mod(cv, 2.0)
    brick_f = shift - jnp.floor(shift)
    mortar = jnp.maximum(_step(brick_f, 0.95, 0.03), _step(fv, 0.9, 0.05))
    brick_tone = cell_tone(jnp.floor(shift), cv)
    board = u + 7.0 * cell_tone(cv, cv)
    board_tone = cell_tone(jnp.floor(board), cv)
    gap = jnp.maximum(
        _step(fv, 0.965, 0.02), _step(board - jnp.floor(board), 0.99, 0.01)
    )
    radius = jnp.sqrt(s * s + t * t)
    sun = _step(0.3 - jnp.sqrt((s - 0.3) ** 2 + (t - 0.35) ** 2), 0.0, 0.03)
    hill = _step(
        0.15 * jnp.sin(4.0 * s + seed) + 0.5 * (noise - 0.5) - 0.2 - t, 0.0, 0.05
    )
    swirl = 0.5 + 0.5 * jnp.sin(9.0 * radius + 5.0 * noise + seed)
    block = cell_tone(jnp.floor(1.7 * s + 0.3 * jnp.floor(2.3 * t)), jnp.floor(2.3 * t))
    edge = jnp.maximum(jnp.abs(s), jnp.abs(t))
    border = _step(edge, 0.9, 0.01) + _step(edge, 0.76, 0.01) - _step(edge, 0.82, 0.01)
    diamond = _step(0.32 - jnp.abs(fu - 0.5) - jnp.abs(fv - 0.5), 0.0, 0.03)
    ring = 0.5 + 0.5 * jnp.sin(tau * 2.2 * noise)
    vein = 0.7 * (1.0 - jnp.abs(jnp.sin(tau * (0.9 * noise + 0.15 * u)))) ** 2
    dot = _step(0.27 - jnp.sqrt((fu - 0.5) ** 2 + (fv - 0.5) ** 2), 0.0, 0.06)
    skyline = -0.55 + 0.35 * (noise - 0.5) + 0.12 * jnp.sin(5.0 * s + seed)
    bands = _step(0.07 - jnp.abs(jnp.abs(t) - 0.72), 0.0, 0.02)
    title = _step(0.32 - jnp.abs(t), 0.0, 0.03) * _step(0.5 - jnp.abs(s), 0.0, 0.05)
    weights = {
        "plain": (noise, none),
        "wood": (ring, none),
        "marble": (vein, none),
        "checker": (jnp.mod(cu + cv, 2.0), none),
        "stripes": (_step(jnp.sin(tau * u), 0.0, 0.3), none),
        "brick": (mortar, 0.8 * brick_tone * (1.0 - mortar)),
        "tiles": (grout, 0.5 * cell_tone(cu, cv) * (1.0 - grout)),
        "planks": (0.75 * board_tone * ring + 0.25 * board_tone, gap),
        "horizon": (
            jnp.clip(0.5 * t + 0.5 - hill, 0.0, 1.0),
            jnp.maximum(sun - hill, 0),
        ),
        "rings": (swirl, _step(noise, 0.62, 0.05)),
        "blocks": (_step(block, 0.35, 0.01), _step(block, 0.7, 0.01)),
        "rug": (jnp.maximum(border, diamond * (edge < 0.75)), _step(edge, 0.9, 0.01)),
        "dots": (dot, none),
        "sky": (jnp.clip(0.6 * t + 0.4, 0.0, 1.0), _step(skyline, t, 0.04)),
        "spine": (bands, title * _step(noise, 0.45, 0.1)),
    }
    pattern = table.pattern[row]
    part_b = part_c = none
    for i, name in enumerate(PATTERNS):
        part_b = jnp.where(pattern == i, weights[name][0], part_b)
        part_c = jnp.where(pattern == i, weights[name][1], part_c)
    mixed = a + (b - a) * jnp.clip(part_b, 0.0, 1.0)[None]
    mixed = mixed + (c - mixed) * jnp.clip(part_c, 0.0, 1.0)[None]
    mixed = jnp.clip(
        mixed * (1.0 + noise_strength * (2.0 * noise[None] - 1.0)), 0.0, 1.0
    )
    return mixed, mixed * emission
