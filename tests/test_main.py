"""Mistakes on the command line: one line, exit status 2, and no run directory."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tiny
from PIL import Image

from alsem.reporting import json_records

CONFIG = "--config=configs/room.py:smoke"


@pytest.fixture(scope="module")
def captures(tmp_path_factory):
    """A valid capture and two damaged ones."""
    folder = tmp_path_factory.mktemp("errors") / "captures"
    box = tiny.write_box(folder)
    for name in ("truncated", "unlisted"):
        shutil.copytree(box, folder / name)
    image = folder / "truncated" / "Sequence_1" / "rgb" / "rgb_2.png"
    image.write_bytes(image.read_bytes()[:-20])
    file = folder / "unlisted/Sequence_2/semantic_class/semantic_class_1.png"
    label = np.array(Image.open(file))
    label[3, 4] = 77
    Image.fromarray(label).save(file)
    other = folder.parent / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("do not touch")
    return folder


def box_flags(captures, **overrides):
    return [CONFIG, *tiny.flags(captures, **overrides)]


# name -> (arguments after the workdir, parts of the error)
CASES = {
    "unknown key": (
        lambda _: [CONFIG, "--config.active.strateggy=random"],
        ["active.strateggy", "did you mean --config.active.strategy?"],
    ),
    "renamed key": (
        lambda _: [CONFIG, "--config.train.geometry.grid_share=0.1"],
        ["was renamed; use --config.train.geometry.grid_fraction"],
    ),
    "unknown variant": (
        lambda _: ["--config=configs/room.py:smokee"],
        ["unknown variant 'smokee'", "smoke, full or paper"],
    ),
    "missing config file": (
        lambda _: ["--config=configs/rooom.py"],
        ["configs/rooom.py: no config file", "configs/room.py"],
    ),
    "value of another type": (
        lambda _: [CONFIG, "--config.active.rounds=many"],
        ["active.rounds", "'many'"],
    ),
    "unknown flag": (lambda _: [CONFIG, "--wrkdir=x"], ["wrkdir"]),
    "argument that is no flag": (
        lambda _: [CONFIG, "fast"],
        ["unexpected argument 'fast'"],
    ),
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
        lambda captures: box_flags(captures, data__scene="unlisted"),
        ["unlisted/Sequence_2/semantic_class/semantic_class_1.png", "77"],
    ),
}


def main(*arguments):
    """Runs `alsem.main` in a directory that has no configs."""
    environment = tiny.environment()
    environment.pop("JAX_PLATFORMS")  # JAX then looks for a TPU, and logs a warning
    return subprocess.run(
        [sys.executable, "-m", "alsem.main", *arguments],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=120,
    )


def assert_one_line(done, parts):
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("alsem: ") and done.stderr.count("\n") == 1
    assert done.stdout == ""
    for part in parts:
        assert part in done.stderr


@pytest.fixture(scope="module")
def finished(captures):
    """All cases, two at a time: most of their time is the start of Python."""

    def one(name):
        workdir = captures.parent / "runs" / name.replace(" ", "_")
        return main(f"--workdir={workdir}", *CASES[name][0](captures)), workdir

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(CASES, pool.map(one, CASES), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_mistakes_are_answered_in_one_line_and_leave_no_run(finished, name):
    done, workdir = finished[name]
    assert_one_line(done, CASES[name][1])
    assert not workdir.exists()


def test_both_flags_are_needed():
    assert_one_line(main(CONFIG), ["--workdir=DIR"])
    assert_one_line(main("--workdir=/nowhere/run"), ["--config="])


def test_a_directory_that_is_no_run_is_not_written_to(captures):
    other = captures.parent / "other"
    done = main(f"--workdir={other}", *box_flags(captures))
    assert_one_line(done, ["other: is not empty and no run directory"])
    assert [path.name for path in other.iterdir()] == ["thesis.tex"]


def test_a_run_of_another_config_is_not_written_to(captures, tmp_path):
    config = tiny.config(captures)
    json_records.write_json(tmp_path / "config.json", config.to_dict())
    done = main(f"--workdir={tmp_path}", *box_flags(captures, seed=4))
    assert_one_line(done, ["seed=0, not 4", "another --workdir"])
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
