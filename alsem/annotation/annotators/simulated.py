"""The simulated annotator: ground truth, with errors at a known rate."""

from collections.abc import Callable, Iterator

import numpy as np

from alsem.annotation.annotators.base import (
    Members,
    check_granularity,
    check_mode,
    check_pixels,
    give,
)
from alsem.annotation.answer_modes import (
    Answers,
    UnitPixels,
    dominant,
    exact,
    one_label,
)
from alsem.annotation.costs import CostModel
from alsem.annotation.label_noise import LabelNoise
from alsem.annotation.rows import Queries
from alsem.annotation.store import LabelStore

AnswerFn = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Label ``[n]`` of the pixels (frame, row, col), each ``[n]``; -1 = void."""

BATCH_PIXELS = 2**21  # about 300 MB while their labels are looked at


class SimulatedAnnotator:
    """Answers from a callable, with errors at a known rate.

    Whether a pixel is answered wrongly, and how, depends on the seed and the pixel
    alone: a resumed run gets the answers it would have got, in whatever order. The
    pixel is the query's own, or the first one of a segment labelled exactly.
    """

    def __init__(
        self,
        answer: AnswerFn,
        *,
        num_classes: int,
        seed: int,
        noise_rate: float = 0.0,
        cost: CostModel | None = None,
        granularity: str = "point",
        mode: str = "exact",
        mixed_below: float = 0.0,
        members: Members | None = None,
        image_size: tuple[int, int] | None = None,
    ):
        """Sets the annotator up.

        Args:
            answer: Gives the true label of pixels.
            num_classes: Labels are below it.
            seed: Of the label noise.
            noise_rate: See `alsem.annotation.label_noise.LabelNoise`.
            cost: What limits count, and seconds; clicks that take no time if None.
            granularity: What the queries cover. Points need none of the following.
            mode: Units are answered by all their pixels ("exact"), by their most
                frequent label ("dominant"), or by the label of the query's own
                pixel ("click"); the last two hold for the whole unit.
            mixed_below: In those two, a unit is answered "mixed" if its most
                frequent label covers less than this share of it.
            members: The pixels of a unit.
            image_size: Rows and columns of a frame.

        Raises:
            InputError: The granularity cannot be answered in this mode, or seconds
                are counted and an answer would take none.
            ValueError: A rate is outside [0, 1], there is no other class to take by
                mistake, or the pixels of units are not given.
        """
        cost = cost or CostModel()
        if not 0 <= mixed_below <= 1:
            raise ValueError(f"mixed_below must lie in [0, 1], not {mixed_below}")
        check_mode(granularity, mode)
        if granularity != "point" and (members is None or image_size is None):
            raise ValueError(f"{granularity!r} needs members and image_size")
        self._answer = answer
        self._num_classes = num_classes
        self._noise = LabelNoise(seed, noise_rate, num_classes)
        self._counts = cost.counts
        self._granularity = granularity
        self._mode = "point" if granularity == "point" else mode
        self._seconds = cost.seconds_per_click(
            "segment" if self._mode == "exact" else self._mode
        )
        self._mixed_below = mixed_below
        self._members = None if granularity == "point" else members
        self._image_size = image_size

    def annotate(
        self, store: LabelStore, round: int, *, limit: int | float | None = None
    ) -> bool:
        """Answers every open query of the round, as far as the limit goes.

        Returns:
            True: nothing is left open.

        Raises:
            InputError: A query is of another granularity, or has no pixel to click.
            ValueError: `answer` gave labels of wrong shape or range, or a unit has
                no pixel.
        """
        queries = store.queries(round, status="open")
        check_granularity(queries, self._granularity)
        for answers in self._answers(queries):
            if give(store, round, answers, "simulated", self._counts, limit):
                break
        return store.count_open(round) == 0

    def _answers(self, queries: Queries) -> Iterator[Answers]:
        """Answers in batches that fit into memory; points are one batch."""
        if self._members is None or self._image_size is None:
            if queries.query_id.size:
                yield self._point(queries)
            return
        by_mode = {
            "exact": self._exact,
            "dominant": self._dominant,
            "click": self._click,
        }
        for batch, owner, pixel in _batches(queries, self._members):
            label = self._labels(*_place(pixel, self._image_size))
            units = UnitPixels(owner, pixel, label, self._image_size)
            yield by_mode[self._mode](batch, units)

    def _point(self, queries: Queries) -> Answers:
        label = self._at_query(queries)
        ones = np.ones(label.size, np.int64)
        return one_label(
            queries, label, "point", pixels=ones, seconds_per_click=self._seconds
        )

    def _exact(self, queries: Queries, units: UnitPixels) -> Answers:
        frame = units.pixel // (units.image_size[0] * units.image_size[1])
        if (frame != queries.frame[units.owner]).any():
            raise ValueError("a unit has pixels outside its query's frame")

        def flip(label: np.ndarray, pixel: np.ndarray) -> np.ndarray:
            return self._noise.flip(label, *_place(pixel, units.image_size))

        return exact(queries, units, flip, seconds_per_click=self._seconds)

    def _dominant(self, queries: Queries, units: UnitPixels) -> Answers:
        label, fraction = dominant(units, self._num_classes)
        label = self._noise.flip(label, queries.frame, queries.row, queries.col)
        return self._spread(queries, units, label, fraction)

    def _click(self, queries: Queries, units: UnitPixels) -> Answers:
        check_pixels(queries)
        _, fraction = dominant(units, self._num_classes)
        return self._spread(queries, units, self._at_query(queries), fraction)

    def _spread(
        self,
        queries: Queries,
        units: UnitPixels,
        label: np.ndarray,
        fraction: np.ndarray,
    ) -> Answers:
        """One label for all of each unit, or for a too small share "mixed"."""
        return one_label(
            queries,
            label,
            self._mode,
            pixels=units.sizes(),
            seconds_per_click=self._seconds,
            is_mixed=fraction < self._mixed_below,
        )

    def _at_query(self, queries: Queries) -> np.ndarray:
        pixel = (queries.frame, queries.row, queries.col)
        return self._noise.flip(self._labels(*pixel), *pixel)

    def _labels(
        self, frame: np.ndarray, row: np.ndarray, col: np.ndarray
    ) -> np.ndarray:
        labels = np.asarray(self._answer(frame, row, col))
        if labels.shape != frame.shape:
            raise ValueError(f"{labels.shape} labels for {frame.shape} pixels")
        if not -1 <= labels.min() <= labels.max() < self._num_classes:
            raise ValueError(
                f"labels {labels.min()} to {labels.max()} of {self._num_classes}"
            )
        return labels


def _batches(
    queries: Queries, members: Members
) -> Iterator[tuple[Queries, np.ndarray, np.ndarray]]:
    """Some queries at a time; the owner and the number of each of their pixels."""
    n, start, units, num_pixels = queries.unit.size, 0, [], 0
    for i, unit in enumerate(queries.unit.tolist()):
        units.append(np.sort(members(unit)).astype(np.int64))
        num_pixels += units[-1].size
        if not units[-1].size:
            raise ValueError(f"{queries.granularity[i]} {unit} has no pixel")
        if num_pixels >= BATCH_PIXELS or i + 1 == n:
            sizes = [unit.size for unit in units]
            owner = np.repeat(np.arange(len(units)), sizes)
            yield queries.take(slice(start, i + 1)), owner, np.concatenate(units)
            start, units, num_pixels = i + 1, [], 0


def _place(pixel: np.ndarray, image_size: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """Frame, row and column, int32, of flat pixel numbers."""
    height, width = image_size
    place = (pixel // (height * width), pixel // width % height, pixel % width)
    return tuple(axis.astype(np.int32) for axis in place)
