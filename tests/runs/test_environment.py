"""The environment of a run, and what a resumed run adds to it."""

import json
import subprocess

import numpy as np

from alsem.runs import environment


def run_git(folder, *command):
    call = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *command]
    subprocess.run(call, cwd=folder, check=True, capture_output=True)


def test_the_environment_has_commit_versions_and_devices(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "code.py").write_text("a = 1\n")
    for command in (["init"], ["add", "."], ["commit", "-m", "first"]):
        run_git(tmp_path, *command)
    clean = environment.describe(3, tmp_path)
    assert len(clean["git_commit"]) == 40 and clean["git_dirty"] is False
    assert clean["seed"] == 3
    assert clean["packages"]["numpy"] == np.__version__
    assert clean["devices"][0]["platform"] == "cpu"
    assert sum(kind["count"] for kind in clean["devices"]) == 8
    (tmp_path / "code.py").write_text("a = 2\n")
    assert environment.describe(3, tmp_path)["git_dirty"] is True
    # A copy installed inside another project's checkout has no commit of its own.
    inner = environment.describe(3, tmp_path / "inner")
    assert inner["git_commit"] is None and inner["git_dirty"] is None


def test_a_resumed_run_keeps_the_first_environment_and_adds_others_once(tmp_path):
    first, other = {"git_commit": "a", "seed": 1}, {"git_commit": "b", "seed": 1}
    both = first | {"resumed_in": [other]}
    for written, expected in ((first, first), (other, both)):
        environment.write(tmp_path, written)
        environment.write(tmp_path, written)
        assert json.loads((tmp_path / "environment.json").read_text()) == expected
