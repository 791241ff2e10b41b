"""What became of past queries: the policy's training data, on disk beside the run.

Before a round's labels are learnt it is written down what was known of its queries
and what the model said of the whole pool. The labels of the next round, which neither
that model nor the one after has learnt, are its honest judges.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import KDTree


@dataclasses.dataclass(frozen=True)
class QuerySnapshot:
    """What was known when a round was asked, by the model of the round before.

    Attributes:
        pixel: int64 ``[q]`` flat pool pixels asked about.
        cues: float32 ``[q d]``.
        predicted: uint16 ``[n]`` the label it predicted of every pool pixel.
    """

    pixel: np.ndarray
    cues: np.ndarray
    predicted: np.ndarray

    def only(self, queries: np.ndarray) -> "QuerySnapshot":
        """The same of some queries, a mask ``[q]``."""
        return dataclasses.replace(
            self, pixel=self.pixel[queries], cues=self.cues[queries]
        )


@dataclasses.dataclass(frozen=True)
class PolicyTargets:
    """What became of queries, as `train.Observations` wants it.

    Attributes:
        pixel: int64 ``[q]``.
        cues: float32 ``[q d]``.
        wrong: float32 ``[q]``, 1 wrong, 0 right, -1 unknown.
        gain: float32 ``[q]``, in units of its round's mean absolute gain; NaN unknown.
    """

    pixel: np.ndarray
    cues: np.ndarray
    wrong: np.ndarray
    gain: np.ndarray

    def __len__(self) -> int:
        """How many."""
        return len(self.pixel)


class QueryLog:
    """One file a round, ``round_{i}.npz``; writing a round again changes nothing."""

    def __init__(self, folder: Path):
        """Remembers the folder; it is made when there is something to write."""
        self._folder = folder

    def write(self, round_index: int, queried: QuerySnapshot) -> None:
        """Writes a round down, whole or not at all."""
        self._save(self._path(round_index), queried)

    def read(self, round_index: int) -> QuerySnapshot | None:
        """What was known when the round was asked; None if no model was there yet."""
        path = self._path(round_index)
        if not path.exists():
            return None
        with np.load(path) as arrays:
            return QuerySnapshot(**arrays)

    def write_targets(self, round_index: int, targets: PolicyTargets) -> None:
        """Writes the targets of a round's queries, whole or not at all."""
        self._save(self._targets_path(round_index), targets)

    def read_targets(self, round_index: int) -> PolicyTargets | None:
        """The targets of a round's queries; None if it has none."""
        path = self._targets_path(round_index)
        if not path.exists():
            return None
        with np.load(path) as arrays:
            return PolicyTargets(**arrays)

    def targets(self, round_index: int, *, num_cues: int) -> PolicyTargets:
        """The targets of all rounds up to one."""
        parts = [self.read_targets(number) for number in range(1, round_index + 1)]
        return joined(
            [nothing(num_cues), *(part for part in parts if part is not None)]
        )

    def num_targets(self, round_index: int) -> int:
        """How many targets the rounds up to one have."""
        parts = (self.read_targets(number) for number in range(1, round_index + 1))
        return sum(len(part) for part in parts if part is not None)

    def _path(self, round_index: int) -> Path:
        return self._folder / f"round_{round_index}.npz"

    def _targets_path(self, round_index: int) -> Path:
        return self._folder / f"targets_{round_index}.npz"

    def _save(self, path: Path, arrays: Any) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            np.savez_compressed(file, **dataclasses.asdict(arrays))
        temporary.replace(path)


def credit(
    place: np.ndarray,
    judge_place: np.ndarray,
    judge_label: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
) -> np.ndarray:
    """What each query of a round did to mIoU, as others' labels judge it: ``[q]``.

    A judge whose prediction changed counts for the query nearest to it, by what the
    change did to mIoU over the judges, to first order (`miou_change`).

    Args:
        place: ``[q d]`` where the queries are, in metres of likeness.
        judge_place: ``[j d]`` where the judges are.
        judge_label: int ``[j]``, true labels, not negative.
        before: int ``[j]`` predictions of the model that the round was asked by.
        after: int ``[j]`` predictions of the model that has learnt the round.
    """
    change = miou_change(judge_label, before, after)
    moved = np.flatnonzero(change)
    if not len(moved) or not len(place):
        return np.zeros(len(place), np.float32)
    _, nearest = KDTree(place).query(judge_place[moved])
    gain = np.bincount(nearest, change[moved], minlength=len(place))
    return gain.astype(np.float32)


def miou_change(label: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Each pixel's share ``[j]`` of a change of mIoU, to first order.

    A pixel of class y that turns right adds one to the intersection of y; where it
    was taken for p it leaves the union of p. With intersections I and unions U before
    the change, in units of one over the number of classes seen, the two are worth
    ``1 / U_y`` and ``I_p / U_p**2``; turning wrong costs the same.
    """
    num_classes = int(max(a.max(initial=0) for a in (label, before, after))) + 1
    hit = np.bincount(label[before == label], minlength=num_classes)
    union = np.bincount(label, minlength=num_classes)
    union = union + np.bincount(before, minlength=num_classes) - hit
    seen = np.maximum(union, 1)
    worth, harm = 1.0 / seen, hit / np.square(seen, dtype=np.float64)

    def value(predicted: np.ndarray) -> np.ndarray:
        return np.where(predicted == label, worth[label], -harm[predicted])

    return (value(after) - value(before)) / max(np.count_nonzero(union), 1)


def relative(gain: np.ndarray) -> np.ndarray:
    """Gains in units of their mean size, cut at 10: later rounds gain less in all."""
    size = float(np.abs(gain).mean()) if len(gain) else 0.0
    return np.clip(gain / max(size, 1e-12), -10.0, 10.0)


def nothing(num_cues: int) -> PolicyTargets:
    """No outcome at all."""
    none = np.zeros(0, np.float32)
    cues = np.zeros((0, num_cues), np.float32)
    return PolicyTargets(np.zeros(0, np.int64), cues, none, none)


def mistakes(
    queried: QuerySnapshot, pixel: np.ndarray, label: np.ndarray
) -> np.ndarray:
    """Whether the model was wrong where it asked, float32 ``[q]``: 1, 0, -1 unknown.

    Args:
        queried: What was known then.
        pixel: int ``[m]``, labelled pixels, rising.
        label: int ``[m]``, their labels.
    """
    if not len(pixel):
        return np.full(len(queried.pixel), -1, np.float32)
    row = np.minimum(np.searchsorted(pixel, queried.pixel), len(pixel) - 1)
    wrong = queried.predicted[queried.pixel] != label[row]
    return np.where(pixel[row] == queried.pixel, wrong, -1).astype(np.float32)


def joined(parts: list[PolicyTargets]) -> PolicyTargets:
    """Outcomes of several rounds in one."""
    columns = zip(*(dataclasses.astuple(part) for part in parts), strict=True)
    return PolicyTargets(*(np.concatenate(column) for column in columns))


def shrunk(
    policy_targets: PolicyTargets, expected: np.ndarray, prior: float | int
) -> PolicyTargets:
    """Outcomes whose gains are drawn towards what was expected before they were seen.

    Args:
        policy_targets: As observed.
        expected: ``[q]`` gains that a policy of other scenes expected.
        prior: How many observations those count for.
    """
    count = np.count_nonzero(~np.isnan(policy_targets.gain))
    fraction = count / max(count + prior, 1e-9)
    gain = fraction * policy_targets.gain + (1.0 - fraction) * expected
    return dataclasses.replace(policy_targets, gain=gain.astype(np.float32))
