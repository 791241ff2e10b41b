"""A grid of runs: what is planned, in what order it goes, and how it goes on."""

import dataclasses
import fcntl
import json
import sys
import threading
import time
from pathlib import Path

import ml_collections
import pytest

from alsem.core import signals
from alsem.core.errors import InputError
from alsem.runs import config_files, sweep
from alsem.runs.sweep import PlannedRun

ROOT = Path(__file__).resolve().parents[2]

# Stands for alsem.main: a round every now and then, the first one late.
FAKE = """
import json, pathlib, signal, sys, time
flags = dict(f.removeprefix("--").split("=", 1) for f in sys.argv[1:])
workdir = pathlib.Path(flags["workdir"])
workdir.mkdir(parents=True, exist_ok=True)
signal.signal(signal.SIGTERM, lambda *a: (print("saved"), sys.exit(143)))
config = {"active": {"rounds": int(flags["config.active.rounds"])}}
(workdir / "config.json").write_text(json.dumps(config))
with (workdir.parent / "order.txt").open("a") as file:
    file.write("begin " + workdir.name + "\\n")
if flags["config.seed"] == "13":
    time.sleep(3)
    sys.exit("bad luck")
path = workdir / "rounds.jsonl"
done = len(path.read_text().splitlines()) if path.exists() else 0
for number in range(done, int(flags["config.active.rounds"])):
    time.sleep(float(flags["config"]))
    with path.open("a") as file:
        seconds = {"fit_geometry": 0.1, "cache": 0}
        file.write(json.dumps({"round": number, "seconds": seconds}) + "\\n")
with (workdir.parent / "order.txt").open("a") as file:
    file.write("end " + workdir.name + "\\n")
(workdir / "summary.json").write_text(json.dumps({"ended_by": "active.rounds"}))
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    script = tmp_path / "fake.py"
    script.write_text(FAKE)
    monkeypatch.setattr(sweep, "COMMAND", (sys.executable, str(script)))
    monkeypatch.setattr(sweep, "POLL_SECONDS", 0.02)
    return tmp_path / "out"


def planned(out, scene, seed, *, rounds=2, pause=0.2):
    workdir = out / f"{scene}-{seed}"
    flags = (
        f"--config={pause}",
        f"--workdir={workdir}",
        f"--config.seed={seed}",
        f"--config.active.rounds={rounds}",
    )
    return PlannedRun(scene, "a", workdir, flags, {"active": {"rounds": rounds}})


def study_config(**arms):
    config = ml_collections.ConfigDict({"scenes": {}, "arms": {}})
    base = str(ROOT / "configs" / "room.py")
    for seed in (7, 8):
        settings = (f"data.room.seed={seed}",)
        config.scenes[f"r{seed}"] = ml_collections.ConfigDict(
            {"config": base, "set": settings}
        )
    for name, (settings, seeds) in arms.items():
        config.arms[name] = ml_collections.ConfigDict(
            {"set": settings, "seeds": seeds, "variant": ""}
        )
    return config


def test_a_plan_is_every_arm_of_every_scene_and_seed():
    config = study_config(
        a=(("active.strategy=random", "active.rounds=3"), 2), b=((), 1)
    )
    runs = sweep.plan(config, Path("out"))
    names = [run.workdir.name for run in runs]
    assert names == ["r7-a-0", "r8-a-0", "r7-b-0", "r8-b-0", "r7-a-1", "r8-a-1"]
    assert [run.rounds for run in runs] == [3, 3, 7, 7, 3, 3]
    assert runs[4].flags[1:] == (
        "--workdir=out/r7-a-1",
        "--config.data.room.seed=7",
        "--config.active.strategy=random",
        "--config.active.rounds=3",
        "--config.seed=1",
    )


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("active.rundes=3", "no key active.rundes"),
        ("active.rounds", "section.key=value"),
        ("active=3", "section.key=value"),
        ("active.rounds=many", "cannot be set"),
        ("active.rounds=2.5", "cannot be set"),
        ("active.strategy=radnom", "did you mean 'random'"),
        ("active.rounds=0", "at least 1"),
    ],
)
def test_a_setting_that_cannot_be_is_told_before_anything_runs(setting, said):
    with pytest.raises(InputError, match=said):
        sweep.plan(study_config(a=((setting,), 1)), Path("out"))


def test_a_study_of_nothing_is_an_error():
    with pytest.raises(InputError, match="no scene or no arm"):
        sweep.plan(study_config(), Path("out"))
    with pytest.raises(InputError, match=r"arms\.a\.seeds=0"):
        sweep.plan(study_config(a=((), 0)), Path("out"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"arms.a.varint": "full"}, r"arms\.a\.varint: no such key; use seeds, set"),
        ({"arms.a.set": "active.rounds=3"}, r"arms\.a\.set=.*must be a list"),
        ({"arms.a.set": ("seed=5",)}, r"arms\.a\.set: 'seed=5'"),
        ({"arms.a": 3}, r"arms\.a=3: must hold seeds"),
        ({"scenes.r7.sett": ()}, r"scenes\.r7\.sett: no such key"),
        ({"scenes.r7": "configs/room.py"}, r"scenes\.r7=.*must hold config"),
    ],
)
def test_a_key_that_a_study_does_not_know_is_refused(change, said):
    config = study_config(a=((), 1))
    ((key, value),) = change.items()
    section, name, *last = key.split(".")
    if last:
        with config.unlocked(), config[section][name].ignore_type():
            config[section][name][last[0]] = value
    else:
        config[section] = ml_collections.ConfigDict({name: value})
    with pytest.raises(InputError, match=said):
        sweep.plan(config, Path("out"))


def test_settings_are_read_as_on_the_command_line():
    settings = ("data.use_depth=false", "active.diversity=spaced")
    for kind in (tuple, list):
        run = sweep.plan(study_config(a=(kind(settings), 1)), Path("out"))[0]
        assert run.config["data"]["use_depth"] is False
        assert run.config["active"]["diversity"] == ["spaced"]


def test_a_run_that_another_process_holds_is_waited_for(fake):
    run = planned(fake, "a", 0, pause=0.1)
    run.workdir.mkdir(parents=True)
    lines = []

    def tell(line):
        lines.append(line)
        if line.startswith("waits for"):
            threading.Timer(0.5, handle.close).start()

    handle = (run.workdir / "lock").open("w")
    fcntl.flock(handle, fcntl.LOCK_EX)
    begun = time.monotonic()
    sweep.carry_out([run], jobs=1, tell=tell)
    assert lines[1] == "waits for a-0, which another process is running"
    assert time.monotonic() - begun > 0.5 and run.is_done()


def test_configs_are_read_by_name(tmp_path):
    assert config_files.load(f"{ROOT}/configs/study.py:smoke").scenes
    with pytest.raises(InputError, match=r"none\.py: no config file"):
        config_files.load(str(tmp_path / "none.py"))
    with pytest.raises(InputError, match="unknown variant"):
        config_files.load(f"{ROOT}/configs/room.py:smok")
    with pytest.raises(InputError, match="'smok' is no folder"):
        config_files.load(f"{ROOT}/configs/study.py:smok")
    for text in ("def get_config(", "import no_such_module", "x = 1"):
        (tmp_path / "bad.py").write_text(text)
        with pytest.raises(InputError, match=r"bad\.py: "):
            config_files.load(str(tmp_path / "bad.py"))


def test_the_shipped_study_can_be_planned():
    for variant in ("", ":smoke", f":{ROOT}"):
        config = config_files.load(f"{ROOT}/configs/study.py{variant}")
        for scene in config.scenes.values():
            scene.config = f"{ROOT}/{scene.config}"
        runs = sweep.plan(config, Path("out"))
        assert {run.scene for run in runs} == set(config.scenes.keys())


def test_runs_of_a_scene_wait_until_its_geometry_is_fitted(fake):
    runs = [planned(fake, scene, seed) for seed in (0, 1) for scene in "ab"]
    lines = []
    sweep.carry_out(runs, jobs=3, tell=lines.append)
    order = (fake / "order.txt").read_text().splitlines()
    # Both scenes at once, and a third process idle until one of them has a round.
    assert sorted(order[:2]) == ["begin a-0", "begin b-0"]
    assert all(run.is_done() for run in runs)
    assert lines[0] == "4 runs, 0 of them done"
    assert len(lines) == 5 and lines[-1].endswith("none left")
    assert "left, about" in lines[1]
    before = order.copy()
    sweep.carry_out(runs, jobs=3, tell=lines.append)
    assert lines[-1] == "4 runs, 4 of them done"
    assert (fake / "order.txt").read_text().splitlines() == before


def test_more_rounds_go_on_with_a_finished_run(fake):
    sweep.carry_out([planned(fake, "a", 0)], jobs=1, tell=lambda line: None)
    longer = planned(fake, "a", 0, rounds=3)
    assert not longer.is_done()
    sweep.carry_out([longer], jobs=1, tell=lambda line: None)
    assert longer.rounds_done() == 3


def test_each_process_sees_one_device(fake, tmp_path, monkeypatch):
    script = tmp_path / "fake.py"
    seen = "import os; print('device', os.environ.get('CUDA_VISIBLE_DEVICES'))\n"
    script.write_text(seen + FAKE)
    runs = [planned(fake, scene, 0, pause=0.05) for scene in "abc"]
    sweep.carry_out(runs, jobs=2, devices=["4", "6"], tell=lambda line: None)
    logs = [(fake / "logs" / f"{scene}-0.log").read_text() for scene in "abc"]
    assert logs[:2] == ["device 4\n", "device 6\n"]
    assert logs[2] in logs[:2]


def test_a_run_that_fails_is_named_and_the_others_are_saved(fake):
    runs = [planned(fake, "a", 0, pause=30.0), planned(fake, "b", 13)]
    begun = time.monotonic()
    with pytest.raises(InputError, match=r"b-13: ended with status 1: bad luck"):
        sweep.carry_out(runs, jobs=2, tell=lambda line: None)
    assert time.monotonic() - begun < 20
    assert (fake / "logs" / "a-0.log").read_text() == "saved\n"


def test_a_study_that_is_asked_to_end_asks_its_runs(fake, monkeypatch):
    begun = time.monotonic()
    monkeypatch.setattr(signals, "requested", lambda: time.monotonic() > begun + 3)
    with pytest.raises(signals.Interrupted):
        sweep.carry_out(
            [planned(fake, "a", 0, pause=30.0)], jobs=1, tell=lambda line: None
        )
    assert (fake / "logs" / "a-0.log").read_text() == "saved\n"


def test_a_directory_of_another_config_is_not_taken_for_the_run(fake):
    run = planned(fake, "a", 0)
    sweep.carry_out([run], jobs=1, tell=lambda line: None)
    other = dataclasses.replace(run, config={"active": {"rounds": 2, "growth": 2.0}})
    with pytest.raises(InputError, match=r"active\.growth"):
        sweep.carry_out([other], jobs=1, tell=lambda line: None)


def test_a_torn_config_is_told(fake):
    run = planned(fake, "a", 0)
    run.workdir.mkdir(parents=True)
    (run.workdir / "config.json").write_text('{"active": {')
    with pytest.raises(InputError, match=r"a-0/config\.json: cannot be read"):
        sweep.carry_out([run], jobs=1, tell=print)


def test_geometry_is_expected_once_a_scene(fake):
    """A run of ten rounds took 11 minutes, and ten of these were its scene's."""
    run = planned(fake, "a", 0, rounds=10)
    run.workdir.mkdir(parents=True)
    seconds = {"fit_geometry": 500.0, "cache": 100.0}
    rows = [{"round": i, "seconds": seconds} for i in range(10)]
    text = "\n".join(map(json.dumps, rows))
    (run.workdir / "rounds.jsonl").write_text(text + "\n")
    pace = sweep._Pace(jobs=1)
    pace.finished(run, 660.0, 0)
    left = [planned(fake, "a", seed, rounds=10) for seed in range(1, 6)]
    assert pace.left(left) == "5 left, about 5 min"
    left.append(planned(fake, "b", 0, rounds=10))
    assert pace.left(left) == "6 left, about 16 min"


def test_a_run_that_has_nothing_left_to_ask_is_done(fake):
    run = planned(fake, "a", 0)
    sweep.carry_out([run], jobs=1, tell=lambda line: None)
    longer = planned(fake, "a", 0, rounds=5)
    (longer.workdir / "config.json").write_text(json.dumps(longer.config))
    (longer.workdir / "summary.json").write_text('{"ended_by": "active.stop_at_miou"}')
    assert longer.is_done()
    (longer.workdir / "summary.json").write_text('{"ended_by": null}')
    assert not longer.is_done()


def test_names_that_run_together_are_refused():
    config = study_config(a=((), 1))
    base = config.scenes.r7.config
    config.scenes["r7-a"] = ml_collections.ConfigDict({"config": base, "set": ()})
    config.arms["a-a"] = ml_collections.ConfigDict({"set": (), "seeds": 1})
    with pytest.raises(InputError, match=r"r7-a-a-0: two runs"):
        sweep.plan(config, Path("out"))
    with pytest.raises(InputError, match="no scene or no arm"):
        sweep.plan(config_files.load(base), Path("out"))
    config.arms.a.seeds = 0
    with pytest.raises(InputError, match=r"arms\.a\.seeds=0"):
        sweep.plan(config, Path("out"))
