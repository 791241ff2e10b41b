"""The command `alsem.reconstruct`."""

import subprocess
import sys

import pytest
import textured_room
import tiny
from PIL import Image


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give --images=DIR or --video=FILE, and --out=CAPTURE"),
        (["--images=a", "--video=b", "--out=c"], "give --images=DIR or --video="),
        (["--video=b", "--masks=a", "--out=c"], "--masks are of photographs"),
        (["--images=a", "--out=c", "--frames=2"], "--frames of 3 or more"),
        (["--images=a", "--out=c", "--lens=pinhole"], "radial|opencv|fisheye"),
        (["--images=a", "--out=there"], "there: exists already; give another --out"),
        (["--images=a", "--out=c"], "a: no such folder; give another --images"),
    ],
)
def test_wrong_arguments_are_answered_in_one_line(tmp_path, arguments, message):
    if "--images=a" in arguments[-2:-1]:
        pytest.importorskip("pycolmap", reason="needs the extra 'reconstruct'")
    (tmp_path / "there").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "alsem.reconstruct", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=tiny.environment(),
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_what_to_install_is_said(tmp_path):
    script = (
        "import importlib.util as u, runpy; find = u.find_spec;"
        "u.find_spec = lambda name: None if name == 'pycolmap' else find(name);"
        "runpy.run_module('alsem.reconstruct', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "--images=a", f"--out={tmp_path / 'c'}"],
        capture_output=True,
        text=True,
        env=tiny.environment(),
    )
    assert done.returncode == 2
    assert "needs pycolmap; pip install -e '.[reconstruct]'" in done.stderr


def test_sigterm_ends_it_and_leaves_nothing(tmp_path):
    pytest.importorskip("pycolmap", reason="needs the extra 'reconstruct'")
    (tmp_path / "photographs").mkdir()
    rgb, _ = textured_room.shoot(textured_room.walk(9))
    for i, each in enumerate(rgb):
        Image.fromarray(each).save(tmp_path / "photographs" / f"{i}.png")
    command = subprocess.Popen(
        [sys.executable, "-m", "alsem.reconstruct", "--images=photographs", "--out=c"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=tiny.environment(),
    )
    assert command.stdout is not None
    assert command.stdout.readline().startswith("9 photographs;")
    assert (tmp_path / ".c.part").exists()
    command.terminate()
    _, errors = command.communicate(timeout=300)
    assert command.returncode == 143
    assert errors == "alsem.reconstruct: ended, nothing is written\n"
    assert [path.name for path in tmp_path.iterdir()] == ["photographs"]
