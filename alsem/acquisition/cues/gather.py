"""Cues of candidates, gathered from values per ray, per voxel and per class."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from alsem.acquisition.candidates import BYTE_SCALE, Candidates
from alsem.acquisition.cues.table import CUES, documentation
from alsem.core.arrays import Array
from alsem.core.pytrees import pytree


@pytree
class Cues:
    """Cues of candidates, each an attribute with leading axes ``*b``."""

    values: dict[str, Array | np.ndarray]

    def __getattr__(self, name: str) -> Any:
        """One cue.

        Raises:
            AttributeError: It was not computed, or there is none of that name.
        """
        values: dict[str, Any] = self.__dict__.get("values", {})
        if name in values:
            return values[name]
        if name not in CUES:
            raise AttributeError(f"there is no cue {name!r}")
        raise AttributeError(
            f"the cue {name!r} was not computed; add {CUES[name].group!r} to the"
            " strategy's needs"
        )


def ray_cues(candidates: Candidates, ids: np.ndarray) -> dict[str, np.ndarray]:
    """The cues per ray of some candidates, compact: uint8 counts as 255ths."""
    return {
        name: cue.build(candidates, ids)
        for name, cue in CUES.items()
        if cue.per == "ray"
    }


def gather_cues(
    tables: dict[str, Any],
    rays: dict[str, Any],
    voxel: Any,
    *,
    view_row: Any = None,
) -> Cues:
    """Cues of some candidates; pure, so that it can be part of a compiled score.

    Args:
        tables: Values per voxel ``[v+1 ...]``, the last row being that of candidates
            that are not valid, and per class ``[c]``. Put them on the device once, not
            for every chunk.
        rays: From `ray_cues`.
        voxel: Int ``[r]`` of every candidate, -1 where it is not valid.
        view_row: Int ``[r]`` rows of the cues of group ``views`` if these have one row
            per candidate (`exact_views`); None if they have one per voxel.
    """
    # The row of voxel -1 is the last one, with NumPy's counting from the end.
    row = jnp.asarray(voxel)
    values: dict[str, Any] = {}
    for name, value in rays.items():
        value = jnp.asarray(value)
        is_byte = value.dtype == jnp.uint8
        values[name] = value.astype(jnp.float32) / BYTE_SCALE if is_byte else value
    for name, table in tables.items():
        cue, table = CUES[name], jnp.asarray(table)
        if cue.per == "class":
            values[name] = jnp.broadcast_to(table, (len(row), len(table)))
        elif cue.group == "views" and view_row is not None:
            values[name] = table[jnp.asarray(view_row)]
        else:
            values[name] = table[row]
    return Cues(values)


Cues.__doc__ = f"""{Cues.__doc__}

{documentation()}
"""
