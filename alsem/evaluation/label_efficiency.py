"""Label efficiency: how many clicks a learning curve needs, and how sure that is.

A curve is what one run scored after every round, as one confusion matrix a test
frame, so that test frames and seeds can be drawn anew together. Levels are shares of
what full supervision reaches on the same frames. Clicks to a level are where the
isotonic fit of mIoU over the logarithm of clicks crosses it; a curve that does not get
there is at infinity, and nothing is extrapolated.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import isotonic_regression

from alsem.evaluation import segmentation


@dataclasses.dataclass(frozen=True)
class Curve:
    """One run.

    Attributes:
        clicks: ``[r]`` clicks so far, rising.
        pixels: ``[r]`` labelled pixels so far.
        sums: int ``[r f 3 c]``, `metrics.class_sums` of every test frame and round.
    """

    clicks: np.ndarray
    pixels: np.ndarray
    sums: np.ndarray


@dataclasses.dataclass(frozen=True)
class Draws:
    """What test frames and seeds are drawn anew from.

    Attributes:
        frames: float ``[b f]``, how often every test frame was drawn. The first row
            is one of each: the estimate itself.
        seed: Of the draws of runs.
    """

    frames: np.ndarray
    seed: int

    def runs(self, num: int) -> np.ndarray:
        """Which runs of a group each draw takes, ``[b num]``; the first takes all."""
        shape = (len(self.frames), num)
        chosen = np.random.default_rng(self.seed).integers(0, num, shape)
        chosen[0] = np.arange(num)
        return chosen


def make_draws(num_frames: int, *, num: int, seed: int = 0) -> Draws:
    """Draws with replacement; ``num`` beside the estimate itself."""
    rng = np.random.default_rng(seed)
    even = np.full(num_frames, 1 / num_frames)
    drawn = rng.multinomial(num_frames, even, size=num)
    frames = np.concatenate([np.ones((1, num_frames)), drawn])
    return Draws(frames, seed + 1)


def miou_of(sums: np.ndarray, draws: Draws) -> np.ndarray:
    """MIoU ``[b r]`` of sums ``[r f 3 c]`` over each draw of the frames."""
    scored = []
    for of_round in sums.astype(np.float64):
        pooled = np.tensordot(draws.frames, of_round, axes=1)
        scored.append(segmentation.miou(pooled))
    return np.stack(scored, axis=1)


class Group:
    """Runs that differ by their seed alone, scored over all draws."""

    def __init__(self, curves: Sequence[Curve], draws: Draws):
        """Scores the curves.

        Raises:
            ValueError: There is no curve, or one without a round.
        """
        if not curves or not all(len(curve.clicks) for curve in curves):
            raise ValueError("a group of runs needs finished rounds")
        self.curves = list(curves)
        self.miou = [miou_of(curve.sums, draws) for curve in curves]
        self._runs = draws.runs(len(curves))

    @property
    def first_clicks(self) -> int:
        """Clicks that all runs have begun by."""
        return max(int(curve.clicks[0]) for curve in self.curves)

    @property
    def common_clicks(self) -> int:
        """Clicks that all runs have reached."""
        return min(int(curve.clicks[-1]) for curve in self.curves)

    @property
    def last_clicks(self) -> int:
        """Clicks that the longest run has reached."""
        return max(int(curve.clicks[-1]) for curve in self.curves)

    def spans(self, first: int, last: int) -> bool:
        """Whether all runs have begun and reached so many clicks."""
        return self.first_clicks <= first and last <= self.common_clicks

    def fits(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Isotonic fit of each draw: clicks ``[p]`` and mIoU ``[p]``, rising."""
        found = []
        for draw, runs in enumerate(self._runs):
            clicks = np.concatenate([self.curves[run].clicks for run in runs])
            values = np.concatenate([self.miou[run][draw] for run in runs])
            found.append(isotonic(clicks, values))
        return found

    def clicks_to(self, levels: np.ndarray) -> np.ndarray:
        """Clicks ``[b]`` to the level of each draw; infinite where it is not met."""
        pairs = zip(self.fits(), levels, strict=True)
        return np.array([crossing(*fit, level) for fit, level in pairs])

    def pixels_at(self, clicks: float | int) -> float:
        """Labelled pixels when so many clicks were made, mean over the runs."""
        long = [c for c in self.curves if c.clicks[-1] >= clicks]
        each = [np.interp(clicks, c.clicks, c.pixels) for c in long]
        return float(np.mean(each))

    def at(self, clicks: np.ndarray) -> np.ndarray:
        """The isotonic fit ``[b k]`` at numbers of clicks ``[k]``."""
        return np.stack(
            [np.interp(np.log(clicks), np.log(x), fit) for x, fit in self.fits()]
        )

    def area(self, first: int, last: int) -> np.ndarray:
        """Mean mIoU ``[b]`` over the logarithm of clicks, between two numbers."""
        grid = np.geomspace(first, last, 200)
        return self.at(grid).mean(axis=-1)

    def iou_at(self, clicks: int) -> np.ndarray:
        """IoU ``[c]`` of every class after the last round within so many clicks.

        Mean over the runs that have such a round; NaN where a class never occurs.
        """
        rows = []
        for curve in self.curves:
            done = int(np.searchsorted(curve.clicks, clicks, side="right"))
            if done:
                rows.append(segmentation.iou(curve.sums[done - 1].sum(axis=0)))
        return np.mean(rows, axis=0) if rows else np.full(0, np.nan)


def isotonic(clicks: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rising fit of values over log clicks: clicks and values, both ``[p]``."""
    unique, row, count = np.unique(clicks, return_inverse=True, return_counts=True)
    mean = np.bincount(row, values) / count
    fit = isotonic_regression(mean, weights=count.astype(np.float64)).x
    return unique.astype(np.float64), fit


def crossing(
    clicks: np.ndarray, values: np.ndarray, level: np.floating | float
) -> float:
    """Clicks at which a rising curve meets a level; infinite if it never does.

    Straight between its points, over the logarithm; a curve that begins above the
    level meets it at its first point.
    """
    above = np.flatnonzero(values >= level)
    if not len(above):
        return math.inf
    i = int(above[0])
    if values[i] == level or i == 0:
        return float(clicks[i])  # as it is: through the logarithm it would be rounded
    fraction = (level - values[i - 1]) / (values[i] - values[i - 1])
    return float(clicks[i - 1] * (clicks[i] / clicks[i - 1]) ** fraction)


def interval(values: np.ndarray, *, fraction: float = 0.95) -> tuple[float, float]:
    """The middle ``fraction`` of draws; infinities are numbers like others."""
    ends = [(1 - fraction) / 2, (1 + fraction) / 2]
    low, high = np.quantile(values, ends, method="nearest")
    return float(low), float(high)


def ratio(
    base: np.ndarray, clicks: np.ndarray, *, base_last: int
) -> tuple[float, tuple[float, float]] | None:
    """How many times fewer clicks than a base, and the interval of that.

    Args:
        base: ``[b]`` clicks of the base, infinite where it does not arrive.
        clicks: ``[b]`` clicks that are compared with it.
        base_last: The last clicks the base was given. Where it does not arrive the
            ratio is at least this over ``clicks``, and has no upper end.

    Returns:
        None if the estimate itself does not arrive. The lower end is 0 where draws
        do not arrive, the upper end infinite where the base does not.
    """
    if not math.isfinite(clicks[0]):
        return None
    arrived = np.isfinite(clicks)
    at_least = np.where(arrived, np.where(np.isfinite(base), base, base_last), 0.0)
    at_least = at_least / np.where(arrived, clicks, 1.0)
    at_most = np.where(arrived, base, np.inf) / np.where(arrived, clicks, 1.0)
    return float(at_least[0]), (interval(at_least[1:])[0], interval(at_most[1:])[1])
