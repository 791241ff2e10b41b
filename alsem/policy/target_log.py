"""The target log: policy targets beside a run, appended round by round.

Round r decides three things, which its file ``targets_{r}.npz`` holds: the targets of
its own answered queries, whose gain is not known yet; the gains of the queries of
round r-1, measured by the labels of round r; and corrections of whether the model was
wrong at earlier queries, where a later label decided that. Reading applies the files
in order, so that the targets after round r are those that a rebuild from all snapshots
and all labels so far would give. Appending a round again replaces its file.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from alsem.core.errors import InputError
from alsem.core.files import remove, replace_arrays
from alsem.policy.query_log import QueryLog, QuerySnapshot
from alsem.policy.targets import PolicyTargets, credit, mistakes, no_targets, relative

PlaceFn = Callable[[np.ndarray], np.ndarray]
"""Pool pixels ``[m]`` to the coordinates ``[m d]``, metres, that are compared."""


@dataclasses.dataclass(frozen=True)
class _RoundTargets:
    """What one round decides.

    Attributes:
        pixel: int64 ``[q]``, the round's answered queries.
        cues: float32 ``[q d]``.
        predicted: uint16 ``[q]``, labels predicted there before they were answered.
        wrong: float32 ``[q]``, as far as this round's labels determine it.
        previous_gain: float32 ``[p]``, of the queries of the round before; empty if
            there are none or no model predicted in both rounds.
        corrected: int64 ``[m]``, rows among all earlier queries.
        corrected_wrong: float32 ``[m]``, what they are now.
    """

    pixel: np.ndarray
    cues: np.ndarray
    predicted: np.ndarray
    wrong: np.ndarray
    previous_gain: np.ndarray
    corrected: np.ndarray
    corrected_wrong: np.ndarray


@dataclasses.dataclass(frozen=True)
class _State:
    """All targets after some rounds, and the rows of the last one with queries."""

    targets: PolicyTargets
    predicted: np.ndarray
    last: slice


class TargetLog:
    """The policy targets of one run.

    Args:
        folder: Where they are kept, beside the snapshots of a `QueryLog`.
        num_cues: Length of the policy's cue vectors.
    """

    def __init__(self, folder: Path, num_cues: int):
        """Reads nothing yet."""
        self._folder, self._num_cues = folder, num_cues

    def read(self, round_index: int) -> PolicyTargets:
        """Targets after a round: of the queries of all rounds up to it.

        Raises:
            InputError: A round's file is missing although it has a snapshot.
        """
        return self._replayed(round_index).targets

    def count(self, round_index: int) -> int:
        """Number of queries that have targets after a round."""
        paths = (self._path(number) for number in range(round_index + 1))
        total = 0
        for path in paths:
            if path.exists():
                with np.load(path) as arrays:
                    total += len(arrays["pixel"])
        return total

    def append(
        self,
        round_index: int,
        *,
        answered: np.ndarray,
        labelled: tuple[np.ndarray, np.ndarray],
        new: tuple[np.ndarray, np.ndarray],
        place: PlaceFn,
    ) -> PolicyTargets:
        """Appends what an annotated round decides; returns all targets so far.

        Args:
            round_index: The round that was annotated; the rounds before it have been
                appended.
            answered: int ``[m]``, pixels of all queries so far that were not withdrawn.
            labelled: Pixels, ascending, and labels of everything labelled so far.
            new: Pixels and labels of what this round labelled: the judges.
            place: Gives the coordinates in which a change is credited to the nearest
                query, such as `acquisition.surface_coordinates`.

        Raises:
            InputError: An earlier round has a snapshot but no targets.
        """
        snapshots = QueryLog(self._folder)
        before = self._replayed(round_index - 1)
        known, now = before.targets, snapshots.read(round_index)
        own = _answered_queries(now, answered, self._num_cues)
        wrong = mistakes(known.pixel, before.predicted, *labelled)
        corrected = np.flatnonzero(wrong != known.wrong)
        previous_gain = np.zeros(0, np.float32)
        previous = snapshots.read(round_index - 1)
        if now is not None and previous is not None:
            pixel, label = new
            change = credit(
                place(known.pixel[before.last]),
                place(pixel),
                label,
                previous.predicted[pixel],
                now.predicted[pixel],
            )
            previous_gain = relative(change).astype(np.float32)
        decided = _RoundTargets(
            pixel=own.pixel,
            cues=own.cues,
            predicted=own.predicted,
            wrong=mistakes(own.pixel, own.predicted, *labelled),
            previous_gain=previous_gain,
            corrected=corrected,
            corrected_wrong=wrong[corrected],
        )
        if now is not None or len(corrected):
            replace_arrays(self._path(round_index), dataclasses.asdict(decided))
        else:  # left by an earlier attempt at this round, if at all
            remove(self._path(round_index))
        return _applied(before, decided).targets

    def _replayed(self, round_index: int) -> _State:
        none = no_targets(self._num_cues)
        state = _State(none, np.zeros(0, np.uint16), slice(0, 0))
        for number in range(round_index + 1):
            path = self._path(number)
            if path.exists():
                with np.load(path) as arrays:
                    state = _applied(state, _RoundTargets(**arrays))
            elif QueryLog(self._folder).has(number):
                raise InputError(
                    f"{path}: missing, so the policy's targets of round {number} are"
                    " lost; give another --workdir to start the run again"
                )
        return state

    def _path(self, round_index: int) -> Path:
        return self._folder / f"targets_{round_index}.npz"


def _answered_queries(
    snapshot: QuerySnapshot | None, answered: np.ndarray, num_cues: int
) -> QuerySnapshot:
    """A round's queries that were answered, with their own predictions only."""
    if snapshot is None:
        none = no_targets(num_cues)
        return QuerySnapshot(none.pixel, none.cues, np.zeros(0, np.uint16))
    rows = np.isin(snapshot.pixel, answered)
    pixel = snapshot.pixel[rows]
    return QuerySnapshot(pixel, snapshot.cues[rows], snapshot.predicted[pixel])


def _applied(before: _State, decided: _RoundTargets) -> _State:
    """All targets after one more round."""
    known = before.targets
    wrong, gain = known.wrong.copy(), known.gain.copy()
    wrong[decided.corrected] = decided.corrected_wrong
    if len(decided.previous_gain):
        gain[before.last] = decided.previous_gain
    unknown = np.full(len(decided.pixel), np.nan, np.float32)
    targets = PolicyTargets(
        np.concatenate([known.pixel, decided.pixel]),
        np.concatenate([known.cues, decided.cues]),
        np.concatenate([wrong, decided.wrong]),
        np.concatenate([gain, unknown]),
    )
    predicted = np.concatenate([before.predicted, decided.predicted])
    return _State(targets, predicted, slice(len(known), len(targets)))
