"""Procedural textures: wood, brick, tiles, pictures, rugs and others, over value noise.

A texture is a function of the surface point: of its local coordinates in metres (solid
textures such as wood), of its face coordinates in metres (brick, tiles, stripes), or of
its face coordinates from -1 to 1 (pictures, rugs, book spines).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from alsem.core.arrays import Array, Float, Int

TAU = 2.0 * np.pi


class TexturePoint(NamedTuple):
    """Coordinates of ``r`` surface points, as textures take them.

    Attributes:
        u: ``[r]`` first face coordinate in metres, times the pattern's frequency.
        v: ``[r]`` second face coordinate in metres, times the pattern's frequency.
        s: ``[r]`` first face coordinate, -1 to 1.
        t: ``[r]`` second face coordinate, -1 to 1.
        noise: ``[r]`` fractal noise at the local point, 0 to 1.
        seed: ``[r]`` int32.
    """

    u: Array
    v: Array
    s: Array
    t: Array
    noise: Array
    seed: Array


def _hash(x: Array, y: Array, z: Array, seed: Array) -> Array:
    """Hashes integer cells to numbers in [0, 1)."""
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


def fractal_noise(p: Float[Array, "3 r"], seed: Int[Array, " r"]) -> Array:
    """Two octaves of value noise ``[r]`` in [0, 1), with cells of unit size."""
    total = _value_noise(p, seed) * 0.6
    return total + _value_noise(p * 2.7 + 11.3, seed) * 0.4


def _cell_noise(x: Array, y: Array, seed: Array) -> Array:
    """A random number in [0, 1) for each cell, of whole coordinates."""
    z = jnp.zeros_like(seed)
    return _hash(x.astype(jnp.int32), y.astype(jnp.int32), z, seed)


def _step(x: Array, edge: Array | float, width: float) -> Array:
    """Linear step from 0 to 1 of a width about an edge."""
    return jnp.clip((x - edge) / width + 0.5, 0.0, 1.0)


def _fract(x: Array) -> Array:
    return x - jnp.floor(x)


def _plain(p: TexturePoint) -> tuple[Array, Array]:
    return p.noise, jnp.zeros_like(p.u)


def _growth_rings(p: TexturePoint) -> Array:
    return 0.5 + 0.5 * jnp.sin(TAU * 2.2 * p.noise)


def _wood(p: TexturePoint) -> tuple[Array, Array]:
    return _growth_rings(p), jnp.zeros_like(p.u)


def _marble(p: TexturePoint) -> tuple[Array, Array]:
    vein = 0.7 * (1.0 - jnp.abs(jnp.sin(TAU * (0.9 * p.noise + 0.15 * p.u)))) ** 2
    return vein, jnp.zeros_like(p.u)


def _checker(p: TexturePoint) -> tuple[Array, Array]:
    return jnp.mod(jnp.floor(p.u) + jnp.floor(p.v), 2.0), jnp.zeros_like(p.u)


def _stripes(p: TexturePoint) -> tuple[Array, Array]:
    return _step(jnp.sin(TAU * p.u), 0.0, 0.3), jnp.zeros_like(p.u)


def _brick(p: TexturePoint) -> tuple[Array, Array]:
    row = jnp.floor(p.v)
    along = p.u + 0.5 * jnp.mod(row, 2.0)
    mortar = jnp.maximum(
        _step(_fract(along), 0.95, 0.03), _step(_fract(p.v), 0.9, 0.05)
    )
    tone = _cell_noise(jnp.floor(along), row, p.seed)
    return mortar, 0.8 * tone * (1.0 - mortar)


def _tiles(p: TexturePoint) -> tuple[Array, Array]:
    from_centre = jnp.abs(_fract(p.u) - 0.5)
    grout = jnp.maximum(_step(from_centre, 0.47, 0.02), _step(_fract(p.v), 0.95, 0.02))
    tone = _cell_noise(jnp.floor(p.u), jnp.floor(p.v), p.seed)
    return grout, 0.5 * tone * (1.0 - grout)


def _planks(p: TexturePoint) -> tuple[Array, Array]:
    row = jnp.floor(p.v)
    board = p.u + 7.0 * _cell_noise(row, row, p.seed)
    tone = _cell_noise(jnp.floor(board), row, p.seed)
    gap = jnp.maximum(_step(_fract(p.v), 0.965, 0.02), _step(_fract(board), 0.99, 0.01))
    return 0.75 * tone * _growth_rings(p) + 0.25 * tone, gap


def _horizon(p: TexturePoint) -> tuple[Array, Array]:
    sun = _step(0.3 - jnp.sqrt((p.s - 0.3) ** 2 + (p.t - 0.35) ** 2), 0.0, 0.03)
    ridge = 0.15 * jnp.sin(4.0 * p.s + p.seed) + 0.5 * (p.noise - 0.5) - 0.2
    hill = _step(ridge - p.t, 0.0, 0.05)
    return jnp.clip(0.5 * p.t + 0.5 - hill, 0.0, 1.0), jnp.maximum(sun - hill, 0)


def _rings(p: TexturePoint) -> tuple[Array, Array]:
    radius = jnp.sqrt(p.s * p.s + p.t * p.t)
    swirl = 0.5 + 0.5 * jnp.sin(9.0 * radius + 5.0 * p.noise + p.seed)
    return swirl, _step(p.noise, 0.62, 0.05)


def _blocks(p: TexturePoint) -> tuple[Array, Array]:
    row = jnp.floor(2.3 * p.t)
    tone = _cell_noise(jnp.floor(1.7 * p.s + 0.3 * row), row, p.seed)
    return _step(tone, 0.35, 0.01), _step(tone, 0.7, 0.01)


def _rug(p: TexturePoint) -> tuple[Array, Array]:
    edge = jnp.maximum(jnp.abs(p.s), jnp.abs(p.t))
    border = _step(edge, 0.9, 0.01) + _step(edge, 0.76, 0.01) - _step(edge, 0.82, 0.01)
    from_centre = jnp.abs(_fract(p.u) - 0.5), jnp.abs(_fract(p.v) - 0.5)
    diamond = _step(0.32 - from_centre[0] - from_centre[1], 0.0, 0.03)
    return jnp.maximum(border, diamond * (edge < 0.75)), _step(edge, 0.9, 0.01)


def _dots(p: TexturePoint) -> tuple[Array, Array]:
    radius = jnp.sqrt((_fract(p.u) - 0.5) ** 2 + (_fract(p.v) - 0.5) ** 2)
    return _step(0.27 - radius, 0.0, 0.06), jnp.zeros_like(p.u)


def _sky(p: TexturePoint) -> tuple[Array, Array]:
    skyline = -0.55 + 0.35 * (p.noise - 0.5) + 0.12 * jnp.sin(5.0 * p.s + p.seed)
    return jnp.clip(0.6 * p.t + 0.4, 0.0, 1.0), _step(skyline, p.t, 0.04)


def _spine(p: TexturePoint) -> tuple[Array, Array]:
    bands = _step(0.07 - jnp.abs(jnp.abs(p.t) - 0.72), 0.0, 0.02)
    title = _step(0.32 - jnp.abs(p.t), 0.0, 0.03)
    title = title * _step(0.5 - jnp.abs(p.s), 0.0, 0.05)
    return bands, title * _step(p.noise, 0.45, 0.1)


TEXTURES: dict[str, Callable[[TexturePoint], tuple[Array, Array]]] = {
    "plain": _plain,
    "wood": _wood,
    "marble": _marble,
    "checker": _checker,
    "stripes": _stripes,
    "brick": _brick,
    "tiles": _tiles,
    "planks": _planks,
    "horizon": _horizon,
    "rings": _rings,
    "blocks": _blocks,
    "rug": _rug,
    "dots": _dots,
    "sky": _sky,
    "spine": _spine,
}
"""Textures by name: how much ``[r]`` of a material's second and third colour to mix."""
