"""The program end to end, in this process, on a room of six walls."""

import json
import shutil
import sqlite3
from contextlib import closing

import numpy as np
import pytest
import tiny

from alsem import training
from alsem.annotation import LabelStore
from alsem.core import signals
from alsem.core.errors import InputError
from alsem.data import open_capture
from alsem.reporting import run_dir
from alsem.reporting.json_records import read_jsonl
from alsem.reporting.run_dir import ROUND_KEYS, STAGES
from alsem.runs import runner
from alsem.training.checkpoint import Checkpoints

INITIAL, PER_ROUND = 8, 8


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder of runs, which share the geometry fit, beside the capture."""
    folder = tmp_path_factory.mktemp("program")
    tiny.write_box(folder / "captures")
    return folder


@pytest.fixture
def run(runs):
    def run_one(name, variant="smoke", **overrides):
        config = tiny.config(runs / "captures", variant, **overrides)
        return runner.start_run(config, runs / name)

    return run_one


@pytest.fixture
def finished(runs, run):
    """The plain run, made once."""
    if not (runs / "plain" / "summary.json").exists():
        assert run("plain")
    return runs / "plain"


def rows_of(workdir):
    return read_jsonl(workdir / "rounds.jsonl")


def queries_of(workdir):
    with closing(sqlite3.connect(workdir / "labels.sqlite")) as store:
        return store.execute(
            "select round, frame, row, col, unit from queries order by query_id"
        ).fetchall()


def test_a_run_leaves_all_its_records(finished):
    rows = rows_of(finished)
    assert [row["round"] for row in rows] == [0, 1, 2]
    for row in rows:
        assert set(ROUND_KEYS) <= row.keys()
        assert set(STAGES) == row["seconds"].keys()
        assert set(row["iou_per_class"]) == set(tiny.CLASSES)
        assert 0 <= row["miou"] <= 1 and row["psnr"] > 5 and row["depth_l1_m"] >= 0
        assert row["candidates"] == tiny.TRAIN_FRAMES * tiny.WIDTH * tiny.HEIGHT
    summary = json.loads((finished / "summary.json").read_text())
    assert summary["miou"] == rows[-1]["miou"] and summary["wall_seconds"] > 0
    config = json.loads((finished / "config.json").read_text())
    assert config["active"]["strategy"] == "geometry"
    environment = json.loads((finished / "environment.json").read_text())
    assert environment["seed"] == 0 and environment["devices"]
    metrics = read_jsonl(finished / "metrics.jsonl")
    assert [row["test/miou"] for row in metrics] == [row["miou"] for row in rows]
    assert list((finished / "tensorboard").glob("events.*"))
    assert list((finished / "checkpoints" / "rounds").iterdir())
    page = (finished / "report" / "index.html").read_text()
    assert "<html" in page and "ceiling" in page


def test_clicks_are_those_of_the_store(finished):
    with LabelStore(finished / "labels.sqlite") as store:
        for row in rows_of(finished):
            totals = store.totals(row["round"])
            assert (row["clicks"], row["pixels"]) == (totals.clicks, totals.pixels)
            assert row["clicks"] == INITIAL + PER_ROUND * row["round"]
    queried = [query[1:4] for query in queries_of(finished)]
    assert len(set(queried)) == len(queried)


def test_labels_are_the_true_ones(finished, runs):
    with closing(sqlite3.connect(finished / "labels.sqlite")) as store:
        answers = store.execute("select frame, row, col, label from annotations")
        answers = answers.fetchall()
    box = tiny.config(runs / "captures").data.to_dict()
    box.pop("room"), box.pop("make_room")
    truth = open_capture(**box)[1].train_labels
    assert all(truth[frame, row, col] == label for frame, row, col, label in answers)


def test_the_same_seed_queries_the_same_and_geometry_is_fitted_once(
    finished, runs, run
):
    def geometry_files():
        files = (path for path in (runs / ".geometry").rglob("*") if path.is_file())
        return {p: p.stat().st_mtime_ns for p in files if p.name != "lock"}

    fitted = geometry_files()
    assert fitted and run("again")
    # By its files: how long it takes to open them varies with the machine's load.
    assert geometry_files() == fitted
    assert queries_of(runs / "again") == queries_of(finished)
    pairs = zip(rows_of(runs / "again"), rows_of(finished), strict=True)
    assert all(a["miou"] == b["miou"] for a, b in pairs)


@pytest.mark.parametrize("strategy", ["random", "entropy", "margin"])
def test_every_strategy_runs(finished, runs, run, strategy):
    assert run(strategy, active__strategy=strategy, active__rounds=2)
    rows = rows_of(runs / strategy)
    assert [row["strategy"] for row in rows] == [strategy] * 2
    chosen = "random" if strategy == "random" else strategy
    assert rows[1]["chosen_by"] == chosen
    assert rows[1]["clicks"] == INITIAL + PER_ROUND


def test_another_seed_asks_something_else(finished, runs, run):
    assert run("random-1", active__strategy="random", active__rounds=1, seed=1)
    assert run("random-0", active__strategy="random", active__rounds=1)
    assert queries_of(runs / "random-1") != queries_of(runs / "random-0")
    assert len(list((runs / ".geometry").iterdir())) == 1


def test_full_supervision_learns_every_label(finished, runs, run):
    assert run(
        "full",
        active__strategy="full",
        active__rounds=1,
        train__semantics__fit__steps=300,
    )
    (row,) = rows_of(runs / "full")
    assert row["granularity"] == "frame" and row["chosen_by"] == "full"
    assert row["pixels"] == tiny.TRAIN_FRAMES * tiny.WIDTH * tiny.HEIGHT
    assert row["clicks"] < row["pixels"] / 10  # segments, not pixels
    assert row["miou"] > 2 * max(r["miou"] for r in rows_of(finished))


def test_joint_training_runs_and_makes_its_own_caches(finished, runs, run):
    assert run("joint", train__mode="joint", active__rounds=2)
    assert len(rows_of(runs / "joint")) == 2
    folders = [path.name for path in (runs / "joint" / "surface").iterdir()]
    assert folders == ["round_1"]
    assert len(list((runs / ".geometry").iterdir())) == 1


@pytest.mark.parametrize("strategy", ["margin", "policy"])
def test_joint_training_without_depth_keeps_its_grid_up_to_date(run, runs, strategy):
    name = f"joint-{strategy}-no-depth"
    options = {"train__mode": "joint", "data__use_depth": False}
    assert run(name, **options, active__strategy=strategy, active__rounds=2)
    assert len(rows_of(runs / name)) == 2


def test_a_finished_run_goes_on_with_more_rounds(finished, runs, run, monkeypatch):
    shutil.copytree(finished, runs / "longer")
    before = (runs / "longer" / "rounds.jsonl").read_text()
    with monkeypatch.context() as patch:
        patch.setattr(training, "fit", None)  # nothing is left to fit
        assert run("longer")
    assert (runs / "longer" / "rounds.jsonl").read_text() == before
    assert run("longer", active__rounds=4)
    assert (runs / "longer" / "rounds.jsonl").read_text().startswith(before)
    assert run("at-once", active__rounds=4)
    assert queries_of(runs / "longer") == queries_of(runs / "at-once")
    rows = [rows_of(runs / name)[-1] for name in ("longer", "at-once")]
    assert rows[0]["miou"] == rows[1]["miou"]


def test_the_budget_is_spent_to_the_click_and_can_be_raised(finished, runs, run):
    assert run("budget", active__budget=13)
    assert [row["clicks"] for row in rows_of(runs / "budget")] == [8, 13]
    assert run("budget", active__budget=20)
    assert [row["clicks"] for row in rows_of(runs / "budget")] == [8, 13, 20]


def test_a_run_waits_for_a_file_of_answers(finished, runs, run):
    answers = runs / "answers.csv"
    answers.write_text("frame,row,col,label\n")
    options = {
        "active__annotator": "file",
        "active__answers": str(answers),
        "active__rounds": 2,
    }
    assert not run("file", **options)
    assert rows_of(runs / "file") == []
    for number in range(2):
        queried = queries_of(runs / "file")
        assert len(queried) == INITIAL + PER_ROUND * number
        with answers.open("a") as file:
            for round_index, frame, row, col, _ in queried:
                if round_index == number:
                    file.write(f"{frame},{row},{col},floor\n")
        assert run("file", **options) == (number == 1)
    assert [row["clicks"] for row in rows_of(runs / "file")] == [8, 16]
    with LabelStore(runs / "file" / "labels.sqlite") as store:
        labels = store.annotations().label
    np.testing.assert_array_equal(labels, tiny.CLASSES.index("floor"))


def test_a_run_directory_of_another_config_is_refused(finished, run):
    with pytest.raises(InputError, match=r"seed=0, not 3"):
        run("plain", seed=3)


def test_a_model_is_safe_before_its_row_is_written(finished, runs, run, monkeypatch):
    found = []

    def append_round(self, row):
        folder = self.workdir / "checkpoints" / "rounds"
        found.append((folder / str(row["round"])).exists())
        return original(self, row)

    original = run_dir.RunLog.append_round
    monkeypatch.setattr(run_dir.RunLog, "append_round", append_round)
    assert run("safe", active__rounds=2)
    assert found == [True, True]


def test_a_fit_that_is_asked_to_end_goes_on_where_it_was(runs, run, monkeypatch):
    options = {"active__rounds": 1, "train__semantics__fit__steps": 40}
    assert run("not-asked", **options)
    plain_fit, started_at = training.fit, []

    def fit(runner, state, *args, **kwargs):
        started_at.append(int(state.step))
        return plain_fit(runner, state, *args, **kwargs)

    def request_end(self, *args):
        monkeypatch.setattr(signals, "_requested", True)
        return False

    monkeypatch.setattr(training, "fit", fit)
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "is_due", request_end)
        with pytest.raises(signals.Interrupted):
            run("queried", **options)
    monkeypatch.setattr(signals, "_requested", False)
    assert rows_of(runs / "queried") == []
    assert run("queried", **options)
    assert started_at == [0, 20]
    (queried,), (not_asked,) = rows_of(runs / "queried"), rows_of(runs / "not-asked")
    assert queried["miou"] == not_asked["miou"] and queried["ece"] == not_asked["ece"]


def test_a_config_that_makes_no_sense_writes_nothing(runs, run):
    with pytest.raises(InputError, match=r"active\.rounds=0"):
        run("nonsense", active__rounds=0)
    assert not (runs / "nonsense").exists()
