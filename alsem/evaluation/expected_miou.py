"""The mIoU reached, as the model's own beliefs tell it: no labels are held back for it.

A calibrated belief p of a pixel is a forecast of its label, so the pixels of a pool
give an expected confusion matrix, and that an expected mIoU. Beliefs are calibrated by
one temperature on the labels of a round, which the model has not learnt yet. Classes
that nobody has met have no IoU; how many there are is estimated too.
"""

import numpy as np

from alsem.evaluation import segmentation

TEMPERATURES = np.geomspace(1 / 4, 8, 61)


def temperature(probs: np.ndarray, label: np.ndarray) -> float:
    """The temperature under which labels are least surprising (Guo et al. 2017).

    Args:
        probs: ``[m c]`` what was believed before the labels were learnt.
        label: ``[m]``; those of one round, so that they judge the model as it was.

    Returns:
        1 without labels; above 1 for beliefs that were too sure.
    """
    if not len(label):
        return 1.0
    logs = np.log(np.maximum(probs, 1e-12)).astype(np.float64)
    surprise = []
    for value in TEMPERATURES:
        scaled = logs / value
        total = np.log(np.exp(scaled).sum(axis=-1))
        surprise.append(np.mean(total - scaled[np.arange(len(label)), label]))
    return float(TEMPERATURES[int(np.argmin(surprise))])


def unseen_classes(labels: np.ndarray) -> float:
    """How many classes are still to be met, at most those that are listed.

    The bias-corrected estimate of Chao (1984) from how many classes were met once and
    how many twice.

    Args:
        labels: ``[c]`` answers of every class so far.
    """
    once, twice = np.count_nonzero(labels == 1), np.count_nonzero(labels == 2)
    expected = once * (once - 1) / (2 * (twice + 1))
    return float(min(np.count_nonzero(labels == 0), expected))


def expected_miou(confusion: np.ndarray, labels: np.ndarray) -> float:
    """Expected mIoU from an expected confusion matrix, unmet classes counting 0.

    Args:
        confusion: ``[c c]``, row = what is believed, column = what is predicted.
        labels: ``[c]`` answers of every class so far.
    """
    met = np.flatnonzero(labels > 0)
    if not len(met):
        return 0.0
    each = np.nan_to_num(segmentation.iou(segmentation.class_sums(confusion)))
    return float(each[met].sum() / (len(met) + unseen_classes(labels)))
