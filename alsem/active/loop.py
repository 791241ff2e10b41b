"""The active-learning loop: select, annotate, fit, evaluate; resumable at any moment.

A round's queries are written to the label store in one transaction before they are
answered, its model is saved before its row is written, and every random draw comes
from (seed, purpose, round). So whatever a kill leaves behind, the same command finds
in the files what is done, and does the rest as the uninterrupted run would have.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from alsem.acquisition import Strategy
from alsem.active.labelled_rays import RoundLabels
from alsem.active.model import Model
from alsem.active.pool import Pool
from alsem.active.query_selection import Selection, all_units
from alsem.active.round_metrics import Row, round_row
from alsem.active.semantic_stage import RoundFitter
from alsem.annotation import Annotator, LabelStore, Totals
from alsem.core import progress, signals
from alsem.reporting.run_dir import STAGES, RunLog

NO_CANDIDATE = "no candidate left"
SCALARS = ("miou", "miou_estimate", "total_acc", "mean_acc", "ece", "psnr")


@dataclasses.dataclass(frozen=True)
class LoopOptions:
    """How many rounds, and what they may spend.

    Attributes:
        rounds: Rounds in all, round 0 included.
        initial_clicks: What round 0 may spend, in units of ``cost``.
        clicks_per_round: What round 1 may spend.
        growth: Each later round may spend this many times what the one before did.
        budget: What all rounds may spend together, 0 for no limit.
        stop_at_miou: No further round once the estimated mIoU is that high; 0: never.
        cost: What the above count: ``clicks``, ``pixels`` or ``seconds``.
    """

    rounds: int = 7
    initial_clicks: int = 40
    clicks_per_round: int = 40
    growth: float = 1.4
    budget: int = 0
    stop_at_miou: float = 0.0
    cost: str = "clicks"

    def limit(self, round_index: int, spent: Totals) -> int | float:
        """What a round may spend after what the rounds before it have."""
        wanted = self.initial_clicks
        if round_index:
            wanted = round(self.clicks_per_round * self.growth ** (round_index - 1))
        if self.budget:
            return min(wanted, self.budget - getattr(spent, self.cost))
        return wanted


@dataclasses.dataclass(frozen=True)
class Stages:
    """The stages of the loop, as functions.

    Attributes:
        open_pool: The pool as a model sees it; None before there is one.
        read_labels: The label store up to and with a round.
        strategy_of_round: (round, model, rows) to the name and row of the strategy
            that selects; None for full supervision.
        select: (round, strategy, model, pool, labels, limit, stopwatch) to queries.
        prequential: (model, labels, rows) to metrics of a model on new labels.
        fit: (round, model before, labels, stopwatch) to the round's model.
        evaluate: (round, model, pool, labels, temperature) to metrics.
    """

    open_pool: Callable[[Model | None], Pool]
    read_labels: Callable[[int], RoundLabels]
    strategy_of_round: Callable[..., tuple[str, Strategy] | None]
    select: Callable[..., Selection]
    prequential: Callable[..., Row]
    fit: Callable[..., Model]
    evaluate: Callable[..., Row]


def run_rounds(
    options: LoopOptions,
    stages: Stages,
    fitter: RoundFitter,
    store: LabelStore,
    annotator: Annotator,
    log: RunLog,
    *,
    seconds_before: dict[str, float],
    clock: Callable[[], float],
    callback: Callable[[Row], None] = lambda row: None,
) -> tuple[Model | None, str | None]:
    """Runs the rounds that are left, or until answers are missing.

    Args:
        options: See there.
        stages: See there.
        fitter: Fits, saves and restores the rounds' models.
        store: Where queries are left and answers found.
        annotator: Answers them.
        log: The run's records.
        seconds_before: Seconds spent before round 0, by stage.
        clock: Wall seconds that the run has taken so far.
        callback: Called with the row of every round that this command finishes.

    Returns:
        The last model, and why no further round will come; None while one may.
    """
    done = len(log.rounds())
    watch = progress.Stopwatch(*STAGES)
    model = fitter.restore(done - 1, watch) if done else None
    labels = stages.read_labels(done - 1)
    for number in range(done, options.rounds):
        watch = progress.Stopwatch(*STAGES)
        if number == 0:
            watch.seconds |= seconds_before
        pool, rows = stages.open_pool(model), log.rounds()
        chooser = stages.strategy_of_round(number, model, rows)
        limit = None if chooser is None else options.limit(number, labels.totals)
        if not store.has_queries(number):  # else those are answered first
            reason = _reason_to_end(options, rows, limit)
            if reason is not None:
                return model, reason
            if chooser is None:
                selection = all_units(pool)
            else:
                selection = stages.select(
                    number, chooser[1], model, pool, labels, limit, watch
                )
            if not len(selection.units):
                return model, NO_CANDIDATE
            _write_queries(store, number, pool, selection)
        seconds_to_queries = clock()
        signals.check()
        if not annotator.annotate(store, number, limit=limit):
            return model, None
        labels = stages.read_labels(number)
        row = stages.prequential(model, labels.new, rows)
        signals.check()
        model = stages.fit(number, model, labels, watch)
        signals.check()
        with watch.measure("evaluate"):
            pool = stages.open_pool(model)
            row |= stages.evaluate(number, model, pool, labels, row["temperature"])
        by_model = chooser is not None and "model" in chooser[1].needs
        row |= round_row(
            watch=watch,
            candidates=model.train_cache.num_rays,
            rays_fitted=fitter.rays_per_fit,
            by_model=by_model,
        )
        row |= {
            "round": number,
            "chosen_by": "full" if chooser is None else chooser[0],
            "chosen_by_model": by_model,
            "clicks": labels.totals.clicks,
            "pixels": labels.totals.pixels,
            "seconds_to_queries": seconds_to_queries,
            "seconds_since_start": clock(),
        }
        fitter.settle()
        log.append_round(row)
        callback(row)
        log.scalars(row["clicks"], {name: row[name] for name in SCALARS}, "test")
        signals.check()
    return model, "active.rounds"


def _reason_to_end(
    options: LoopOptions, rows: list[Row], limit: int | float | None
) -> str | None:
    """Why no further round is queried; None if one is."""
    if rows and limit is None:
        return "active.strategy"  # full supervision has queried everything
    if limit is not None and limit <= 0:
        return "active.budget"
    # Before a model has predicted new labels its estimate is not calibrated.
    is_calibrated = rows and rows[-1]["temperature"] is not None
    wanted = options.stop_at_miou
    estimate = rows[-1]["miou_estimate"] if is_calibrated else None
    if wanted and estimate is not None and estimate >= wanted:
        return "active.stop_at_miou"
    return None


def _write_queries(
    store: LabelStore, number: int, pool: Pool, selection: Selection
) -> None:
    """Leaves queries in the store, each pointing at its unit's anchor."""
    camera, units = pool.cache.intrinsics, pool.units
    # A unit without a surface has no anchor, and is never queried unless all are.
    anchor = units.anchor[selection.units]
    first = units.order[units.start[selection.units]]
    frame, pixel = np.divmod(
        np.where(anchor < 0, first, anchor), camera.width * camera.height
    )
    row, col = np.divmod(pixel, camera.width)
    store.write_queries(
        number,
        units.granularity,
        frame=frame,
        row=np.where(anchor < 0, -1, row),
        col=np.where(anchor < 0, -1, col),
        unit=selection.units,
        score=selection.score,
    )
