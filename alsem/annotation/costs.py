"""Annotation costs: clicks, labelled pixels and seconds.

Why segments: a person labels a patch exactly by clicking once into every connected
segment of one class, so that is what a budget should count.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from alsem.annotation.connected_segments import find_runs
from alsem.core.errors import InputError

COUNTS = ("clicks", "pixels", "seconds")
CLICKS = ("point", "segment", "dominant", "click")


@dataclasses.dataclass(frozen=True)
class CostModel:
    """What limits are counted in, and how long a click takes.

    Attributes:
        counts: "clicks", "pixels" or "seconds".
        seconds: Seconds of one click on a "point", on a "segment" of an exactly
            labelled unit, for a unit's "dominant" label, or for the "click" whose
            label holds for the whole unit; 0 where missing. The answers void and
            mixed take as long as a class.

    Raises:
        InputError: `counts` is none of these, or a time has an unknown name, is
            negative or is not finite.
    """

    counts: str = "clicks"
    seconds: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks the fields."""
        if self.counts not in COUNTS:
            raise InputError(f"cost: {self.counts!r} is none of {', '.join(COUNTS)}")
        for name, seconds in self.seconds.items():
            if name not in CLICKS:
                raise InputError(
                    f"cost: seconds of {name!r}, which is none of {', '.join(CLICKS)}"
                )
            if not 0 <= seconds < np.inf:
                raise InputError(f"cost: seconds of {name!r} must be >= 0: {seconds}")

    def seconds_per_click(self, name: str) -> float:
        """Seconds of one click by its name in `seconds`.

        Raises:
            InputError: Seconds are counted, and these are not given.
        """
        seconds = float(self.seconds.get(name, 0.0))
        if self.counts == "seconds" and seconds == 0:
            raise InputError(f"cost: seconds are counted, so give those of a {name!r}")
        return seconds


def point_cost(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cost of answering points with one label each.

    Args:
        labels: ``[n]`` label indices, -1 for void or undecided.

    Returns:
        Clicks ``[n]`` int64, one each, void included. Pixels ``[n]`` int64, 1 or, where
        the label is void, 0.
    """
    clicks = np.ones(np.shape(labels), np.int64)
    pixels = (np.asarray(labels) >= 0).astype(np.int64)
    return clicks, pixels


def segments_cost(labels_in_unit: np.ndarray, mask: np.ndarray) -> tuple[int, int]:
    """Cost of labelling one unit (patch, superpixel or frame) exactly.

    Segments are 4-connected. Void costs nothing, except that the answer "all void" is
    one click. The labels ``0 0 1 / 1 0 -1`` cost 3 clicks and label 5 pixels.

    Args:
        labels_in_unit: ``[h w]`` label indices of a window around the unit, -1 void.
        mask: ``[h w]`` bool, the pixels of the window that belong to the unit.

    Returns:
        Clicks: number of connected segments of one class, at least 1. Pixels: number
        of those with a class.

    Raises:
        ValueError: The shapes differ, or the unit is empty.
    """
    if labels_in_unit.shape != mask.shape or mask.ndim != 2:
        raise ValueError(
            f"labels {labels_in_unit.shape} and mask {mask.shape} must be one [h w]"
        )
    pixel = np.flatnonzero(mask)
    if not pixel.size:
        raise ValueError("the unit's mask is empty")
    unit = np.zeros(pixel.size, np.int64)
    runs = find_runs(unit, pixel, labels_in_unit[mask], mask.shape)
    return max(int(runs.is_head.sum()), 1), int(runs.length.sum())
