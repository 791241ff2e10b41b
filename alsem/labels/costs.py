"""What an answer costs a person: clicks, and the pool pixels that got a label.

Why segments: a person labels an exact patch by clicking once into every connected
piece of one class, so that is what the budget has to count.
"""

import numpy as np
from scipy import ndimage


def point_cost(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cost of answering points, one label each.

    Args:
        labels: ``[n]`` label indices, -1 for void or cannot tell.

    Returns:
        Clicks ``[n]`` int64, one each: looking at void costs as much as naming a
        class. Pixels ``[n]`` int64, 0 where the label is void.
    """
    clicks = np.ones(np.shape(labels), np.int64)
    pixels = (np.asarray(labels) >= 0).astype(np.int64)
    return clicks, pixels


def segments_cost(labels_in_unit: np.ndarray, mask: np.ndarray) -> tuple[int, int]:
    """Cost of labelling one unit (patch, superpixel or frame) exactly.

    Pixels touch through their edges, not their corners. Void is left unclicked,
    except that saying "all of it is void" is one click.

    Args:
        labels_in_unit: ``[h w]`` label indices of a window around the unit, -1 void.
        mask: ``[h w]`` bool, the pixels of the window that belong to the unit.

    Returns:
        Clicks: connected segments of one class, at least 1. Pixels: those that got
        a class.

    Raises:
        ValueError: The shapes differ, or the unit has no pixel.
    """
    if labels_in_unit.shape != mask.shape or mask.ndim != 2:
        raise ValueError(
            f"labels {labels_in_unit.shape} and mask {mask.shape} must be one [h w]"
        )
    if not mask.any():
        raise ValueError("the unit's mask is empty")
    named = mask & (labels_in_unit >= 0)
    segments = 0
    numbered = np.zeros(mask.shape, np.int32)
    for label in np.unique(labels_in_unit[named]):
        ndimage.label(named & (labels_in_unit == label), output=numbered)
        segments += int(numbered.max())
    return max(segments, 1), int(named.sum())
