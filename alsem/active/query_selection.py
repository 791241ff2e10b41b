"""Query selection: from the model of a round to the units that the next one queries."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from alsem import acquisition
from alsem.acquisition import STRATEGIES, Strategy
from alsem.active.labelled_rays import RoundLabels
from alsem.active.model import Model
from alsem.active.pool import Pool
from alsem.active.predict import Predictor
from alsem.active.score_pool import PoolScorer, Scores
from alsem.core import progress, rng
from alsem.policy.query_log import QuerySnapshot


@dataclasses.dataclass(frozen=True)
class Selection:
    """The queries of a round.

    Attributes:
        units: int64 ``[q]`` numbers of units.
        score: float32 ``[q]``.
        snapshot: What was known of them, for the query policy to learn from; None
            without a policy or a model.
    """

    units: np.ndarray
    score: np.ndarray
    snapshot: QuerySnapshot | None = None


def strategy_of_round(
    strategy: Strategy,
    *,
    has_model: bool,
    rows: Sequence[dict[str, Any]],
    policy_is_ready: bool = True,
) -> tuple[str | None, Strategy]:
    """The strategy that selects on another's behalf in a round, and its name.

    A strategy that needs a model starts with one that does not, and `Strategy`'s
    coverage phase lasts until a model has predicted enough labels before it learned
    them. The learned policy is preceded by ``geometry`` until it has learned enough.

    Args:
        strategy: The run's.
        has_model: Whether a round has been fitted.
        rows: Rows of the rounds so far.
        policy_is_ready: Whether the policy can be used; True without one.
    """
    if not policy_is_ready:
        strategy = STRATEGIES["geometry"]
    chosen = acquisition.for_round(
        strategy,
        has_model=has_model,
        was_trusted=any(
            (row["prequential_acc"] or 0.0) >= strategy.coverage_until for row in rows
        ),
    )
    names = (name for name, row in STRATEGIES.items() if row is chosen)
    return next(names, None), chosen


def all_units(pool: Pool) -> Selection:
    """Full supervision: every unit of the pool."""
    units = np.arange(pool.units.num_units)
    return Selection(units, np.zeros(len(units), np.float32))


def select_queries(
    strategy: Strategy,
    model: Model | None,
    pool: Pool,
    labels: RoundLabels,
    *,
    key: jax.Array,
    most: int,
    scorer: PoolScorer,
    predictor: Predictor,
    with_snapshot: bool,
    watch: progress.Stopwatch,
) -> Selection:
    """Scores the pool and selects a batch of units; empty if no candidate is left.

    Args:
        strategy: See `strategy_of_round`.
        model: Of the round before; None if there is none yet.
        pool: As the model sees it.
        labels: All that was annotated before.
        key: The round's.
        most: Units to select at most.
        scorer: Scoring passes.
        predictor: Prediction passes.
        with_snapshot: Whether a query policy learns from the round.
        watch: Measures ``score`` and ``select``.
    """
    with watch.measure("score"):
        needs = strategy.needs
        if with_snapshot:  # the policy learns from any strategy's queries
            needs = needs | STRATEGIES["policy"].needs
        cues = scorer.cues(needs, model, pool, labels)
        scores = scorer.score(strategy, key, model, pool, cues, predict=with_snapshot)
    with watch.measure("select"):
        values = _unit_scores(scores, pool, strategy)
        units = strategy.select(
            rng.stream(key, "select"),
            values,
            pool.table,
            labels.queried_units,
            num=most,
            predict=_predictions_of_units(predictor, model, pool),
        )
        snapshot = None
        if model is not None and scores.predicted is not None and len(units):
            pixel = pool.units.anchor[units]
            vectors = scorer.policy_cues(model, pool, cues, pixel)
            snapshot = QuerySnapshot(pixel, vectors, scores.predicted)
    return Selection(units, values[units], snapshot)


def most_queries(
    pool: Pool,
    limit: int | float | None,
    *,
    cost: str,
    answer: str,
    seconds: dict[str, float],
) -> int:
    """Queries that are enough to spend a limit; those beyond it are withdrawn.

    Args:
        pool: Its units.
        limit: What the round may spend; None for no limit.
        cost: What the limit counts: ``clicks``, ``pixels`` or ``seconds``.
        answer: How a unit is answered.
        seconds: What an answer takes, by its kind.
    """
    if limit is None:
        return pool.units.num_units
    if cost == "clicks":
        return int(limit)
    is_point = pool.units.granularity == "point"
    if cost == "pixels":
        price = 0.5 * float(np.mean(pool.units.sizes))
    elif is_point:
        price = seconds["point"]
    else:
        price = seconds["segment" if answer == "exact" else answer]
    return min(pool.units.num_units, math.ceil(limit / max(price, 1e-9)))


def _unit_scores(scores: Scores, pool: Pool, strategy: Strategy) -> np.ndarray:
    """Score of every unit; that of its anchor where the strategy needs no model.

    The mean of many random draws would depend on the size of a unit.
    """
    values = strategy.combined(scores.values, pool.candidates)
    if "model" in strategy.needs:
        return acquisition.pool_scores(values, pool.units, pool.candidates)
    anchor = pool.units.anchor
    return np.where(anchor >= 0, values[anchor], 0.0).astype(np.float32)


def _predictions_of_units(
    predictor: Predictor, model: Model | None, pool: Pool
) -> acquisition.PredictFn | None:
    """The posterior of units, at their anchors."""
    if model is None:
        return None
    return lambda units: predictor.posterior_at(model, pool.units.anchor[units])
