"""Units: what one query covers, from single rays to whole frames.

A builder numbers the units and gives the one that every candidate lies in; `make_units`
adds their pixels, and where to point at. The order of a pool is frame by frame, row by
row.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy.sparse import csc_array

from alsem.acquisition.candidates import Candidates
from alsem.core.arrays import Int
from alsem.core.voxels import compact

GRANULARITIES = ("point", "patch", "superpixel", "volume", "frame")


@dataclasses.dataclass(frozen=True, eq=False)
class Units:
    """What can be queried, made by `make_units`.

    Attributes:
        granularity: One of `GRANULARITIES`.
        unit: int32 ``[n]`` unit of every candidate, -1 where it is in none.
        anchor: int64 ``[u]`` candidate to point at: the valid pixel nearest the
            centroid of the unit's valid pixels, in the image, or in space for volumes;
            of equal ones the lowest. -1 without a valid pixel: never queried.
        sizes: int64 ``[u]`` number of pixels.
        order: int32 ``[m]`` all pixels, unit by unit, ascending within a unit.
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
        """Number of units."""
        return len(self.anchor)

    def unit_pixels(self, unit: int) -> np.ndarray:
        """Candidates of a unit, int64, ascending; of a volume the valid ones only."""
        return self.order[self.start[unit] : self.start[unit + 1]].astype(np.int64)


def make_units(
    granularity: str,
    unit: np.ndarray,
    candidates: Candidates,
    *,
    image_size: tuple[int, int],
) -> Units:
    """Finds the pixels and the anchor of every unit.

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
    """Every candidate its own unit, without further arrays."""
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
    """Where each unit starts ``[u+1]``, and a stable order that sorts by unit.

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
    """Of each unit the candidate nearest its centroid, -1 if it has none."""
    count = np.maximum(np.bincount(unit, minlength=num_units), 1)
    square = np.zeros(len(ids))
    for axis in position:
        centroid = np.bincount(unit, axis, minlength=num_units) / count
        square += np.square(axis - centroid[unit])
    best = np.full(num_units, np.inf)
    np.minimum.at(best, unit, square)
    winners = np.flatnonzero(square == best[unit])[::-1]
    anchor = np.full(num_units, -1, np.int64)
    # Written backwards, so that the lowest of equal ones stays.
    anchor[unit[winners]] = ids[winners]
    return anchor


def units_within(inside: np.ndarray, unit: np.ndarray) -> Int[np.ndarray, "n"]:
    """Units without their candidates outside a mask ``[n]``, renumbered."""
    kept = inside & (unit >= 0)
    within = np.full(len(unit), -1, np.int32)
    within[kept] = compact(unit[kept])[0]
    return within
