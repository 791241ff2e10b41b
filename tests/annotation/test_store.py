import numpy as np
import pytest
from label_stores import answer_points, rows, write_points, write_unit

from alsem.annotation import LabelStore, Totals
from alsem.core.errors import InputError


def test_queries_are_read_as_written(store):
    written = write_points(store, round=3, n=3, first=10)
    for queries in (written, store.queries(3)):
        assert {name: column.tolist() for name, column in vars(queries).items()} == {
            "query_id": [1, 2, 3],
            "round": [3] * 3,
            "granularity": ["point"] * 3,
            "frame": [2] * 3,
            "row": [10, 11, 12],
            "col": [11, 12, 13],
            "unit": [10, 11, 12],
            "score": [10 / 8, 11 / 8, 12 / 8],
        }
        assert queries.query_id.dtype == queries.unit.dtype == np.int64
        assert queries.frame.dtype == queries.row.dtype == np.int32
    assert write_points(store, round=4, n=2, first=20).query_id.tolist() == [4, 5]


def test_queries_are_selected_by_round_and_status(store):
    first, second = write_points(store, 0, 3), write_points(store, 1, 2, first=3)
    answer_points(store, first.query_id[:2], [0, 1])
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


def test_a_round_and_a_unit_are_queried_once(store):
    write_points(store, 0, n=4, first=3)
    with pytest.raises(RuntimeError, match="round 0"):
        write_points(store, 0, first=100)
    with pytest.raises(RuntimeError, match="queried before"):
        write_points(store, 1, n=4, first=0)  # units 0 to 2 are new, 3 is not
    assert not store.has_queries(1) and store.queries().query_id.size == 4
    write_points(store, 1, n=4, first=3, granularity="superpixel")  # other units


@pytest.mark.parametrize(
    "change",
    [
        *({"score": [0.0, np.nan]}, {"unit": [0.5, 1.0]}, {"unit": [-1, 1]}),
        *({"row": [1, 2, 3]}, {"frame": [-1, 0]}, {"col": [0, 2**31]}),
        dict.fromkeys(("frame", "row", "col", "unit", "score"), np.array([], int)),
    ],
)
def test_malformed_queries_are_refused(store, change):
    good = dict(frame=[0, 0], row=[0, 1], col=[0, 1], unit=[0, 1], score=0.0)
    with pytest.raises(ValueError):
        store.write_queries(0, "point", **(good | change))
    assert not store.has_queries(0)


def test_an_infinite_score_is_kept(store):
    # the first pick of a farthest-point rule has no distance to anything
    place = dict(frame=[0], row=-1, col=-1)
    queries = store.write_queries(0, "point", **place, unit=[0], score=np.inf)
    assert queries.score.tolist() == [np.inf] and queries.row.tolist() == [-1]


def test_answers_are_read_in_their_order_with_the_place_of_the_query(store):
    ids = write_points(store, round=1).query_id
    answer_points(store, ids[[2, 0]], [1, -1], kind=["dominant", "mixed"])
    found = store.annotations()
    assert {name: column.tolist() for name, column in vars(found).items()} == {
        "annotation_id": [1, 2],
        "query_id": [3, 1],
        "round": [1, 1],
        "frame": [2, 2],
        "row": [2, 0],
        "col": [3, 1],
        "unit": [2, 0],
        "label": [1, -1],
        "kind": ["dominant", "mixed"],
        "clicks": [1, 1],
        "pixels": [1, 0],
        "seconds": [1.5, 1.5],
    }
    assert found.label.dtype == np.int32 and found.unit.dtype == np.int64
    assert found.seconds.dtype == np.float64
    assert store.totals() == Totals(clicks=2, pixels=1, queries=2, seconds=3.0)
    assert rows(store, "SELECT annotator FROM annotations") == [("test",)] * 2


def test_annotations_and_totals_of_some_rounds(store):
    for i in range(3):
        ids = write_points(store, i, n=2, first=2 * i).query_id
        answer_points(store, ids, [i, i])
    assert store.annotations(up_to_round=1).label.tolist() == [0, 0, 1, 1]
    assert store.totals(up_to_round=0) == Totals(2, 2, 2, 3.0)
    assert store.totals(2, from_round=1) == Totals(4, 4, 4, 6.0)
    assert store.totals(from_round=2) == store.totals(2, from_round=2)
    assert store.totals(from_round=2) == Totals(2, 2, 2, 3.0)
    assert store.totals(up_to_round=-1) == Totals(0, 0, 0, 0.0)
    assert store.annotations(up_to_round=-1).kind.shape == (0,)


def test_a_snapshot_is_one_state_of_the_store(store, monkeypatch):
    empty = store.snapshot(0)
    assert empty.queried_units.shape == empty.annotations.label.shape == (0,)
    assert empty.queried_units.dtype == np.int64
    for i in range(3):
        ids = write_points(store, i, n=2, first=2 * i).query_id
        answer_points(store, ids, [i, i])
    ids = write_points(store, 3, n=2, first=6).query_id
    store.withdraw(ids[1])
    store.undo(2, annotator="test")
    queried_units = store.queried_units

    with LabelStore(store.path) as other:
        other._db.execute("PRAGMA busy_timeout = 10")

        def write_meanwhile():
            with pytest.raises(InputError, match="locked"):
                answer_points(other, [2], [2])
            return queried_units()

        monkeypatch.setattr(store, "queried_units", write_meanwhile)
        found = store.snapshot(1)
        answer_points(other, [2], [2])  # the snapshot holds no lock any more
    assert found.annotations.query_id.tolist() == [1, 3, 4]
    assert found.annotations.label.tolist() == [0, 1, 1]
    assert found.queried_units.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert found.totals == Totals(clicks=3, pixels=3, queries=3, seconds=4.5)
    assert store.totals(1).queries == 4


@pytest.mark.parametrize("bad, error", [(99, KeyError), (1, RuntimeError)])
def test_a_failed_answer_call_writes_nothing(store, bad, error):
    ids = write_points(store).query_id
    answer_points(store, ids[:1], [0])  # query 1 is answered, 99 does not exist
    with pytest.raises(error, match=str(bad)):
        answer_points(store, [2, 3, bad], [0, 1, 2])
    assert store.count_open() == 3 and store.totals().queries == 1


@pytest.mark.parametrize(
    "fields",
    [
        *({"labels": [0, -2]}, {"labels": [0.0, 1.0]}, {"labels": [0, 1, 2]}),
        *({"clicks": -1}, {"pixels": [1.0, 1.0]}, {"query_ids": [1, 1]}),
        *({"seconds": np.nan}, {"seconds": [1.0, -1.0]}, {"seconds": np.inf}),
        *({"kind": kind} for kind in ("undo", "", ["point", "undo"], ["point"])),
        {"row": [1, 2]},
    ],
)
def test_malformed_answers_are_refused(store, fields):
    write_points(store)
    good = dict(query_ids=[1, 2], labels=[0, 1], clicks=1, pixels=1)
    good |= dict(annotator="test", seconds=0.0)
    with pytest.raises(ValueError):
        store.answer(**(good | fields))
    assert store.count_open() == 4


def test_one_query_may_be_answered_pixel_by_pixel(store):
    (query_id,) = write_unit(store).query_id
    place = dict(row=[5, 5, 6], col=[7, 8, 7])
    cost = dict(clicks=[1, 0, 1], pixels=1, seconds=0.0)
    answer_points(store, [query_id] * 3, [0, 0, 1], kind="exact", **place, **cost)
    found = store.annotations()
    assert found.row.tolist() == place["row"] and found.col.tolist() == place["col"]
    assert store.totals() == Totals(clicks=2, pixels=3, queries=1, seconds=0.0)
    store.undo(query_id, annotator="test")
    assert store.totals() == Totals(0, 0, 0, 0.0)


def test_undo_reopens_a_query_and_appends_a_row(store):
    ids = write_points(store).query_id
    answer_points(store, ids, [0, 1, 2, 0])
    before = rows(store, "SELECT * FROM annotations")
    store.undo(ids[1], annotator="person", seconds=2.0)
    assert store.queries(0, "open").query_id.tolist() == [2]
    assert store.annotations().query_id.tolist() == [1, 3, 4]
    assert store.totals() == Totals(3, 3, 3, 4.5)
    answer_points(store, ids[[1]], [2])
    assert store.annotations().query_id.tolist() == [1, 3, 4, 2]
    assert store.annotations().label.tolist() == [0, 2, 0, 2]
    after = rows(store, "SELECT * FROM annotations")
    assert after[:4] == before  # nothing is rewritten
    assert after[4][1:12] == (2, 0, 2, 1, 2, -1, "undo", 0, 0, "person", 2.0)
    store.undo(ids[[1]], annotator="person")
    assert store.annotations().query_id.tolist() == [1, 3, 4]


@pytest.mark.parametrize("rows", [slice(1, 3), [1, 2], [False, True, True, False]])
def test_rows_can_be_taken(store, rows):
    rows = rows if isinstance(rows, slice) else np.array(rows)
    queries = write_points(store)
    answer_points(store, queries.query_id, [0, 1, -1, 2])
    assert store.annotations().take(rows).label.tolist() == [1, -1]
    for whole in (queries, store.annotations()):
        part = whole.take(rows)
        assert type(part) is type(whole)
        assert part.query_id.tolist() == [2, 3] and part.unit.tolist() == [1, 2]


def test_a_withdrawn_unit_and_no_other_may_be_queried_again(store):
    ids = write_points(store, 0).query_id
    answer_points(store, ids[:1], [0])
    store.withdraw(ids[2:])
    by_status = {
        status: store.queries(0, status).query_id.tolist()
        for status in ("answered", "open", "withdrawn")
    }
    assert by_status == {"answered": [1], "open": [2], "withdrawn": [3, 4]}
    assert store.queried_units().tolist() == [0, 1]
    again = write_points(store, 1, n=2, first=2).query_id
    assert again.tolist() == [5, 6]
    assert store.queried_units().tolist() == [0, 1, 2, 3]
    for first in (1, 3):  # open, and queried again
        with pytest.raises(RuntimeError, match="queried before"):
            write_points(store, 2, n=1, first=first)
    store.withdraw(again)  # a unit may be withdrawn twice
    assert write_points(store, 2, n=2, first=2).unit.tolist() == [2, 3]
    assert store.queries().unit.tolist() == [0, 1, 2, 3, 2, 3, 2, 3]


def test_status_changes_that_are_refused(store):
    ids = write_points(store).query_id
    answer_points(store, ids[:1], [0])
    store.withdraw(ids[1])
    undo = dict(annotator="test")
    for error, words, call in (
        (RuntimeError, "query 1 is answered", lambda: store.withdraw(ids)),
        (KeyError, "99", lambda: store.withdraw([3, 99])),
        (RuntimeError, "query 2 is withdrawn", lambda: store.undo(ids[1], **undo)),
        (RuntimeError, "query 3 is open", lambda: store.undo(ids[[0, 2]], **undo)),
        (KeyError, "99", lambda: store.undo(99, **undo)),
        (ValueError, "twice", lambda: store.undo([1, 1], **undo)),
        (
            RuntimeError,
            "query 2 is withdrawn",
            lambda: answer_points(store, ids[1:], [0, 1, 2]),
        ),
    ):
        with pytest.raises(error, match=words):
            call()
        assert store.count_open() == 2 and store.totals().queries == 1
