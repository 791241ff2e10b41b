"""How the runs of a study are started, watched, ended and continued."""

import fcntl
import sys
import threading
import time

import pytest

from alsem.core import signals
from alsem.core.errors import InputError
from alsem.runs import sweep
from alsem.runs.sweep_plan import PlannedRun

# Stands for alsem.main: a round every now and then; seed 13 fails beside another run.
FAKE = """
import json, os, pathlib, signal, sys, time
flags = dict(f.removeprefix("--").split("=", 1) for f in sys.argv[1:])
workdir = pathlib.Path(flags["workdir"])
workdir.mkdir(parents=True, exist_ok=True)
signal.signal(signal.SIGTERM, lambda *a: (print("saved"), sys.exit(143)))
config = {"active": {"rounds": int(flags["config.active.rounds"])}}
(workdir / "config.json").write_text(json.dumps(config))
print("device", os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
order = workdir.parent / "order.txt"
with order.open("a") as file:
    file.write(workdir.name + "\\n")
if flags["config.seed"] == "13":
    while len(order.read_text().splitlines()) < 2:
        time.sleep(0.02)
    sys.exit("bad luck")
path = workdir / "rounds.jsonl"
done = len(path.read_text().splitlines()) if path.exists() else 0
for number in range(done, int(flags["config.active.rounds"])):
    time.sleep(float(flags["config"]))
    with path.open("a") as file:
        seconds = {"fit_geometry": 0.1, "cache": 0}
        file.write(json.dumps({"round": number, "seconds": seconds}) + "\\n")
    with order.open("a") as file:
        file.write("a round\\n")
(workdir / "summary.json").write_text(json.dumps({"ended_by": "active.rounds"}))
"""
ENDLESS = 30.0  # seconds of a round that the test does not wait for


@pytest.fixture
def fake(tmp_path, monkeypatch):
    script = tmp_path / "fake.py"
    script.write_text(FAKE)
    monkeypatch.setattr(sweep, "COMMAND", (sys.executable, str(script)))
    monkeypatch.setattr(sweep, "POLL_SECONDS", 0.02)
    return tmp_path / "out"


def planned(out, scene, seed, *, rounds=2, pause=0.1):
    workdir = out / f"{scene}-{seed}"
    flags = (
        f"--config={pause}",
        f"--workdir={workdir}",
        f"--config.seed={seed}",
        f"--config.active.rounds={rounds}",
    )
    return PlannedRun(scene, "a", workdir, flags, {"active": {"rounds": rounds}})


def carry_out(runs, **options):
    """Carries out the runs; returns the lines that were logged."""
    lines = []
    sweep.carry_out(runs, **({"jobs": 1, "log": lines.append} | options))
    return lines


def test_runs_of_a_scene_wait_until_its_geometry_is_fitted(fake):
    runs = [planned(fake, scene, seed, pause=0.2) for seed in (0, 1) for scene in "ab"]
    lines = carry_out(runs, jobs=3)
    order = (fake / "order.txt").read_text().splitlines()
    # Both scenes at once, and a third process idle until one of them has a round.
    assert sorted(order[:2]) == ["a-0", "b-0"] and order[2] == "a round"
    assert all(run.is_done() for run in runs)
    assert lines[0] == "4 runs, 0 of them done"
    assert len(lines) == 5 and lines[-1].endswith("none left")
    assert "left, about" in lines[1]
    assert carry_out(runs, jobs=3) == ["4 runs, 4 of them done"]
    assert (fake / "order.txt").read_text().splitlines() == order


def test_a_run_that_another_process_has_locked_is_waited_for(fake):
    run, lines, start = planned(fake, "a", 0), [], time.monotonic()
    run.workdir.mkdir(parents=True)

    def log(line):
        lines.append(line)
        if line.startswith("waits for"):
            threading.Timer(0.5, handle.close).start()

    handle = (run.workdir / "lock").open("w")
    fcntl.flock(handle, fcntl.LOCK_EX)
    carry_out([run], log=log)
    assert lines[1] == "waits for a-0, which another process is running"
    assert time.monotonic() - start > 0.5 and run.is_done()


def test_each_process_sees_one_device(fake):
    carry_out([planned(fake, s, 0) for s in "abc"], jobs=2, devices=["4", "6"])
    logs = [(fake / "logs" / f"{scene}-0.log").read_text() for scene in "abc"]
    assert logs[:2] == ["device 4\n", "device 6\n"]
    assert logs[2] in logs[:2]


def test_a_run_that_fails_is_named_and_the_others_are_saved(fake):
    runs = [planned(fake, "a", 0, pause=ENDLESS), planned(fake, "b", 13)]
    start = time.monotonic()
    with pytest.raises(InputError, match=r"b-13: ended with status 1: bad luck"):
        carry_out(runs, jobs=2)
    assert time.monotonic() - start < ENDLESS
    assert (fake / "logs" / "a-0.log").read_text().endswith("saved\n")


def test_a_study_that_is_asked_to_end_ends_its_runs(fake, monkeypatch):
    has_begun = (fake / "order.txt").exists
    monkeypatch.setattr(signals, "requested", has_begun)
    with pytest.raises(signals.Interrupted):
        carry_out([planned(fake, "a", 0, pause=ENDLESS)])
    assert (fake / "logs" / "a-0.log").read_text().endswith("saved\n")
