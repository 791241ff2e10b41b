"""The loop: select, annotate, fit, evaluate; resumable at any moment.

A round's queries are written to the label store in one transaction before anybody
answers them, its model is saved before its row is written, and every draw comes from
(seed, purpose, round). So whatever a kill leaves behind, the same command finds out
from the files what is done, and does the rest as if nothing had happened.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from alsem import acquisition, evaluate, interrupt, logs, rng, surface
from alsem.experiment import Experiment
from alsem.fitted import FittedScene
from alsem.labels import Annotations, Annotator, LabelStore, segments_cost
from alsem.rounds import LabelledRays, Model, RoundFitter
from alsem.surface import SurfaceCache
from alsem.types import InputError


class Run:
    """One run over a fitted scene."""

    def __init__(
        self,
        experiment: Experiment,
        scene: FittedScene,
        store: LabelStore,
        annotator: Annotator,
        log: logs.RunLog,
    ):
        """Looks at what is there; nothing is computed yet."""
        self.experiment = experiment
        self.scene = scene
        self.store = store
        self.annotator = annotator
        self.log = log
        self.fitter = RoundFitter(experiment, scene)
        self._known: Any = None  # (pool, its candidates, their cues)
        full = experiment.active.strategy == "full"
        self.strategy = (
            None if full else acquisition.find_strategy(experiment.active.strategy)
        )

    def rounds(
        self,
        since_start: Callable[[], float],
        tell: Callable[[dict], None] = lambda row: None,
    ) -> Model | None:
        """Runs what is left; returns the last model, None if answers are missing.

        Args:
            since_start: Wall seconds that the run has taken so far.
            tell: Called with the row of every round that this command finishes.
        """
        done = len(self.log.rounds())
        watch = logs.Stopwatch(*logs.STAGES)
        model = self.fitter.restore(done - 1, watch) if done else None
        for round_index in range(done, self.experiment.active.rounds):
            if self._clicks(round_index) <= 0 and not self.store.has_queries(
                round_index
            ):
                break  # the budget is spent
            watch = logs.Stopwatch(*logs.STAGES)
            if round_index == 0:
                watch.seconds |= self.scene.seconds
            chosen_by = self._ask(round_index, model, watch)
            if chosen_by is None:
                break  # there is no candidate left
            seconds_to_queries = since_start()
            interrupt.check()
            if not self.annotator.annotate(self.store, round_index):
                return None
            prequential = self._prequential(round_index, model)
            interrupt.check()
            model = self.fitter.fit(
                round_index, model, self._labelled(round_index), watch
            )
            interrupt.check()
            row = self._evaluate(round_index, model, watch)
            row |= {
                "prequential_acc": prequential,
                "chosen_by": chosen_by,
                "seconds_to_queries": seconds_to_queries,
                "seconds_since_start": since_start(),
            }
            self.fitter.settle()
            self.log.append_round(row)
            tell(row)
            self.log.scalars(
                row["clicks"],
                {k: row[k] for k in ("miou", "total_acc", "mean_acc", "ece", "psnr")},
                "test",
            )
            interrupt.check()
        return model

    def _clicks(self, round_index: int) -> int:
        """Clicks this round may still ask for."""
        options = self.experiment.active
        wanted = options.clicks(round_index)
        if options.budget:
            spent = self.store.totals(round_index - 1).clicks
            wanted = min(wanted, options.budget - spent)
        return wanted

    def _ask(
        self, round_index: int, model: Model | None, watch: logs.Stopwatch
    ) -> str | None:
        """Makes sure the round's queries are in the store; who chose them."""
        if self.strategy is None:
            _ask_every_frame(self.store, round_index, self.experiment)
            return "full"
        strategy = acquisition.for_round(
            self.strategy,
            has_model=model is not None,
            was_trusted=self._was_trusted(self.strategy),
        )
        name = next(n for n, s in acquisition.STRATEGIES.items() if s == strategy)
        if self.store.has_queries(round_index):
            return name
        cache = self.scene.pool if model is None else model.pool
        with watch.measure("select"):
            candidates, cues = self._candidates(cache)
        key = rng.run_key(self.experiment.seed, "acquire", round_index)
        with watch.measure("score"):
            scores = self.fitter.score(strategy.score, key, model, cues)
        with watch.measure("select"):
            asked = self.store.queries().unit
            ids = strategy.select(
                rng.stream(key, "select"),
                scores,
                candidates,
                asked,
                num=self._clicks(round_index),
            )
            if not len(ids):
                return None
            camera = self.experiment.scene.intrinsics
            frame, pixel = np.divmod(ids, camera.width * camera.height)
            row, col = np.divmod(pixel, camera.width)
            self.store.write_queries(
                round_index,
                "point",
                frame=frame,
                row=row,
                col=col,
                unit=ids,
                score=scores[ids],
            )
        return name

    def _candidates(
        self, cache: SurfaceCache
    ) -> tuple[acquisition.Candidates, acquisition.Cues]:
        """The pool's candidates and cues; staged rounds share one pool."""
        if self._known is None or self._known[0] is not cache:
            arrays, active = cache.arrays, self.experiment.active
            frames = np.arange(len(cache.world_from_cam), dtype=np.int32)
            opaque = arrays["depth_z"] > 0
            candidates = acquisition.make_candidates(
                surface.end_points(cache),
                np.asarray(arrays["normal"][:, 0]),
                np.asarray(arrays["albedo"][:, 0]),
                np.repeat(frames, cache.rays_per_frame),
                np.where(opaque, arrays["weight"][:, 0], 0).astype(np.uint8),
                voxel_size=active.voxel_size,
                min_purity=active.min_purity,
            )
            self._known = cache, candidates, acquisition.voxel_cues(candidates)
        return self._known[1:]

    def _was_trusted(self, strategy: acquisition.Strategy) -> bool:
        """Whether a round so far has shown the model right before it learnt."""
        return any(
            (row["prequential_acc"] or 0.0) >= strategy.coverage_until
            for row in self.log.rounds()
        )

    def _prequential(self, round_index: int, model: Model | None) -> float | None:
        """Share of this round's labels that the model before had right."""
        if model is None or self.strategy is None:
            return None
        answers = self.store.annotations(round_index)
        new = (answers.round == round_index) & (answers.label >= 0)
        if not new.any():
            return None
        units = _pixel(answers, self.experiment)[new]
        predicted = self.fitter.predict_pool(model, units)
        return float(np.mean(predicted == answers.label[new]))

    def _labelled(self, round_index: int) -> LabelledRays:
        """All labelled pixels up to a round; void answers teach nothing."""
        answers = self.store.annotations(round_index)
        if self.strategy is None:
            truth = train_labels(self.experiment).reshape(-1)
            pixel = np.flatnonzero(truth >= 0)
            return LabelledRays(pixel.astype(np.int32), truth[pixel].astype(np.int32))
        known = answers.label >= 0
        return LabelledRays(
            _pixel(answers, self.experiment)[known].astype(np.int32),
            answers.label[known].astype(np.int32),
        )

    def _evaluate(self, round_index: int, model: Model, watch: logs.Stopwatch) -> dict:
        """The round's row."""
        scene, truth = self.experiment.scene, self.experiment.truth
        options = self.experiment.active
        with watch.measure("evaluate"):
            if truth.test_labels is None:
                raise InputError(
                    f"{scene.name}: the test frames have no labels to evaluate on"
                )
            prediction = self.fitter.predict_test(model)
            row = evaluate.semantic_metrics(
                prediction, truth.test_labels, scene.class_names
            )
            shape = scene.test.rgb.shape
            row |= evaluate.geometry_metrics(
                model.test.arrays["rgb"].reshape(shape),
                scene.test.rgb,
                model.test.arrays["depth_z"].reshape(shape[:3]),
                truth.test_depth_z,
            )
        totals = self.store.totals(round_index)
        seconds = dict(watch.seconds)
        candidates = model.pool.num_rays

        def rate(count: int, stage: str) -> float | None:
            return count / seconds[stage] if seconds[stage] > 0 else None

        return row | {
            "round": round_index,
            "strategy": options.strategy,
            "granularity": "frame" if self.strategy is None else options.granularity,
            "clicks": totals.clicks,
            "pixels": totals.pixels,
            "seconds": seconds,
            "candidates": candidates,
            "candidates_per_second": rate(candidates, "score"),
            "train_rays_per_second": rate(self.fitter.rays_per_fit, "fit_semantics"),
            "peak_rss_mb": logs.peak_rss_mb(),
            "peak_device_mb": logs.peak_device_mb(),
        }


def _pixel(answers: Annotations, experiment: Experiment) -> np.ndarray:
    """Flat pool numbers of answered points."""
    camera = experiment.scene.intrinsics
    per_frame = camera.width * camera.height
    return (
        answers.frame.astype(np.int64) * per_frame
        + answers.row * camera.width
        + answers.col
    )


def train_labels(experiment: Experiment) -> np.ndarray:
    """True labels of the pool, for the simulated annotator alone.

    Raises:
        InputError: The capture has none.
    """
    labels = experiment.truth.train_labels
    if labels is None:
        raise InputError(
            f"{experiment.scene.name}: the training frames have no labels to simulate"
            " an annotator with; set active.annotator='file'"
        )
    return labels


def _ask_every_frame(
    store: LabelStore, round_index: int, experiment: Experiment
) -> None:
    """Full supervision: every frame asked, and answered exactly."""
    labels = train_labels(experiment)
    frames = np.arange(len(labels))
    if not store.has_queries(round_index):
        store.write_queries(
            round_index, "frame", frame=frames, row=-1, col=-1, unit=frames, score=0.0
        )
    queries = store.queries(round_index, status="open")
    if not len(queries.query_id):
        return
    everywhere = np.ones(labels.shape[1:], bool)
    costs = np.array([segments_cost(image, everywhere) for image in labels])
    store.answer(
        queries.query_id,
        np.full(len(frames), -1),
        kind="exact",
        clicks=costs[:, 0],
        pixels=costs[:, 1],
        annotator="simulated",
        seconds=experiment.active.seconds_per_click * costs[:, 0],
    )
