"""Diffuse materials: a procedural texture, its colours and a little noise."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from alsem.core.arrays import Array, Float, Int
from alsem.core.pytrees import pytree
from alsem.rooms.textures import TEXTURES, TexturePoint, fractal_noise


@dataclasses.dataclass(frozen=True)
class Material:
    """A diffuse, textured and perhaps emissive material.

    Attributes:
        texture: A row of `alsem.rooms.textures.TEXTURES`.
        a: First colour, linear RGB reflectance.
        b: Second colour.
        c: Third colour, where the texture has one.
        noise_frequency: ``[3]`` along the local axes, 1/metre.
        pattern_frequency: ``[2]`` along the two face axes, 1/metre.
        noise_strength: Relative amplitude of the noise added to every texture.
        emission: Emitted light as a multiple of the reflectance.
        seed: Of the noise and the random tones.
    """

    texture: str
    a: tuple[float, ...]
    b: tuple[float, ...]
    c: tuple[float, ...] = (0.0, 0.0, 0.0)
    noise_frequency: tuple[float, ...] = (6.0, 6.0, 6.0)
    pattern_frequency: tuple[float, ...] = (4.0, 4.0)
    noise_strength: float = 0.15
    emission: float = 0.0
    seed: int = 0


@pytree
class MaterialTable:
    """All materials of a room as arrays, padded to ``k`` rows.

    Attributes:
        texture: int32, position in ``TEXTURES``.
        seed: int32.
        values: The other fields of `Material`, in their order.
    """

    texture: Int[Array, " k"]
    seed: Int[Array, " k"]
    values: Float[Array, "k 16"]


def material_table(materials: list[Material], *, rows: int) -> MaterialTable:
    """Stacks materials into arrays padded to ``rows``."""
    names = list(TEXTURES)
    texture, seed = np.zeros((2, rows), np.int32)
    values = np.zeros((rows, 16), np.float32)
    for i, m in enumerate(materials):
        texture[i], seed[i] = names.index(m.texture), m.seed
        values[i, :14] = [*m.a, *m.b, *m.c, *m.noise_frequency, *m.pattern_frequency]
        values[i, 14:] = m.noise_strength, m.emission
    return MaterialTable(*map(jnp.asarray, (texture, seed, values)))


def evaluate_material(
    table: MaterialTable,
    row: Int[Array, " r"],
    point: Float[Array, "3 r"],
    metres: Float[Array, "2 r"],
    unit: Float[Array, "2 r"],
) -> tuple[Float[Array, "3 r"], Float[Array, "3 r"]]:
    """Diffuse colour and emission at surface points.

    Args:
        table: The materials.
        row: Rows of the table.
        point: Local points, metres.
        metres: Face coordinates, metres.
        unit: Face coordinates from -1 to 1.

    Returns:
        Linear RGB reflectance in [0, 1], and emitted light.
    """
    values, seed = table.values[row].T, table.seed[row]
    a, b, c, noise_frequency = values[0:3], values[3:6], values[6:9], values[9:12]
    noise_strength, emission = values[14:15], values[15:16]
    noise = fractal_noise(point * noise_frequency, seed)
    u, v = metres * values[12:14]
    s, t = unit
    where = TexturePoint(u, v, s, t, noise, seed)
    texture = table.texture[row]
    part_b = part_c = jnp.zeros_like(noise)
    for i, weights in enumerate(TEXTURES.values()):
        weight_b, weight_c = weights(where)
        part_b = jnp.where(texture == i, weight_b, part_b)
        part_c = jnp.where(texture == i, weight_c, part_c)
    diffuse = a + (b - a) * jnp.clip(part_b, 0.0, 1.0)[None]
    diffuse = diffuse + (c - diffuse) * jnp.clip(part_c, 0.0, 1.0)[None]
    tone = 1.0 + noise_strength * (2.0 * noise[None] - 1.0)
    diffuse = jnp.clip(diffuse * tone, 0.0, 1.0)
    return diffuse, diffuse * emission
