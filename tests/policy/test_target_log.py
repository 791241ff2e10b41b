"""The query log and the target log: appended targets against a rebuild of all."""

import dataclasses

import numpy as np
import pytest

from alsem.core.errors import InputError
from alsem.policy import targets
from alsem.policy.query_log import QueryLog, QuerySnapshot
from alsem.policy.target_log import TargetLog

PIXELS, QUERIES, CUES, CLASSES, ROUNDS = 300, 12, 3, 4, 6
NO_MODEL = (0, 3)  # rounds whose queries no model selected


def place(pixel):
    return np.stack([pixel % 20, pixel // 20], axis=-1).astype(float)


class Run:
    """A made-up run: snapshots, and the labels that each round's answers gave."""

    def __init__(self, seed):
        draw = np.random.default_rng(seed)
        queried = draw.permutation(PIXELS)[: ROUNDS * QUERIES].reshape(ROUNDS, -1)
        self.snapshots = {
            number: QuerySnapshot(
                pixel=queried[number],
                cues=draw.random((QUERIES, CUES), dtype=np.float32),
                predicted=draw.integers(0, CLASSES, PIXELS).astype(np.uint16),
            )
            for number in range(ROUNDS)
            if number not in NO_MODEL
        }
        self.answered = np.setdiff1d(np.arange(PIXELS), queried[:, -1])
        self.labels = draw.integers(0, CLASSES, PIXELS)
        self.labelled_in = np.full(PIXELS, ROUNDS)  # round that labelled a pixel
        for number, pixel in enumerate(queried):
            # Answers label neighbours too; some queries are labelled a round later.
            self.labelled_in[(pixel[:9] + 1) % PIXELS] = number
            self.labelled_in[pixel[:9]] = number
            self.labelled_in[pixel[9:11]] = number + 1

    def labels_of(self, is_there):
        pixel = np.flatnonzero(is_there)
        return pixel, self.labels[pixel]

    def inputs(self, number):
        return {
            "answered": self.answered,
            "labelled": self.labels_of(self.labelled_in <= number),
            "new": self.labels_of(self.labelled_in == number),
            "place": place,
        }

    def rebuilt(self, last):
        """All targets from all snapshots and labels."""
        parts = [targets.no_targets(CUES)]
        for number in range(last + 1):
            snapshot = self.snapshots.get(number)
            if snapshot is None:
                continue
            rows = np.isin(snapshot.pixel, self.answered)
            pixel, before = snapshot.pixel[rows], snapshot.predicted
            gain = np.full(len(pixel), np.nan)
            if number < last and number + 1 in self.snapshots:
                judges, label = self.inputs(number + 1)["new"]
                after = self.snapshots[number + 1].predicted[judges]
                change = targets.credit(
                    place(pixel), place(judges), label, before[judges], after
                )
                gain = targets.relative(change)
            labelled = self.inputs(last)["labelled"]
            wrong = targets.mistakes(pixel, before[pixel], *labelled)
            parts.append(
                targets.PolicyTargets(
                    pixel, snapshot.cues[rows], wrong, gain.astype(np.float32)
                )
            )
        return targets.joined(parts)


def same(found, expected):
    for name, column in dataclasses.asdict(expected).items():
        np.testing.assert_array_equal(getattr(found, name), column, err_msg=name)


@pytest.mark.parametrize("seed", range(3))
def test_appended_targets_are_those_of_a_rebuild(tmp_path, seed):
    run, log = Run(seed), TargetLog(tmp_path, CUES)
    for number in range(ROUNDS):
        if number in run.snapshots:
            QueryLog(tmp_path).write(number, run.snapshots[number])
        expected = run.rebuilt(number)
        same(log.append(number, **run.inputs(number)), expected)
        # What a later command reads, and a round repeated after a kill.
        again = TargetLog(tmp_path, CUES)
        same(again.read(number), expected)
        same(again.append(number, **run.inputs(number)), expected)
        assert again.count(number) == len(expected)
    whole = log.read(ROUNDS - 1)
    assert (whole.wrong == -1).any() and (whole.wrong == 1).any()
    assert np.isnan(whole.gain).any() and np.isfinite(whole.gain).any()
    # Earlier rounds do not see later ones.
    same(log.read(2), run.rebuilt(2))
    assert not list(tmp_path.glob("*.tmp"))


def test_a_lost_file_is_an_error(tmp_path):
    run, log = Run(0), TargetLog(tmp_path, CUES)
    for number in (1, 2):
        QueryLog(tmp_path).write(number, run.snapshots[number])
        log.append(number, **run.inputs(number))
    (tmp_path / "targets_1.npz").unlink()
    with pytest.raises(InputError, match=r"targets_1\.npz: missing.*--workdir"):
        log.read(2)


def test_snapshots_are_read_as_written(tmp_path):
    snapshots, snapshot = QueryLog(tmp_path / "policy"), Run(0).snapshots[1]
    assert snapshots.read(1) is None
    for _ in range(2):
        snapshots.write(1, snapshot)
        same(snapshots.read(1), snapshot)
