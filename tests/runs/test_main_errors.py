"""What a user can get wrong: one line, exit status 2, and no run directory."""

import errno
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tiny
from PIL import Image

from alsem.core.errors import InputError
from alsem.reporting import json_records
from alsem.runs import runner

CONFIG = "--config=configs/room.py:smoke"


@pytest.fixture(scope="module")
def captures(tmp_path_factory):
    """A good capture, and one broken in each way."""
    folder = tmp_path_factory.mktemp("errors") / "captures"
    box = tiny.write_box(folder)
    for name in ("truncated", "stranger"):
        shutil.copytree(box, folder / name)
    image = folder / "truncated" / "Sequence_1" / "rgb" / "rgb_2.png"
    image.write_bytes(image.read_bytes()[:-20])
    file = folder / "stranger/Sequence_2/semantic_class/semantic_class_1.png"
    label = np.array(Image.open(file))
    label[3, 4] = 77
    Image.fromarray(label).save(file)
    other = folder.parent / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("do not touch")
    return folder


def box_flags(captures, **overrides):
    return [CONFIG, *tiny.flags(captures, **overrides)]


# name -> (arguments after the workdir, words that must stand in the line)
CASES = {
    "unknown key": (
        lambda _: [CONFIG, "--config.active.strateggy=random"],
        ["active.strateggy", "did you mean --config.active.strategy?"],
    ),
    "unknown key of a section": (
        lambda _: [CONFIG, "--config.train.geometry.stepss=3"],
        ["train.geometry.stepss", "--config.train.geometry.fit.steps?"],
    ),
    "unknown variant": (
        lambda _: ["--config=configs/room.py:smokee"],
        ["unknown variant 'smokee'", "smoke, full or paper"],
    ),
    "missing config file": (
        lambda _: ["--config=configs/rooom.py"],
        ["configs/rooom.py", "No such file"],
    ),
    "value of another type": (
        lambda _: [CONFIG, "--config.active.rounds=many"],
        ["active.rounds", "'many'"],
    ),
    "unknown flag": (lambda _: [CONFIG, "--wrkdir=x"], ["wrkdir"]),
    "argument that is no flag": (lambda _: [CONFIG, "fast"], ["'fast' is no flag"]),
    "bad strategy": (
        lambda captures: box_flags(captures, active__strategy="entropi"),
        ["active.strategy='entropi'", "did you mean 'entropy'?"],
    ),
    "missing capture": (
        lambda captures: box_flags(captures / "nowhere"),
        ["captures/nowhere"],
    ),
    "missing scene": (
        lambda captures: box_flags(captures, data__scene="attic"),
        ["captures/attic", "box"],
    ),
    "truncated image": (
        lambda captures: box_flags(captures, data__scene="truncated"),
        ["truncated/Sequence_1/rgb/rgb_2.png"],
    ),
    "label outside the class list": (
        lambda captures: box_flags(captures, data__scene="stranger"),
        ["stranger/Sequence_2/semantic_class/semantic_class_1.png", "77"],
    ),
}


def main(*arguments):
    environment = tiny.environment()
    environment.pop("JAX_PLATFORMS")  # JAX then looks for a TPU, and says so
    return subprocess.run(
        [sys.executable, "-m", "alsem.main", *arguments],
        cwd=tiny.ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def assert_one_line(done, words):
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("alsem: ") and done.stderr.count("\n") == 1
    assert done.stdout == ""
    for word in [*words]:
        assert word in done.stderr


@pytest.fixture(scope="module")
def policy_targets(captures):
    """All cases at once: each is little but starting Python."""

    def one(name):
        workdir = captures.parent / "runs" / name.replace(" ", "_")
        return main(f"--workdir={workdir}", *CASES[name][0](captures)), workdir

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(CASES, pool.map(one, CASES), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_one_line_and_leaves_no_run(policy_targets, name):
    done, workdir = policy_targets[name]
    assert_one_line(done, CASES[name][1])
    assert not workdir.exists()


def test_both_flags_are_needed():
    assert_one_line(main(CONFIG), ["--workdir=DIR"])
    assert_one_line(main("--workdir=/nowhere/run"), ["--config="])


def test_a_folder_of_something_else_is_left_alone(captures):
    other = captures.parent / "other"
    done = main(f"--workdir={other}", *box_flags(captures))
    assert_one_line(done, ["other: is not empty and no run directory"])
    assert [path.name for path in other.iterdir()] == ["thesis.tex"]


def test_a_run_of_another_config_is_left_alone(captures, tmp_path):
    config = tiny.config(captures)
    json_records.write_json(tmp_path / "config.json", config.to_dict())
    done = main(f"--workdir={tmp_path}", *box_flags(captures, seed=4))
    assert_one_line(done, ["seed=0, not 4", "another --workdir"])
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


# --- no space left ------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(captures):
    return captures.parent / "runs"


@pytest.fixture
def run(captures, runs):
    def run_one(name):
        return runner.start_run(tiny.config(captures, active__rounds=1), runs / name)

    return run_one


def full_disk(*args, **kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_named_wherever_it_strikes_and_can_be_mended(
    run, runs, monkeypatch
):
    usage = shutil.disk_usage(runs.parent)
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda _: usage._replace(free=0))
        with pytest.raises(InputError, match="/checkpoints: No space left on device"):
            run("full")
    with monkeypatch.context() as patch:
        patch.setattr("os.posix_fallocate", full_disk)
        with pytest.raises(InputError, match=r"/train/\w+\.npy: No space left"):
            run("full")
    with monkeypatch.context() as patch:
        rounds = runs / "full" / "rounds.jsonl"
        plain_fsync = os.fsync

        def fsync(number):
            target = Path(os.readlink(f"/proc/self/fd/{number}"))
            return full_disk() if target == rounds else plain_fsync(number)

        patch.setattr("os.fsync", fsync)
        with pytest.raises(InputError, match=r"full/rounds\.jsonl: No space left"):
            run("full")
    assert rounds.read_text() == ""
    assert run("full")
    assert rounds.read_text().count("\n") == 1
