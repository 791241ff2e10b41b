"""Answer modes: how a unit is answered, and how many answers a limit allows.

The kinds of an annotation are "point" (one pixel), "exact" (one run of pixels of a unit
labelled pixel by pixel, or label -1 for a unit that is all void), "dominant" and
"click" (one label for the whole unit), and "mixed" (no label: several classes).
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from alsem.annotation.connected_segments import find_runs
from alsem.annotation.records import Queries

MODES = ("exact", "dominant", "click")
UnitPixelsFn = Callable[[int], np.ndarray]
"""Gives the pixels of a unit: unique flat pool numbers ``[m]`` int64.

The flat number of a pixel is (frame * rows + row) * columns + col.
"""
SegmentNoiseFn = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Adds label noise to labels ``[n]``, given flat pixel numbers ``[n]``."""

_ROUNDING = 1e-9  # relative error of sums of seconds


@dataclasses.dataclass(frozen=True)
class UnitLabels:
    """True labels of the pixels of some units.

    Attributes:
        unit: ``[m]`` int64, which of the units, ascending from 0; none is empty.
        pixel: ``[m]`` int64, flat pool number, ascending within a unit.
        label: ``[m]`` true label, -1 = void.
        image_size: Rows and columns of a frame.
    """

    unit: np.ndarray
    pixel: np.ndarray
    label: np.ndarray
    image_size: tuple[int, int]

    def sizes(self) -> np.ndarray:
        """Number of pixels of each unit ``[n]``."""
        return np.bincount(self.unit)


@dataclasses.dataclass(frozen=True)
class Answers:
    """Rows to be written, those of one segment in the order of their pixels.

    Attributes:
        query_id: ``[m]`` int64.
        label: ``[m]`` label index, -1 = void, mixed or undecided.
        kind: ``[m]`` str.
        clicks: ``[m]`` int64.
        pixels: ``[m]`` int64.
        segment: ``[m]`` int64, the same for all rows of one click.
        seconds: ``[m]``.
        row: ``[m]``, or None for the queries' own.
        col: ``[m]``, or None for the queries' own.
    """

    query_id: np.ndarray
    label: np.ndarray
    kind: np.ndarray
    clicks: np.ndarray
    pixels: np.ndarray
    segment: np.ndarray
    seconds: np.ndarray
    row: np.ndarray | None = None
    col: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> "Answers":
        """Selects rows by a mask ``[m]``."""
        columns = {n: c[rows] for n, c in vars(self).items() if c is not None}
        return Answers(**columns)

    def within_limit(
        self, limit: int | float, spent: int | float, counts: str
    ) -> "Answers":
        """Selects the first answers that fit into the rest of a limit.

        Clicks are spent exactly: of the answer that would exceed the limit, as many
        segments are kept as it allows, the largest first, then those whose first
        pixel is lowest. With pixels and seconds such an answer is left out, unless
        nothing was spent before it (so that every round makes progress).

        Args:
            limit: Limit of the round.
            spent: Cost of the round's earlier answers.
            counts: "clicks", "pixels" or "seconds".
        """
        _, query = np.unique(self.query_id, return_inverse=True)
        after = spent + np.cumsum(np.bincount(query, getattr(self, counts)))
        before = np.concatenate([[spent], after[:-1]])[: after.size]
        fits = after <= limit * (1 + _ROUNDING)
        if counts != "clicks":
            fits |= before == 0
        fits &= np.logical_not(is_limit_reached(before, limit))
        keep = fits[query]
        num = int(fits.sum())
        if counts == "clicks" and num < fits.size:
            partial = np.flatnonzero(query == num)
            most = math.floor(limit - before[num])
            keep[partial] = self._in_largest_segments(partial, max(most, 0))
        return self.take(keep)

    def _in_largest_segments(self, rows: np.ndarray, num: int) -> np.ndarray:
        """Whether each of some rows belongs to their ``num`` largest segments."""
        _, first, segment = np.unique(
            self.segment[rows], return_index=True, return_inverse=True
        )
        size = np.bincount(segment, self.pixels[rows])
        return np.isin(segment, np.lexsort((first, -size))[:num])


def is_limit_reached(
    spent: np.ndarray | int | float, limit: int | float
) -> np.ndarray | bool:
    """Whether a limit is reached, up to the rounding of sums of seconds."""
    return spent >= limit * (1 - _ROUNDING)


def single_label_answers(
    queries: Queries,
    label: np.ndarray,
    kind: str,
    *,
    pixels: np.ndarray,
    seconds_per_click: float,
    is_mixed: np.ndarray | None = None,
) -> Answers:
    """Answers each query with one click and one label.

    Args:
        queries: The queries.
        label: ``[n]`` label index, -1 = void or undecided.
        kind: Kind of the answers that are not mixed.
        pixels: ``[n]`` number of pixels of each unit.
        seconds_per_click: Time of each answer.
        is_mixed: ``[n]`` whether a unit is answered "mixed"; none if None.
    """
    n = queries.query_id.size
    is_mixed = np.zeros(n, bool) if is_mixed is None else is_mixed
    label = np.where(is_mixed, -1, label)
    return Answers(
        query_id=queries.query_id,
        label=label,
        kind=np.where(is_mixed, "mixed", kind),
        clicks=np.ones(n, np.int64),
        pixels=np.where(label >= 0, pixels, 0).astype(np.int64),
        segment=np.arange(n),
        seconds=np.full(n, seconds_per_click),
    )


def dominant_labels(
    units: UnitLabels, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Most frequent label of each unit, and the fraction of its pixels that have it.

    Void counts as a class. Ties go to the lowest class, and to void last.
    """
    sizes = units.sizes()
    column = units.label % (num_classes + 1)  # void comes last
    counts = np.bincount(
        units.unit * (num_classes + 1) + column,
        minlength=sizes.size * (num_classes + 1),
    ).reshape(sizes.size, num_classes + 1)
    best = counts.argmax(axis=-1)
    label = np.where(best == num_classes, -1, best)
    return label, counts.max(axis=-1) / sizes


def exact_answers(
    queries: Queries,
    units: UnitLabels,
    add_noise: SegmentNoiseFn,
    *,
    seconds_per_click: float,
) -> Answers:
    """Labels every pixel of each unit, at one click per connected segment.

    Args:
        queries: The queries; each unit lies in its query's frame.
        units: True labels of their pixels.
        add_noise: Label noise; each segment gets that of its first pixel.
        seconds_per_click: Time of each click.
    """
    runs = find_runs(units.unit, units.pixel, units.label, units.image_size)
    # a unit without runs is all void: one answer, at its first pixel
    starts = np.flatnonzero(np.diff(units.unit, prepend=-1))
    void = np.setdiff1d(np.arange(starts.size), runs.unit)
    zero = np.zeros_like(void)

    unit = np.concatenate([runs.unit, void])
    label = add_noise(runs.label, runs.first[runs.head])
    clicks = np.concatenate([runs.is_head.astype(np.int64), zero + 1])
    first = np.concatenate([runs.first, units.pixel[starts[void]]])
    height, width = units.image_size
    return Answers(
        query_id=queries.query_id[unit],
        label=np.concatenate([label, zero - 1]),
        kind=np.full(unit.size, "exact"),
        clicks=clicks,
        pixels=np.concatenate([runs.length, zero]),
        segment=np.concatenate([runs.head, zero - 1]),
        seconds=seconds_per_click * clicks,
        row=first // width % height,
        col=first % width,
    )
