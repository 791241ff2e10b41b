import json

import numpy as np
import pytest
from made_runs import CLASSES, SLOW, write_run, write_study

from alsem.core.errors import InputError
from alsem.reporting import finished_runs
from alsem.runs import compare


@pytest.mark.parametrize(
    "damage", ["nothing", "no rounds", "no confusions", "no config", "keys", "classes"]
)
def test_runs_that_cannot_be_compared_are_named_in_one_line(tmp_path, damage):
    place, run = write_study(tmp_path / "study"), tmp_path / "study" / "margin_0"
    confusions = run / "confusions" / "round_0.npz"
    if damage in ("nothing", "no rounds"):
        place = tmp_path / "other"
        place.mkdir()
        if damage == "no rounds":
            (place / "rounds.jsonl").touch()
    elif damage == "no confusions":
        confusions.unlink()
    elif damage == "no config":
        (run / "config.json").write_text("null")
    elif damage == "keys":
        (run / "config.json").write_text('{"seed": 0, "strategy": "margin"}')
    elif damage == "classes":
        counts = np.ones((6, len(CLASSES) + 1, len(CLASSES) + 1), int)
        for number in range(len(SLOW) - 2):
            np.savez(confusions.with_name(f"round_{number}.npz"), counts=counts)
    with pytest.raises(InputError) as error:
        compare.compare(finished_runs.find_runs([place]), samples=5)
    assert "\n" not in str(error.value) and str(tmp_path) in str(error.value)


def test_runs_without_test_labels_are_left_out(tmp_path):
    bare = write_run(tmp_path / "bare", "margin", [0.3])
    row = json.loads((bare / "rounds.jsonl").read_text()) | {"miou": None}
    (bare / "rounds.jsonl").write_text(json.dumps(row) + "\n")
    (bare / "confusions" / "round_0.npz").unlink()
    write_run(tmp_path / "scored", "margin", [0.3])
    (run,) = finished_runs.find_runs([tmp_path, tmp_path / "scored"])
    assert run.workdir.name == "scored"


def test_names_have_the_settings_that_differ():
    configs = [{"a": 1, "b": 2}, {"a": 1, "b": 3}, {"a": 1, "b": 2, "c": 0}]
    names = finished_runs.distinct_names(["x", "x", "y"], configs)
    assert names == ["x", "x, b=3", "y"]
    names = finished_runs.distinct_names(["x", "x", "x"], configs, ignore=("c",))
    assert names == ["x (1)", "x, b=3", "x (2)"]
