"""The file of the label store under kills, concurrent use and disk errors."""

import itertools
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from label_stores import answer_points, check_batches, rows, write_points

from alsem.annotation import LabelStore
from alsem.core.errors import InputError

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


def test_readers_see_whole_batches(store):
    """A concurrent reader sees 0 or 300 queries and answers of a round."""
    failures, reads, done = [], itertools.count(), threading.Event()

    def read():
        with LabelStore(store.path) as own:
            while not done.is_set():
                next(reads)
                for rounds in (own.queries().round, own.annotations().round):
                    if set(np.bincount(rounds).tolist()) - {300}:
                        failures.append(rounds)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for i in range(15):
            ids = write_points(store, i, n=300, first=300 * i).query_id
            answer_points(store, ids, np.zeros(300, int))
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert not failures
    assert next(reads) > 2  # the readers did read


KILLED_WRITER = """
import os, random, signal, sqlite3, sys, time
import numpy as np
from alsem.annotation.store import LabelStore
from label_stores import answer_points, check_batches, write_points

connect = sqlite3.connect

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def create(path, statements):
    class Dying(sqlite3.Connection):
        def execute(self, *args):
            nonlocal statements
            if not statements:
                die()
            statements -= 1
            return super().execute(*args)
    sqlite3.connect = lambda *args, **kwargs: connect(*args, factory=Dying, **kwargs)
    LabelStore(path)
    os._exit(0)

def write(path, ticks):
    store = LabelStore(path)
    # a cache of few pages spills into the file long before the commit
    store._db.execute("PRAGMA cache_size = 5")
    if ticks:
        store._db.set_progress_handler(die, ticks)
    round = int(store.queries().round.max(initial=-1))
    while True:
        open_ids = store.queries(status="open").query_id
        if open_ids.size:
            answer_points(store, open_ids, np.zeros(len(open_ids), int))
        round += 1
        write_points(store, round, n=500, first=500 * round)

def fork(function, *args):
    pid = os.fork()
    if pid == 0:
        function(*args)
    return pid

# before each statement that creates the file
for statements in range(99):
    path = f"{sys.argv[1]}-{statements}-statements"
    _, status = os.waitpid(fork(create, path, statements), 0)
    check_batches(path)  # creates the file where it does not exist
    if status == 0:
        break
assert 9 < statements < 99, statements

# in the middle of a call, after a number of SQLite instructions
journals = 0
for ticks in (100, 1000, 10000, 30000, 90000):
    path = f"{sys.argv[1]}-{ticks}-ticks"
    _, status = os.waitpid(fork(write, path, ticks), 0)
    assert os.WTERMSIG(status) == signal.SIGKILL, status
    journals += os.path.exists(path + "-journal")
    check_batches(path)
assert journals > 2, journals

# at any moment, again and again in one store
draw = random.Random(0)
for _ in range(8):
    pid = fork(write, sys.argv[1], 0)
    time.sleep(draw.uniform(0.02, 0.12))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    check_batches(sys.argv[1])
"""


def test_a_kill_at_any_moment_leaves_whole_batches(tmp_path):
    path = tmp_path / "labels.sqlite"
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED_WRITER, str(path)],
        env=os.environ | {"PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    with LabelStore(path) as store:
        last = int(store.queries().round.max(initial=-1))
        write_points(store, last + 1, n=500, first=500 * (last + 1))
    check_batches(path)  # it can still be written to


@pytest.mark.parametrize("content", [b"x", b"not a database\n" * 99])
def test_a_file_of_another_kind_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "labels.sqlite"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"labels\.sqlite: .*label store"):
        LabelStore(path)
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
    with pytest.raises(InputError, match=words):
        LabelStore(store.path)


def test_a_missing_folder_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="folder"):
        LabelStore(tmp_path / "none" / "labels.sqlite")


def test_a_full_disk_is_an_input_error_and_loses_nothing(store):
    ids = write_points(store).query_id
    store._db.execute("PRAGMA max_page_count = 1")  # as if no page were left
    with pytest.raises(InputError, match=r"full.*free some disk space") as raised:
        write_points(store, 1, n=5000, first=100)
    assert "\n" not in str(raised.value) and store.path in str(raised.value)
    store._db.execute("PRAGMA max_page_count = 100000")
    assert not store.has_queries(1)
    answer_points(store, ids, [0, 1, 2, 0])  # the connection still works


def test_a_read_only_store_can_be_read(store):
    write_points(store)
    store._db.execute("PRAGMA query_only = 1")
    assert store.snapshot(0).queried_units.size == store.count_open() == 4
    with pytest.raises(InputError, match="writable"):
        answer_points(store, [1], [0])


def test_a_locked_store_is_an_input_error(store):
    with LabelStore(store.path) as other:
        other._db.execute("PRAGMA busy_timeout = 10")
        store._db.execute("BEGIN IMMEDIATE")
        with pytest.raises(InputError, match="locked"):
            write_points(other)
