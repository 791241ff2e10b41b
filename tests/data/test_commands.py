"""The commands `alsem.validate` and `alsem.prepare`."""

import re
import subprocess
import sys

import captures
import pytest
import tiny
from PIL import Image


@pytest.fixture
def room(tmp_path):
    return tiny.write_box(tmp_path)


def run(command, *arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", f"alsem.{command}", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        env=tiny.environment(),
    )


def test_validate_reports_and_converts(room, tmp_path):
    flags = [f"--convert={tmp_path / 'ns'}", "--to=nerfstudio"]
    flags += ["--scale=2", "--length=0:5,5 1:9,12 1.5"]
    done = run("validate", room, *flags, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "contact sheet: validate_box.png" in done.stdout
    assert re.search(r"length: 1.5 m are .* units .*depth.*data.scale=", done.stdout)
    with Image.open(tmp_path / "validate_box.png") as image:
        assert image.size[0] > 500
    assert (tmp_path / "ns" / "transforms.json").exists()


def test_validate_with_captures_of_one_name_and_fatal_errors(room, tmp_path):
    path = room / captures.TRAIN / "rgb" / "rgb_3.png"
    captures.cut(path)
    out = tmp_path / "sheets"
    done = run("validate", room, room, "--scale=2", f"--out={out}", cwd=tmp_path)
    assert done.returncode == 2
    assert f"fatal: {path}: " in done.stdout
    names = sorted(path.name for path in out.iterdir())
    assert names == ["validate_box.png", "validate_box_2.png"]


def test_prepare_keeps_a_data_set_that_exists(room, tmp_path):
    flags = ["--dataset=alsem_replica", f"--source={room.parent}", "--out=sets"]
    done = run("prepare", *flags, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip().endswith("alsem_replica/box/1.0.0")
    done = run("prepare", *flags, cwd=tmp_path)
    assert done.returncode == 0
    assert "alsem_replica/box/1.0.0: exists already and is kept" in done.stdout


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("validate", []),
        ("validate", ["room", "--scale=0"]),
        ("validate", ["room", "--to=replica"]),
        ("validate", ["room", "--length=1:2,3"]),
        ("validate", ["room", "--width=4"]),
        ("prepare", ["--dataset=coco", "--source=.", "--out=sets"]),
        ("prepare", ["--dataset=alsem_scannet", "--source=.", "--out=sets"]),
        ("prepare", ["--dataset=alsem_replica", "--source=."]),
    ],
)
def test_wrong_arguments_are_answered_in_one_line(tmp_path, command, arguments):
    done = run(command, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"alsem.{command}: ")
    assert done.stderr.count("\n") == 1
