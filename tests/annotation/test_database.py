"""The file of the label store under kills, concurrent use and disk errors."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from captures import input_error
from label_stores import answer_points, rows, write_points

from alsem.annotation import LabelStore

TESTS = Path(__file__).resolve().parents[1]


def test_schema_and_settings(store):
    for table, columns in {
        "queries": "query_id round granularity frame row col unit score status"
        " created_at",
        "annotations": "annotation_id query_id round frame row col label kind clicks"
        " pixels annotator seconds created_at",
    }.items():
        found = [row[1] for row in rows(store, f"PRAGMA table_info({table})")]
        assert found == columns.split()
    assert rows(store, "PRAGMA user_version") == [(2,)]
    # commits wait for the disk
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert store._db.execute("PRAGMA foreign_keys").fetchone() == (1,)


def test_a_concurrent_reader_sees_whole_batches(store):
    seen, done = set(), threading.Event()

    def read():
        with LabelStore(store.path) as own:
            while not done.wait(0.002):
                for rounds in (own.queries().round, own.annotations().round):
                    seen.update(np.bincount(rounds, minlength=1).tolist())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for i in range(6):
            ids = write_points(store, i, n=300, first=300 * i).query_id
            answer_points(store, ids, np.zeros(300, int))
    finally:
        done.set()
        reader.join()
    assert {300} <= seen <= {0, 300}


KILLED_WRITER = """
import itertools, os, signal, sqlite3, sys
import numpy as np
from alsem.annotation import LabelStore
from label_stores import answer_points, check_batches, write_points

connect = sqlite3.connect

def write(path, statements):
    class Mortal(sqlite3.Connection):
        def execute(self, *args):
            nonlocal statements
            if not statements:
                os.kill(os.getpid(), signal.SIGKILL)
            statements -= 1
            return super().execute(*args)
    sqlite3.connect = lambda *args, **kwargs: connect(*args, factory=Mortal, **kwargs)
    with LabelStore(path) as store:
        # a cache of few pages spills into the file long before the commit
        store._db.execute("PRAGMA cache_size = 5")
        for i in range(2):
            ids = write_points(store, i, n=500, first=500 * i).query_id
            answer_points(store, ids, np.zeros(500, int))
    os._exit(0)

journals = 0
# every statement that creates the file, and some of the 500 of an answer
for statements in itertools.chain(range(40), itertools.count(40, 53)):
    path = f"{sys.argv[1]}-{statements}"
    pid = os.fork()
    if pid == 0:
        write(path, statements)
    status = os.waitpid(pid, 0)[1]
    journals += os.path.exists(path + "-journal")
    check_batches(path)  # creates the file where it does not exist
    with LabelStore(path) as store:  # it can still be written to
        round = int(store.queries().round.max(initial=-1)) + 1
        write_points(store, round, n=500, first=500 * round)
    check_batches(path)
    if status == 0:
        break
assert statements > 1000 and journals > 2, (statements, journals)
"""


def test_a_kill_before_any_statement_leaves_whole_batches(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED_WRITER, str(tmp_path / "labels")],
        env=os.environ | {"PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("content", [b"x", b"not a database\n" * 99])
def test_a_file_of_another_kind_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "labels.sqlite"
    path.write_bytes(content)
    error = input_error(LabelStore, path)
    assert str(path) in error and "not an alsem label store; move it" in error
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "statement, words",
    [
        ("PRAGMA application_id = 0", "not an alsem label store"),
        ("PRAGMA user_version = 7", "version 7"),
    ],
)
def test_a_database_of_another_program_or_version_is_refused(store, statement, words):
    rows(store, statement)
    assert words in input_error(LabelStore, store.path)


def test_a_missing_folder_is_an_input_error(tmp_path):
    assert "folder exists" in input_error(LabelStore, tmp_path / "none" / "x.sqlite")


def test_a_full_disk_is_an_input_error_and_loses_nothing(store):
    ids = write_points(store).query_id
    store._db.execute("PRAGMA max_page_count = 1")  # as if no page were left
    error = input_error(write_points, store, 1, n=5000, first=100)
    assert store.path in error and "full; free some disk space" in error
    store._db.execute("PRAGMA max_page_count = 100000")
    assert not store.has_queries(1)
    answer_points(store, ids, [0, 1, 2, 0])  # the connection still works


def test_a_read_only_store_can_be_read(store):
    write_points(store)
    store._db.execute("PRAGMA query_only = 1")
    assert store.snapshot(0).queried_units.size == store.count_open() == 4
    assert "writable" in input_error(answer_points, store, [1], [0])


def test_a_locked_store_is_an_input_error(store):
    with LabelStore(store.path) as other:
        other._db.execute("PRAGMA busy_timeout = 10")
        store._db.execute("BEGIN IMMEDIATE")
        assert "locked" in input_error(write_points, other)
