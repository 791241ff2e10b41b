"""The label store survives kills and readers; annotators and costs do as they say."""

import itertools
import os
import sqlite3
import subprocess
import sys
import threading

import numpy as np
import pytest

from alsem.labels import (
    FileAnnotator,
    LabelStore,
    SimulatedAnnotator,
    Totals,
    point_cost,
    segments_cost,
)
from alsem.types import InputError

NAMES = ("wall", "floor", "chair")


@pytest.fixture
def store(tmp_path):
    with LabelStore(tmp_path / "labels.sqlite") as opened:
        yield opened


def ask(store, round=0, n=4, first=0, granularity="point"):
    """Writes n queries at pixels (frame 2, row i, col i + 1) of units i."""
    units = np.arange(first, first + n)
    return store.write_queries(
        round,
        granularity,
        frame=np.full(n, 2),
        row=units,
        col=units + 1,
        unit=units,
        score=units / 8,
    )


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
    assert rows(store, "PRAGMA user_version") == [(1,)]


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
    assert store.totals() == Totals(clicks=2, pixels=1, queries=2)
    assert (
        rows(store, "SELECT annotator, seconds FROM annotations") == [("test", 1.5)] * 2
    )


def test_answers_of_later_rounds_can_be_left_out(store):
    for i in range(3):
        reply(store, ask(store, i, n=2, first=2 * i).query_id, [i, i])
    assert store.annotations(up_to_round=1).label.tolist() == [0, 0, 1, 1]
    assert store.totals(up_to_round=0) == Totals(2, 2, 2)
    assert store.totals(up_to_round=-1) == Totals(0, 0, 0)
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
    assert store.totals() == Totals(clicks=2, pixels=3, queries=1)
    store.undo(query_id, annotator="test")
    assert store.totals() == Totals(0, 0, 0)


def test_undo_reopens_and_is_a_row_of_its_own(store):
    ids = ask(store).query_id
    reply(store, ids, [0, 1, 2, 0])
    before = rows(store, "SELECT * FROM annotations")
    store.undo(ids[1], annotator="person", seconds=2.0)
    assert store.queries(0, "open").query_id.tolist() == [2]
    assert store.annotations().query_id.tolist() == [1, 3, 4]
    assert store.totals() == Totals(3, 3, 3)
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
from alsem.labels.store import LabelStore
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


# --- annotators ---


def truth(frame, row, col):
    """Labels -1, 0, 1, 2 in turn, by column."""
    assert frame.dtype == row.dtype == col.dtype == np.int32
    return (col + row) // 2 % 4 - 1


def test_the_simulated_annotator_answers_what_is_open(store):
    ids = ask(store, 0, n=8).query_id
    ask(store, 1, n=3, first=8)
    reply(store, ids[:1], [1])
    annotator = SimulatedAnnotator(truth, num_classes=3, seed=0, seconds_per_click=2.5)
    assert annotator.annotate(store, 0)
    found = store.annotations()
    assert found.query_id.tolist() == ids.tolist()
    assert found.label.tolist() == [1, 0, 1, 2, -1, 0, 1, 2]
    assert store.totals() == Totals(clicks=8, pixels=7, queries=8)
    assert rows(store, "SELECT DISTINCT annotator, seconds FROM annotations") == [
        ("test", 1.5),
        ("simulated", 2.5),
    ]
    assert store.count_open(1) == 3  # nobody asked it for round 1
    assert annotator.annotate(store, 0)  # nothing left to do is no error
    assert store.totals().queries == 8


def noisy_labels(tmp_path, name, batches, noise_rate=0.3, seed=5, n=6000, classes=5):
    """Labels by unit when the pool is asked in the given batches of units."""
    annotator = SimulatedAnnotator(
        lambda frame, row, col: np.where(col % 10 == 0, -1, col % classes),
        num_classes=classes,
        seed=seed,
        noise_rate=noise_rate,
    )
    labels = np.full(n, -9)
    with LabelStore(tmp_path / name) as store:
        for i, units in enumerate(batches):
            store.write_queries(
                i,
                "point",
                frame=units % 7,
                row=units // 100,
                col=units % 100,
                unit=units,
                score=0.0,
            )
            annotator.annotate(store, i)
        units = store.queries().unit
        found = store.annotations()
        labels[units[found.query_id - 1]] = found.label
    return labels


def test_label_noise_depends_on_the_pixel_and_the_seed_alone(tmp_path):
    units = np.arange(6000)
    shuffled = np.random.default_rng(0).permutation(units)
    whole = noisy_labels(tmp_path, "a", [units])
    parts = noisy_labels(tmp_path, "b", np.split(shuffled, [10, 2500]))
    other = noisy_labels(tmp_path, "c", [units], seed=6)
    np.testing.assert_array_equal(whole, parts)
    assert (whole != other).mean() > 0.3  # about 2 * .3 * .7 of nine tenths


def test_label_noise_has_its_rate_and_hits_every_other_class_alike(tmp_path):
    n, rate, classes = 6000, 0.3, 5
    units = np.arange(n)
    labels = noisy_labels(tmp_path, "a", [units])
    true = np.where(units % 100 % 10 == 0, -1, units % 100 % classes)
    np.testing.assert_array_equal(labels[true == -1], -1)
    labels, true = labels[true >= 0], true[true >= 0]
    assert labels.min() >= 0 and labels.max() < classes
    is_wrong = labels != true
    # four standard errors of a binomial: one seed in 16,000 fails by chance
    bound = 4 * np.sqrt(rate * (1 - rate) / true.size)
    assert abs(is_wrong.mean() - rate) < bound
    shifts = np.bincount((labels - true)[is_wrong] % classes, minlength=classes)[1:]
    share = 1 / (classes - 1)
    bound = 4 * np.sqrt(share * (1 - share) / is_wrong.sum())
    np.testing.assert_allclose(shifts / is_wrong.sum(), share, atol=bound)


def test_noise_of_one_is_always_wrong_and_of_zero_never(tmp_path):
    units = np.arange(1, 10)
    for rate, wrong in ((1.0, True), (0.0, False)):
        labels = noisy_labels(tmp_path, str(rate), [units], rate)[units]
        np.testing.assert_array_equal(labels != units % 5, [wrong] * 9)


@pytest.mark.parametrize(
    "change",
    [
        {"noise_rate": 1.5},
        {"noise_rate": -0.1},
        {"noise_rate": 0.1, "num_classes": 1},
        {"seconds_per_click": -1.0},
    ],
)
def test_impossible_simulated_annotators_are_refused(change):
    with pytest.raises(ValueError):
        SimulatedAnnotator(truth, **(dict(num_classes=3, seed=0) | change))


def test_a_capture_of_one_class_needs_no_noise(store):
    ask(store)
    one = SimulatedAnnotator(lambda frame, *_: 0 * frame, num_classes=1, seed=0)
    assert one.annotate(store, 0)


@pytest.mark.parametrize("wrong", [[0, 1, 2, 3], [0, -2, 0, 0], [0]])
def test_a_broken_answer_callable_is_found(store, wrong):
    ask(store)
    annotator = SimulatedAnnotator(lambda *_: np.array(wrong), num_classes=3, seed=0)
    with pytest.raises(ValueError):
        annotator.annotate(store, 0)
    assert store.count_open() == 4


def test_point_annotators_refuse_other_granularities(store, tmp_path):
    ask(store, granularity="patch")
    path = tmp_path / "labels.csv"
    path.write_text("frame,row,col,label\n2,0,1,wall\n")
    for annotator in (
        SimulatedAnnotator(truth, num_classes=3, seed=0),
        FileAnnotator(path, NAMES),
    ):
        with pytest.raises(InputError, match="patch"):
            annotator.annotate(store, 0)


def test_the_file_annotator_takes_what_the_file_holds(store, tmp_path):
    ask(store, n=5)
    path = tmp_path / "labels.csv"
    path.write_bytes(
        b"\xef\xbb\xbfframe,row,col,label\r\n2,0,1,chair\r\n2,1,2, 1\r\n\r\n"
        b"2,3,4,void\r\n9,9,9,wall\r\n2,0,1,chair\r\n"
    )
    annotator = FileAnnotator(path, NAMES)
    assert not annotator.annotate(store, 0)
    found = store.annotations()
    assert dict(zip(found.row.tolist(), found.label.tolist(), strict=True)) == {
        0: 2,
        1: 1,
        3: -1,
    }
    assert store.totals() == Totals(clicks=3, pixels=2, queries=3)
    with open(path, "a") as file:
        file.write("2,2,3,wall\n2,4,5,-1\n")
    assert annotator.annotate(store, 0)
    assert store.annotations().label.tolist()[-2:] == [0, -1]
    assert annotator.annotate(store, 0)


@pytest.mark.parametrize(
    "text, where",
    [
        ("2,0,1,sofa\n", "line 3: 'sofa'"),
        ("2,0,1,3\n", "line 3: '3'"),
        ("2,0,1.5,wall\n", "line 3: .*integers"),
        ("2,-1,1,wall\n", "line 3: .*count from 0"),
        ("2,0,wall\n", "line 3: 3 cells"),
        ("5,5,5,floor\n", "line 3: another label"),
    ],
)
def test_a_bad_row_is_named_with_its_line(store, tmp_path, text, where):
    ask(store)
    path = tmp_path / "labels.csv"
    path.write_text("frame,row,col,label\n5,5,5,wall\n" + text)
    with pytest.raises(InputError, match=rf"labels\.csv, {where}"):
        FileAnnotator(path, NAMES).annotate(store, 0)
    assert store.count_open() == 4


@pytest.mark.parametrize(
    "content, words",
    [
        (None, "No such file"),
        (b"", "line 1: the header"),
        (b"frame;row;col;label\n", "line 1: the header"),
        (b"frame,row,col,label\n2,0,1,\xff\n", "UTF-8"),
        (b'frame,row,col,label\n2,0,1,"wall\n', "save it as CSV"),
    ],
)
def test_an_unreadable_label_file_is_the_users_error(store, tmp_path, content, words):
    ask(store)
    path = tmp_path / "labels.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=rf"labels\.csv.*{words}") as raised:
        FileAnnotator(path, NAMES).annotate(store, 0)
    assert "\n" not in str(raised.value)


def test_a_class_named_like_a_number_or_void_is_meant_by_its_name(store, tmp_path):
    ask(store)
    path = tmp_path / "labels.csv"
    path.write_text("frame,row,col,label\n2,0,1,1\n2,1,2,void\n")
    FileAnnotator(path, ("1", "wall", "void")).annotate(store, 0)
    assert store.annotations().label.tolist() == [0, 2]


# --- costs ---


def test_a_point_costs_a_click_and_labels_a_pixel_unless_void():
    clicks, pixels = point_cost(np.array([4, -1, 0], np.int16))
    assert clicks.tolist() == [1, 1, 1] and pixels.tolist() == [1, 0, 1]
    assert clicks.dtype == pixels.dtype == np.int64


def segments_by_flood(labels, mask):
    """Definition: flood one pixel at a time through equal neighbours."""
    left = {tuple(p) for p in np.argwhere(mask & (labels >= 0)).tolist()}
    segments = 0
    while left:
        segments += 1
        front = [left.pop()]
        while front:
            row, col = front.pop()
            for step in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                beside = (row + step[0], col + step[1])
                if beside in left and labels[beside] == labels[row, col]:
                    left.remove(beside)
                    front.append(beside)
    return segments


def test_segments_are_counted_as_a_flood_fill_finds_them():
    generator = np.random.default_rng(1)
    for _ in range(30):
        labels = generator.integers(-1, 3, (9, 11)).astype(np.int16)
        mask = generator.random((9, 11)) < 0.8
        clicks, pixels = segments_cost(labels, mask)
        assert clicks == segments_by_flood(labels, mask)
        assert pixels == (mask & (labels >= 0)).sum()


def test_one_click_for_a_pure_or_a_void_unit():
    mask = np.ones((4, 4), bool)
    assert segments_cost(np.full((4, 4), 2), mask) == (1, 16)
    assert segments_cost(np.full((4, 4), -1), mask) == (1, 0)


def test_segments_need_a_unit_with_pixels():
    with pytest.raises(ValueError, match="empty"):
        segments_cost(np.zeros((2, 2), int), np.zeros((2, 2), bool))
    with pytest.raises(ValueError, match="must be one"):
        segments_cost(np.zeros((2, 2), int), np.ones((2, 3), bool))
