import json

import pytest

from alsem.runs.sweep_plan import PlannedRun
from alsem.runs.time_left import TimeLeft

ROUND = {"fit_geometry": 0.0, "cache": 0.0, "fit_semantics": 6.0}
FIRST = ROUND | {"fit_geometry": 500.0, "cache": 100.0}


@pytest.mark.parametrize(
    ("seconds", "rounds", "before", "asked", "scenes", "text"),
    [
        # Geometry of 600 s, then 10 rounds of 6 s; it is fitted once a scene.
        (660.0, [FIRST] + 9 * [ROUND], 0, 10, "aaaaa", "5 left, about 5 min"),
        (660.0, [FIRST] + 9 * [ROUND], 0, 10, "aaaaab", "6 left, about 16 min"),
        (660.0, [FIRST] + 9 * [ROUND], 0, 10, "", "none left"),
        # One more round of 6 s, 24 s of starting: 5 times 24 + 16 * 6 s are to come.
        (30.0, [FIRST] + 10 * [ROUND], 10, 16, "aaaaa", "5 left, about 10 min"),
        # It waits for answers: all 48 s are starting, and no round is measured.
        (48.0, [FIRST, ROUND], 2, 5, "aaaaa", "5 left, about 4 min"),
    ],
)
def test_the_time_left_is_that_of_starting_geometry_and_rounds(
    tmp_path, seconds, rounds, before, asked, scenes, text
):
    def planned(scene, seed):
        config = {"active": {"rounds": asked}}
        return PlannedRun(scene, "arm", tmp_path / f"{scene}-{seed}", (), config)

    ended = planned("a", 0)
    ended.workdir.mkdir()
    rows = [{"round": i, "seconds": each} for i, each in enumerate(rounds)]
    lines = [json.dumps(row) + "\n" for row in rows]
    (ended.workdir / "rounds.jsonl").write_text("".join(lines))
    time_left = TimeLeft(jobs=1)
    time_left.add(ended, seconds, before)
    left = [planned(scene, 1 + i) for i, scene in enumerate(scenes)]
    assert time_left.text(left) == text
