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

import pytest
import tiny

TIMEOUT = 120  # seconds; a moment comes within a few


def command(folder, captures):
    flags = tiny.flags(
        captures,
        train__geometry__fit__steps=200,
        train__semantics__fit__steps=400,
        active__strategy="margin",
    )
    config = f"--config={tiny.ROOT / 'configs' / 'room.py'}:smoke"
    workdir = f"--workdir={folder / 'run'}"
    return [sys.executable, "-m", "alsem.main", config, workdir, *flags]


def start(folder, captures):
    return subprocess.Popen(
        command(folder, captures),
        env=tiny.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def count(workdir, table, round_index):
    """Rows of a round in the label store, while somebody else writes to it."""
    file = workdir / "labels.sqlite"
    if not file.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as store:
            query = f"select count(*) from {table} where round = ?"
            return store.execute(query, (round_index,)).fetchone()[0]
    except sqlite3.OperationalError:
        return 0  # its tables are not made yet


def in_geometry(workdir):
    return list(workdir.parent.glob(".geometry/*/checkpoints"))


def in_surface(workdir):
    return list(workdir.parent.glob(".geometry/*/train/complete.json"))


def round_1_is_asked(workdir):
    return count(workdir, "queries", 1)


def round_1_is_fitted(workdir):
    return (workdir / "checkpoints" / "rounds" / "1").exists()


def round_2_is_answered(workdir):
    return count(workdir, "annotations", 2)


def stop_when(moment, number, folder, captures):
    """Starts the run, signals it at a moment and returns its exit status."""
    process = start(folder, captures)
    deadline = time.monotonic() + TIMEOUT
    while not moment(folder / "run"):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline, moment.__name__
        time.sleep(0.002)
    process.send_signal(number)
    _, errors = process.communicate(timeout=TIMEOUT)
    assert "Traceback" not in errors, errors
    return process.returncode


def finish(folder, captures):
    process = start(folder, captures)
    _, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, errors
    assert errors == ""


def table(folder, columns, name):
    with closing(sqlite3.connect(folder / "run" / "labels.sqlite")) as store:
        rows = store.execute(f"select {columns} from {name} order by query_id")
        return rows.fetchall()


def figures(folder):
    lines = (folder / "run" / "rounds.jsonl").read_text().splitlines()
    keys = ("round", "clicks", "pixels", "miou", "ece", "psnr", "chosen_by")
    return [{key: json.loads(line)[key] for key in keys} for line in lines]


@pytest.fixture
def captures(tmp_path):
    tiny.write_box(tmp_path / "captures")
    return tmp_path / "captures"


def assert_the_same_run(folder, undisturbed):
    columns = "query_id, round, frame, row, col, unit"
    queries = table(folder, columns, "queries")
    assert queries == table(undisturbed, columns, "queries")
    pixels = [query[2:5] for query in queries]
    assert len(set(pixels)) == len(pixels) == 24
    columns = "query_id, round, frame, row, col, label, clicks"
    annotations = table(folder, columns, "annotations")
    assert annotations == table(undisturbed, columns, "annotations")
    assert figures(folder) == figures(undisturbed)


def test_neither_kills_nor_requests_to_end_change_anything(captures, tmp_path):
    finish(tmp_path / "undisturbed", captures)
    folder = tmp_path / "stopped"
    for moment, number, status in (
        (in_geometry, signal.SIGKILL, -signal.SIGKILL),
        (in_surface, signal.SIGTERM, 143),
        (round_1_is_asked, signal.SIGKILL, -signal.SIGKILL),
        (round_1_is_fitted, signal.SIGKILL, -signal.SIGKILL),
        (round_2_is_answered, signal.SIGTERM, 143),
    ):
        assert stop_when(moment, number, folder, captures) == status
    assert len(figures(folder)) == 2
    finish(folder, captures)
    assert_the_same_run(folder, tmp_path / "undisturbed")
