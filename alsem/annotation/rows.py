"""Rows of the label store in memory, and the checks on what goes into it."""

import dataclasses
from collections.abc import Sequence

import numpy as np

Numbers = (
    np.ndarray
    | np.number
    | int
    | float
    | Sequence[np.number]
    | Sequence[int]
    | Sequence[float]
)
"""One number for all rows of a call, or ``[n]``, one for each."""

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
STATUSES = ("open", "answered", "withdrawn")


@dataclasses.dataclass(frozen=True)
class Queries:
    """Queries in the order they were written.

    Attributes:
        query_id: ``[n]`` int64, as `unit`; the other integers are int32.
        round: ``[n]``.
        granularity: ``[n]`` str, what one query covers.
        frame: ``[n]`` index of the training frame.
        row: ``[n]`` pixel row, -1 where the unit has none.
        col: ``[n]`` pixel column, -1 where the unit has none.
        unit: ``[n]`` what is asked, unique within a granularity.
        score: ``[n]`` float64, what the strategy thought of it.
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
        """The queries at the rows that indices, a mask or a slice name."""
        return Queries(**{name: column[rows] for name, column in vars(self).items()})


@dataclasses.dataclass(frozen=True)
class Annotations:
    """Answers that stand, in the order they were given.

    Attributes:
        annotation_id: ``[n]`` int64, as the other id, the unit and the costs; the
            other integers are int32.
        query_id: ``[n]``.
        round: ``[n]`` the query's.
        frame: ``[n]`` index of the training frame.
        row: ``[n]`` pixel row, -1 where the unit has none.
        col: ``[n]`` pixel column, -1 where the unit has none.
        unit: ``[n]`` the query's.
        label: ``[n]`` label index, -1 = void, mixed or cannot tell.
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
        """The answers at the rows that indices, a mask or a slice name."""
        return Annotations(
            **{name: column[rows] for name, column in vars(self).items()}
        )


@dataclasses.dataclass(frozen=True)
class Totals:
    """What the standing answers cost: clicks, labelled pixels, queries, seconds."""

    clicks: int
    pixels: int
    queries: int
    seconds: float


def integers(
    name: str, value: Numbers, n: int, dtype: type[np.integer], least: int = -1
) -> list[int]:
    """``n`` whole numbers in ``least..max(dtype)``, or ValueError naming them."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu" and array.size:
        raise ValueError(f"{name} must be integers, not {array.dtype}")
    array = np.broadcast_to(array, (n,))
    most = int(np.iinfo(dtype).max)
    if n and not least <= int(array.min()) <= int(array.max()) <= most:
        raise ValueError(f"{name} must lie in {least}..{most}")
    return array.tolist()


def seconds_list(value: Numbers, n: int) -> list[float]:
    """``n`` finite numbers of seconds that are not negative, or ValueError."""
    array = np.broadcast_to(np.asarray(value, np.float64), (n,))
    if not (np.isfinite(array) & (array >= 0)).all():
        raise ValueError("seconds must be finite and not negative")
    return array.tolist()


def where_clause(**conditions: int | str | None) -> tuple[str, list]:
    """SQL for equality with all that is not None, and its values."""
    given = {name: value for name, value in conditions.items() if value is not None}
    if given.get("status", "open") not in STATUSES:
        raise ValueError(f"status {given['status']!r} is none of {STATUSES}")
    if "round" in given:
        given["round"] = int(given["round"])
    clause = " AND ".join(f"{name} = ?" for name in given)
    return ("WHERE " + clause if clause else ""), list(given.values())


def last_round(up_to_round: int | None) -> int:
    """The round itself, or for None one that no round exceeds."""
    return int(np.iinfo(np.int64).max) if up_to_round is None else int(up_to_round)
