import json

import pytest

from alsem.runs.sweep_plan import PlannedRun
from alsem.runs.time_left import TimeLeft


@pytest.fixture
def planned(tmp_path):
    """Makes a run of a scene with some rounds of 6 s done, its geometry 600 s."""

    def make(scene, seed, *, rounds, done=0):
        workdir = tmp_path / f"{scene}-{seed}"
        workdir.mkdir(exist_ok=True)
        seconds = [{"fit_geometry": 0.0, "cache": 0.0, "fit_semantics": 6.0}] * done
        if done and not seed:
            seconds[0] = seconds[0] | {"fit_geometry": 500.0, "cache": 100.0}
        rows = [{"round": i, "seconds": each} for i, each in enumerate(seconds)]
        (workdir / "rounds.jsonl").write_text(
            "".join(f"{json.dumps(r)}\n" for r in rows)
        )
        return PlannedRun(scene, "arm", workdir, (), {"active": {"rounds": rounds}})

    return make


def test_geometry_is_expected_once_a_scene(planned):
    time_left = TimeLeft(jobs=1)
    # 600 s of geometry, 10 rounds of 6 s.
    time_left.add(planned("a", 0, rounds=10, done=10), 660.0, 0)
    left = [planned("a", seed, rounds=10) for seed in range(1, 6)]
    assert time_left.text(left) == "5 left, about 5 min"
    left.append(planned("b", 0, rounds=10))
    assert time_left.text(left) == "6 left, about 16 min"
    assert time_left.text([]) == "none left"


def test_starting_is_not_taken_for_rounds_of_a_run_that_was_continued(planned):
    time_left = TimeLeft(jobs=1)
    # One more round of 6 s, 24 s of starting: 5 times 24 + 16 * 6 s are to come.
    time_left.add(planned("a", 0, rounds=11, done=11), 30.0, 10)
    left = [planned("a", seed, rounds=16) for seed in range(1, 6)]
    assert time_left.text(left) == "5 left, about 10 min"


def test_a_process_without_a_new_round_is_all_starting(planned):
    time_left = TimeLeft(jobs=2)
    time_left.add(planned("a", 0, rounds=5, done=2), 60.0, 2)  # waits for answers
    left = [planned("a", seed, rounds=5, done=4) for seed in (1, 2, 3, 4)]
    assert time_left.text(left) == "4 left, about 2 min"
