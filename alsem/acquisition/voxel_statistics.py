"""Statistics over the voxels that a pool's candidates occupy."""

import numpy as np

from alsem.acquisition.candidates import BYTE_SCALE, Candidates
from alsem.core.voxels import voxel_keys


def voxel_means(
    voxel: np.ndarray, values: np.ndarray, *, count: np.ndarray
) -> np.ndarray:
    """Mean float64 ``[v d]`` of the rows ``[n d]`` of every voxel.

    Args:
        voxel: ``[n]`` voxel of every row.
        values: ``[n d]``.
        count: ``[v]`` number of rows of every voxel.
    """
    sums = [np.bincount(voxel, column, minlength=len(count)) for column in values.T]
    return np.stack(sums, axis=-1) / np.maximum(count, 1)[:, None]


def representatives(candidates: Candidates) -> np.ndarray:
    """Ids int64 ``[v]`` of one candidate of every voxel, central and pure.

    The choice does not depend on the order of the candidates.
    """
    ids = np.flatnonzero(candidates.is_valid)
    voxel = candidates.voxel[ids]
    cells = candidates.x_world[ids] / np.float32(candidates.voxel_size)
    cells -= np.floor(cells)
    # A little off the middle: points symmetric about it do not tie.
    cells -= np.array([0.513, 0.507, 0.489], np.float32)
    cost = np.sum(np.square(cells), axis=-1)
    cost += 1 - candidates.purity[ids] * np.float32(1 / BYTE_SCALE)
    least = np.full(candidates.num_voxels, np.inf, np.float32)
    np.minimum.at(least, voxel, cost)
    tied = np.flatnonzero(cost == least[voxel])
    tied = tied[np.lexsort((candidates.frame[ids[tied]], voxel[tied]))]
    first = np.diff(voxel[tied], prepend=-1) > 0
    return ids[tied[first]]


def neighbour_mean(
    values: np.ndarray, points: np.ndarray, *, size: float
) -> np.ndarray:
    """Mean of ``values`` ``[v d]`` over a voxel and the occupied ones of the 26 around.

    Args:
        values: One row per voxel.
        points: ``[v 3]`` any point of each voxel, metres.
        size: Edge of a voxel, metres.
    """
    keys = voxel_keys(points, size=size)
    order = np.argsort(keys)
    keys, ordered = keys[order], values[order]
    total, count = ordered.copy(), np.ones(len(keys))
    # Half of the neighbours: every pair is found from one side.
    steps = [s for s in np.ndindex(3, 3, 3) if s > (1, 1, 1)]
    for x, y, z in steps:
        there = keys + (((x - 1) << 42) + ((y - 1) << 21) + (z - 1))
        at = np.minimum(np.searchsorted(keys, there), max(len(keys) - 1, 0))
        one = np.flatnonzero(keys[at] == there) if len(keys) else at
        other = at[one]
        total[one] += ordered[other]
        total[other] += ordered[one]
        count[one] += 1
        count[other] += 1
    mean = np.empty_like(total)
    mean[order] = total / count[:, None]
    return mean
