"""Strategies: a score and a batch rule, by name."""

import dataclasses
import difflib
import functools
import math

from alsem.acquisition import scores, select
from alsem.acquisition.scores import ScoreFn
from alsem.acquisition.select import SelectFn
from alsem.types import InputError


@dataclasses.dataclass(frozen=True)
class Strategy:
    """How a round's queries are chosen.

    Attributes:
        score: What one candidate is worth.
        select: How a batch is made of the scores.
        needs_model: Whether the score looks at what the model believes.
        coverage_until: Queries are spread evenly until the model predicts this share
            of a round's labels before it learns them; 0 for no such phase. Once
            reached it stays reached: later picks are chosen to be hard, and the
            model may well be wrong about most of them.
    """

    score: ScoreFn
    select: SelectFn
    needs_model: bool
    coverage_until: float = 0.0


# Metres that the opposite normal (2 units) or the step from black to white (1.7
# units) are away: both matter about as much as the next piece of furniture.
_farthest_first = functools.partial(
    select.spaced, spacing=math.inf, normal_metres=0.3, albedo_metres=1.0
)

STRATEGIES: dict[str, Strategy] = {
    "random": Strategy(scores.uniform, select.top_k, needs_model=False),
    "entropy": Strategy(scores.entropy, select.top_k, needs_model=True),
    "margin": Strategy(scores.margin, select.top_k, needs_model=True),
    "geometry": Strategy(
        scores.geometry,
        functools.partial(
            select.mixed, explore=_farthest_first, exploit=select.spaced, share=0.25
        ),
        needs_model=True,
        coverage_until=0.75,
    ),
    "coverage": Strategy(scores.coverage, _farthest_first, needs_model=False),
}


def find_strategy(name: str) -> Strategy:
    """Row ``name`` of `STRATEGIES`.

    Raises:
        InputError: If there is none.
    """
    if name in STRATEGIES:
        return STRATEGIES[name]
    near = difflib.get_close_matches(name, STRATEGIES, n=1)
    hint = (
        f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(STRATEGIES)}"
    )
    raise InputError(f"active.strategy={name!r} is not known; {hint}")


def for_round(strategy: Strategy, *, has_model: bool, was_trusted: bool) -> Strategy:
    """The row that chooses this round's queries on a strategy's behalf.

    Args:
        strategy: What the run was asked to use.
        has_model: Whether a model was fitted to labels yet; False in round 0.
        was_trusted: Whether in any round so far the model had at least the share
            ``coverage_until`` of the new labels right before it learnt them.
    """
    if not strategy.needs_model:
        return strategy
    if strategy.coverage_until > 0:
        return strategy if has_model and was_trusted else STRATEGIES["coverage"]
    return strategy if has_model else STRATEGIES["random"]
