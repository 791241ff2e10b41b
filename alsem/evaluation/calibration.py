"""Calibration of class probabilities: expected calibration error (Guo et al. 2017)."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class CalibrationSums:
    """Sums over the predictions in each confidence bin.

    Attributes:
        count: float ``[b]``, number of predictions.
        right: float ``[b]``, number of right ones.
        confidence: float ``[b]``, sum of their confidences.
    """

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
        """Expected calibration error; NaN without predictions.

        The absolute difference of mean confidence and accuracy of a bin, averaged over
        bins weighted by their count. Of 4 predictions at .95, 3 right, and 2 at .55,
        1 right: (4 * .20 + 2 * .05) / 6 = .15.
        """
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
    """Computes calibration sums over ``bins`` bins of equal width on [0, 1].

    Args:
        confidence: float ``[n]``, probability of the predicted class.
        predicted: int ``[n]``, predicted classes.
        label: int ``[n]``, true classes; -1 is left out.
        bins: Number of bins.
    """
    valid = label >= 0
    confidence = confidence[valid].astype(np.float64)
    right = (predicted[valid] == label[valid]).astype(np.float64)
    index = np.clip((confidence * bins).astype(np.int64), 0, bins - 1)
    return CalibrationSums(
        np.bincount(index, minlength=bins).astype(np.float64),
        np.bincount(index, weights=right, minlength=bins),
        np.bincount(index, weights=confidence, minlength=bins),
    )
