"""Label efficiency: clicks that a learning curve needs to reach a level of mIoU.

A learning curve is one run's confusion counts of every test frame after every round.
Levels are fractions of the mIoU of full supervision on the same frames. Clicks to a
level are where the isotonic fit of mIoU over the logarithm of clicks crosses it; a
curve that does not reach a level needs infinitely many, and nothing is extrapolated.
Confidence intervals come from a bootstrap over test frames and seeds.

For example, rounds at 10, 20 and 40 clicks score mIoU .1, .6 and .4. The isotonic fit
pools the last two, which fall, into their mean: .1, .5, .5. It crosses the level .3
half way from .1 to .5, and half way from 10 to 20 over the logarithm:
10 * (20 / 10)**.5 = 14.1 clicks. No number of clicks reaches .55.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import isotonic_regression

from alsem.evaluation import segmentation

LEVELS = (0.80, 0.90, 0.95)  # fractions of full supervision's mIoU
WITHIN = 0.01  # the level "within 1 point": so much mIoU below full supervision


@dataclasses.dataclass(frozen=True)
class LearningCurve:
    """Cost and segmentation counts of one run after every round.

    Attributes:
        clicks: int ``[r]``, clicks so far, rising.
        pixels: int ``[r]``, labelled pixels so far.
        sums: int ``[r f 3 c]``, `segmentation.class_sums` of every test frame.
    """

    clicks: np.ndarray
    pixels: np.ndarray
    sums: np.ndarray


@dataclasses.dataclass(frozen=True)
class Bootstrap:
    """Bootstrap samples of test frames and of seeds.

    Attributes:
        frames: float ``[b f]``, how often each sample has every test frame. The first
            sample has each frame once: the estimate itself.
        seed: Of the random choice of runs.
    """

    frames: np.ndarray
    seed: int

    def runs(self, num: int) -> np.ndarray:
        """Draws runs of a group, ``[b num]``; the first sample has each once."""
        shape = (len(self.frames), num)
        chosen = np.random.default_rng(self.seed).integers(0, num, shape)
        chosen[0] = np.arange(num)
        return chosen


def make_bootstrap(num_frames: int, *, num: int, seed: int = 0) -> Bootstrap:
    """Draws ``num`` samples of test frames, besides the estimate itself."""
    rng = np.random.default_rng(seed)
    even = np.full(num_frames, 1 / num_frames)
    drawn = rng.multinomial(num_frames, even, size=num)
    frames = np.concatenate([np.ones((1, num_frames)), drawn])
    return Bootstrap(frames, seed + 1)


def bootstrap_miou(sums: np.ndarray, samples: Bootstrap) -> np.ndarray:
    """MIoU ``[b r]`` of class sums ``[r f 3 c]``, pooled over each sample's frames."""
    scored = []
    for of_round in sums.astype(np.float64):
        pooled = np.tensordot(samples.frames, of_round, axes=1)
        scored.append(segmentation.miou(pooled))
    return np.stack(scored, axis=1)


class SeedGroup:
    """Runs that differ only by their seed, scored over all bootstrap samples.

    Attributes:
        curves: Their learning curves.
        miou: Of every curve, float ``[b r]``.
    """

    def __init__(self, curves: Sequence[LearningCurve], samples: Bootstrap):
        """Scores the curves.

        Raises:
            ValueError: There is no curve, or one without a round.
        """
        if not curves or not all(len(curve.clicks) for curve in curves):
            raise ValueError("a group of runs needs finished rounds")
        self.curves = list(curves)
        self.miou = [bootstrap_miou(curve.sums, samples) for curve in curves]
        self._runs = samples.runs(len(curves))

    @property
    def first_clicks(self) -> int:
        """Clicks of the first round, the most of all runs."""
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
        """Whether the curves of all runs cover an interval of clicks."""
        return self.first_clicks <= first and last <= self.common_clicks

    def fits(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Isotonic fit of each sample: clicks ``[p]`` and mIoU ``[p]``, both rising."""
        found = []
        for sample, runs in enumerate(self._runs):
            clicks = np.concatenate([self.curves[run].clicks for run in runs])
            values = np.concatenate([self.miou[run][sample] for run in runs])
            found.append(isotonic_fit(clicks, values))
        return found

    def clicks_to(self, levels: np.ndarray) -> np.ndarray:
        """Clicks ``[b]`` to each sample's level ``[b]``; infinite if not reached."""
        pairs = zip(self.fits(), levels, strict=True)
        return np.array([crossing(*fit, level) for fit, level in pairs])

    def pixels_at(self, clicks: float | int) -> float:
        """Labelled pixels after so many clicks, mean over the runs that reach them."""
        long = [c for c in self.curves if c.clicks[-1] >= clicks]
        each = [np.interp(clicks, c.clicks, c.pixels) for c in long]
        return float(np.mean(each))

    def miou_at(self, clicks: np.ndarray) -> np.ndarray:
        """Isotonic fit ``[b k]`` of mIoU at numbers of clicks ``[k]``."""
        return np.stack(
            [np.interp(np.log(clicks), np.log(x), fit) for x, fit in self.fits()]
        )

    def mean_miou(self, first: int, last: int) -> np.ndarray:
        """Mean mIoU ``[b]`` over the logarithm of clicks, from first to last."""
        grid = np.geomspace(first, last, 200)
        return self.miou_at(grid).mean(axis=-1)

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


def isotonic_fit(
    clicks: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Fits a rising function to values by least squares.

    Values at the same number of clicks count by their mean, weighted by their number.
    Of values .1, .6, .4 at 10, 20, 40 clicks the fit is .1, .5, .5.

    Args:
        clicks: int ``[n]``, in any order.
        values: float ``[n]``.

    Returns:
        Distinct clicks ``[p]``, rising, and the fit ``[p]`` there.
    """
    unique, row, count = np.unique(clicks, return_inverse=True, return_counts=True)
    mean = np.bincount(row, values) / count
    fit = isotonic_regression(mean, weights=count.astype(np.float64)).x
    return unique.astype(np.float64), fit


def crossing(
    clicks: np.ndarray, values: np.ndarray, level: np.floating | float
) -> float:
    """Clicks at which a rising curve reaches a level; infinite if it never does.

    Between its points the curve is linear over the logarithm of clicks: from .1 at 10
    clicks to .5 at 20 it reaches .3 at 10 * 2**.5 = 14.1. A curve that starts above
    the level reaches it at its first point.

    Args:
        clicks: float ``[p]``, rising.
        values: float ``[p]``, not falling.
        level: The level.
    """
    above = np.flatnonzero(values >= level)
    if not len(above):
        return math.inf
    i = int(above[0])
    if values[i] == level or i == 0:
        return float(clicks[i])  # exact: the way through the logarithm rounds
    fraction = (level - values[i - 1]) / (values[i] - values[i - 1])
    return float(clicks[i - 1] * (clicks[i] / clicks[i - 1]) ** fraction)


def interval(values: np.ndarray, *, fraction: float = 0.95) -> tuple[float, float]:
    """The central interval of samples, which may be infinite, without interpolation.

    Args:
        values: float ``[b]``.
        fraction: Of the samples inside it; .95 leaves 2.5 % out at either end.
    """
    ends = [(1 - fraction) / 2, (1 + fraction) / 2]
    low, high = np.quantile(values, ends, method="nearest")
    return float(low), float(high)


def click_ratio(
    base: np.ndarray, clicks: np.ndarray, *, base_last: int
) -> tuple[float, tuple[float, float]] | None:
    """Times fewer clicks than a baseline needs, and the confidence interval.

    A baseline that needs 400 clicks where 100 are enough gives 4. One that was stopped
    at 1000 without reaching the level gives at least 10.

    Args:
        base: ``[b]`` clicks of the baseline, infinite where it misses the level.
        clicks: ``[b]`` clicks that are compared with it.
        base_last: Last clicks of the baseline. Where it misses the level the ratio is
            a lower bound, this over ``clicks``, and the interval has no upper end.

    Returns:
        None if the estimate itself misses the level. The lower end is 0 where samples
        miss the level, the upper end infinite where the baseline does.
    """
    if not math.isfinite(clicks[0]):
        return None
    reached = np.isfinite(clicks)
    at_least = np.where(reached, np.where(np.isfinite(base), base, base_last), 0.0)
    at_least = at_least / np.where(reached, clicks, 1.0)
    at_most = np.where(reached, base, np.inf) / np.where(reached, clicks, 1.0)
    return float(at_least[0]), (interval(at_least[1:])[0], interval(at_most[1:])[1])
