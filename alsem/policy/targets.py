"""Policy targets: whether the model was wrong at a query, and what the answer gained.

The gain of a round's queries is measured by the labels of the next round, which neither
the model that selected the queries nor the one fitted after them has learned.
"""

import dataclasses

import numpy as np
from scipy.spatial import KDTree


@dataclasses.dataclass(frozen=True)
class PolicyTargets:
    """Targets of past queries.

    Attributes:
        pixel: int64 ``[q]`` flat pool pixels.
        cues: float32 ``[q d]``, what the policy saw of them.
        wrong: float32 ``[q]``, 1 where the model was wrong before it learned the label,
            0 where it was right, -1 unknown.
        gain: float32 ``[q]``, in units of its round's mean absolute gain; NaN unknown.
    """

    pixel: np.ndarray
    cues: np.ndarray
    wrong: np.ndarray
    gain: np.ndarray

    def __len__(self) -> int:
        """Number of queries."""
        return len(self.pixel)


def credit(
    place: np.ndarray,
    judge_place: np.ndarray,
    judge_label: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
) -> np.ndarray:
    """Change of mIoU that each query of a round is credited with, ``[q]``.

    A labelled pixel (a judge) whose prediction changed counts for the query nearest to
    it, with its part of the change of mIoU over the judges (`miou_change`).

    Args:
        place: ``[q d]`` positions of the queries, metres.
        judge_place: ``[j d]`` positions of the judges.
        judge_label: int ``[j]``, their true labels, not negative.
        before: int ``[j]`` predictions of the model that selected the queries.
        after: int ``[j]`` predictions of the model that has learned their labels.
    """
    change = miou_change(judge_label, before, after)
    moved = np.flatnonzero(change)
    if not len(moved) or not len(place):
        return np.zeros(len(place), np.float32)
    _, nearest = KDTree(place).query(judge_place[moved])
    gain = np.bincount(nearest, change[moved], minlength=len(place))
    return gain.astype(np.float32)


def miou_change(label: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Each pixel's part ``[j]`` of a change of mIoU, to first order.

    A pixel of class y that becomes right adds one to the intersection of y; one that
    was predicted as p leaves the union of p. With intersections I and unions U before
    the change and C classes seen, these add ``1 / (C U_y)`` and ``I_p / (C U_p**2)``;
    becoming wrong subtracts the same. Of labels (0, 0, 1) predicted as (0, 1, 1), with
    U = (2, 2) and I = (1, 1), the second pixel becoming right adds 1/4 + 1/8.
    """
    num_classes = int(max(a.max(initial=0) for a in (label, before, after))) + 1
    hit = np.bincount(label[before == label], minlength=num_classes)
    union = np.bincount(label, minlength=num_classes)
    union = union + np.bincount(before, minlength=num_classes) - hit
    seen = np.maximum(union, 1)
    of_right, of_wrong = 1.0 / seen, hit / np.square(seen, dtype=np.float64)

    def value(predicted: np.ndarray) -> np.ndarray:
        return np.where(predicted == label, of_right[label], -of_wrong[predicted])

    return (value(after) - value(before)) / max(np.count_nonzero(union), 1)


def relative(gain: np.ndarray) -> np.ndarray:
    """Gains in units of their mean size, clipped to 10: later rounds gain less."""
    size = float(np.abs(gain).mean()) if len(gain) else 0.0
    return np.clip(gain / max(size, 1e-12), -10.0, 10.0)


def mistakes(
    query: np.ndarray, predicted: np.ndarray, pixel: np.ndarray, label: np.ndarray
) -> np.ndarray:
    """Whether the model was wrong at queries, float32 ``[q]``: 1, 0, -1 unknown.

    Args:
        query: int ``[q]``, the queries' pixels.
        predicted: int ``[q]``, labels predicted there before they were answered.
        pixel: int ``[m]``, labelled pixels, ascending.
        label: int ``[m]``, their labels.
    """
    if not len(pixel):
        return np.full(len(query), -1, np.float32)
    row = np.minimum(np.searchsorted(pixel, query), len(pixel) - 1)
    wrong = predicted != label[row]
    return np.where(pixel[row] == query, wrong, -1).astype(np.float32)


def no_targets(num_cues: int) -> PolicyTargets:
    """Targets of no query."""
    none = np.zeros(0, np.float32)
    cues = np.zeros((0, num_cues), np.float32)
    return PolicyTargets(np.zeros(0, np.int64), cues, none, none)


def joined(parts: list[PolicyTargets]) -> PolicyTargets:
    """Targets of several rounds in one."""
    columns = zip(*(dataclasses.astuple(part) for part in parts), strict=True)
    return PolicyTargets(*(np.concatenate(column) for column in columns))


def shrunk(
    targets: PolicyTargets, expected: np.ndarray, prior: float | int
) -> PolicyTargets:
    """Targets whose gains are drawn towards those expected before they were observed.

    With n gains known and a prior of m observations they are ``(n gain + m expected) /
    (n + m)``.

    Args:
        targets: As observed.
        expected: ``[q]`` gains that a policy of other scenes expected.
        prior: Number of observations that those count for.
    """
    count = np.count_nonzero(~np.isnan(targets.gain))
    fraction = count / max(count + prior, 1e-9)
    gain = fraction * targets.gain + (1.0 - fraction) * expected
    return dataclasses.replace(targets, gain=gain.astype(np.float32))
