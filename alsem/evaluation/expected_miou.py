"""Estimate of the mIoU from the model's own predictions, without held-out labels.

A calibrated class probability of a pixel forecasts its label, so the pixels of a pool
give an expected confusion matrix, and that an expected mIoU. Predictions are calibrated
by one temperature on the labels of a round, which the model has not learnt yet. Classes
without a label so far have no IoU; their number is estimated too.
"""

import numpy as np

from alsem.evaluation import segmentation

TEMPERATURES = np.geomspace(1 / 4, 8, 61)


def temperature(probs: np.ndarray, label: np.ndarray) -> float:
    """The temperature that minimises the negative log-likelihood (Guo et al. 2017).

    Args:
        probs: float ``[m c]``, class probabilities predicted before the labels were
            learnt.
        label: int ``[m]``, labels of one round, so that they calibrate the model as it
            was then.

    Returns:
        1 without labels; above 1 for predictions that were overconfident.
    """
    if not len(label):
        return 1.0
    logs = np.log(np.maximum(probs, 1e-12)).astype(np.float64)
    losses = []
    for value in TEMPERATURES:
        scaled = logs / value
        total = np.log(np.exp(scaled).sum(axis=-1))
        losses.append(np.mean(total - scaled[np.arange(len(label)), label]))
    return float(TEMPERATURES[int(np.argmin(losses))])


def unseen_classes(labels: np.ndarray) -> float:
    """Estimated number of classes that occur but have no label yet.

    The bias-corrected estimator of Chao (1984), f1 (f1 - 1) / (2 (f2 + 1)), from the
    numbers of classes with one label (f1) and with two (f2), and at most the number of
    classes without any. For 3 classes with one label and 1 with two: 3 * 2 / 4 = 1.5.

    Args:
        labels: int ``[c]``, number of labels of every class so far.
    """
    once, twice = np.count_nonzero(labels == 1), np.count_nonzero(labels == 2)
    expected = once * (once - 1) / (2 * (twice + 1))
    return float(min(np.count_nonzero(labels == 0), expected))


def expected_miou(confusion: np.ndarray, labels: np.ndarray) -> float:
    """Expected mIoU from an expected confusion matrix; unseen classes count 0.

    Args:
        confusion: float ``[c c]``, row = expected true class, column = predicted class.
        labels: int ``[c]``, number of labels of every class so far.
    """
    seen = np.flatnonzero(labels > 0)
    if not len(seen):
        return 0.0
    each = np.nan_to_num(segmentation.iou(segmentation.class_sums(confusion)))
    return float(each[seen].sum() / (len(seen) + unseen_classes(labels)))
