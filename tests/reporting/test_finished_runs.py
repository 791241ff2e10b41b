import json

import numpy as np
import pytest
from captures import input_error
from made_runs import CLASSES, SLOW, write_run, write_study

from alsem.reporting import finished_runs
from alsem.runs import compare


def damage_classes(run):
    counts = np.ones((6, len(CLASSES) + 1, len(CLASSES) + 1), int)
    for number in range(len(SLOW) - 2):
        np.savez(run / "confusions" / f"round_{number}.npz", counts=counts)


@pytest.mark.parametrize(
    "damage",
    [
        lambda run: (run / "confusions" / "round_0.npz").unlink(),
        lambda run: (run / "config.json").write_text("null"),
        lambda run: (run / "config.json").write_text('{"strategy": "margin"}'),
        damage_classes,
    ],
)
def test_a_damaged_run_is_named(tmp_path, damage):
    run = write_study(tmp_path) / "margin_0"
    damage(run)

    def compare_all():
        compare.compare(finished_runs.find_runs([tmp_path]), samples=5)

    assert str(run) in input_error(compare_all)


@pytest.mark.parametrize("files", [[], ["rounds.jsonl"]])
def test_a_folder_without_finished_runs_is_named(tmp_path, files):
    for name in files:
        (tmp_path / name).touch()
    assert str(tmp_path) in input_error(finished_runs.find_runs, [tmp_path])


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
