"""Metrics of a round: on the test frames, and those the model predicts of itself."""

from typing import Any

import numpy as np

from alsem.active.labelled_rays import LabelledRays, RoundLabels
from alsem.active.model import Model
from alsem.active.pool import Pool
from alsem.active.predict import Predictor
from alsem.core import progress
from alsem.data import GroundTruth, Scene
from alsem.evaluation import expected_miou, image_quality, segmentation

Row = dict[str, Any]


def prequential(
    predictor: Predictor, model: Model | None, new: LabelledRays, rows: list[Row]
) -> Row:
    """Metrics of a model on a round's labels before it learns them.

    Args:
        predictor: Passes over the pool.
        model: The model that the labels were queried with; None if there was none.
        new: The round's labels.
        rows: Rows of the rounds before.

    Returns:
        ``prequential_acc``, the fraction it had right, None without a model or a label;
        ``temperature``, by which its predictions should be softened: that of the round
        before where this one has no label, None if none ever had.
    """
    if model is None or not len(new.label):
        before = rows[-1]["temperature"] if rows else None
        return {"prequential_acc": None, "temperature": before}
    probs = np.mean(predictor.posterior_at(model, new.pixel).probs, axis=1)
    return {
        "prequential_acc": float(np.mean(probs.argmax(axis=-1) == new.label)),
        "temperature": expected_miou.temperature(probs, new.label),
    }


def estimated_miou(
    predictor: Predictor,
    model: Model,
    pool: Pool,
    labels: RoundLabels,
    temperature: float | None,
) -> float:
    """The mIoU over the pool that the model's own predictions let expect."""
    confusion = predictor.expected_confusion(
        model,
        pool.candidates.is_valid,
        stride=pool.stride,
        temperature=temperature or 1.0,
    )
    return expected_miou.expected_miou(confusion, labels.answers_per_class)


def test_metrics(
    predictor: Predictor, model: Model, scene: Scene, truth: GroundTruth
) -> tuple[Row, np.ndarray | None]:
    """Metrics of labels, colour and depth on the test frames.

    Returns:
        The metrics, and the confusion ``[f c c]`` of every test frame; None where the
        test frames have no labels.
    """
    prediction = predictor.predict_test(model)
    label, counts = truth.test_labels, None
    if label is not None:
        counts = segmentation.confusions(
            prediction.label, label, num_classes=len(scene.class_names)
        )
    row = segmentation.semantic_metrics(
        prediction.label, prediction.confidence, label, counts, scene.class_names
    )
    shape = scene.test.rgb.shape
    row |= image_quality.geometry_metrics(
        model.test_cache.arrays["rgb"].reshape(shape),
        scene.test.rgb,
        model.test_cache.arrays["depth_z"].reshape(shape[:3]),
        truth.test_depth_z,
        scene.test.valid_mask,
    )
    return row, counts


def round_row(
    *,
    watch: progress.Stopwatch,
    candidates: int,
    rays_fitted: int,
    by_model: bool,
) -> Row:
    """Time, throughput and memory of a round.

    Args:
        watch: Seconds of its stages.
        candidates: Rays of the pool.
        rays_fitted: Rays that its fit has drawn.
        by_model: Whether a model scored the candidates.
    """
    seconds = dict(watch.seconds)

    def rate(count: int, stage: str) -> float | None:
        return count / seconds[stage] if seconds[stage] > 0 else None

    return {
        "seconds": seconds,
        "candidates": candidates,
        "candidates_per_second": rate(candidates, "score") if by_model else None,
        "train_rays_per_second": rate(rays_fitted, "fit_semantics"),
        "peak_rss_mb": progress.peak_rss_mb(),
        "peak_device_mb": progress.peak_device_mb(),
    }
