"""The plan of a study: its runs and their order, and settings that are refused."""

import json
from pathlib import Path

import ml_collections
import pytest

from alsem.core.errors import InputError
from alsem.runs import config_files, sweep_plan
from alsem.runs.sweep_plan import PlannedRun

ROOT = Path(__file__).resolve().parents[2]
ROOM = str(ROOT / "configs" / "room.py")


def make_study(*arms):
    """Two rooms, and arms as (name, settings, seeds)."""
    scenes = tuple(
        (f"r{seed}", {"config": ROOM, "set": (f"data.room.seed={seed}",)})
        for seed in (7, 8)
    )
    named = tuple((n, {"set": settings, "seeds": k}) for n, settings, k in arms)
    return ml_collections.ConfigDict({"scenes": scenes, "arms": named})


def plan(study):
    return sweep_plan.plan(study, Path("out"))


def test_arms_run_as_written_in_every_scene_with_the_first_seed_first():
    settings = ("active.strategy=random", "active.rounds=3")
    runs = plan(make_study(("b", settings, 2), ("a", (), 1)))
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
    run = plan(make_study(("a", settings, 1)))[0]
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
        ("active.rounds=0", "at least 1"),
        ("seed=5", r"arms\.a\.set: 'seed=5'"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(setting, error):
    with pytest.raises(InputError, match=error):
        plan(make_study(("a", (setting,), 1)))


ARM = {"set": (), "seeds": 1}


@pytest.mark.parametrize(
    ("section", "value", "error"),
    [
        ("arms", (), "no scene or no arm"),
        ("arms", {"a": ARM}, r"arms: must be a list of pairs"),
        ("arms", (("a", ARM, 1),), r"arms: .*: must be a pair"),
        ("arms", (("a", ARM | {"seeds": 0}),), r"arms\.a\.seeds=0"),
        ("arms", (("a", ARM | {"varint": ""}),), r"a\.varint: no such key; use seeds"),
        ("arms", (("a", ARM | {"set": "x=3"}),), r"arms\.a\.set=.*must be a list"),
        ("arms", (("a", 3),), r"arms\.a=3: must hold seeds"),
        ("arms", (("a", ARM), ("a", ARM)), "r7-a-0: two runs"),
        ("scenes", (("r7", {"sett": ()}),), r"scenes\.r7\.sett: no such key"),
        ("scenes", (("r7", {"set": ()}),), r"scenes\.r7\.config: must name"),
        ("scenes", (("r7", ROOM),), r"scenes\.r7=.*must hold config"),
    ],
)
def test_studies_of_another_form_are_refused(section, value, error):
    study = make_study(("a", (), 1)).to_dict() | {section: value}
    with pytest.raises(InputError, match=error):
        plan(ml_collections.ConfigDict(study))


@pytest.mark.parametrize(
    ("variant", "num_scenes", "first_arms"),
    [
        ("", 2, ["full", "random", "default", "policy", "margin", "frame"]),
        (":smoke", 1, ["full", "random", "default"]),
        (f":{ROOT}", 4, ["full", "random", "default"]),
    ],
)
def test_the_shipped_study_can_be_planned(monkeypatch, variant, num_scenes, first_arms):
    monkeypatch.chdir(ROOT)
    runs = plan(config_files.load(f"configs/study.py{variant}"))
    assert len({run.scene for run in runs}) == num_scenes
    arms = list(dict.fromkeys(run.arm for run in runs))
    assert arms[: len(first_arms)] == first_arms


def test_config_files_are_found_by_name_and_variant(tmp_path):
    assert config_files.load(f"{ROOT}/configs/study.py:smoke").scenes
    with pytest.raises(InputError, match=r"none\.py: no config file"):
        config_files.load(str(tmp_path / "none.py"))
    with pytest.raises(InputError, match="unknown variant"):
        config_files.load(f"{ROOM}:smok")
    with pytest.raises(InputError, match="'smok' is no folder"):
        config_files.load(f"{ROOT}/configs/study.py:smok")
    for text in ("def get_config(", "import no_such_module", "x = 1"):
        (tmp_path / "bad.py").write_text(text)
        with pytest.raises(InputError, match=r"bad\.py: "):
            config_files.load(str(tmp_path / "bad.py"))


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
    rows = [json.dumps({"round": i}) for i in range(2)]
    (tmp_path / "rounds.jsonl").write_text("\n".join(rows) + "\n")
    (tmp_path / "summary.json").write_text(json.dumps({"ended_by": ended_by}))
    assert run.is_done() == is_done


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"active": {"rounds": 2, "growth": 2.0}}', r"active\.growth"),
        ('{"active": {', r"config\.json: cannot be read"),
    ],
)
def test_a_directory_of_another_run_is_refused(tmp_path, text, error):
    (tmp_path / "config.json").write_text(text)
    run = PlannedRun("a", "b", tmp_path, (), {"active": {"rounds": 2}})
    with pytest.raises(InputError, match=error):
        run.is_done()
