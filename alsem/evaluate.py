"""Scoring a model on the test frames, against ground truth where there is any."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from alsem import metrics
from alsem.numerics import safe_log
from alsem.types import Posterior
from alsem.typing import Array


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
    return np.stack([metrics.confusion(*p, num_classes=num_classes) for p in pairs])


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
    scores = metrics.segmentation_scores(counts.sum(axis=0))
    sums = metrics.calibration(
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


def geometry_metrics(
    rgb: np.ndarray,
    rgb_true: np.ndarray,
    depth_z: np.ndarray,
    depth_z_true: np.ndarray | None,
    shown: np.ndarray | None = None,
) -> dict[str, float]:
    """Colour and depth figures of rendered frames, NaN where nothing is known.

    Args:
        rgb: Rendered, uint8 [n h w 3].
        rgb_true: uint8 [n h w 3].
        depth_z: Rendered, metres [n h w].
        depth_z_true: Metres [n h w], 0 unknown; None if there is none.
        shown: Pixels that count, bool [n h w]; None if all do.
    """
    error = (rgb.astype(np.float64) - rgb_true)[... if shown is None else shown] / 255.0
    result = {
        "psnr": metrics.psnr(float(np.mean(error**2))),
        "depth_l1_m": float("nan"),
        "depth_median_m": float("nan"),
    }
    if depth_z_true is not None and np.any(depth_z_true > 0):
        known = depth_z_true > 0
        off = np.abs(depth_z.astype(np.float64) - depth_z_true)[known]
        result["depth_l1_m"] = float(off.mean())
        result["depth_median_m"] = float(np.median(off))
    return result
