"""Voxel hashing: integer keys of points, and their renumbering."""

import numpy as np

from alsem.core.arrays import Int


def voxel_keys(points: np.ndarray, *, size: float) -> np.ndarray:
    """One int64 key per point ``[n 3]``, the same for points of one voxel of ``size``.

    21 bits an axis: a million voxels to either side of the origin.

    Raises:
        ValueError: A point is not finite or lies farther out than the keys reach.
    """
    cell = np.floor(np.asarray(points, np.float64) / size)
    # Before the cast, which has no meaning for what does not fit an integer.
    if not ((cell >= -(1 << 20)) & (cell < 1 << 20)).all():
        raise ValueError(f"points reach beyond {size * (1 << 20):.0f} m")
    cell = cell.astype(np.int64) + (1 << 20)
    return (cell[:, 0] << 42) | (cell[:, 1] << 21) | cell[:, 2]


def compact(keys: np.ndarray) -> tuple[Int[np.ndarray, "n"], int]:
    """Renumbers keys to 0..v-1 and returns them with ``v``."""
    unique, index = np.unique(keys, return_inverse=True)
    return index.astype(np.int32), len(unique)
