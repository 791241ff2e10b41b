"""The command `alsem.validate`."""

import os
import subprocess
import sys

import captures
import pytest
import tiny
from PIL import Image


@pytest.fixture
def room(tmp_path):
    return tiny.write_box(tmp_path)


def run(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "alsem.validate", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(tiny.ROOT)},
    )


def test_report_and_conversion(room, tmp_path):
    done = run(room, f"--convert={tmp_path / 'ns'}", "--to=nerfstudio", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "contact sheet: validate_box.png" in done.stdout
    with Image.open(tmp_path / "validate_box.png") as image:
        assert image.size[0] > 500
    assert (tmp_path / "ns" / "transforms.json").exists()


def test_captures_of_one_name_and_fatal_errors(room, tmp_path):
    path = room / captures.TRAIN / "rgb" / "rgb_3.png"
    path.write_bytes(path.read_bytes()[:-20])
    out = tmp_path / "sheets"
    done = run(room, room, "--scale=2", f"--out={out}", cwd=tmp_path)
    assert done.returncode == 2
    assert f"fatal: {path}: " in done.stdout
    names = sorted(path.name for path in out.iterdir())
    assert names == ["validate_box.png", "validate_box_2.png"]


@pytest.mark.parametrize(
    "arguments", [[], ["room", "--scale=0"], ["room", "--to=replica"]]
)
def test_wrong_arguments(tmp_path, arguments):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
