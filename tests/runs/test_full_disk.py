"""A full disk: the file is named, and the run goes on once there is space."""

import os
import shutil
from pathlib import Path

import pytest
import tiny
from captures import full_disk

from alsem.core.errors import InputError
from alsem.runs import runner


def test_a_full_disk_is_named_and_the_run_can_go_on(tmp_path, monkeypatch):
    tiny.write_box(tmp_path / "captures")
    workdir = tmp_path / "runs" / "full"
    config = tiny.config(tmp_path / "captures", active__rounds=1)

    def start_run(error):
        with pytest.raises(InputError, match=error):
            runner.start_run(config, workdir)

    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda _: usage._replace(free=0))
        start_run("/checkpoints: No space left on device")
    with monkeypatch.context() as patch:
        patch.setattr("os.posix_fallocate", full_disk)
        start_run(r"/train/\w+\.npy: No space left")
    rounds, fsync = workdir / "rounds.jsonl", os.fsync

    def fsync_but_rounds(number):
        target = Path(os.readlink(f"/proc/self/fd/{number}"))
        return full_disk() if target == rounds else fsync(number)

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", fsync_but_rounds)
        start_run(r"full/rounds\.jsonl: No space left")
    assert rounds.read_text() == ""
    assert runner.start_run(config, workdir)
    assert rounds.read_text().count("\n") == 1
