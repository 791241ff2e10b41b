"""Calibration of class probabilities: expected calibration error."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class CalibrationSums:
    """Per confidence bin: how many, how many right, and their summed confidence."""

    count: np.ndarray
    right: np.ndarray
    confidence: np.ndarray

    def __add__(self, other: "CalibrationSums") -> "CalibrationSums":
        """Sums over both batches."""
        return CalibrationSums(
            self.count + other.count,
            self.right + other.right,
            self.confidence + other.confidence,
        )

    def error(self) -> float:
        """Expected calibration error: mean |confidence - accuracy|, by bin count."""
        total = self.count.sum()
        if not total:
            return float("nan")
        return float(np.abs(self.confidence - self.right).sum() / total)


def calibration(
    confidence: np.ndarray,
    predicted: np.ndarray,
    label: np.ndarray,
    *,
    bins: int = 15,
) -> CalibrationSums:
    """Sums for the calibration error over ``bins`` equal bins; label -1 is dropped."""
    keep = label >= 0
    confidence = confidence[keep].astype(np.float64)
    right = (predicted[keep] == label[keep]).astype(np.float64)
    index = np.clip((confidence * bins).astype(np.int64), 0, bins - 1)
    return CalibrationSums(
        np.bincount(index, minlength=bins).astype(np.float64),
        np.bincount(index, weights=right, minlength=bins),
        np.bincount(index, weights=confidence, minlength=bins),
    )
