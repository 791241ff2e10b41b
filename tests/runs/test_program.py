"""The program end to end, in this process, on a room of six walls."""

import json
import shutil

import numpy as np
import pytest
import tiny

from alsem import training
from alsem.annotation import LabelStore, expand_annotations, parse_label_set
from alsem.core import signals
from alsem.data import open_capture
from alsem.reporting import run_dir
from alsem.reporting.json_records import read_jsonl
from alsem.reporting.run_dir import ROUND_KEYS, STAGES
from alsem.training.checkpoint import Checkpoints

INITIAL, PER_ROUND = 8, 8
POOL = tiny.TRAIN_FRAMES * tiny.WIDTH * tiny.HEIGHT


@pytest.fixture(scope="module")
def train_labels(runs):
    data = tiny.config(runs / "captures").data.to_dict()
    del data["room"], data["make_room"]
    return open_capture(**data)[1].train_labels


def rows_of(workdir):
    return read_jsonl(workdir / "rounds.jsonl")


def annotations_of(workdir):
    with LabelStore(workdir / "labels.sqlite") as store:
        return store.annotations()


def queries_of(workdir):
    """Round, frame, row, column and unit of every query."""
    with LabelStore(workdir / "labels.sqlite") as store:
        queries = store.queries()
    columns = (queries.round, queries.frame, queries.row, queries.col, queries.unit)
    return np.stack(columns, axis=-1).tolist()


def geometry_files(runs):
    """When each was written: how long opening them takes varies with the load."""
    files = (path for path in (runs / ".geometry").rglob("*") if path.is_file())
    return {p: p.stat().st_mtime_ns for p in files if p.name != "lock"}


def test_a_run_leaves_all_its_records(finished):
    rows = rows_of(finished)
    assert [row["round"] for row in rows] == [0, 1, 2]
    for row in rows:
        assert set(ROUND_KEYS) <= row.keys()
        assert set(STAGES) == row["seconds"].keys()
        assert set(row["iou_per_class"]) == set(tiny.CLASSES)
        assert 0 <= row["miou"] <= 1 and row["psnr"] > 5 and row["depth_l1_m"] >= 0
        assert row["candidates"] == POOL
    summary, config, environment = (
        json.loads((finished / f"{name}.json").read_text())
        for name in ("summary", "config", "environment")
    )
    assert summary["miou"] == rows[-1]["miou"] and summary["wall_seconds"] > 0
    assert config["active"]["strategy"] == "geometry"
    assert environment["seed"] == 0 and environment["devices"]
    metrics = read_jsonl(finished / "metrics.jsonl")
    assert [row["test/miou"] for row in metrics] == [row["miou"] for row in rows]
    assert list((finished / "tensorboard").glob("events.*"))
    assert list((finished / "checkpoints" / "rounds").iterdir())
    page = (finished / "report" / "index.html").read_text()
    assert "<html" in page and "ceiling" in page


def test_clicks_and_labels_are_those_of_the_store(finished, train_labels):
    with LabelStore(finished / "labels.sqlite") as store:
        for row in rows_of(finished):
            totals = store.totals(row["round"])
            assert (row["clicks"], row["pixels"]) == (totals.clicks, totals.pixels)
            assert row["clicks"] == INITIAL + PER_ROUND * row["round"]
    found = annotations_of(finished)
    true = train_labels[found.frame, found.row, found.col]
    np.testing.assert_array_equal(found.label, true)
    assert len(set(found.unit.tolist())) == found.unit.size


def test_a_seed_repeats_its_queries_and_geometry_is_fitted_once(finished, runs, run):
    fitted = geometry_files(runs)
    assert fitted and run("again")
    assert queries_of(runs / "again") == queries_of(finished)
    again, plain = rows_of(runs / "again"), rows_of(finished)
    assert [row["miou"] for row in again] == [row["miou"] for row in plain]
    assert run("seed-1", active__rounds=1, seed=1)
    assert queries_of(runs / "seed-1") != queries_of(finished)[:INITIAL]
    assert geometry_files(runs) == fitted


def test_full_supervision_learns_every_label(finished, runs, run):
    options = {"active__rounds": 1, "train__semantics__fit__steps": 300}
    assert run("full", active__strategy="full", **options)
    (row,) = rows_of(runs / "full")
    assert row["granularity"] == "frame" and row["chosen_by"] == "full"
    assert row["pixels"] == POOL
    assert row["clicks"] < row["pixels"] / 10  # segments, not pixels
    assert row["miou"] > 2 * max(r["miou"] for r in rows_of(finished))


def test_full_supervision_may_have_another_set_of_labels(runs, run, train_labels):
    assert run("click", active__strategy="full", active__label_set="click")
    drawn = parse_label_set("click").draw(
        train_labels, num_classes=len(tiny.CLASSES), seed=0
    )
    pixel, label = expand_annotations(
        annotations_of(runs / "click"), image_size=(tiny.HEIGHT, tiny.WIDTH)
    )
    np.testing.assert_array_equal(pixel, np.flatnonzero(drawn >= 0))
    np.testing.assert_array_equal(label, drawn.ravel()[pixel])
    (row,) = rows_of(runs / "click")
    assert row["pixels"] == row["clicks"] == pixel.size


def test_joint_training_without_depth_makes_its_own_caches(runs, run):
    options = {"train__mode": "joint", "data__use_depth": False}
    assert run("joint", **options, active__strategy="policy", active__rounds=2)
    assert len(rows_of(runs / "joint")) == 2
    folders = [path.name for path in (runs / "joint" / "surface").iterdir()]
    assert folders == ["round_1"]


def test_a_finished_run_goes_on_with_more_rounds(finished, runs, run, monkeypatch):
    shutil.copytree(finished, runs / "longer")
    before = (runs / "longer" / "rounds.jsonl").read_text()
    with monkeypatch.context() as patch:
        patch.setattr(training, "fit", None)  # nothing is left to fit
        assert run("longer")
    assert (runs / "longer" / "rounds.jsonl").read_text() == before
    assert run("longer", active__rounds=4)
    after = (runs / "longer" / "rounds.jsonl").read_text()
    assert after.startswith(before) and after.count("\n") == 4


def test_the_budget_is_spent_to_the_click_and_can_be_raised(runs, run):
    for budget, clicks in ((13, [8, 13]), (20, [8, 13, 20])):
        assert run("budget", active__budget=budget)
        assert [row["clicks"] for row in rows_of(runs / "budget")] == clicks


def test_a_model_is_safe_before_its_row_is_written(runs, run, monkeypatch):
    found, append_round = [], run_dir.RunLog.append_round

    def watched(self, row):
        folder = self.workdir / "checkpoints" / "rounds"
        found.append((folder / str(row["round"])).exists())
        return append_round(self, row)

    monkeypatch.setattr(run_dir.RunLog, "append_round", watched)
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
            run("asked", **options)
    monkeypatch.setattr(signals, "_requested", False)
    assert rows_of(runs / "asked") == []
    assert run("asked", **options)
    assert started_at == [0, 20]
    (asked,), (not_asked,) = rows_of(runs / "asked"), rows_of(runs / "not-asked")
    assert asked["miou"] == not_asked["miou"] and asked["ece"] == not_asked["ece"]
