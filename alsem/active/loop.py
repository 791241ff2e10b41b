"""The loop: select, annotate, fit, evaluate; resumable at any moment.

A round's queries are written to the label store in one transaction before anybody
answers them, its model is saved before its row is written, and every draw comes from
(seed, purpose, round). So whatever a kill leaves behind, the same command finds out
from the files what is done, and does the rest as if nothing had happened.
"""

import math
from collections.abc import Callable

import numpy as np

from alsem import acquisition
from alsem.acquisition import STRATEGIES, Strategy
from alsem.active.experiment import Experiment
from alsem.active.geometry_stage import FittedScene, Model
from alsem.active.policy_targets import Answers, Hindsight
from alsem.active.pool import Pool, open_pool
from alsem.active.predict import Predictor
from alsem.active.round_metrics import Assessor
from alsem.active.score_pool import PoolScorer
from alsem.active.semantic_stage import RoundFitter
from alsem.annotation import Annotator, LabelStore
from alsem.core import progress, rng, signals
from alsem.core.errors import InputError
from alsem.policy.targets import QuerySnapshot
from alsem.reporting import run_log

SCALARS = ("miou", "miou_estimate", "total_acc", "mean_acc", "ece", "psnr")


class Run:
    """One run over a fitted scene."""

    def __init__(
        self,
        experiment: Experiment,
        scene: FittedScene,
        fitter: RoundFitter,
        store: LabelStore,
        annotator: Annotator,
        log: run_log.RunLog,
    ):
        """Looks at what is there; opens the pool and makes its units."""
        self.experiment = experiment
        self.scene = scene
        self.store = store
        self.annotator = annotator
        self.log = log
        self.pool = open_pool(experiment, scene.pool)
        self.fitter = fitter
        self.beliefs = Predictor(experiment, scene)
        self.scorer = PoolScorer(experiment, self.beliefs)
        self.ended_by: str | None = None
        self.assessor = Assessor(experiment, self.beliefs, log)
        self.answers = Answers(experiment, self.pool.units, store)
        self.hindsight = Hindsight(experiment, self.pool, self.answers, self.fitter)

    def rounds(
        self,
        since_start: Callable[[], float],
        tell: Callable[[dict], None] = lambda row: None,
    ) -> Model | None:
        """Runs what is left, or until answers are missing; returns the last model.

        Args:
            since_start: Wall seconds that the run has taken so far.
            tell: Called with the row of every round that this command finishes.
        """
        done = len(self.log.rounds())
        watch = progress.Stopwatch(*run_log.STAGES)
        model = self.fitter.restore(done - 1, watch) if done else None
        for round_index in range(done, self.experiment.active.rounds):
            limit = self._limit(round_index)
            if not self.store.has_queries(round_index):  # those are answered first
                self.ended_by = self._reason_to_end(round_index, limit)
                if self.ended_by is not None:
                    break
            watch = progress.Stopwatch(*run_log.STAGES)
            if round_index == 0:
                watch.seconds |= self.scene.seconds
            chosen_by = self._ask(round_index, model, limit, watch)
            if chosen_by is None:
                if round_index == 0:
                    raise InputError(
                        f"{self.experiment.scene.name}: no ray ends on a surface that"
                        " may be asked about; lower active.min_purity"
                    )
                self.ended_by = "no candidate left"
                break
            seconds_to_queries = since_start()
            signals.check()
            if not self.annotator.annotate(self.store, round_index, limit=limit):
                break
            labelled = self.answers.labelled(round_index)
            new = self.answers.of_round(round_index)
            foretold = self.assessor.foretold(model, new, self.log.rounds())
            signals.check()
            policy_targets = self.hindsight.policy_targets(round_index)
            model = self.fitter.fit(round_index, model, labelled, policy_targets, watch)
            signals.check()
            row = self.assessor.row(
                round_index,
                model,
                watch,
                chosen_by=chosen_by,
                totals=self.store.totals(round_index),
                rays_fitted=self.fitter.rays_per_fit,
                foretold=foretold,
                pool=self.open_pool(model),
                labels=self.answers.summary(),
            )
            row |= {
                "seconds_to_queries": seconds_to_queries,
                "seconds_since_start": since_start(),
            }
            self.fitter.settle()
            self.log.append_round(row)
            tell(row)
            self.log.scalars(
                row["clicks"],
                {k: row[k] for k in SCALARS},
                "test",
            )
            signals.check()
        else:
            self.ended_by = "active.rounds"
        return model

    def _reason_to_end(self, round_index: int, limit: int | float | None) -> str | None:
        """Why no further round is asked for; None if one is."""
        wanted, rows = self.experiment.active.stop_at_miou, self.log.rounds()
        if rows and limit is None:
            return "active.strategy"  # full supervision has asked everything
        if limit is not None and limit <= 0:
            return "active.budget"
        # Before a model has foretold labels its beliefs are worth nothing.
        is_calibrated = rows and rows[-1]["temperature"] is not None
        if wanted and is_calibrated and rows[-1]["miou_estimate"] >= wanted:
            return "active.stop_at_miou"
        return None

    def _limit(self, round_index: int) -> int | float | None:
        """What this round may still spend; None for full supervision."""
        options = self.experiment.active
        if self.experiment.strategy is None:
            return None
        wanted = options.clicks(round_index)
        if options.budget:
            spent = self.store.totals(round_index - 1)
            wanted = min(wanted, options.budget - getattr(spent, options.cost))
        return wanted

    def _ask(
        self,
        round_index: int,
        model: Model | None,
        limit: int | float | None,
        watch: progress.Stopwatch,
    ) -> str | None:
        """Makes sure the round's queries are in the store; who chose them."""
        if self.store.has_queries(round_index):
            return self._chooser(round_index, model)[0]
        name, strategy = self._chooser(round_index, model)
        if strategy is None:
            frames = np.arange(self.pool.units.num_units)
            self._write(round_index, frames, np.zeros(len(frames)))
            return name
        key = rng.run_key(self.experiment.seed, "acquire", round_index)
        with watch.measure("score"):
            pool = self.open_pool(model)
            labels = self.answers.summary()
            needs = strategy.needs
            keeps_diary = self.experiment.policy is not None
            if keeps_diary:  # the policy learns from any round
                needs = needs | STRATEGIES["policy"].needs
            seen = self.scorer.look(needs, model, pool, labels)
            scores = self.scorer.score(
                strategy, key, model, pool, seen, predict=keeps_diary
            )
        with watch.measure("select"):
            worth = strategy.worth(scores.values, pool.candidates)
            worth = self._of_units(worth, pool, strategy)
            units = strategy.select(
                rng.stream(key, "select"),
                worth,
                pool.table,
                self.store.queried_units(),
                num=self._most_queries(pool, limit),
                beliefs=self._beliefs_of(model, pool),
            )
            if not len(units):
                return None
            if model is not None and scores.predicted is not None:
                pixel = pool.units.anchor[units]
                cues = self.scorer.policy_cues(model, pool, seen, pixel)
                asked = QuerySnapshot(pixel, cues, scores.predicted)
                self.hindsight.query_log.write(round_index, asked)
            self._write(round_index, units, worth[units])
        return name

    def _chooser(
        self, round_index: int, model: Model | None
    ) -> tuple[str, Strategy | None]:
        """Who chooses the round's queries on the strategy's behalf, and its name."""
        asked_for, policy = self.experiment.strategy, self.experiment.policy
        if asked_for is None:
            return "full", None
        if policy is not None and policy.start is None:
            policy_targets = self.hindsight.policy_targets(round_index - 1)
            if len(policy_targets) < policy.least:
                asked_for = STRATEGIES["geometry"]
        chosen = acquisition.for_round(
            asked_for,
            has_model=model is not None,
            was_trusted=self._was_trusted(asked_for),
        )
        named = (name for name, row in STRATEGIES.items() if row is chosen)
        return next(named, self.experiment.active.strategy), chosen

    def open_pool(self, model: Model | None) -> Pool:
        """The pool as the model sees it; staged rounds share one."""
        if model is not None and model.pool is not self.pool.cache:
            self.pool = open_pool(self.experiment, model.pool, self.pool.units)
        return self.pool

    def _write(self, round_index: int, units: np.ndarray, score: np.ndarray) -> None:
        """Leaves queries in the store, each pointing at its unit's anchor."""
        camera = self.experiment.scene.intrinsics
        of_pool = self.pool.units
        # A unit without a surface has no anchor, and is never asked unless all are.
        anchor, first = of_pool.anchor[units], of_pool.order[of_pool.start[units]]
        place = np.where(anchor < 0, first, anchor)
        frame, pixel = np.divmod(place, camera.width * camera.height)
        row, col = np.divmod(pixel, camera.width)
        self.store.write_queries(
            round_index,
            self.experiment.active.granularity,
            frame=frame,
            row=np.where(anchor < 0, -1, row),
            col=np.where(anchor < 0, -1, col),
            unit=units,
            score=score,
        )

    @staticmethod
    def _of_units(worth: np.ndarray, pool: Pool, strategy: Strategy) -> np.ndarray:
        """Score of every unit; that of its anchor where no model is asked.

        The mean of many random draws would say how small a unit is.
        """
        if "model" in strategy.needs:
            return acquisition.pool_scores(worth, pool.units, pool.candidates)
        anchor = pool.units.anchor
        return np.where(anchor >= 0, worth[anchor], 0.0).astype(np.float32)

    def _most_queries(self, pool: Pool, limit: int | float | None) -> int:
        """Queries that are enough to spend a limit; what is over is withdrawn."""
        active = self.experiment.active
        if limit is None:
            return pool.units.num_units
        if active.cost == "clicks":
            return int(limit)
        if active.cost == "pixels":
            price = 0.5 * float(np.mean(pool.units.sizes))
        else:
            exact = active.answer == "exact" and active.granularity != "point"
            kind = "segment" if exact else active.answer
            price = active.seconds["point" if active.granularity == "point" else kind]
        return min(pool.units.num_units, math.ceil(limit / max(price, 1e-9)))

    def _beliefs_of(
        self, model: Model | None, pool: Pool
    ) -> acquisition.PredictFn | None:
        """What the model believes of units, by their anchors."""
        if model is None:
            return None
        return lambda units: self.beliefs.of(model, pool.units.anchor[units])

    def _was_trusted(self, strategy: Strategy) -> bool:
        """Whether a round so far has shown the model right before it learnt."""
        return any(
            (row["prequential_acc"] or 0.0) >= strategy.coverage_until
            for row in self.log.rounds()
        )
