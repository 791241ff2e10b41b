"""The candidates of a pool: where every ray ends, in compact dtypes on the host.

A candidate's id is its row. They are made once per geometry and depend neither on
labels nor on predictions.
"""

import dataclasses

import numpy as np
from scipy.spatial import KDTree

from alsem.core.voxels import compact, voxel_keys

NORMAL_SCALE = 127
BYTE_SCALE = 255
# Metres that the opposite normal (2 units) or the step from black to white (1.7
# units) are away: both matter about as much as the next piece of furniture.
NORMAL_METRES = 0.3
COLOUR_METRES = 1.0


@dataclasses.dataclass(frozen=True)
class Candidates:
    """Where the rays of the pool end; arrays share the leading axis ``n``.

    Attributes:
        x_world: float32 ``[n 3]``, metres.
        normal: int8 ``[n 3]``, unit normal times 127; zero where unknown.
        diffuse: uint8 ``[n 3]``, colour in [0, 1] times 255.
        frame: int32 ``[n]``, the training frame the ray belongs to.
        is_valid: bool ``[n]``; False where the ray does not end on one surface. Such
            a candidate is never queried.
        purity: uint8 ``[n]``, fraction of the ray's weight on its surface, times 255.
        voxel: int32 ``[n]``, dense voxel number; -1 where not valid.
        num_voxels: Number of voxels that the valid candidates occupy.
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
        """Number of candidates, valid or not."""
        return len(self.x_world)


def _quantized(values: np.ndarray, *, scale: int, dtype: type) -> np.ndarray:
    """Rounds values in [-1, 1] to integers; values of the dtype stay as they are."""
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
    """Packs the rays of a pool and numbers the voxels that they end in.

    Args:
        x_world: ``[n 3]`` where every ray ends, metres; not finite if it does not.
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
    """Approximate area of the surface that the candidates lie on, square metres.

    One face of every occupied voxel: right for a surface along the grid, up to 1.7
    times too much for a slanted or noisy one, too little where the pool is sparser
    than the voxels. It sets the scale of distances between queries.
    """
    return candidates.num_voxels * candidates.voxel_size**2


def weighted_coordinates(
    candidates: Candidates,
    ids: np.ndarray,
    *,
    normal_metres: float = 0.0,
    diffuse_metres: float = 0.0,
) -> np.ndarray:
    """Coordinates ``[m d]``, metres: positions, and normals and colours if weighted.

    Args:
        candidates: The pool.
        ids: Candidates ``[m]``.
        normal_metres: Metres of distance per unit of difference between normals; 0
            leaves them out.
        diffuse_metres: The same between colours in [0, 1].
    """
    columns = [candidates.x_world[ids]]
    if normal_metres:
        scale = np.float32(normal_metres / NORMAL_SCALE)
        columns.append(candidates.normal[ids] * scale)
    if diffuse_metres:
        scale = np.float32(diffuse_metres / BYTE_SCALE)
        columns.append(candidates.diffuse[ids] * scale)
    return np.concatenate(columns, axis=-1)


def surface_coordinates(candidates: Candidates, ids: np.ndarray) -> np.ndarray:
    """Coordinates ``[m 9]``, metres: position, normal and colour in fixed weights.

    Their Euclidean distance says how different two places of the surface are.
    """
    return weighted_coordinates(
        candidates, ids, normal_metres=NORMAL_METRES, diffuse_metres=COLOUR_METRES
    )


def distance_to_nearest(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distance float32 ``[s]`` to the nearest of the others; infinite without any."""
    if not len(others):
        return np.full(len(points), np.inf, np.float32)
    return KDTree(others).query(points)[0].astype(np.float32)
