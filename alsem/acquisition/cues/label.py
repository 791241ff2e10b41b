"""What earlier labels say: how far the next ones are, and what a class is worth."""

import math

import numpy as np

from alsem.acquisition.batch.steps import (
    ALBEDO_METRES,
    NORMAL_METRES,
    distance_to,
)
from alsem.acquisition.candidates import (
    Candidates,
    features,
    representatives,
    surface_area,
)


def likeness(candidates: Candidates, ids: np.ndarray) -> np.ndarray:
    """Coordinates ``[m 9]``, metres, in which alike candidates are near each other."""
    return features(
        candidates, ids, normal_metres=NORMAL_METRES, diffuse_metres=ALBEDO_METRES
    )


def label_distances(
    candidates: Candidates, queried: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distance of every voxel to the nearest candidate asked, in place and likeness.

    In units of the mean spacing that so many labels have on the scene's surface, so
    that they mean the same in a small room and a large one, early and late.

    Args:
        candidates: The pool.
        queried: int64 ``[m]`` ids asked before.

    Returns:
        Two float32 ``[v+1]``; the last row is that of candidates that are not valid,
        zero. Without labels all distances are `FAR`.
    """
    queried = queried[candidates.is_valid[queried]]
    rows = representatives(candidates)
    spacing = math.sqrt(surface_area(candidates) / max(len(queried), 1))

    def relative(points: np.ndarray, others: np.ndarray) -> np.ndarray:
        distance = np.minimum(distance_to(points, others) / max(spacing, 1e-9), FAR)
        return np.append(distance, 0).astype(np.float32)

    return (
        relative(candidates.x_world[rows], candidates.x_world[queried]),
        relative(likeness(candidates, rows), likeness(candidates, queried)),
    )


FAR = 100.0  # mean spacings; a relative distance is never more


def class_weight(predicted: np.ndarray, num_labels: int) -> np.ndarray:
    """What a label of each class is worth, float32 ``[c]`` in (0, 1].

    The inverse root of the class's share of the pool, the greatest being 1. A pixel
    that turns right adds the inverse of its class's size to mIoU, but a label turns
    fewer of them right where a class is small; the root stands between the two. No
    class counts as smaller than the share that one label stands for.

    Args:
        predicted: ``[c]`` how many rays of the pool are predicted as each class.
        num_labels: Labels so far.
    """
    fraction = predicted / max(float(predicted.sum()), 1.0) + 1.0 / max(num_labels, 1)
    worth = 1.0 / np.sqrt(fraction)
    return (worth / worth.max()).astype(np.float32)
