"""The label store keeps what it is told, and survives kills and readers."""

import itertools
import os
import sqlite3
import subprocess
import sys
import threading

import numpy as np
import pytest
from asking import ask

from alsem.annotation import LabelStore, Totals, point_cost
from alsem.core.errors import InputError


@pytest.fixture
def store(tmp_path):
    with LabelStore(tmp_path / "labels.sqlite") as opened:
        yield opened


def reply(store, query_ids, labels, **fields):
    clicks, pixels = point_cost(np.asarray(labels))
    answered = dict(clicks=clicks, pixels=pixels, annotator="test", seconds=1.5)
    store.answer(query_ids, labels, **(answered | fields))


def rows(store, sql):
    """Reads behind the store's back, so that the file itself is judged."""
    with sqlite3.connect(store.path) as db:
        found = db.execute(sql).fetchall()
    db.close()
    return found


# --- the store ---


def test_columns_are_those_of_the_published_tables(store):
    for table, columns in {
        "queries": "query_id round granularity frame row col unit score status"
        " created_at",
        "annotations": "annotation_id query_id round frame row col label kind clicks"
        " pixels annotator seconds created_at",
    }.items():
        found = [row[1] for row in rows(store, f"PRAGMA table_info({table})")]
        assert found == columns.split()
    assert rows(store, "PRAGMA user_version") == [(2,)]


def test_commits_wait_for_the_disk(store):
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert store._db.execute("PRAGMA foreign_keys").fetchone() == (1,)


def test_queries_come_back_as_written(store):
    written = ask(store, round=3, n=5, first=10)
    read = store.queries(3)
    for queries in (written, read):
        np.testing.assert_array_equal(queries.query_id, [1, 2, 3, 4, 5])
        np.testing.assert_array_equal(queries.round, [3] * 5)
        np.testing.assert_array_equal(queries.granularity, ["point"] * 5)
        np.testing.assert_array_equal(queries.frame, [2] * 5)
        np.testing.assert_array_equal(queries.row, [10, 11, 12, 13, 14])
        np.testing.assert_array_equal(queries.col, [11, 12, 13, 14, 15])
        np.testing.assert_array_equal(queries.unit, [10, 11, 12, 13, 14])
        np.testing.assert_array_equal(queries.score, np.arange(10, 15) / 8)
        assert queries.query_id.dtype == queries.unit.dtype == np.int64
        assert queries.frame.dtype == queries.row.dtype == np.int32
    assert ask(store, round=4, n=2, first=20).query_id.tolist() == [6, 7]


def test_queries_are_chosen_by_round_and_status(store):
    first, second = ask(store, 0, 3), ask(store, 1, 2, first=3)
    reply(store, first.query_id[:2], [0, 1])
    assert store.queries(0, "open").query_id.tolist() == [3]
    assert store.queries(0, "answered").query_id.tolist() == [1, 2]
    assert store.queries(status="open").query_id.tolist() == [3, 4, 5]
    assert store.queries().query_id.tolist() == [1, 2, 3, 4, 5]
    assert store.queries(1).query_id.tolist() == second.query_id.tolist()
    assert store.queries(7).query_id.shape == (0,)
    assert store.queries(7).query_id.dtype == np.int64
    assert [store.has_queries(i) for i in range(3)] == [True, True, False]
    assert [store.count_open(i) for i in (0, 1, 2, None)] == [1, 2, 0, 3]
    with pytest.raises(ValueError, match="status"):
        store.queries(0, "opened")


def test_a_round_is_asked_once(store):
    ask(store, 0)
    with pytest.raises(RuntimeError, match="round 0"):
        ask(store, 0, first=100)
    assert store.queries().query_id.size == 4


def test_a_unit_is_asked_once_and_the_batch_falls_together(store):
    ask(store, 0, n=4, first=3)
    with pytest.raises(RuntimeError, match="asked before"):
        ask(store, 1, n=4, first=0)  # units 0 to 2 are new, 3 is not
    assert not store.has_queries(1)
    ask(store, 1, n=4, first=3, granularity="superpixel")  # other units, same numbers


@pytest.mark.parametrize(
    "change",
    [
        {"score": np.array([0.0, np.nan])},
        {"unit": np.array([0.5, 1.0])},
        {"unit": np.array([-1, 1])},
        {"row": np.array([1, 2, 3])},
        {"frame": np.array([-1, 0])},
        {"col": np.array([0, 2**31])},
        dict.fromkeys(("frame", "row", "col", "unit", "score"), np.array([], int)),
    ],
)
def test_malformed_queries_are_refused(store, change):
    good = dict(frame=[0, 0], row=[0, 1], col=[0, 1], unit=[0, 1], score=0.0)
    with pytest.raises(ValueError):
        store.write_queries(0, "point", **(good | change))
    assert not store.has_queries(0)


def test_an_infinite_score_is_kept(store):
    # the first pick of a farthest-point rule is infinitely far from nothing
    queries = store.write_queries(
        0, "point", frame=[0], row=-1, col=-1, unit=[0], score=np.inf
    )
    assert queries.score.tolist() == [np.inf] and queries.row.tolist() == [-1]


def test_answers_come_back_in_order_with_their_place(store):
    ids = ask(store, round=1).query_id
    reply(store, ids[[2, 0]], [1, -1])
    found = store.annotations()
    assert found.query_id.tolist() == [3, 1]
    assert found.annotation_id.tolist() == [1, 2]
    assert found.round.tolist() == [1, 1] and found.frame.tolist() == [2, 2]
    assert found.row.tolist() == [2, 0] and found.col.tolist() == [3, 1]
    assert found.label.tolist() == [1, -1] and found.label.dtype == np.int32
    assert found.kind.tolist() == ["point", "point"]
    assert store.totals() == Totals(clicks=2, pixels=1, queries=2, seconds=3.0)
    assert found.unit.tolist() == [2, 0] and found.unit.dtype == np.int64
    assert found.seconds.tolist() == [1.5, 1.5] and found.seconds.dtype == np.float64
    assert rows(store, "SELECT annotator FROM annotations") == [("test",)] * 2


def test_answers_of_later_rounds_can_be_left_out(store):
    for i in range(3):
        reply(store, ask(store, i, n=2, first=2 * i).query_id, [i, i])
    assert store.annotations(up_to_round=1).label.tolist() == [0, 0, 1, 1]
    assert store.totals(up_to_round=0) == Totals(2, 2, 2, 3.0)
    assert store.totals(2, from_round=1) == Totals(4, 4, 4, 6.0)
    assert store.totals(from_round=2) == store.totals(2, from_round=2)
    assert store.totals(from_round=2) == Totals(2, 2, 2, 3.0)
    assert store.totals(up_to_round=-1) == Totals(0, 0, 0, 0.0)
    assert store.annotations(up_to_round=-1).kind.shape == (0,)


@pytest.mark.parametrize("bad, error", [(99, KeyError), (1, RuntimeError)])
def test_a_wrong_answer_call_leaves_nothing_behind(store, bad, error):
    ids = ask(store).query_id
    reply(store, ids[:1], [0])  # query 1 is answered now, 99 does not exist
    with pytest.raises(error, match=str(bad)):
        reply(store, [2, 3, bad], [0, 1, 2])
    assert store.count_open() == 3 and store.totals().queries == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"labels": [0, -2]},
        {"labels": [0.0, 1.0]},
        {"labels": [0, 1, 2]},
        {"clicks": -1},
        {"pixels": [1.0, 1.0]},
        {"seconds": np.nan},
        {"seconds": [1.0, -1.0]},
        {"seconds": np.inf},
        {"kind": "undo"},
        {"kind": ""},
        {"kind": ["point", "undo"]},
        {"kind": ["point"]},
        {"query_ids": [1, 1]},
        {"row": [1, 2]},
    ],
)
def test_malformed_answers_are_refused(store, fields):
    ask(store)
    good = dict(query_ids=[1, 2], labels=[0, 1], clicks=1, pixels=1)
    good |= dict(annotator="test", seconds=0.0)
    with pytest.raises(ValueError):
        store.answer(**(good | fields))
    assert store.count_open() == 4


def test_one_query_may_be_answered_pixel_by_pixel(store):
    (query_id,) = ask(store, n=1, granularity="patch").query_id
    store.answer(
        [query_id] * 3,
        [0, 0, 1],
        row=[5, 5, 6],
        col=[7, 8, 7],
        kind="exact",
        clicks=[1, 0, 1],
        pixels=1,
        annotator="test",
        seconds=0.0,
    )
    found = store.annotations()
    assert list(zip(found.row.tolist(), found.col.tolist(), strict=True)) == [
        (5, 7),
        (5, 8),
        (6, 7),
    ]
    assert store.totals() == Totals(clicks=2, pixels=3, queries=1, seconds=0.0)
    store.undo(query_id, annotator="test")
    assert store.totals() == Totals(0, 0, 0, 0.0)


def test_undo_reopens_and_is_a_row_of_its_own(store):
    ids = ask(store).query_id
    reply(store, ids, [0, 1, 2, 0])
    before = rows(store, "SELECT * FROM annotations")
    store.undo(ids[1], annotator="person", seconds=2.0)
    assert store.queries(0, "open").query_id.tolist() == [2]
    assert store.annotations().query_id.tolist() == [1, 3, 4]
    assert store.totals() == Totals(3, 3, 3, 4.5)
    reply(store, ids[[1]], [2])
    assert store.annotations().query_id.tolist() == [1, 3, 4, 2]
    assert store.annotations().label.tolist() == [0, 2, 0, 2]
    after = rows(store, "SELECT * FROM annotations")
    assert after[:4] == before  # nothing rewritten
    assert after[4][1:12] == (2, 0, 2, 1, 2, -1, "undo", 0, 0, "person", 2.0)
    store.undo(ids[[1]], annotator="person")
    assert store.annotations().query_id.tolist() == [1, 3, 4]


def test_only_an_answer_can_be_undone(store):
    ids = ask(store).query_id
    reply(store, ids[:1], [0])
    with pytest.raises(RuntimeError, match="query 2 is open"):
        store.undo(ids[:2], annotator="test")
    with pytest.raises(KeyError, match="99"):
        store.undo(99, annotator="test")
    with pytest.raises(ValueError, match="twice"):
        store.undo([1, 1], annotator="test")
    assert store.totals().queries == 1


@pytest.mark.parametrize("rows", [slice(1, 3), [1, 2], [False, True, True, False]])
def test_rows_can_be_taken(store, rows):
    rows = rows if isinstance(rows, slice) else np.array(rows)
    queries = ask(store)
    reply(store, queries.query_id, [0, 1, -1, 2])
    for whole, label in ((queries, None), (store.annotations(), [1, -1])):
        part = whole.take(rows)
        assert type(part) is type(whole)
        assert part.query_id.tolist() == [2, 3] and part.unit.tolist() == [1, 2]
        assert label is None or part.label.tolist() == label


def test_answers_of_one_call_may_be_of_several_kinds(store):
    reply(store, ask(store, n=2).query_id, [0, -1], kind=["dominant", "mixed"])
    assert store.annotations().kind.tolist() == ["dominant", "mixed"]


def test_a_withdrawn_unit_may_be_asked_again_and_no_other(store):
    ids = ask(store, 0).query_id
    reply(store, ids[:1], [0])
    store.withdraw(ids[2:])
    assert store.queries(0, "withdrawn").query_id.tolist() == [3, 4]
    assert [store.queries(0, s).query_id.tolist() for s in ("answered", "open")] == [
        [1],
        [2],
    ]
    assert store.count_open() == 1
    assert store.queried_units().tolist() == [0, 1]
    assert store.queried_units().dtype == np.int64
    again = ask(store, 1, n=2, first=2).query_id
    assert again.tolist() == [5, 6]
    assert store.queried_units().tolist() == [0, 1, 2, 3]
    for first in (1, 3):  # open, and asked again
        with pytest.raises(RuntimeError, match="asked before"):
            ask(store, 2, n=1, first=first)
    store.withdraw(again)  # a unit may be withdrawn twice
    assert ask(store, 2, n=2, first=2).unit.tolist() == [2, 3]
    assert store.queries().unit.tolist() == [0, 1, 2, 3, 2, 3, 2, 3]


def test_no_unit_was_asked_in_a_new_store(store):
    assert store.queried_units().shape == (0,)
    assert store.queried_units().dtype == np.int64


def test_only_an_open_query_can_be_withdrawn_or_answered(store):
    ids = ask(store).query_id
    reply(store, ids[:1], [0])
    with pytest.raises(RuntimeError, match="query 1 is answered"):
        store.withdraw(ids)
    with pytest.raises(KeyError, match="99"):
        store.withdraw([2, 99])
    assert store.count_open() == 3
    store.withdraw(ids[1])
    with pytest.raises(RuntimeError, match="query 2 is withdrawn"):
        reply(store, ids[1:], [0, 1, 2])
    with pytest.raises(RuntimeError, match="query 2 is withdrawn"):
        store.undo(ids[1], annotator="test")
    assert store.count_open() == 2 and store.totals().queries == 1


def test_a_second_process_sees_what_the_first_wrote(store):
    with LabelStore(store.path) as other:
        reply(other, ask(store).query_id, [0, 1, 2, 0])
        assert store.count_open() == 0
        with pytest.raises(RuntimeError, match="round 0"):
            ask(other, 0, first=50)
    with LabelStore(store.path) as again:
        assert again.annotations().label.tolist() == [0, 1, 2, 0]


def test_readers_see_whole_batches_while_one_writes(store):
    """A reader beside the writer finds 0 or 300 queries and answers of a round."""
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
            ids = ask(store, i, n=300, first=300 * i).query_id
            reply(store, ids, np.zeros(300, int))
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert not failures
    assert next(reads) > 2  # they did read


# --- the store and what can go wrong around it ---

KILLED_WRITER = """
import os, random, signal, sqlite3, sys, time
import numpy as np
from alsem.annotation.store import LabelStore
sys.path.insert(0, sys.argv[2])
from test_labels import check_batches

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
            store.answer(open_ids, np.zeros(len(open_ids), int), clicks=1, pixels=1,
                         annotator="test", seconds=0.0)
        round += 1
        units = np.arange(500) + 500 * round
        store.write_queries(round, "point", frame=0 * units, row=units, col=units,
                            unit=units, score=0.0)

# before each statement that makes a new file
for statements in range(99):
    path = f"{sys.argv[1]}-{statements}-statements"
    pid = os.fork()
    if pid == 0:
        create(path, statements)
    _, status = os.waitpid(pid, 0)
    check_batches(path)  # makes it anew where nothing was made
    if status == 0:
        break
assert 9 < statements < 99, statements

# in the middle of a call, at an instruction of SQLite's
journals = 0
for ticks in (100, 1000, 10000, 30000, 90000):
    path = f"{sys.argv[1]}-{ticks}-ticks"
    pid = os.fork()
    if pid == 0:
        write(path, ticks)
    _, status = os.waitpid(pid, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL, status
    journals += os.path.exists(path + "-journal")
    check_batches(path)
assert journals > 2, journals

# at any moment, again and again in one store
draw = random.Random(0)
for _ in range(8):
    pid = os.fork()
    if pid == 0:
        write(sys.argv[1], 0)
    time.sleep(draw.uniform(0.02, 0.12))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    check_batches(sys.argv[1])
"""


def check_batches(path):
    """Every round has all its 500 queries, and all or none of them answered."""
    with LabelStore(path) as store:
        queries = store.queries()
        answered = store.queries(status="answered").query_id
        assert set(np.bincount(queries.round).tolist()) <= {500}
        assert answered.size % 500 == 0
        np.testing.assert_array_equal(store.annotations().query_id, answered)
        assert store._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert store._db.execute("PRAGMA foreign_key_check").fetchall() == []


def test_a_kill_at_any_moment_leaves_whole_batches(tmp_path):
    path = tmp_path / "labels.sqlite"
    here = os.path.dirname(__file__)
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED_WRITER, str(path), here],
        env=os.environ | {"PYTHONPATH": os.path.dirname(here)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    with LabelStore(path) as store:
        last = int(store.queries().round.max(initial=-1))
        ask(store, last + 1, n=500, first=500 * (last + 1))
    check_batches(path)  # it can be written to again


@pytest.mark.parametrize("content", [b"x", b"not a database\n" * 99])
def test_another_kind_of_file_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "labels.sqlite"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"labels\.sqlite: .*label store"):
        LabelStore(path)
    assert path.read_bytes() == content


def test_another_database_is_refused(tmp_path):
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE queries(query_id)")
    db.close()
    with pytest.raises(InputError, match="not an alsem label store"):
        LabelStore(path)


def test_a_store_of_another_version_is_refused(store):
    with sqlite3.connect(store.path) as db:
        db.execute("PRAGMA user_version = 7")
    db.close()
    with pytest.raises(InputError, match="version 7"):
        LabelStore(store.path)


def test_a_missing_folder_is_the_users_error(tmp_path):
    with pytest.raises(InputError, match="folder"):
        LabelStore(tmp_path / "none" / "labels.sqlite")


def test_a_full_disk_is_the_users_error_and_loses_nothing(store):
    ids = ask(store).query_id
    store._db.execute("PRAGMA max_page_count = 1")  # as if no page were left
    with pytest.raises(InputError, match=r"full.*free some disk space") as raised:
        ask(store, 1, n=5000, first=100)
    assert "\n" not in str(raised.value) and store.path in str(raised.value)
    store._db.execute("PRAGMA max_page_count = 100000")
    assert not store.has_queries(1)
    reply(store, ids, [0, 1, 2, 0])  # the connection still serves


def test_a_read_only_store_can_be_read(store):
    ask(store)
    store._db.execute("PRAGMA query_only = 1")
    assert store.count_open() == 4
    with pytest.raises(InputError, match="writable"):
        reply(store, [1], [0])


def test_a_locked_store_is_the_users_error(store):
    with LabelStore(store.path) as other:
        other._db.execute("PRAGMA busy_timeout = 10")
        store._db.execute("BEGIN IMMEDIATE")
        with pytest.raises(InputError, match="locked"):
            ask(other)
