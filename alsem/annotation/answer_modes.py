"""Answers before they are written: one function for each way of answering a unit.

The kinds of an annotation: "point" (one pixel), "exact" (one run of pixels of a unit
labelled pixel by pixel, or label -1 for a unit that is all void), "dominant" and
"click" (one label for the whole unit), "mixed" (no label, for there is no one class).
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from alsem.annotation.connected_segments import find_runs
from alsem.annotation.rows import Queries

MODES = ("exact", "dominant", "click")
Flip = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Labels ``[n]`` with the errors that belong to flat pixel numbers ``[n]``."""

_ROUNDING = 1e-9  # of sums of seconds


@dataclasses.dataclass(frozen=True)
class UnitPixels:
    """True labels of all pixels of some units.

    Attributes:
        owner: ``[m]`` int64, which of the units, ascending from 0; none is empty.
        pixel: ``[m]`` int64, flat pool number, ascending within a unit.
        label: ``[m]`` true label, -1 = void.
        image_size: Rows and columns of a frame.
    """

    owner: np.ndarray
    pixel: np.ndarray
    label: np.ndarray
    image_size: tuple[int, int]

    def sizes(self) -> np.ndarray:
        """Pixels of each unit ``[n]``."""
        return np.bincount(self.owner)


@dataclasses.dataclass(frozen=True)
class Answers:
    """Rows of answers, those of one segment in the order of their pixels.

    Attributes:
        query_id: ``[m]`` int64.
        label: ``[m]`` label index, -1 = void, mixed or cannot tell.
        kind: ``[m]`` str.
        clicks: ``[m]`` int64.
        pixels: ``[m]`` int64.
        segment: ``[m]`` int64, rows that one click answered share a number.
        seconds: ``[m]``.
        row: ``[m]``, or None where the queries' own hold.
        col: ``[m]``, or None.
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
        """The rows of a mask ``[m]``."""
        columns = {n: c[rows] for n, c in vars(self).items() if c is not None}
        return Answers(**columns)

    def within(self, limit: int | float, spent: int | float, counts: str) -> "Answers":
        """The first answers that fit into what is left of a limit.

        Clicks are spent to the last one: of the answer that would exceed the limit,
        as many segments are kept as it allows, the largest first, then those whose
        first pixel is lowest. Pixels and seconds are not: such an answer falls,
        unless nothing was spent before it (or no round would ever get anywhere).

        Args:
            limit: Of the round.
            spent: What the round has spent before these answers.
            counts: "clicks", "pixels" or "seconds".
        """
        _, query = np.unique(self.query_id, return_inverse=True)
        after = spent + np.cumsum(np.bincount(query, getattr(self, counts)))
        before = np.concatenate([[spent], after[:-1]])[: after.size]
        fits = after <= limit * (1 + _ROUNDING)
        if counts != "clicks":
            fits |= before == 0
        fits &= np.logical_not(is_spent(before, limit))
        keep = fits[query]
        num = int(fits.sum())
        if counts == "clicks" and num < fits.size:
            partial = np.flatnonzero(query == num)
            most = math.floor(limit - before[num])
            keep[partial] = self._largest(partial, max(most, 0))
        return self.take(keep)

    def _largest(self, rows: np.ndarray, num: int) -> np.ndarray:
        """Which of some rows belong to their ``num`` largest segments."""
        _, first, segment = np.unique(
            self.segment[rows], return_index=True, return_inverse=True
        )
        size = np.bincount(segment, self.pixels[rows])
        return np.isin(segment, np.lexsort((first, -size))[:num])


def is_spent(spent: np.ndarray | int | float, limit: int | float) -> np.ndarray | bool:
    """Whether a limit is reached, but for the rounding of sums of seconds."""
    return spent >= limit * (1 - _ROUNDING)


def one_label(
    queries: Queries,
    label: np.ndarray,
    kind: str,
    *,
    pixels: np.ndarray,
    seconds_per_click: float,
    is_mixed: np.ndarray | None = None,
) -> Answers:
    """One click and one label for each query.

    Args:
        queries: The queries.
        label: ``[n]`` label index, -1 = void or cannot tell.
        kind: What such an answer is called.
        pixels: ``[n]`` pixels of each unit.
        seconds_per_click: Time of each answer.
        is_mixed: ``[n]`` units that have no label for being too mixed.
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


def dominant(units: UnitPixels, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Finds the most frequent label of each unit, and the share of it that has it.

    Void counts like a class. Of labels equally frequent the lowest class is taken,
    and void last.
    """
    sizes = units.sizes()
    column = units.label % (num_classes + 1)  # void comes last
    counts = np.bincount(
        units.owner * (num_classes + 1) + column,
        minlength=sizes.size * (num_classes + 1),
    ).reshape(sizes.size, num_classes + 1)
    best = counts.argmax(axis=-1)
    label = np.where(best == num_classes, -1, best)
    return label, counts.max(axis=-1) / sizes


def exact(
    queries: Queries, units: UnitPixels, flip: Flip, *, seconds_per_click: float
) -> Answers:
    """Every pixel of each unit, run by run, for one click a connected segment.

    Args:
        queries: The queries; each unit lies in its query's frame.
        units: Their pixels.
        flip: Gives every segment the error of its first pixel.
        seconds_per_click: Time of each click.
    """
    runs = find_runs(units.owner, units.pixel, units.label, units.image_size)
    # a unit without any run is all void, and is told so at its first pixel
    starts = np.flatnonzero(np.diff(units.owner, prepend=-1))
    void = np.setdiff1d(np.arange(starts.size), runs.owner)
    nothing = np.zeros_like(void)

    owner = np.concatenate([runs.owner, void])
    label = flip(runs.label, runs.first[runs.head])
    clicks = np.concatenate([runs.is_head.astype(np.int64), nothing + 1])
    first = np.concatenate([runs.first, units.pixel[starts[void]]])
    height, width = units.image_size
    return Answers(
        query_id=queries.query_id[owner],
        label=np.concatenate([label, nothing - 1]),
        kind=np.full(owner.size, "exact"),
        clicks=clicks,
        pixels=np.concatenate([runs.length, nothing]),
        segment=np.concatenate([runs.head, nothing - 1]),
        seconds=seconds_per_click * clicks,
        row=first // width % height,
        col=first % width,
    )
