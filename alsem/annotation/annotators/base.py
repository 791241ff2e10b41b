"""What every annotator is: it answers the open queries of a round in the store.

An annotator never talks to the loop, so a file, a person and ground truth are the
same thing to it, and either side may be stopped and started again. What a round has
spent is read from the store, so a limit holds over a kill as well.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np

from alsem.annotation.answer_modes import MODES, Answers, is_spent
from alsem.annotation.rows import Queries
from alsem.annotation.store import LabelStore
from alsem.core.errors import InputError

Members = Callable[[int], np.ndarray]
"""Flat pool numbers ``[m]`` int64 of a unit's pixels, none twice.

A pixel's flat number is (frame * rows + row) * columns + col.
"""


@runtime_checkable
class Annotator(Protocol):
    """Whoever answers queries."""

    def annotate(
        self, store: LabelStore, round: int, *, limit: int | float | None = None
    ) -> bool:
        """Answers what it can, in the order of the queries.

        Once the round's answers have spent the limit, or the next one would exceed
        it, the queries that are left are withdrawn.

        Args:
            store: Where the queries are and the answers go.
            round: The round.
            limit: Of the whole round, in what the cost model counts.

        Returns:
            Whether no query of the round is open any more.
        """
        ...


def give(
    store: LabelStore,
    round: int,
    answers: Answers,
    annotator: str,
    counts: str,
    limit: int | float | None,
) -> bool:
    """Writes the answers that a round's limit allows.

    Returns:
        Whether the limit is spent; what was open is withdrawn then.
    """
    kept = answers
    if limit is not None:
        spent = getattr(store.totals(round, from_round=round), counts)
        kept = answers.within(limit, spent, counts)
    if kept.query_id.size:
        store.answer(
            kept.query_id,
            kept.label,
            clicks=kept.clicks,
            pixels=kept.pixels,
            annotator=annotator,
            seconds=kept.seconds,
            kind=kept.kind.tolist(),
            row=kept.row,
            col=kept.col,
        )
    if limit is None:
        return False
    spent = getattr(store.totals(round, from_round=round), counts)
    done = kept.query_id.size < answers.query_id.size or bool(is_spent(spent, limit))
    if done:
        store.withdraw(store.queries(round, "open").query_id)
    return done


def check_mode(granularity: str, mode: str) -> None:
    """Raises `InputError` unless units can be answered so; points always can."""
    if granularity == "point":
        return
    if mode not in MODES:
        raise InputError(f"active.answer: {mode!r} is none of {', '.join(MODES)}")
    if granularity == "volume" and mode == "exact":
        raise InputError(
            "active.answer: 'exact' labels one frame, and a volume lies in many; set"
            " 'dominant' or 'click'"
        )


def check_granularity(queries: Queries, granularity: str) -> None:
    """Raises `InputError` unless all queries are of one granularity."""
    other = queries.granularity[queries.granularity != granularity]
    if other.size:
        raise InputError(
            f"active.granularity: the annotator answers {granularity!r} only, not"
            f" {str(other[0])!r}"
        )


def check_pixels(queries: Queries) -> None:
    """Raises `InputError` if a query has no pixel that could be clicked."""
    if (queries.row < 0).any() or (queries.col < 0).any():
        raise InputError(
            f"active.granularity: a {queries.granularity[0]} has no pixel of its own"
            " to click; simulate its 'exact' or 'dominant' answer"
        )
