"""The simulated annotator: ground truth with label noise of a known rate."""

from collections.abc import Callable, Iterator

import numpy as np

from alsem.annotation.annotators.base import (
    check_granularity,
    check_mode,
    check_pixels,
    write_answers,
)
from alsem.annotation.answer_modes import (
    Answers,
    UnitLabels,
    UnitPixelsFn,
    dominant_labels,
    exact_answers,
    single_label_answers,
)
from alsem.annotation.costs import CostModel
from alsem.annotation.label_noise import LabelNoise
from alsem.annotation.records import Queries
from alsem.annotation.store import LabelStore

TrueLabelFn = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Gives labels ``[n]``, -1 = void, of pixels (frame, row, col), each ``[n]`` int32."""

BATCH_PIXELS = 2**21  # about 300 MB of working memory


class SimulatedAnnotator:
    """Answers with true labels and label noise.

    The noise of an answer depends only on the seed and its pixel, so a resumed run
    gets the same answers in whatever order it asks. That pixel is the query's, or the
    first one of a segment labelled exactly.
    """

    def __init__(
        self,
        true_labels: TrueLabelFn,
        *,
        num_classes: int,
        seed: int,
        noise_rate: float = 0.0,
        cost: CostModel | None = None,
        granularity: str = "point",
        mode: str = "exact",
        mixed_below: float = 0.0,
        unit_pixels: UnitPixelsFn | None = None,
        image_size: tuple[int, int] | None = None,
    ):
        """Sets the annotator up.

        Args:
            true_labels: Gives the true labels of pixels.
            num_classes: Number of classes.
            seed: Seed of the label noise.
            noise_rate: See `alsem.annotation.label_noise.LabelNoise`.
            cost: What limits count, and seconds per click; clicks and 0 s if None.
            granularity: What the queries cover. Points ignore what follows.
            mode: Units are answered by the labels of all pixels ("exact"), by their
                most frequent label ("dominant"), or by the label of the query's
                pixel ("click"); the last two hold for the whole unit.
            mixed_below: In those two, a unit is answered "mixed" if its most
                frequent label covers less than this fraction of it.
            unit_pixels: Gives the pixels of a unit.
            image_size: Rows and columns of a frame.

        Raises:
            InputError: The granularity cannot be answered in this mode, or seconds
                are counted and not given.
            ValueError: A rate is outside [0, 1], there is noise with fewer than two
                classes, or `unit_pixels` or `image_size` is missing.
        """
        cost = cost or CostModel()
        if not 0 <= mixed_below <= 1:
            raise ValueError(f"mixed_below must lie in [0, 1], not {mixed_below}")
        check_mode(granularity, mode)
        if granularity != "point" and (unit_pixels is None or image_size is None):
            raise ValueError(f"{granularity!r} needs unit_pixels and image_size")
        self._true_labels = true_labels
        self._num_classes = num_classes
        self._noise = LabelNoise(seed, noise_rate, num_classes)
        self._counts = cost.counts
        self._granularity = granularity
        self._mode = "point" if granularity == "point" else mode
        self._seconds = cost.seconds_per_click(
            "segment" if self._mode == "exact" else self._mode
        )
        self._mixed_below = mixed_below
        self._unit_pixels = None if granularity == "point" else unit_pixels
        self._image_size = image_size

    def annotate(
        self, store: LabelStore, round: int, *, limit: int | float | None = None
    ) -> bool:
        """Answers all open queries of the round, up to the limit.

        Returns:
            True, because no query is left open.

        Raises:
            InputError: A query is of another granularity, or has no pixel to click.
            ValueError: `true_labels` gave labels of wrong shape or range, or a unit
                is empty.
        """
        queries = store.queries(round, status="open")
        check_granularity(queries, self._granularity)
        for answers in self._answers(queries):
            if write_answers(store, round, answers, "simulated", self._counts, limit):
                break
        return store.count_open(round) == 0

    def _answers(self, queries: Queries) -> Iterator[Answers]:
        """Yields answers in batches that fit into memory."""
        if self._unit_pixels is None or self._image_size is None:
            if queries.query_id.size:
                yield self._point(queries)
            return
        by_mode = {
            "exact": self._exact,
            "dominant": self._dominant,
            "click": self._click,
        }
        for batch, unit, pixel in _batches(queries, self._unit_pixels):
            label = self._labels(*_unflatten(pixel, self._image_size))
            units = UnitLabels(unit, pixel, label, self._image_size)
            yield by_mode[self._mode](batch, units)

    def _point(self, queries: Queries) -> Answers:
        label = self._at_query(queries)
        ones = np.ones(label.size, np.int64)
        return single_label_answers(
            queries, label, "point", pixels=ones, seconds_per_click=self._seconds
        )

    def _exact(self, queries: Queries, units: UnitLabels) -> Answers:
        frame = units.pixel // (units.image_size[0] * units.image_size[1])
        if (frame != queries.frame[units.unit]).any():
            raise ValueError("a unit has pixels outside its query's frame")

        def add_noise(label: np.ndarray, pixel: np.ndarray) -> np.ndarray:
            return self._noise.apply(label, *_unflatten(pixel, units.image_size))

        return exact_answers(queries, units, add_noise, seconds_per_click=self._seconds)

    def _dominant(self, queries: Queries, units: UnitLabels) -> Answers:
        label, fraction = dominant_labels(units, self._num_classes)
        label = self._noise.apply(label, queries.frame, queries.row, queries.col)
        return self._label_unit(queries, units, label, fraction)

    def _click(self, queries: Queries, units: UnitLabels) -> Answers:
        check_pixels(queries)
        _, fraction = dominant_labels(units, self._num_classes)
        return self._label_unit(queries, units, self._at_query(queries), fraction)

    def _label_unit(
        self,
        queries: Queries,
        units: UnitLabels,
        label: np.ndarray,
        fraction: np.ndarray,
    ) -> Answers:
        """Answers each unit with its label, or "mixed" if the fraction is too small."""
        return single_label_answers(
            queries,
            label,
            self._mode,
            pixels=units.sizes(),
            seconds_per_click=self._seconds,
            is_mixed=fraction < self._mixed_below,
        )

    def _at_query(self, queries: Queries) -> np.ndarray:
        pixel = (queries.frame, queries.row, queries.col)
        return self._noise.apply(self._labels(*pixel), *pixel)

    def _labels(
        self, frame: np.ndarray, row: np.ndarray, col: np.ndarray
    ) -> np.ndarray:
        labels = np.asarray(self._true_labels(frame, row, col))
        if labels.shape != frame.shape:
            raise ValueError(f"{labels.shape} labels for {frame.shape} pixels")
        if not -1 <= labels.min() <= labels.max() < self._num_classes:
            raise ValueError(
                f"labels must lie in -1..{self._num_classes - 1}, not"
                f" {labels.min()}..{labels.max()}"
            )
        return labels


def _batches(
    queries: Queries, unit_pixels: UnitPixelsFn
) -> Iterator[tuple[Queries, np.ndarray, np.ndarray]]:
    """Yields some queries at a time, with the unit and flat number of their pixels."""
    n, start, units, num_pixels = queries.unit.size, 0, [], 0
    for i, unit in enumerate(queries.unit.tolist()):
        units.append(np.sort(unit_pixels(unit)).astype(np.int64))
        num_pixels += units[-1].size
        if not units[-1].size:
            raise ValueError(f"{queries.granularity[i]} {unit} is empty")
        if num_pixels >= BATCH_PIXELS or i + 1 == n:
            sizes = [unit.size for unit in units]
            unit_of_pixel = np.repeat(np.arange(len(units)), sizes)
            yield (
                queries.take(slice(start, i + 1)),
                unit_of_pixel,
                np.concatenate(units),
            )
            start, units, num_pixels = i + 1, [], 0


def _unflatten(
    pixel: np.ndarray, image_size: tuple[int, int]
) -> tuple[np.ndarray, ...]:
    """Frame, row and column ``[n]`` int32 of flat pixel numbers."""
    height, width = image_size
    indices = (pixel // (height * width), pixel // width % height, pixel % width)
    return tuple(axis.astype(np.int32) for axis in indices)
