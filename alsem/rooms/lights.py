"""Area lights, as the points that stand for them."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from alsem.core.arrays import Array, Float
from alsem.core.pytrees import pytree


class LightPoint(NamedTuple):
    """One of the points that stand for an area light.

    Attributes:
        point: ``[3]`` world, metres.
        normal: ``[3]`` unit, or zero if light leaves in all directions.
        power: ``[3]`` RGB intensity.
    """

    point: np.ndarray
    normal: np.ndarray
    power: np.ndarray


@pytree
class LightTable:
    """All light points of a room as arrays, padded to ``e`` rows.

    Attributes:
        points: World, metres.
        normals: Unit or zero.
        power: RGB intensity, 0 in padding.
    """

    points: Float[Array, "e 3"]
    normals: Float[Array, "e 3"]
    power: Float[Array, "e 3"]


def light_table(points: list[LightPoint], *, rows: int) -> LightTable:
    """Stacks light points into arrays.

    Raises:
        ValueError: There are more points than rows.
    """
    if len(points) > rows:
        raise ValueError(f"{len(points)} light points do not fit in {rows} rows")
    table = np.zeros((3, rows, 3), np.float32)
    table[:, : len(points)] = np.asarray(points).swapaxes(0, 1)
    return LightTable(*map(jnp.asarray, table))
