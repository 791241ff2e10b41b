"""The plan of a study: its runs and their order, and settings that are refused."""

import json
from pathlib import Path

import ml_collections
import pytest
import tiny
from captures import input_error

from alsem.runs import config_files, sweep_plan
from alsem.runs.sweep_plan import PlannedRun

ARM = {"set": (), "seeds": 1}
ROOMS = tuple(
    (f"r{seed}", {"config": str(tiny.ROOM), "set": (f"data.room.seed={seed}",)})
    for seed in (7, 8)
)


def plan_of(arms, scenes=ROOMS):
    study = ml_collections.ConfigDict({"scenes": scenes, "arms": arms})
    return sweep_plan.plan(study, Path("out"))


def test_arms_run_as_written_in_every_scene_with_the_first_seed_first():
    settings = ("active.strategy=random", "active.rounds=3")
    runs = plan_of((("b", {"set": settings, "seeds": 2}), ("a", ARM)))
    names = [run.workdir.name for run in runs]
    assert names == ["r7-b-0", "r8-b-0", "r7-a-0", "r8-a-0", "r7-b-1", "r8-b-1"]
    assert [run.rounds for run in runs] == [3, 3, 7, 7, 3, 3]
    assert runs[4].flags[1:] == (
        "--workdir=out/r7-b-1",
        "--config.data.room.seed=7",
        "--config.active.strategy=random",
        "--config.active.rounds=3",
        "--config.seed=1",
    )


@pytest.mark.parametrize("kind", [tuple, list])
def test_settings_are_read_as_on_the_command_line(kind):
    settings = kind(("data.use_depth=false", "active.diversity=spaced"))
    run = plan_of((("a", ARM | {"set": settings}),))[0]
    assert run.config["data"]["use_depth"] is False
    assert run.config["active"]["diversity"] == ["spaced"]


@pytest.mark.parametrize(
    ("setting", "error"),
    [
        ("active.rundes=3", "no key active.rundes"),
        ("active.rounds", "section.key=value"),
        ("active=3", "section.key=value"),
        ("active.rounds=many", "cannot be set"),
        ("active.rounds=2.5", "cannot be set"),
        ("active.strategy=radnom", "did you mean 'random'"),
        ("active.rounds=0", "1 or more"),
        ("seed=5", "arms.a.set: 'seed=5'"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(setting, error):
    assert error in input_error(plan_of, (("a", ARM | {"set": (setting,)}),))


@pytest.mark.parametrize(
    ("arms", "scenes", "error"),
    [
        ((), ROOMS, "no scene or no arm"),
        ({"a": ARM}, ROOMS, "arms: must be a list of pairs"),
        ((("a", ARM, 1),), ROOMS, ": must be a pair"),
        ((("a", ARM | {"seeds": 0}),), ROOMS, "arms.a.seeds=0"),
        (
            (("a", ARM | {"varint": ""}),),
            ROOMS,
            "arms.a.varint: no such key; use seeds",
        ),
        ((("a", ARM | {"set": "x=3"}),), ROOMS, "arms.a.set='x=3': must be a list"),
        ((("a", 3),), ROOMS, "arms.a=3: must hold seeds"),
        ((("a", ARM), ("a", ARM)), ROOMS, "r7-a-0: two runs"),
        ((("a", ARM),), (("r7", {"sett": ()}),), "scenes.r7.sett: no such key"),
        ((("a", ARM),), (("r7", {"set": ()}),), "scenes.r7.config: must name"),
        ((("a", ARM),), (("r7", "room.py"),), "scenes.r7='room.py': must hold config"),
    ],
)
def test_studies_of_another_form_are_refused(arms, scenes, error):
    assert error in input_error(plan_of, arms, scenes)


@pytest.mark.parametrize(
    ("variant", "num_scenes", "first_arms"),
    [
        ("", 2, ["full", "random", "default", "policy", "margin", "frame"]),
        (":smoke", 1, ["full", "random", "default"]),
        (f":{tiny.ROOT}", 4, ["full", "random", "default"]),
    ],
)
def test_the_shipped_study_can_be_planned(monkeypatch, variant, num_scenes, first_arms):
    monkeypatch.chdir(tiny.ROOT)
    study = config_files.load(f"configs/study.py{variant}")
    runs = sweep_plan.plan(study, Path("out"))
    assert len({run.scene for run in runs}) == num_scenes
    arms = list(dict.fromkeys(run.arm for run in runs))
    assert arms[: len(first_arms)] == first_arms


@pytest.mark.parametrize(
    ("ended_by", "rounds", "is_done"),
    [
        ("active.rounds", 2, True),
        ("active.rounds", 5, False),  # the study asks for more now
        ("active.stop_at_miou", 5, True),  # nothing is left to query
        (None, 2, False),
    ],
)
def test_a_run_is_done_when_nothing_is_left_to_query(
    tmp_path, ended_by, rounds, is_done
):
    run = PlannedRun("a", "b", tmp_path, (), {"active": {"rounds": rounds}})
    assert not run.is_done()
    (tmp_path / "config.json").write_text(json.dumps(run.config))
    (tmp_path / "rounds.jsonl").write_text('{"round": 0}\n{"round": 1}\n')
    assert not run.is_done()
    (tmp_path / "summary.json").write_text(json.dumps({"ended_by": ended_by}))
    assert run.is_done() == is_done


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"active": {"rounds": 2, "growth": 2.0}}', "active.growth"),
        ('{"active": {', "config.json: cannot be read"),
    ],
)
def test_a_directory_of_another_run_is_refused(tmp_path, text, error):
    (tmp_path / "config.json").write_text(text)
    run = PlannedRun("a", "b", tmp_path, (), {"active": {"rounds": 2}})
    assert error in input_error(run.is_done)
