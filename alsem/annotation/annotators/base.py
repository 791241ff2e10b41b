"""The annotator protocol: answers the open queries of a round in the label store.

The loop and an annotator meet only in the store, so a person, a file and ground truth
look the same to the loop, and either side may be stopped and started again. The cost
of a round is read from the store, so its limit also holds after a kill.
"""

from typing import Protocol, runtime_checkable

from alsem.annotation.answer_modes import MODES, Answers, is_limit_reached
from alsem.annotation.records import Queries
from alsem.annotation.store import LabelStore
from alsem.core.errors import InputError


@runtime_checkable
class Annotator(Protocol):
    """Anything that answers queries."""

    def annotate(
        self, store: LabelStore, round: int, *, limit: int | float | None = None
    ) -> bool:
        """Answers open queries of a round, in their order.

        Once the answers of the round have reached the limit, or the next one would
        exceed it, the remaining queries are withdrawn.

        Args:
            store: Holds the queries and receives the answers.
            round: The round.
            limit: Limit of the whole round, in what the cost model counts; None for
                no limit.

        Returns:
            Whether no query of the round is open any more.
        """
        ...


def write_answers(
    store: LabelStore,
    round: int,
    answers: Answers,
    annotator: str,
    counts: str,
    limit: int | float | None,
) -> bool:
    """Writes the answers that the limit of a round allows.

    Returns:
        Whether the limit is reached; the open queries are then withdrawn.
    """
    kept = answers
    if limit is not None:
        spent = getattr(store.totals(round, from_round=round), counts)
        kept = answers.within_limit(limit, spent, counts)
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
    done = kept.query_id.size < answers.query_id.size or bool(
        is_limit_reached(spent, limit)
    )
    if done:
        store.withdraw(store.queries(round, "open").query_id)
    return done


def check_mode(granularity: str, mode: str) -> None:
    """Raises `InputError` if units cannot be answered in a mode; points always can."""
    if granularity == "point":
        return
    if mode not in MODES:
        raise InputError(f"active.answer: {mode!r} is none of {', '.join(MODES)}")
    if granularity == "volume" and mode == "exact":
        raise InputError(
            "active.answer: 'exact' labels the pixels of one frame, and a volume spans"
            " many; set 'dominant' or 'click'"
        )


def check_granularity(queries: Queries, granularity: str) -> None:
    """Raises `InputError` if a query is of another granularity."""
    other = queries.granularity[queries.granularity != granularity]
    if other.size:
        raise InputError(
            f"active.granularity: this annotator answers {granularity!r} queries, not"
            f" {str(other[0])!r}"
        )


def check_pixels(queries: Queries) -> None:
    """Raises `InputError` if a query has no pixel to click."""
    if (queries.row < 0).any() or (queries.col < 0).any():
        raise InputError(
            f"active.granularity: a {queries.granularity[0]} has no pixel of its own"
            " to click; use the simulated annotator with active.answer 'exact' or"
            " 'dominant'"
        )
