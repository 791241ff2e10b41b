"""The file annotator: answers from a CSV file."""

import csv
import os
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from alsem.annotation.annotators.base import (
    check_granularity,
    check_mode,
    check_pixels,
    write_answers,
)
from alsem.annotation.answer_modes import UnitPixelsFn, single_label_answers
from alsem.annotation.costs import CostModel
from alsem.annotation.store import LabelStore
from alsem.core.errors import InputError

VOID_NAME = "void"  # label of what belongs to no class
MIXED_NAME = "mixed"  # label of a unit of several classes
_MIXED = -2
_HEADER = ["frame", "row", "col", "label"]


class FileAnnotator:
    """Answers from a CSV file with the header ``frame,row,col,label``.

    The label is a class name, ``void`` or, for units other than points, ``mixed``; a
    unit is identified by its query's pixel. Numbers are not accepted, because class
    ids of a capture differ from label indices. The file is read at every call, so it
    may grow while the run waits; rows of pixels without a query are ignored, and
    counted on standard error.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        class_names: Sequence[str],
        *,
        cost: CostModel | None = None,
        granularity: str = "point",
        mode: str = "dominant",
        unit_pixels: UnitPixelsFn | None = None,
    ):
        """Sets the annotator up; the file is read by `annotate`.

        Args:
            path: The CSV file, UTF-8.
            class_names: Class names of the scene, in the order of the label indices.
            cost: What limits count, and seconds per click; clicks and 0 s if None.
            granularity: What the queries cover.
            mode: "dominant" or "click", the kind of the answers to units other than
                points; either way the label holds for the whole unit.
            unit_pixels: Gives the pixels of a unit; not needed for points.

        Raises:
            InputError: The mode is "exact", or seconds are counted and not given.
            ValueError: `unit_pixels` is missing.
        """
        check_mode(granularity, mode)
        if granularity != "point" and mode == "exact":
            raise InputError(
                "active.answer: a file has one label per query, so units cannot be"
                " labelled 'exact'; set 'dominant' or 'click'"
            )
        if granularity != "point" and unit_pixels is None:
            raise ValueError(f"{granularity!r} needs unit_pixels")
        cost = cost or CostModel()
        self._path = os.fspath(path)
        self._granularity = granularity
        self._kind = "point" if granularity == "point" else mode
        self._counts = cost.counts
        self._seconds = cost.seconds_per_click(self._kind)
        self._unit_pixels = None if granularity == "point" else unit_pixels
        self._labels = {VOID_NAME: -1}
        if granularity != "point":
            self._labels[MIXED_NAME] = _MIXED
        self._labels |= {name: label for label, name in enumerate(class_names)}

    def annotate(
        self, store: LabelStore, round: int, *, limit: int | float | None = None
    ) -> bool:
        """Answers the open queries that are in the file, up to the limit.

        Returns:
            Whether no query of the round is open any more.

        Raises:
            InputError: The file cannot be read, a row is malformed or contradicts an
                answer that was read before, or a query is of another granularity or
                has no pixel.
        """
        queries = store.queries(round, status="open")
        check_granularity(queries, self._granularity)
        check_pixels(queries)
        labels_in_file = self._read()
        self._check_unchanged(store, labels_in_file)
        self._report_unasked(store, labels_in_file)
        pixels = np.stack([queries.frame, queries.row, queries.col], axis=-1)
        found = [labels_in_file.get(tuple(pixel)) for pixel in pixels.tolist()]
        queries = queries.take(np.array([f is not None for f in found], bool))
        labels = np.array([f[0] for f in found if f is not None], np.int64)
        answers = single_label_answers(
            queries,
            labels,
            self._kind,
            pixels=self._sizes(queries.unit),
            seconds_per_click=self._seconds,
            is_mixed=labels == _MIXED,
        )
        write_answers(store, round, answers, "file", self._counts, limit)
        return store.count_open(round) == 0

    def _sizes(self, units: np.ndarray) -> np.ndarray:
        if self._unit_pixels is None:
            return np.ones(units.size, np.int64)
        return np.array(
            [self._unit_pixels(unit).size for unit in units.tolist()], np.int64
        )

    def _check_unchanged(
        self, store: LabelStore, labels_in_file: dict[tuple[int, ...], tuple[int, int]]
    ) -> None:
        """Raises `InputError` if a row differs from the answer read from it before."""
        past = store.annotations()
        pixels = np.stack([past.frame, past.row, past.col], axis=-1)
        for pixel, before in zip(pixels.tolist(), past.label.tolist(), strict=True):
            label, line = labels_in_file.get(tuple(pixel), (before, 0))
            if max(label, -1) != before:  # the label of mixed is stored as void
                names = {index: name for name, index in self._labels.items()}
                names[-1] = VOID_NAME
                raise InputError(
                    f"{self._path}, line {line}: the label was {names[before]!r} when"
                    " it was read, and a model is trained on it; restore it, or start"
                    " a new --workdir"
                )

    def _report_unasked(
        self, store: LabelStore, labels_in_file: dict[tuple[int, ...], tuple[int, int]]
    ) -> None:
        """Prints how many rows answer no query: their pixels may be mistaken."""
        asked = store.queries()
        places = np.stack([asked.frame, asked.row, asked.col], axis=-1)
        unasked = labels_in_file.keys() - {tuple(place) for place in places.tolist()}
        if unasked:
            place = min(unasked, key=lambda place: labels_in_file[place][1])
            frame, row, col = place
            print(
                f"{self._path}: {len(unasked)} rows answer no query, the first in line"
                f" {labels_in_file[place][1]} (frame {frame}, row {row}, col {col})",
                file=sys.stderr,
            )

    def _read(self) -> dict[tuple[int, ...], tuple[int, int]]:
        """Reads the label and the line number of every pixel in the file."""
        labels: dict[tuple[int, ...], tuple[int, int]] = {}
        for line, cells in self._rows():
            where = f"{self._path}, line {line}"
            if len(cells) != len(_HEADER):
                raise InputError(
                    f"{where}: {len(cells)} cells; write {','.join(_HEADER)}"
                )
            try:
                frame, row, col = (int(cell) for cell in cells[:3])
            except ValueError:
                raise InputError(
                    f"{where}: frame, row and col must be integers, not {cells[:3]}"
                ) from None
            if min(frame, row, col) < 0:
                raise InputError(f"{where}: frame, row and col count from 0")
            label = self._labels.get(cells[3])
            if label is None:
                names = ", ".join(sorted(self._labels))
                raise InputError(f"{where}: label {cells[3]!r} is none of {names}")
            if labels.setdefault((frame, row, col), (label, line))[0] != label:
                raise InputError(
                    f"{where}: this pixel has another label in an earlier line"
                )
        return labels

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yields the line number and the stripped cells of every row."""
        try:
            # utf-8-sig: spreadsheets write a byte order mark
            with open(self._path, newline="", encoding="utf-8-sig") as file:
                reader = csv.reader(file, strict=True)
                header = [cell.strip() for cell in next(reader, [])]
                if header != _HEADER:
                    raise InputError(
                        f"{self._path}, line 1: the header must be"
                        f" {','.join(_HEADER)}, not {','.join(header)!r}"
                    )
                for cells in reader:
                    if any(cell.strip() for cell in cells):
                        yield reader.line_num, [cell.strip() for cell in cells]
        except OSError as error:
            folder = os.path.dirname(os.path.abspath(self._path))
            if isinstance(error, FileNotFoundError) and os.path.isdir(folder):
                return  # no answers yet
            raise InputError(
                f"{self._path}: {error.strerror}; check the label file's path"
            ) from error
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(
                f"{self._path}: {error}; save it as CSV in UTF-8"
            ) from error
