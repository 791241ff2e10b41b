"""The candidates of a pool: where every ray ends, in compact dtypes on the host.

A candidate's id is its row. Built once per geometry; nothing here depends on labels
or on what the model believes.
"""

import dataclasses

import numpy as np

from alsem.core.voxels import compact, voxel_keys

NORMAL_SCALE = 127
BYTE_SCALE = 255


@dataclasses.dataclass(frozen=True)
class Candidates:
    """Where the rays of the pool end; arrays share the leading axis ``n``.

    Attributes:
        x_world: float32 ``[n 3]``, metres.
        normal: int8 ``[n 3]``, unit normal times 127; zero where unknown.
        diffuse: uint8 ``[n 3]``, colour in [0, 1] times 255.
        frame: int32 ``[n]``, the training frame the ray belongs to.
        is_valid: bool ``[n]``; False where the ray ends on no one surface. Such a
            candidate is never asked about.
        purity: uint8 ``[n]``, share of the ray's weight on its surface, times 255.
        voxel: int32 ``[n]``, dense voxel number; -1 where not valid.
        num_voxels: How many voxels the valid candidates occupy.
        voxel_size: Edge of a voxel, metres.
    """

    x_world: np.ndarray
    normal: np.ndarray
    diffuse: np.ndarray
    frame: np.ndarray
    is_valid: np.ndarray
    purity: np.ndarray
    voxel: np.ndarray
    num_voxels: int
    voxel_size: float

    def __len__(self) -> int:
        """How many candidates there are, valid or not."""
        return len(self.x_world)


def _quantized(values: np.ndarray, *, scale: int, dtype: type) -> np.ndarray:
    """Rounds values in [-1, 1] to integers; what has the dtype already stays."""
    values = np.asarray(values)
    if values.dtype == dtype:
        return values
    bounded = np.clip(np.nan_to_num(values), 0 if dtype is np.uint8 else -1, 1)
    return np.rint(bounded * np.float32(scale)).astype(dtype)


def make_candidates(
    x_world: np.ndarray,
    normal: np.ndarray,
    diffuse: np.ndarray,
    frame: np.ndarray,
    purity: np.ndarray,
    *,
    voxel_size: float,
    min_purity: float,
) -> Candidates:
    """Packs the rays of a pool and numbers the voxels they end in.

    Args:
        x_world: ``[n 3]`` where every ray ends, metres; not finite means nowhere.
        normal: ``[n 3]`` unit normal there, or already int8 times 127.
        diffuse: ``[n 3]`` colour there in [0, 1], or already uint8 times 255.
        frame: ``[n]`` index of the ray's training frame.
        purity: ``[n]`` in [0, 1], or already uint8 times 255.
        voxel_size: Edge of a voxel, metres.
        min_purity: Candidates of a lower purity are not valid.

    Raises:
        ValueError: If the lengths differ or ``voxel_size`` is not positive.
    """
    lengths = {len(a) for a in (x_world, normal, diffuse, frame, purity)}
    if len(lengths) != 1:
        raise ValueError(f"candidates of different lengths: {sorted(lengths)}")
    if not voxel_size > 0:
        raise ValueError(f"voxel_size={voxel_size} is not positive")
    x_world = np.asarray(x_world, np.float32)
    packed_purity = _quantized(purity, scale=BYTE_SCALE, dtype=np.uint8)
    is_valid = np.isfinite(x_world).all(axis=-1)
    # A ray without any surface is never valid, however low the bound.
    is_valid &= packed_purity >= max(1, round(min_purity * BYTE_SCALE))
    voxel = np.full(len(x_world), -1, np.int32)
    voxel[is_valid], num_voxels = compact(
        voxel_keys(x_world[is_valid], size=voxel_size)
    )
    return Candidates(
        x_world=x_world,
        normal=_quantized(normal, scale=NORMAL_SCALE, dtype=np.int8),
        diffuse=_quantized(diffuse, scale=BYTE_SCALE, dtype=np.uint8),
        frame=np.asarray(frame, np.int32),
        is_valid=is_valid,
        purity=packed_purity,
        voxel=voxel,
        num_voxels=num_voxels,
        voxel_size=float(voxel_size),
    )


def surface_area(candidates: Candidates) -> float:
    """Rough area in square metres of the surface that the candidates lie on.

    One face for every occupied voxel: right for a surface along the grid, up to 1.7
    times too much for a slanted or noisy one, too little where the pool is sparser
    than the voxels. It only sets the scale of distances between queries.
    """
    return candidates.num_voxels * candidates.voxel_size**2


def features(
    candidates: Candidates,
    ids: np.ndarray,
    *,
    normal_metres: float = 0.0,
    diffuse_metres: float = 0.0,
) -> np.ndarray:
    """Coordinates ``[m d]``, metres, whose Euclidean distance says how alike two are.

    Position, and beside it the unit normal and the colour in [0, 1], each times the
    metres that one unit of it is worth; a weight of zero leaves them out.
    """
    columns = [candidates.x_world[ids]]
    if normal_metres:
        scale = np.float32(normal_metres / NORMAL_SCALE)
        columns.append(candidates.normal[ids] * scale)
    if diffuse_metres:
        scale = np.float32(diffuse_metres / BYTE_SCALE)
        columns.append(candidates.diffuse[ids] * scale)
    return np.concatenate(columns, axis=-1)


def voxel_means(
    voxel: np.ndarray, values: np.ndarray, *, count: np.ndarray
) -> np.ndarray:
    """Means float64 ``[v d]`` of the rows ``[n d]`` of every voxel, by columns.

    Args:
        voxel: ``[n]`` voxel of every row.
        values: ``[n d]``.
        count: ``[v]`` how many rows each voxel has.
    """
    sums = [np.bincount(voxel, column, minlength=len(count)) for column in values.T]
    return np.stack(sums, axis=-1) / np.maximum(count, 1)[:, None]


def representatives(candidates: Candidates) -> np.ndarray:
    """Ids int64 ``[v]`` of one real candidate of every voxel, central and pure.

    Which one does not depend on the order of the candidates.
    """
    ids = np.flatnonzero(candidates.is_valid)
    voxel = candidates.voxel[ids]
    cells = candidates.x_world[ids] / np.float32(candidates.voxel_size)
    cells -= np.floor(cells)
    # A little off the middle, so that points placed alike about it do not tie.
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
    """Mean of ``values`` ``[v d]`` over a voxel and the up to 26 occupied around it.

    Args:
        values: One row a voxel.
        points: ``[v 3]`` any point in each voxel, metres.
        size: Edge of a voxel, metres.
    """
    keys = voxel_keys(points, size=size)
    order = np.argsort(keys)
    keys, ordered = keys[order], values[order]
    total, count = ordered.copy(), np.ones(len(keys))
    # Half of the neighbours; each is met again from the other side.
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
