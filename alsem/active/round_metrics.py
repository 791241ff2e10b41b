"""What a round's model is worth: told by its beliefs, and measured on test frames."""

from typing import Any

import numpy as np

from alsem.acquisition import STRATEGIES
from alsem.active.experiment import Experiment
from alsem.active.geometry_stage import Model
from alsem.active.labelled_rays import LabelledRays
from alsem.active.pool import Labels, Pool
from alsem.active.predict import Predictor
from alsem.annotation import Totals
from alsem.core import progress
from alsem.evaluation import expected_miou, image_quality, test_metrics
from alsem.reporting import run_log


class Assessor:
    """Makes the rows of a run; the only part of the loop that sees test labels."""

    def __init__(self, experiment: Experiment, beliefs: Predictor, log: run_log.RunLog):
        """Measures nothing yet."""
        self._experiment = experiment
        self._beliefs = beliefs
        self._log = log

    def foretold(
        self, model: Model | None, new: LabelledRays, rows: list[dict[str, Any]]
    ) -> dict[str, Any]:
        """How a model did on labels that it has not learnt yet.

        Args:
            model: The model that asked for them; None if there was none.
            new: The round's labels.
            rows: Of the rounds before.

        Returns:
            ``prequential_acc``, the share it had right, None without a model or a
            label; ``temperature``, by which its beliefs should be softened: that of
            the round before where this one tells nothing, None if none ever did.
        """
        if model is None or self._experiment.strategy is None or not len(new.label):
            before = rows[-1]["temperature"] if rows else None
            return {"prequential_acc": None, "temperature": before}
        probs = np.mean(self._beliefs.of(model, new.pixel).probs, axis=1)
        return {
            "prequential_acc": float(np.mean(probs.argmax(axis=-1) == new.label)),
            "temperature": expected_miou.temperature(probs, new.label),
        }

    def estimate(
        self, model: Model, pool: Pool, labels: Labels, temperature: float | None
    ) -> float:
        """The mIoU over the pool that the model's beliefs tell."""
        confusion = self._beliefs.expected_confusion(
            model,
            pool.candidates.is_valid,
            stride=pool.stride,
            temperature=temperature or 1.0,
        )
        return expected_miou.expected_miou(confusion, labels.answers)

    def measured(self, round_index: int, model: Model) -> dict[str, Any]:
        """Figures of labels, colour and depth on the test frames."""
        scene, truth = self._experiment.scene, self._experiment.truth
        prediction = self._beliefs.test(model)
        label, counts = truth.test_labels, None
        if label is not None:
            counts = test_metrics.confusions(prediction, label, len(scene.class_names))
            self._log.write_confusions(round_index, counts)
        row = test_metrics.semantic_metrics(
            prediction, label, counts, scene.class_names
        )
        shape = scene.test.rgb.shape
        return row | image_quality.geometry_metrics(
            model.test.arrays["rgb"].reshape(shape),
            scene.test.rgb,
            model.test.arrays["depth_z"].reshape(shape[:3]),
            truth.test_depth_z,
            scene.test.valid_mask,
        )

    def row(
        self,
        round_index: int,
        model: Model,
        watch: progress.Stopwatch,
        *,
        chosen_by: str,
        totals: Totals,
        rays_fitted: int,
        foretold: dict[str, Any],
        pool: Pool,
        labels: Labels,
    ) -> dict[str, Any]:
        """The round's row in ``rounds.jsonl``."""
        chooser = STRATEGIES.get(chosen_by, self._experiment.strategy)
        by_model = chooser is not None and "model" in chooser.needs
        with watch.measure("evaluate"):
            row = self.measured(round_index, model)
            row |= foretold
            row["miou_estimate"] = self.estimate(
                model, pool, labels, foretold["temperature"]
            )
        seconds, candidates = dict(watch.seconds), model.pool.num_rays

        def rate(count: int, stage: str) -> float | None:
            return count / seconds[stage] if seconds[stage] > 0 else None

        return row | {
            "round": round_index,
            "strategy": self._experiment.active.strategy,
            "granularity": self._experiment.active.granularity,
            "chosen_by": chosen_by,
            "clicks": totals.clicks,
            "pixels": totals.pixels,
            "seconds": seconds,
            "candidates": candidates,
            "candidates_per_second": rate(candidates, "score") if by_model else None,
            "train_rays_per_second": rate(rays_fitted, "fit_semantics"),
            "peak_rss_mb": progress.peak_rss_mb(),
            "peak_device_mb": progress.peak_device_mb(),
        }
