"""Scoring a model on the test frames, against ground truth where there is any."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from alsem.core.arrays import Array
from alsem.core.numerics import safe_log
from alsem.core.types import Posterior
from alsem.evaluation import calibration, segmentation


@dataclasses.dataclass(frozen=True)
class Prediction:
    """Class predictions of all rays of some frames, flat.

    Attributes:
        label: [n] uint16.
        confidence: [n] float32, probability of that label.
        uncertainty: [n] float32, entropy over its maximum, in [0, 1].
    """

    label: np.ndarray
    confidence: np.ndarray
    uncertainty: np.ndarray


def make_predictor(
    posterior: Callable[[Any, Array, Any], Posterior],
) -> Callable[[Any, Array, Any], tuple[Array, Array, Array]]:
    """Compiled (params, ids, compact) -> label, confidence, uncertainty."""

    def predict(params: Any, ids: Array, compact: Any):
        probs = jnp.mean(posterior(params, ids, compact).probs, axis=-2)
        entropy = -jnp.sum(probs * safe_log(probs), axis=-1)
        return (
            jnp.argmax(probs, axis=-1).astype(jnp.uint16),
            jnp.max(probs, axis=-1),
            entropy / np.log(max(2, probs.shape[-1])),
        )

    return jax.jit(predict)


def predict(
    predictor: Callable[..., tuple[Array, Array, Array]],
    params: Any,
    chunks: Iterable[tuple[np.ndarray, Any]],
    num_rays: int,
) -> Prediction:
    """Predictions of all rays a cache hands out in chunks, in the rays' order."""
    found = Prediction(
        label=np.zeros(num_rays, np.uint16),
        confidence=np.zeros(num_rays, np.float32),
        uncertainty=np.zeros(num_rays, np.float32),
    )
    columns = (found.label, found.confidence, found.uncertainty)
    for ids, compact in chunks:
        real = ids < num_rays
        parts = predictor(params, ids, compact)
        for column, part in zip(columns, parts, strict=True):
            column[ids[real]] = np.asarray(part)[real]
    return found


def confusions(
    prediction: Prediction, label: np.ndarray, num_classes: int
) -> np.ndarray:
    """Confusion int64 ``[f c c]`` of every frame against labels ``[f h w]``."""
    predicted = prediction.label.reshape(len(label), -1)
    pairs = zip(predicted, label.reshape(len(label), -1), strict=True)
    return np.stack(
        [segmentation.confusion(*p, num_classes=num_classes) for p in pairs]
    )


def semantic_metrics(
    prediction: Prediction,
    label: np.ndarray | None,
    counts: np.ndarray | None,
    class_names: tuple[str, ...],
) -> dict[str, Any]:
    """The label figures of a row of ``rounds.jsonl``; None without true labels.

    Args:
        prediction: Of the test frames.
        label: ``[f h w]``, -1 void.
        counts: From `confusions`.
        class_names: Without void.
    """
    if label is None or counts is None:
        names = ("miou", "miou_present", "total_acc", "mean_acc", "ece")
        return dict.fromkeys(names) | {"iou_per_class": dict.fromkeys(class_names)}
    scores = segmentation.segmentation_scores(counts.sum(axis=0))
    sums = calibration.calibration(
        prediction.confidence, prediction.label, label.reshape(-1)
    )
    return {
        "miou": scores.miou,
        "miou_present": scores.miou_present,
        "total_acc": scores.total_acc,
        "mean_acc": scores.mean_acc,
        "iou_per_class": dict(zip(class_names, scores.iou.tolist(), strict=True)),
        "ece": sums.error(),
    }
