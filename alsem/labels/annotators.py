"""Annotators: they answer the open queries of a round in the label store.

An annotator never talks to the loop, so a file, a person and ground truth are the
same thing to it, and either side may be stopped and started again.
"""

import csv
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from alsem.labels.costs import point_cost
from alsem.labels.store import LabelStore, Queries
from alsem.types import InputError

AnswerFn = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Label ``[n]`` of the pixels (frame, row, col), each ``[n]``; -1 = void."""

VOID_NAME = "void"  # what a label file may write in place of -1
_HEADER = ["frame", "row", "col", "label"]


@runtime_checkable
class Annotator(Protocol):
    """Whoever answers queries."""

    def annotate(self, store: LabelStore, round: int) -> bool:
        """Answers what it can; True when no query of the round is open any more."""
        ...


class SimulatedAnnotator:
    """Answers points from a callable, with errors at a known rate.

    Whether a pixel is answered wrongly, and how, depends on the seed and the pixel
    alone: a resumed run gets the answers it would have got, in whatever order.
    """

    def __init__(
        self,
        answer: AnswerFn,
        *,
        num_classes: int,
        seed: int,
        noise_rate: float = 0.0,
        seconds_per_click: float = 0.0,
    ):
        """Sets the annotator up.

        Args:
            answer: Gives the true label of pixels.
            num_classes: Labels are below it.
            seed: Of the label noise.
            noise_rate: Chance that a class is answered as another one, each other
                class being as likely. Void is never changed, nor ever the mistake.
            seconds_per_click: Recorded with every answer.

        Raises:
            ValueError: The rate is outside [0, 1], the time is negative or not
                finite, or there is no other class to take by mistake.
        """
        if not 0 <= noise_rate <= 1:
            raise ValueError(f"noise_rate must lie in [0, 1], not {noise_rate}")
        if noise_rate > 0 and num_classes < 2:
            raise ValueError("label noise needs two classes at least")
        if not 0 <= seconds_per_click < np.inf:
            raise ValueError(f"seconds_per_click must be >= 0, not {seconds_per_click}")
        self._answer = answer
        self._num_classes = num_classes
        self._seed = seed
        self._noise_rate = noise_rate
        self._seconds_per_click = seconds_per_click

    def annotate(self, store: LabelStore, round: int) -> bool:
        """Answers every open query of the round.

        Returns:
            True: nothing is left open.

        Raises:
            InputError: A query is no point.
            ValueError: `answer` gave labels of wrong shape or range.
        """
        queries = store.queries(round, status="open")
        _check_points(queries, "simulated")
        if queries.query_id.size:
            frame, row, col = queries.frame, queries.row, queries.col
            labels = np.asarray(self._answer(frame, row, col))
            if labels.shape != frame.shape:
                raise ValueError(f"{labels.shape} labels for {frame.shape} pixels")
            if labels.max() >= self._num_classes:
                raise ValueError(f"label {labels.max()} of {self._num_classes}")
            labels = self._with_noise(labels, frame, row, col)
            clicks, pixels = point_cost(labels)
            store.answer(
                queries.query_id,
                labels,
                clicks=clicks,
                pixels=pixels,
                annotator="simulated",
                seconds=self._seconds_per_click * clicks,
            )
        return store.count_open(round) == 0

    def _with_noise(
        self, labels: np.ndarray, frame: np.ndarray, row: np.ndarray, col: np.ndarray
    ) -> np.ndarray:
        if self._noise_rate == 0:
            return labels
        bits = _hash(self._seed, frame, row, col)
        chance = (bits >> np.uint64(11)) * 2.0**-53
        others = np.uint64(self._num_classes - 1)
        # adding 1..C-1 modulo C reaches every class but the true one
        shift = 1 + (_mix(bits) % others).astype(np.int64)
        wrong = (labels + shift) % self._num_classes
        return np.where((labels >= 0) & (chance < self._noise_rate), wrong, labels)


class FileAnnotator:
    """Answers points from a CSV file with the header ``frame,row,col,label``.

    The label is a class name, a label index, or ``void`` (also ``-1``). The file is
    read at every call, so it may grow while the run waits; pixels that nobody asked
    about are passed over.
    """

    def __init__(self, path: str | os.PathLike[str], class_names: Sequence[str]):
        """Remembers the file; it is read by `annotate`.

        Args:
            path: The CSV file, UTF-8.
            class_names: The scene's, position = label.
        """
        self._path = os.fspath(path)
        self._labels = {str(label): label for label in range(-1, len(class_names))}
        self._labels[VOID_NAME] = -1
        self._labels |= {name: label for label, name in enumerate(class_names)}

    def annotate(self, store: LabelStore, round: int) -> bool:
        """Answers the open queries that the file holds.

        Returns:
            Whether all queries of the round are answered now.

        Raises:
            InputError: The file cannot be read, a row of it is bad, or a query is
                no point.
        """
        queries = store.queries(round, status="open")
        _check_points(queries, "file")
        start = time.perf_counter()
        labels_by_pixel = self._read()
        asked = (queries.frame, queries.row, queries.col)
        found = [
            labels_by_pixel.get(pixel)
            for pixel in zip(*(column.tolist() for column in asked), strict=True)
        ]
        is_found = np.array([label is not None for label in found], bool)
        if is_found.any():
            labels = np.array([label for label in found if label is not None])
            clicks, pixels = point_cost(labels)
            store.answer(
                queries.query_id[is_found],
                labels,
                clicks=clicks,
                pixels=pixels,
                annotator="file",
                seconds=(time.perf_counter() - start) / labels.size,
            )
        return store.count_open(round) == 0

    def _read(self) -> dict[tuple[int, ...], int]:
        labels: dict[tuple[int, ...], int] = {}
        for line, cells in self._rows():
            where = f"{self._path}, line {line}"
            if len(cells) != len(_HEADER):
                raise InputError(f"{where}: {len(cells)} cells, not {len(_HEADER)}")
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
                raise InputError(
                    f"{where}: {cells[3]!r} is no class name, label index or"
                    f" {VOID_NAME!r}"
                )
            if labels.setdefault((frame, row, col), label) != label:
                raise InputError(f"{where}: another label for this pixel stands above")
        return labels

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yields the line number and the stripped cells of every row."""
        try:
            # utf-8-sig: spreadsheets put a byte order mark in front
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
            raise InputError(
                f"{self._path}: {error.strerror}; check the label file's path"
            ) from error
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(
                f"{self._path}: {error}; save it as CSV in UTF-8"
            ) from error


def _check_points(queries: Queries, annotator: str) -> None:
    other = queries.granularity[queries.granularity != "point"]
    if other.size:
        raise InputError(
            f"active.granularity: the {annotator} annotator answers 'point' only,"
            f" not {str(other[0])!r}"
        )


def _hash(seed: int, *fields: np.ndarray) -> np.ndarray:
    bits = _mix(np.full(fields[0].shape, seed % 2**64, np.uint64))
    for field in fields:
        bits = _mix(bits ^ field.astype(np.uint64))
    return bits


def _mix(bits: np.ndarray) -> np.ndarray:
    """One step of SplitMix64 (Steele, Lea, Flood 2014), with its wrap-around."""
    bits = bits + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
