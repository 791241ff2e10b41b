"""Units: what one query covers, from single rays to whole frames.

A builder numbers the units and says in which one every candidate lies; `make_units`
adds the members, and where to point at. Scores and batch rules know single rays only:
`pool_scores` and `unit_candidates` hand them units in the place of rays.

The order of a pool is frame by frame, row by row.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy.sparse import csc_array

from alsem.acquisition.candidates import Candidates
from alsem.core.arrays import Float, Int
from alsem.core.voxels import compact, voxel_keys

GRANULARITIES = ("point", "patch", "superpixel", "volume", "frame")
POOLINGS = ("mean", "max", "sum")


@dataclasses.dataclass(frozen=True, eq=False)
class Units:
    """What may be asked about, made by `make_units`.

    Attributes:
        granularity: One of `GRANULARITIES`.
        unit: int32 ``[n]`` unit of every candidate, -1 where it is in none.
        anchor: int64 ``[u]`` candidate to point at: the valid member nearest the
            centroid of the valid members, in the image, or in space for volumes; of
            equal ones the lowest. -1 without valid member: never asked about.
        sizes: int64 ``[u]`` how many members.
        order: int32 ``[m]`` all members, unit by unit, rising within one.
        start: int64 ``[u+1]`` where in ``order`` each unit starts.
    """

    granularity: str
    unit: np.ndarray
    anchor: np.ndarray
    sizes: np.ndarray
    order: np.ndarray
    start: np.ndarray

    @property
    def num_units(self) -> int:
        """How many units there are."""
        return len(self.anchor)

    def members(self, u: int) -> np.ndarray:
        """Candidates of a unit, int64, rising; of a volume the valid ones only."""
        return self.order[self.start[u] : self.start[u + 1]].astype(np.int64)


def make_units(
    granularity: str,
    unit: np.ndarray,
    candidates: Candidates,
    *,
    image_size: tuple[int, int],
) -> Units:
    """Finds the members and the anchor of every unit.

    Args:
        granularity: One of `GRANULARITIES`.
        unit: int32 ``[n]`` from a builder: numbers 0 to u-1 without gaps, or -1.
        candidates: The pool.
        image_size: Height and width of the pool's frames, pixels.

    Raises:
        ValueError: If the granularity is not known, or ``unit`` does not number units
            of these candidates.
    """
    if granularity not in GRANULARITIES:
        raise ValueError(f"granularity {granularity!r} is none of {GRANULARITIES}")
    if unit.shape != (len(candidates),) or unit.dtype != np.int32:
        raise ValueError(f"units {unit.dtype}{list(unit.shape)} of {len(candidates)}")
    if granularity == "point":
        return _points(unit, candidates)
    if granularity == "volume":
        unit = np.where(candidates.is_valid, unit, np.int32(-1))
    inside = np.flatnonzero(unit >= 0)
    start, order = _grouped(unit[inside])
    sizes = np.diff(start)
    if not sizes.all():
        raise ValueError(f"units are not numbered densely: {np.argmin(sizes)} is empty")
    ids = inside[candidates.is_valid[inside]]
    if granularity == "volume":
        position: Sequence[np.ndarray] = tuple(candidates.x_world[ids].T)
    else:
        position = divmod(ids % (image_size[0] * image_size[1]), image_size[1])
    return Units(
        granularity=granularity,
        unit=unit,
        anchor=_nearest_centroid(ids, unit[ids], position, num_units=len(sizes)),
        sizes=sizes,
        order=inside.astype(np.int32)[order],
        start=start,
    )


def _points(unit: np.ndarray, candidates: Candidates) -> Units:
    """Every candidate its own unit, without an array more than needed."""
    ids = np.arange(len(unit) + 1, dtype=np.int64)
    if not (unit == ids[:-1]).all():
        raise ValueError("the unit of a point is its own number")
    return Units(
        granularity="point",
        unit=unit,
        anchor=np.where(candidates.is_valid, ids[:-1], -1),
        sizes=np.broadcast_to(np.int64(1), len(unit)),
        order=unit,
        start=ids,
    )


def _grouped(unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each number starts ``[u+1]``, and a stable order that sorts numbers.

    A matrix with a one for every (unit, candidate) is sorted by changing its layout:
    a counting sort, ten times as fast as a stable argsort.
    """
    shape = (int(unit.max(initial=-1)) + 1, len(unit))
    columns = np.arange(len(unit) + 1)
    ones = np.ones(len(unit), np.int8)
    by_unit = csc_array((ones, unit, columns), shape=shape).tocsr()
    return by_unit.indptr.astype(np.int64), by_unit.indices


def _nearest_centroid(
    ids: np.ndarray,
    unit: np.ndarray,
    position: Sequence[np.ndarray],
    *,
    num_units: int,
) -> np.ndarray:
    """Of each unit, which of the rising ids lies nearest their centroid, or -1."""
    count = np.maximum(np.bincount(unit, minlength=num_units), 1)
    square = np.zeros(len(ids))
    for axis in position:
        centroid = np.bincount(unit, axis, minlength=num_units) / count
        square += np.square(axis - centroid[unit])
    best = np.full(num_units, np.inf)
    np.minimum.at(best, unit, square)
    winners = np.flatnonzero(square == best[unit])[::-1]
    anchor = np.full(num_units, -1, np.int64)
    # Written backwards, the lowest of equal ones is what stays.
    anchor[unit[winners]] = ids[winners]
    return anchor


# Builders: int32 [n], the unit of every candidate


def point_units(num: int) -> Int[np.ndarray, "n"]:
    """Every candidate its own unit."""
    return np.arange(num, dtype=np.int32)


def patch_units(
    frames: int, height: int, width: int, *, side: int
) -> Int[np.ndarray, "n"]:
    """Square tiles of ``side`` pixels, smaller at the right and lower border.

    Raises:
        ValueError: If ``side`` is not at least 1.
    """
    if side < 1:
        raise ValueError(f"a patch of {side} pixels")
    rows, columns = -(-height // side), -(-width // side)
    tile = np.arange(height, dtype=np.int32)[:, None] // side * columns
    tile = tile + np.arange(width, dtype=np.int32) // side
    first = np.arange(frames, dtype=np.int32) * (rows * columns)
    return (first[:, None, None] + tile).reshape(-1)


def frame_units(frames: int, height: int, width: int) -> Int[np.ndarray, "n"]:
    """Every frame one unit."""
    return np.repeat(np.arange(frames, dtype=np.int32), height * width)


def region_units(regions: np.ndarray) -> Int[np.ndarray, "n"]:
    """The user's own regions, numbered by frame and then by their id.

    Args:
        regions: Integers ``[f h w]``, ids that hold within one image, 0 for no region.
    """
    low = int(regions.min(initial=0))
    span = int(regions.max(initial=0)) - low + 1
    frame = np.arange(len(regions), dtype=np.int64)[:, None, None]
    keys = (frame * span + (regions.astype(np.int64) - low)).reshape(-1)
    inside = regions.reshape(-1) != 0
    unit = np.full(len(keys), -1, np.int32)
    unit[inside] = compact(keys[inside])[0]
    return unit


def voxel_units(candidates: Candidates, *, size: float) -> Int[np.ndarray, "n"]:
    """Cubes of ``size`` metres that hold a valid candidate."""
    if size == candidates.voxel_size:
        return candidates.voxel
    unit = np.full(len(candidates), -1, np.int32)
    x_world = candidates.x_world[candidates.is_valid]
    unit[candidates.is_valid] = compact(voxel_keys(x_world, size=size))[0]
    return unit


def units_within(inside: np.ndarray, unit: np.ndarray) -> Int[np.ndarray, "n"]:
    """Units less their candidates outside a mask ``[n]``, numbered anew."""
    kept = inside & (unit >= 0)
    within = np.full(len(unit), -1, np.int32)
    within[kept] = compact(unit[kept])[0]
    return within


# Units in the place of rays


def pool_scores(
    scores: Float[np.ndarray, "n"],
    units: Units,
    candidates: Candidates,
    *,
    how: str = "mean",
) -> Float[np.ndarray, "u"]:
    """Score of every unit from its valid members.

    Args:
        scores: Of the candidates, finite where they are valid.
        units: What to score.
        candidates: The pool.
        how: One of `POOLINGS`; the sum favours large units.

    Returns:
        float32; 0 for a unit without valid member. Points keep the array itself.

    Raises:
        ValueError: If ``how`` is not known.
    """
    if how not in POOLINGS:
        raise ValueError(f"pooling {how!r} is none of {POOLINGS}")
    if units.granularity == "point":
        return scores
    inside = candidates.is_valid & (units.unit >= 0)
    unit, scores = units.unit[inside], scores[inside]
    if how == "max":
        best = np.full(units.num_units, -np.inf, np.float32)
        np.maximum.at(best, unit, scores)
        return np.where(units.anchor >= 0, best, np.float32(0))
    pooled = np.bincount(unit, scores, minlength=units.num_units)
    if how == "mean":
        pooled = pooled / np.maximum(np.bincount(unit, minlength=units.num_units), 1)
    return pooled.astype(np.float32)


def unit_candidates(candidates: Candidates, units: Units) -> Candidates:
    """One row a unit, its anchor's, so that batch rules work on units as on rays.

    A unit without valid member has the row of its first member and is not valid.
    Points keep the candidates themselves.
    """
    if units.granularity == "point":
        return candidates
    rows = np.where(units.anchor >= 0, units.anchor, units.order[units.start[:-1]])
    per_row = {
        field.name: getattr(candidates, field.name)[rows]
        for field in dataclasses.fields(candidates)
        if isinstance(getattr(candidates, field.name), np.ndarray)
    }
    return dataclasses.replace(candidates, **per_row)
