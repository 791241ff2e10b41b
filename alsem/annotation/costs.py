"""What an answer costs a person: clicks, pixels that got a label, and seconds.

Why segments: a person labels an exact patch by clicking once into every connected
piece of one class, so that is what the budget has to count.
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
    """What a round's limit is counted in, and how long one click takes.

    Attributes:
        counts: "clicks", "pixels" or "seconds".
        seconds: Of one click, by what is clicked: a "point", a "segment" of a unit
            labelled exactly, a unit's "dominant" label, or the "click" that is spread
            over a unit. Void and mixed take as long as a name; what is missing
            takes no time.

    Raises:
        InputError: It counts something else, or a time has an unknown name or is
            negative or not finite.
    """

    counts: str = "clicks"
    seconds: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks the fields."""
        if self.counts not in COUNTS:
            raise InputError(f"cost: {self.counts!r} cannot be counted, {COUNTS} can")
        for name, seconds in self.seconds.items():
            if name not in CLICKS:
                raise InputError(
                    f"cost: seconds of {name!r}, which is none of {CLICKS}"
                )
            if not 0 <= seconds < np.inf:
                raise InputError(f"cost: seconds of {name!r} must be >= 0: {seconds}")

    def seconds_per_click(self, name: str) -> float:
        """Seconds of one click on what `seconds` calls by this name.

        Raises:
            InputError: Seconds are counted, and these would be free.
        """
        seconds = float(self.seconds.get(name, 0.0))
        if self.counts == "seconds" and seconds == 0:
            raise InputError(f"cost: counts seconds, so give those of a {name!r}")
        return seconds


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
    pixel = np.flatnonzero(mask)
    if not pixel.size:
        raise ValueError("the unit's mask is empty")
    owner = np.zeros(pixel.size, np.int64)
    runs = find_runs(owner, pixel, labels_in_unit[mask], mask.shape)
    return max(int(runs.is_head.sum()), 1), int(runs.length.sum())
