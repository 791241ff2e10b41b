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
NUMBER = np.arange(PIXELS)


def place(pixel):
    return np.stack([pixel % 20, pixel // 20], axis=-1).astype(float)


@dataclasses.dataclass
class Run:
    """A made-up run: snapshots, and the labels that each round's answers gave."""

    snapshots: dict[int, QuerySnapshot]
    withdrawn: np.ndarray
    labels: np.ndarray
    labelled_in: np.ndarray  # round that labelled a pixel

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
        self.withdrawn = queried[:, -1]
        self.labels = draw.integers(0, CLASSES, PIXELS)
        self.labelled_in = np.full(PIXELS, ROUNDS)
        for number, pixel in enumerate(queried):
            # Answers label neighbours too; some queries are labelled a round later.
            self.labelled_in[(pixel[:9] + 1) % PIXELS] = number
            self.labelled_in[pixel[:9]] = number
            self.labelled_in[pixel[9:11]] = number + 1

    def labelled(self, number):
        pixel = np.flatnonzero(self.labelled_in <= number)
        return pixel, self.labels[pixel]

    def inputs(self, number):
        new = np.flatnonzero(self.labelled_in == number)
        return {
            "answered": np.setdiff1d(NUMBER, self.withdrawn),
            "labelled": self.labelled(number),
            "new": (new, self.labels[new]),
            "place": place,
        }

    def rebuilt(self, last):
        """All targets from all snapshots and labels."""
        parts = [targets.no_targets(CUES)]
        for number, snapshot in self.snapshots.items():
            if number > last:
                continue
            rows = ~np.isin(snapshot.pixel, self.withdrawn)
            pixel, gain = snapshot.pixel[rows], np.full(rows.sum(), np.nan, np.float32)
            after = self.snapshots.get(number + 1) if number < last else None
            if after is not None:
                judges, label = self.inputs(number + 1)["new"]
                change = targets.credit(
                    place(pixel),
                    place(judges),
                    label,
                    snapshot.predicted[judges],
                    after.predicted[judges],
                )
                gain = targets.relative(change).astype(np.float32)
            wrong = targets.mistakes(
                pixel, snapshot.predicted[pixel], *self.labelled(last)
            )
            cues = snapshot.cues[rows]
            parts.append(targets.PolicyTargets(pixel, cues, wrong, gain))
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
        same(log.append(number, **run.inputs(number)), run.rebuilt(number))
        # What a later command reads, and a round repeated after a kill.
        again = TargetLog(tmp_path, CUES)
        same(again.read(number), run.rebuilt(number))
        same(again.append(number, **run.inputs(number)), run.rebuilt(number))
        assert again.count(number) == len(run.rebuilt(number))
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
    snapshots = QueryLog(tmp_path / "policy")
    assert snapshots.read(1) is None
    snapshot = Run(0).snapshots[1]
    snapshots.write(1, snapshot)
    snapshots.write(1, snapshot)
    found = snapshots.read(1)
    assert found is not None
    same(found, snapshot)
