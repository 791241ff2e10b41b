"""A run that is killed again and again asks what an undisturbed one asks.

Real processes and real signals, sent when the run's own files say how far it is.
"""

import json
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import tiny

from alsem.runs import runner

TIMEOUT = 120  # seconds; a moment comes within a few


OPTIONS = {
    "train__geometry__fit__steps": 200,
    "train__semantics__fit__steps": 400,
    "active__strategy": "margin",
}


def start(workdir, captures):
    flags = [f"--config={tiny.ROOM}:smoke", f"--workdir={workdir}"]
    return subprocess.Popen(
        [sys.executable, "-m", "alsem.main", *flags, *tiny.flags(captures, **OPTIONS)],
        env=tiny.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def query(workdir, sql, *values):
    """Rows of the label store, while somebody else may write to it."""
    uri = f"file:{workdir / 'labels.sqlite'}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as store:
        return store.execute(sql, values).fetchall()


def has_rows(workdir, table, round_index):
    try:
        sql = f"select 1 from {table} where round = ?"
        return query(workdir, sql, round_index)
    except sqlite3.OperationalError:
        return False  # it is not made yet


def geometry(workdir, pattern):
    return any(workdir.parent.glob(f".geometry/*/{pattern}"))


# When the run is ended, with which signal and which exit status.
KILLED, ASKED = (signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 143)
ENDS = (
    (lambda workdir: geometry(workdir, "checkpoints"), *KILLED),
    (lambda workdir: geometry(workdir, "train/complete.json"), *ASKED),
    (lambda workdir: has_rows(workdir, "queries", 1), *KILLED),
    (lambda workdir: (workdir / "checkpoints" / "rounds" / "1").exists(), *KILLED),
    (lambda workdir: has_rows(workdir, "annotations", 2), *ASKED),
)


def end_when(moment, number, workdir, captures):
    """Starts the run, signals it at a moment and returns its exit status."""
    process = start(workdir, captures)
    deadline = time.monotonic() + TIMEOUT
    while not moment(workdir):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(number)
    _, errors = process.communicate(timeout=TIMEOUT)
    assert "Traceback" not in errors, errors
    assert ("the same command goes on" in errors) == (number == signal.SIGTERM)
    return process.returncode


def figures(workdir):
    lines = (workdir / "rounds.jsonl").read_text().splitlines()
    keys = ("round", "clicks", "pixels", "miou", "ece", "psnr", "chosen_by")
    return [{key: json.loads(line)[key] for key in keys} for line in lines]


def test_neither_kills_nor_requests_to_end_change_anything(tmp_path):
    captures = tmp_path / "captures"
    tiny.write_box(captures)
    stopped, undisturbed = (tmp_path / name / "run" for name in ("stopped", "whole"))
    assert runner.start_run(tiny.config(captures, **OPTIONS), undisturbed)
    for moment, number, status in ENDS:
        assert end_when(moment, number, stopped, captures) == status
    assert len(figures(stopped)) == 2
    process = start(stopped, captures)
    _, errors = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, errors) == (0, "")
    for columns in (
        "query_id, round, frame, row, col, unit from queries",
        "query_id, round, frame, row, col, label, clicks from annotations",
    ):
        sql = f"select {columns} order by query_id"
        rows = query(stopped, sql)
        assert rows == query(undisturbed, sql)
        assert len({row[2:5] for row in rows}) == len(rows) == 24
    assert figures(stopped) == figures(undisturbed)
