"""Semantic segmentation metrics: confusion counts, IoU, accuracy.

Counts are summed over batches on the host in int64 and divided once. The definitions
are those of Semantic-NeRF: one confusion matrix pooled over all test pixels, pixels
whose true label is void (-1) left out.
"""

import dataclasses
from typing import Any

import numpy as np

from alsem.evaluation import calibration


def partial_confusions(
    predicted: np.ndarray,
    label: np.ndarray,
    frame: np.ndarray | int,
    *,
    num_frames: int,
    num_classes: int,
) -> np.ndarray:
    """Confusion counts int64 ``[f c c]`` of every frame, from a chunk of its pixels.

    Counts of the chunks of all pixels add up to `confusions`. Rows are true classes,
    columns predicted ones; pixels with label -1 are left out.

    Args:
        predicted: int ``[n]``, predicted classes.
        label: int ``[n]``, true classes, -1 for void.
        frame: int ``[n]``, frame of each pixel, or one frame for all of them.
        num_frames: Number of frames.
        num_classes: Number of classes.

    Raises:
        ValueError: A label or a prediction is none of the classes.
    """
    valid = label >= 0
    true, seen = label[valid].astype(np.int64), predicted[valid].astype(np.int64)
    if true.size and (seen.min() < 0 or max(true.max(), seen.max()) >= num_classes):
        raise ValueError(f"labels and predictions must be below {num_classes} classes")
    frame = np.broadcast_to(frame, label.shape)[valid]
    cell = (frame * num_classes + true) * num_classes + seen
    counts = np.bincount(cell, minlength=num_frames * num_classes**2)
    return counts.reshape(num_frames, num_classes, num_classes)


def confusion(
    predicted: np.ndarray, label: np.ndarray, *, num_classes: int
) -> np.ndarray:
    """Confusion counts int64 ``[c c]`` of all pixels of two arrays of one shape.

    Raises:
        ValueError: A label or a prediction is none of the classes.
    """
    (counts,) = partial_confusions(
        predicted, label, 0, num_frames=1, num_classes=num_classes
    )
    return counts


def confusions(
    predicted: np.ndarray, label: np.ndarray, *, num_classes: int
) -> np.ndarray:
    """Confusion counts int64 ``[f c c]`` of whole frames.

    Args:
        predicted: int, predicted classes of all pixels, of any shape.
        label: int ``[f h w]``, true classes, -1 for void.
        num_classes: Number of classes.
    """
    pairs = zip(predicted.reshape(label.shape), label, strict=True)
    return np.stack([confusion(*pair, num_classes=num_classes) for pair in pairs])


@dataclasses.dataclass(frozen=True)
class SegmentationScores:
    """Scores of one confusion matrix.

    Attributes:
        miou: Mean IoU over classes that occur or are predicted; a class predicted
            but absent counts 0, one absent from both is left out.
        miou_present: Mean IoU over the classes that occur.
        total_acc: Fraction of pixels that are right.
        mean_acc: Mean recall over the classes that occur.
        iou: ``[c]`` IoU of every class, NaN where absent from both.
    """

    miou: float
    miou_present: float
    total_acc: float
    mean_acc: float
    iou: np.ndarray


def class_sums(counts: np.ndarray) -> np.ndarray:
    """Reduces confusion counts ``[*b c c]`` to the sums an IoU needs, ``[*b 3 c]``.

    Pixels of every class that are right, that are truly of it, and that are predicted
    as it.
    """
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    return np.stack([right, counts.sum(axis=-1), counts.sum(axis=-2)], axis=-2)


def iou(sums: np.ndarray) -> np.ndarray:
    """Computes IoU ``[*b c]`` of every class from `class_sums` ``[*b 3 c]``.

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
    """Computes the scores of confusion counts ``[c c]``; NaN without a pixel."""
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


def semantic_metrics(
    predicted: np.ndarray,
    confidence: np.ndarray,
    label: np.ndarray | None,
    counts: np.ndarray | None,
    class_names: tuple[str, ...],
) -> dict[str, Any]:
    """Segmentation and calibration entries of a row of ``rounds.jsonl``.

    Args:
        predicted: int ``[n]``, predicted classes of all pixels of the test frames.
        confidence: float ``[n]``, their probabilities.
        label: int ``[f h w]``, true classes, -1 for void; None without ground truth,
            which makes every entry None.
        counts: ``[f c c]`` from `confusions`; None without ground truth.
        class_names: Index = label, without void.
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
