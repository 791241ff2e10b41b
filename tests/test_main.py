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
    return folder


# Command and arguments, or an override of the config of a run -> parts of the error.
CASES = {
    ("main", CONFIG, "--config.active.strateggy=random"): ["--config.active.strategy?"],
    ("main", CONFIG, "--config.active.rounds=many"): [
        "active.rounds",
        "'many' is not a whole number",
    ],
    ("main", CONFIG, "fast"): ["unexpected argument 'fast'"],
    ("main", "--config=rooom.py"): ["rooom.py: no config file", "configs/room.py"],
    ("main",): ["--config="],
    ("main", "--wrkdir=x"): ["wrkdir"],
    "active__strategy=entropi": ["'entropi'", "did you mean 'entropy'?"],
    "data__dir=captures/nowhere": ["captures/nowhere"],
    "data__scene=attic": ["captures/attic", "box"],
    "data__scene=truncated": ["truncated/Sequence_1/rgb/rgb_2.png"],
    "data__scene=unlisted": ["/Sequence_2/semantic_class/semantic_class_1.png", "77"],
    ("make_rooms",): ["--out"],
    ("make_rooms", "--out=x", "--count=0"): ["--count"],
    ("make_rooms", "--out=x", "--widht=3"): ["widht"],
}


def run(command, *arguments):
    """Runs a command in a directory that has no configs."""
    environment = tiny.environment()
    environment.pop("JAX_PLATFORMS")  # JAX then looks for a TPU, and logs a warning
    return subprocess.run(
        [sys.executable, "-m", f"alsem.{command}", *arguments],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=120,
    )


def box_flags(captures, **overrides):
    return [CONFIG, *tiny.flags(captures, **overrides)]


def assert_one_line(done, parts):
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("alsem") and done.stderr.count("\n") == 1
    assert done.stdout == ""
    for part in parts:
        assert part in done.stderr


@pytest.fixture(scope="module")
def finished(captures):
    """All cases, two at a time: most of their time is the start of Python."""

    def one(case):
        workdir = captures.parent / "runs" / str(list(CASES).index(case))
        if isinstance(case, str):
            case = ("main", *box_flags(captures, **dict([case.split("=")])))
        command, *arguments = case
        if command == "main":
            arguments.append(f"--workdir={workdir}")
        return run(command, *arguments), workdir

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(CASES, pool.map(one, CASES), strict=True))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_mistakes_are_answered_in_one_line_and_leave_no_run(finished, case):
    done, workdir = finished[case]
    assert_one_line(done, CASES[case])
    assert not workdir.exists()


def test_help_is_no_error():
    done = run("main", "--help")
    assert done.returncode == 0 and "--workdir" in done.stdout and done.stderr == ""


def test_a_workdir_is_needed():
    assert_one_line(run("main", CONFIG), ["--workdir=DIR"])


def test_a_directory_that_is_no_run_is_not_written_to(captures, tmp_path):
    (tmp_path / "thesis.tex").write_text("do not touch")
    done = run("main", f"--workdir={tmp_path}", *box_flags(captures))
    assert_one_line(done, [f"{tmp_path}: is not empty and no run directory"])
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_run_of_another_config_is_not_written_to(captures, tmp_path):
    config = tiny.config(captures)
    json_records.write_json(tmp_path / "config.json", config.to_dict())
    done = run("main", f"--workdir={tmp_path}", *box_flags(captures, seed=4))
    assert_one_line(done, ["seed=0, not 4", "another --workdir"])
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
