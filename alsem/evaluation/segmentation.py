"""Metrics as unfinished sums: added over batches on the host, divided once.

Definitions are those of Semantic-NeRF: one confusion matrix pooled over all test
pixels, true void dropped.
"""

import dataclasses
from typing import Any

import numpy as np

from alsem.evaluation import calibration


def confusion(
    predicted: np.ndarray, label: np.ndarray, *, num_classes: int
) -> np.ndarray:
    """Counts ``[c c]`` (row = true, column = predicted), int64; label -1 is dropped.

    Raises:
        ValueError: A label or a prediction is none of the classes.
    """
    keep = label >= 0
    true, seen = label[keep].astype(np.int64), predicted[keep].astype(np.int64)
    if true.size and (seen.min() < 0 or max(true.max(), seen.max()) >= num_classes):
        raise ValueError(f"labels and predictions must be below {num_classes} classes")
    cell = true * num_classes + seen
    counts = np.bincount(cell, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


@dataclasses.dataclass(frozen=True)
class SegmentationScores:
    """Scores of one confusion matrix.

    Attributes:
        miou: Mean IoU over classes that occur or are predicted; a class predicted
            but absent counts 0, one absent from both is left out.
        miou_present: Mean IoU over the classes that occur.
        total_acc: Share of pixels that are right.
        mean_acc: Mean recall over the classes that occur.
        iou: ``[c]`` IoU of every class, NaN where absent from both.
    """

    miou: float
    miou_present: float
    total_acc: float
    mean_acc: float
    iou: np.ndarray


def class_sums(counts: np.ndarray) -> np.ndarray:
    """What IoUs need of confusions ``[*b c c]``: ``[*b 3 c]``.

    Pixels of every class that are right, that are its own, and that are predicted so.
    """
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    return np.stack([right, counts.sum(axis=-1), counts.sum(axis=-2)], axis=-2)


def iou(sums: np.ndarray) -> np.ndarray:
    """IoU ``[*b c]`` of every class from `class_sums` ``[*b 3 c]``.

    NaN where a class neither occurs nor is predicted.
    """
    right, true, predicted = np.moveaxis(sums.astype(np.float64), -2, 0)
    union = true + predicted - right
    none = np.full_like(union, np.nan)
    return np.divide(right, union, out=none, where=union > 0)


def miou(sums: np.ndarray) -> np.ndarray:
    """Mean IoU ``[*b]`` over the classes that occur or are predicted, else NaN."""
    each = iou(sums)
    known = ~np.isnan(each)
    count = known.sum(axis=-1)
    total = np.where(known, each, 0.0).sum(axis=-1)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)


def segmentation_scores(counts: np.ndarray) -> SegmentationScores:
    """Finishes a confusion matrix; with no pixel at all every score is NaN."""
    counts = counts.astype(np.float64)
    sums = class_sums(counts)
    right, true = sums[0], sums[1]
    each = iou(sums)
    recall = np.divide(right, true, out=np.full_like(right, np.nan), where=true > 0)

    def mean(values: np.ndarray) -> float:
        return float(values.mean()) if values.size else float("nan")

    return SegmentationScores(
        miou=float(miou(sums)),
        miou_present=mean(each[true > 0]),
        total_acc=float(right.sum() / true.sum()) if true.sum() else float("nan"),
        mean_acc=mean(recall[true > 0]),
        iou=each,
    )


def confusions(
    predicted: np.ndarray, label: np.ndarray, *, num_classes: int
) -> np.ndarray:
    """Confusion int64 ``[f c c]`` of every frame: ``[f h w]`` labels, flat predictions."""
    pairs = zip(
        predicted.reshape(len(label), -1), label.reshape(len(label), -1), strict=True
    )
    return np.stack([confusion(*pair, num_classes=num_classes) for pair in pairs])


def semantic_metrics(
    predicted: np.ndarray,
    confidence: np.ndarray,
    label: np.ndarray | None,
    counts: np.ndarray | None,
    class_names: tuple[str, ...],
) -> dict[str, Any]:
    """The label figures of a row of ``rounds.jsonl``; None without true labels.

    Args:
        predicted: Labels of all rays of the test frames, flat.
        confidence: Their probabilities.
        label: ``[f h w]``, -1 void.
        counts: From `confusions`.
        class_names: Without void.
    """
    if label is None or counts is None:
        names = ("miou", "miou_present", "total_acc", "mean_acc", "ece")
        return dict.fromkeys(names) | {"iou_per_class": dict.fromkeys(class_names)}
    scores = segmentation_scores(counts.sum(axis=0))
    sums = calibration.calibration(confidence, predicted, label.reshape(-1))
    return {
        "miou": scores.miou,
        "miou_present": scores.miou_present,
        "total_acc": scores.total_acc,
        "mean_acc": scores.mean_acc,
        "iou_per_class": dict(zip(class_names, scores.iou.tolist(), strict=True)),
        "ece": sums.error(),
    }
