"""Rows of the label store as NumPy columns."""

import dataclasses

import numpy as np

DTYPES = {  # of the columns that are not int32
    "query_id": np.int64,
    "annotation_id": np.int64,
    "unit": np.int64,
    "clicks": np.int64,
    "pixels": np.int64,
    "score": np.float64,
    "seconds": np.float64,
    "granularity": np.str_,
    "kind": np.str_,
}


@dataclasses.dataclass(frozen=True)
class Queries:
    """Queries, in the order they were written.

    Attributes:
        query_id: ``[n]`` int64, as `unit`; the other integers are int32.
        round: ``[n]``.
        granularity: ``[n]`` str, what one query covers.
        frame: ``[n]`` index of the training frame.
        row: ``[n]`` pixel row, -1 where the unit has none.
        col: ``[n]`` pixel column, -1 where the unit has none.
        unit: ``[n]`` number of the unit, unique within a granularity.
        score: ``[n]`` float64, that of the strategy.
    """

    query_id: np.ndarray
    round: np.ndarray
    granularity: np.ndarray
    frame: np.ndarray
    row: np.ndarray
    col: np.ndarray
    unit: np.ndarray
    score: np.ndarray

    def take(self, rows: slice | np.ndarray) -> "Queries":
        """Selects queries by indices, a mask or a slice."""
        return Queries(**{name: column[rows] for name, column in vars(self).items()})


@dataclasses.dataclass(frozen=True)
class Annotations:
    """Answers that were not undone, in the order they were given.

    Attributes:
        annotation_id: ``[n]`` int64, as `query_id`, `unit`, `clicks` and `pixels`; the
            other integers are int32.
        query_id: ``[n]``.
        round: ``[n]`` the query's.
        frame: ``[n]`` index of the training frame.
        row: ``[n]`` pixel row, -1 where the unit has none.
        col: ``[n]`` pixel column, -1 where the unit has none.
        unit: ``[n]`` the query's.
        label: ``[n]`` label index, -1 = void, mixed or undecided.
        kind: ``[n]`` str, how it was answered: see `alsem.annotation.answer_modes`.
        clicks: ``[n]``.
        pixels: ``[n]``.
        seconds: ``[n]`` float64.
    """

    annotation_id: np.ndarray
    query_id: np.ndarray
    round: np.ndarray
    frame: np.ndarray
    row: np.ndarray
    col: np.ndarray
    unit: np.ndarray
    label: np.ndarray
    kind: np.ndarray
    clicks: np.ndarray
    pixels: np.ndarray
    seconds: np.ndarray

    def take(self, rows: slice | np.ndarray) -> "Annotations":
        """Selects answers by indices, a mask or a slice."""
        return Annotations(
            **{name: column[rows] for name, column in vars(self).items()}
        )


@dataclasses.dataclass(frozen=True)
class Totals:
    """Total cost of the answers that were not undone.

    Attributes:
        clicks: Clicks.
        pixels: Pixels that were labelled.
        queries: Queries that were answered.
        seconds: Time of the annotator.
    """

    clicks: int
    pixels: int
    queries: int
    seconds: float


@dataclasses.dataclass(frozen=True)
class RoundSnapshot:
    """The label store at one moment, as a round reads it.

    Attributes:
        annotations: Answers to the queries of all rounds up to this one.
        queried_units: ``[n]`` int64, units of the queries of all rounds, except those
            withdrawn, in the order they were written.
        totals: Cost of these answers.
    """

    annotations: Annotations
    queried_units: np.ndarray
    totals: Totals
