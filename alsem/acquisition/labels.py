"""How far candidates are from what has been asked: in place, and in likeness."""

import math

import numpy as np

from alsem.acquisition.candidates import (
    Candidates,
    features,
    representatives,
    surface_area,
)
from alsem.acquisition.steps import ALBEDO_METRES, NORMAL_METRES, distance_to


def likeness(candidates: Candidates, ids: np.ndarray) -> np.ndarray:
    """Coordinates ``[m 9]``, metres, in which alike candidates are near each other."""
    return features(
        candidates, ids, normal_metres=NORMAL_METRES, albedo_metres=ALBEDO_METRES
    )


def label_distances(
    candidates: Candidates, asked: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distance of every voxel to the nearest candidate asked, in place and likeness.

    In units of the mean spacing that so many labels have on the scene's surface, so
    that they mean the same in a small room and a large one, early and late.

    Args:
        candidates: The pool.
        asked: int64 ``[m]`` ids asked before.

    Returns:
        Two float32 ``[v+1]``; the last row is that of candidates that are not valid,
        zero. Without labels all distances are `FAR`.
    """
    asked = asked[candidates.is_valid[asked]]
    rows = representatives(candidates)
    spacing = math.sqrt(surface_area(candidates) / max(len(asked), 1))

    def relative(points: np.ndarray, others: np.ndarray) -> np.ndarray:
        distance = np.minimum(distance_to(points, others) / max(spacing, 1e-9), FAR)
        return np.append(distance, 0).astype(np.float32)

    return (
        relative(candidates.x_world[rows], candidates.x_world[asked]),
        relative(likeness(candidates, rows), likeness(candidates, asked)),
    )


FAR = 100.0  # mean spacings; a relative distance is never more
