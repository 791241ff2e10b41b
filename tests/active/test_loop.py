"""The loop over every granularity, answer, cost and kind of strategy, on a tiny box."""

import csv
import dataclasses
import fcntl
import functools
import json
import shutil

import numpy as np
import pytest
import tiny

from alsem.acquisition import STRATEGIES
from alsem.active import (
    geometry_check,
    labelled_rays,
    round_metrics,
    semantic_stage,
)
from alsem.annotation import LabelStore, expand_annotations
from alsem.core import mesh as devices
from alsem.core.errors import InputError
from alsem.reporting.html_report import content
from alsem.reporting.json_records import read_jsonl
from alsem.runs import cue_maps, runner

CLICKS = [8, 16, 24]  # totals of tiny.SHRINK's rounds
PIXELS = tiny.TRAIN_FRAMES * tiny.WIDTH * tiny.HEIGHT


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A capture, and geometry that all runs beside each other share."""
    made = tmp_path_factory.mktemp("loop")
    tiny.write_box(made)
    return made


@pytest.fixture
def start(folder):
    def run(name, **overrides):
        workdir = folder / "runs" / name
        runner.start_run(tiny.config(folder, **overrides), workdir)
        return read_jsonl(workdir / "rounds.jsonl")

    return run


UNITS = {
    "patch": {"active__granularity": "patch", "active__patch_size": 3},
    "superpixel": {"active__granularity": "superpixel", "active__superpixel_pixels": 9},
    "volume": {"active__granularity": "volume", "active__volume_size": 0.25},
    "voxel": {
        "active__granularity": "volume",
        "active__volumes": "voxels",
        "active__volume_size": 0.3,
    },
}
# One by coverage, one by chance, one by a model.
STRATEGY_OF = {"dominant": "geometry", "click": "random", "exact": "margin"}
EXACT_FRAMES = {"active__granularity": "frame", "active__answer": "exact"}
DOMINANT_PATCHES = UNITS["patch"] | {"active__answer": "dominant"}


@pytest.mark.parametrize("answer", STRATEGY_OF)
@pytest.mark.parametrize("units", UNITS)
def test_every_granularity_spends_its_budget_to_the_click(start, folder, units, answer):
    options = UNITS[units] | {"active__answer": answer}
    options["active__strategy"] = STRATEGY_OF[answer]
    granularity = options["active__granularity"]
    workdir = folder / "runs" / f"{units}_{answer}"
    if granularity == "volume" and answer == "exact":
        with pytest.raises(InputError, match=r"active\.answer='exact'.*volume"):
            start(workdir.name, **options)
        assert not workdir.exists()
        return
    rows = start(workdir.name, **options)
    assert [row["clicks"] for row in rows] == CLICKS
    assert rows[-1]["pixels"] > rows[-1]["clicks"]
    assert rows[-1]["granularity"] == granularity
    with LabelStore(workdir / "labels.sqlite") as store:
        assert len(np.unique(store.queried_units())) == len(store.queried_units())
        assert not store.count_open()
        if answer == "exact":
            pixel, label = expand_annotations(
                store.annotations(), image_size=(tiny.HEIGHT, tiny.WIDTH)
            )
            truth = tiny.parts(tiny.config(folder), workdir).truth.train_labels
            np.testing.assert_array_equal(label, truth.reshape(-1)[pixel])


def test_whole_frames_are_asked_until_none_is_left(start):
    rows = start("frames", **EXACT_FRAMES, active__clicks_per_round=200)
    # All but the segments of the frame that the first round's budget cut short.
    assert 0.9 * PIXELS < rows[-1]["pixels"] < PIXELS
    assert len(rows) < 3  # nothing is left to ask for


@pytest.mark.parametrize("cost", ["pixels", "seconds"])
def test_a_budget_may_count_something_else(start, cost):
    budget = {"active__initial_clicks": 60, "active__clicks_per_round": 60}
    rows = start(f"cost_{cost}", active__cost=cost, **budget, **UNITS["patch"])
    spent = [row["pixels"] if cost == "pixels" else 3 * row["clicks"] for row in rows]
    of_round = np.diff(spent, prepend=0)
    assert np.all((of_round > 60 - 9) & (of_round <= 60))  # no further answer fits


@pytest.mark.parametrize(
    ("strategy", "options"),
    [
        ("view_divergence", {}),
        ("badge", {}),
        ("redal", {}),
        ("balanced", {}),
        ("0.7*margin+0.3*coverage", {}),
        ("view_entropy", {"active__exact_views": True}),
        ("margin", {"active__diversity": ("one_per_voxel", "frame_cap")}),
    ],
)
def test_strategies_of_every_kind_choose_by_a_model(start, folder, strategy, options):
    options = {"active__strategy": strategy, "active__rounds": 2} | options
    rows = start(f"by_{strategy}", **options)
    assert [row["chosen_by"] for row in rows] == ["random", strategy]
    assert rows[1]["clicks"] == CLICKS[1]
    assert rows[1]["candidates_per_second"] > 0
    summary = folder / "runs" / f"by_{strategy}" / "summary.json"
    first = json.loads(summary.read_text())["seconds_to_first_model_query"]
    assert first == rows[1]["seconds_to_queries"]


@pytest.mark.parametrize("strategy", ["view_divergence", "geometry"])
def test_eight_devices_ask_what_one_asks(start, folder, strategy, monkeypatch):
    options = {"active__strategy": strategy, "active__rounds": 2}
    eight = devices.make_mesh(8)
    start(f"by_{strategy}", **options)
    monkeypatch.setattr(devices, "make_mesh", lambda: eight)
    start(f"by_{strategy}_on_eight", **options)
    queried = []
    for name in (f"by_{strategy}", f"by_{strategy}_on_eight"):
        with LabelStore(folder / "runs" / name / "labels.sqlite") as store:
            queried.append(store.queried_units())
    np.testing.assert_array_equal(*queried)


@pytest.fixture
def trusting(monkeypatch):
    """Strategies that trust any model, however little it knows."""
    for name in ("geometry", "policy"):
        row = dataclasses.replace(STRATEGIES[name], coverage_until=0.0)
        monkeypatch.setitem(STRATEGIES, name, row)


POLICY = {"active__strategy": "policy", "active__rounds": 4}


@pytest.mark.parametrize("mode", ["staged", "joint"])
def test_a_policy_waits_until_it_has_seen_enough(start, folder, trusting, mode):
    options = POLICY | {"train__policy__start": "", "train__policy__least": 9}
    rows = start(f"policy_{mode}", train__mode=mode, **options)
    chosen = [row["chosen_by"] for row in rows]
    # Eight policy targets are there when round 2 is queried, sixteen at round 3.
    assert chosen == ["random", "geometry", "geometry", "policy"]
    query_log = folder / "runs" / f"policy_{mode}" / "policy"
    assert {path.name for path in query_log.iterdir()} == {
        *("policy.npz", *(f"round_{i}.npz" for i in (1, 2, 3))),
        *(f"targets_{i}.npz" for i in (1, 2, 3)),
    }


def test_the_shipped_policy_chooses_at_once_and_resumes(start, trusting):
    rows = start("shipped", **POLICY)
    assert [row["chosen_by"] for row in rows] == ["random"] + 3 * ["policy"]
    first = start("resumed", **(POLICY | {"active__rounds": 2}))
    again = start("resumed", **POLICY)
    assert first == again[:2]
    assert [row["miou"] for row in again] == [row["miou"] for row in rows]


def test_a_run_may_start_from_the_policy_of_another(start, folder, trusting):
    start("shipped", **POLICY)
    learnt = folder / "runs" / "shipped" / "policy" / "policy.npz"
    rows = start("pupil", seed=1, train__policy__start=str(learnt), **POLICY)
    assert [row["chosen_by"] for row in rows] == ["random"] + 3 * ["policy"]


def test_a_capture_without_labels_waits_for_a_file_and_is_labelled(
    folder, monkeypatch, capsys
):
    monkeypatch.setattr(content, "MAX_FRAMES", 2)
    bare = folder / "bare"
    no_labels = shutil.ignore_patterns("semantic_class")
    shutil.copytree(folder / "box", bare / "box", ignore=no_labels)
    answers, workdir = bare / "answers.csv", bare / "runs" / "person"
    with pytest.raises(InputError, match="no labels to simulate"):
        runner.start_run(tiny.config(bare), workdir)
    assert not workdir.exists()  # found before anything is fitted
    options = {"active__annotator": "file", "active__answers": str(answers)}
    config = tiny.config(bare, active__rounds=1, **options)
    assert not runner.start_run(config, workdir)
    queries = list(csv.DictReader((workdir / "queries.csv").read_text().splitlines()))
    assert len(queries) == CLICKS[0] and queries[0]["photograph"].startswith("Seq")
    assert f"waiting for 8 of 8 answers to {workdir}" in capsys.readouterr().out
    assert len(list((workdir / "queries").iterdir())) == 8 + 1
    lines = ["frame,row,col,label"]
    lines += [f"{q['frame']},{q['row']},{q['col']},floor" for q in queries]
    answers.write_text("\n".join(lines[:-1]) + "\n")
    assert not runner.start_run(config, workdir)
    assert f"waiting for 1 of 8 answers to {workdir}" in capsys.readouterr().out
    last = queries[-1]
    page = (workdir / "queries" / "index.html").read_text()
    assert page.count("data:image/jpeg") == 1
    assert f"<code>{last['frame']},{last['row']},{last['col']},</code>" in page
    answers.write_text("\n".join(lines) + "\n")
    assert runner.start_run(config, workdir)
    assert not [*workdir.glob("queries*"), *workdir.glob(".queries*")]
    (row,) = read_jsonl(workdir / "rounds.jsonl")
    assert row["miou"] is None and row["psnr"] > 5
    page = (workdir / "report" / "index.html").read_text()
    # It counts all test frames, also those that are not drawn.
    assert "2 of 3." in page and page.count(">photograph<") == 2


def test_every_cue_is_drawn_over_a_frame(start, folder):
    start("patch_dominant", **DOMINANT_PATCHES)
    with runner.reopen_run(folder / "runs" / "patch_dominant") as (run, model):
        files = cue_maps.write(run, model, 2, folder / "maps")
        with pytest.raises(InputError, match="give 0 to 5"):
            cue_maps.write(run, model, 6, folder / "maps")
    names = {path.stem for path in files}
    assert {"photograph", "normal", "consistency", "num_views"} <= names
    assert {"score_margin", "score_geometry", "sheet"} <= names
    assert all(path.stat().st_size > 500 for path in files)


def test_labels_of_many_pixels_are_predicted_in_chunks(start, folder):
    start("labels", active__rounds=1)
    pixel = np.arange(PIXELS)[::-1]  # more than a chunk, in an order of their own
    with runner.reopen_run(folder / "runs" / "labels") as (run, model):
        probs = run.predictor.posterior_at(model, pixel).probs
        assert run.predictor.chunk < PIXELS
        run.predictor.posterior_at = None  # its memory grows with the pixels
        labels = run.predictor.labels_at(model, pixel)
    np.testing.assert_array_equal(labels, probs.mean(axis=1).argmax(axis=-1))


def test_only_a_finished_run_can_be_reopened(folder):
    missing = runner.reopen_run(folder / "nowhere")
    with pytest.raises(InputError, match="no run directory"), missing:
        pass
    old = folder / "of_an_earlier_version"
    old.mkdir()
    (old / "config.json").write_text("{}")
    (old / "rounds.jsonl").write_text('{"round": 0}\n')
    with pytest.raises(InputError, match="earlier version"), runner.reopen_run(old):
        pass


def test_a_run_stops_at_its_estimated_miou(start, folder, monkeypatch):
    # So short a fit shows nothing, and nothing is estimated of it.
    rows = start("blind", active__stop_at_miou=0.001)
    assert len(rows) == 3 and {row["miou_estimate"] for row in rows} == {None}
    assert {row["geometry"] for row in rows} == {"failed"}
    monkeypatch.setattr(geometry_check, "grade", lambda *figures: "good")
    rows = start("stops", active__stop_at_miou=0.001)
    # An estimate is used only once a model has predicted labels before it learns them.
    assert len(rows) == 2 and rows[0]["temperature"] is None
    assert 0.001 <= rows[1]["miou_estimate"] < 1 and 0 < rows[1]["temperature"] < 10
    summary = folder / "runs" / "stops" / "summary.json"
    assert json.loads(summary.read_text())["ended_by"] == "active.stop_at_miou"
    # It goes on when more rounds are allowed.
    assert len(start("stops", active__stop_at_miou=0.999)) == 3
    assert json.loads(summary.read_text())["ended_by"] == "active.rounds"


def test_many_labels_are_fitted_longer(start, monkeypatch):
    counted = []
    fit = semantic_stage.training.fit

    def count(run, state, *args, **kwargs):
        counted.append(int(state.num_steps))
        return fit(run, state, *args, **kwargs)

    monkeypatch.setattr(semantic_stage.training, "fit", count)
    options = {"train__semantics__labels": 16, "active__rounds": 1}
    start("few", **options)
    assert counted[-1] == 20  # 8 labels
    (row,) = start("many", **options, **EXACT_FRAMES)
    assert counted[-1] % 40 == 0
    longer = (counted[-1] / 20) ** 2
    assert longer >= row["pixels"] / 16 > longer / 4
    rays = row["train_rays_per_second"] * row["seconds"]["fit_semantics"]
    assert rays == pytest.approx(counted[-1] * 64)
    whole = {"active__granularity": "patch", "active__patch_size": 4}
    (patches,) = start("whole", **options, **whole)
    assert patches["pixels"] > 64 and counted[-1] == 20  # 8 answers were given


def test_a_round_without_labels_keeps_the_temperature(start, folder):
    start("alone", active__rounds=1)
    nothing, some = (
        labelled_rays.LabelledRays(np.arange(n, dtype=np.int32), np.zeros(n, np.int32))
        for n in (0, 9)
    )
    with runner.reopen_run(folder / "runs" / "alone") as (run, model):
        prequential = functools.partial(round_metrics.prequential, run.predictor)
        kept = {"prequential_acc": None, "temperature": 2.0}
        assert prequential(model, nothing, [{"temperature": 2.0}]) == kept
        assert prequential(None, some, [{"temperature": 2.0}]) == kept
        assert prequential(None, some, [])["temperature"] is None
        row = prequential(model, some, [])
        assert 0 <= row["prequential_acc"] <= 1 and row["temperature"] > 0


def test_labels_are_counted_by_answers_and_by_pixels(start, folder):
    start("patch_dominant", **DOMINANT_PATCHES)
    with runner.reopen_run(folder / "runs" / "patch_dominant") as (run, _):
        labels = run.stages.read_labels(2)
    assert labels.answers_per_class.sum() == 24
    assert labels.pixels_per_class.sum() > 100


def test_two_processes_never_share_a_run_directory(start, folder):
    workdir = folder / "runs" / "locked"
    workdir.mkdir(parents=True)
    (workdir / "lock").touch()  # all that a run leaves that is killed at once
    start("locked", active__rounds=1)
    config = (workdir / "config.json").read_text()
    with (workdir / "lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another process is running it"):
            start("locked", active__rounds=2)
        with (
            pytest.raises(InputError, match="another process is running it"),
            runner.reopen_run(workdir),
        ):
            pass
    assert (workdir / "config.json").read_text() == config
    assert len(start("locked", active__rounds=2)) == 2
