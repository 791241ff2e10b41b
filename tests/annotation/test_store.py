import numpy as np
import pytest
from label_stores import answer_points, as_rows, rows, write_points

from alsem.annotation import LabelStore, Totals
from alsem.core.errors import InputError


def write_three_rounds(store):
    """Two answered queries a round, labelled with the number of the round."""
    for i in range(3):
        ids = write_points(store, i, n=2, first=2 * i).query_id
        answer_points(store, ids, [i, i])


def test_queries_are_read_as_written(store):
    written = write_points(store, round=3, n=3, first=10)
    for queries in (written, store.queries(3)):
        # query, round, granularity, frame, row, column, unit, score
        assert as_rows(queries) == [
            (1, 3, "point", 2, 10, 11, 10, 10 / 8),
            (2, 3, "point", 2, 11, 12, 11, 11 / 8),
            (3, 3, "point", 2, 12, 13, 12, 12 / 8),
        ]
        assert queries.query_id.dtype == queries.unit.dtype == np.int64
        assert queries.frame.dtype == queries.row.dtype == np.int32
    # the first pick of a farthest-point rule has no distance to anything
    place = dict(frame=[0], row=-1, col=-1)
    queries = store.write_queries(4, "point", **place, unit=[0], score=np.inf)
    assert queries.score.tolist() == [np.inf] and queries.row.tolist() == [-1]
    assert queries.query_id.tolist() == [4]


def test_queries_are_selected_by_round_and_status(store):
    first, second = write_points(store, 0), write_points(store, 1, 2, first=4)
    answer_points(store, first.query_id[:1], [0])
    store.withdraw(first.query_id[2:])
    for selection, expected in (
        ((0, "answered"), [1]),
        ((0, "open"), [2]),
        ((0, "withdrawn"), [3, 4]),
        ((None, "open"), [2, 5, 6]),
        ((1,), second.query_id.tolist()),
        ((), [1, 2, 3, 4, 5, 6]),
        ((7,), []),
    ):
        found = store.queries(*selection).query_id
        assert found.tolist() == expected and found.dtype == np.int64
    assert store.queried_units().tolist() == [0, 1, 4, 5]
    assert [store.has_queries(i) for i in range(3)] == [True, True, False]
    assert [store.count_open(i) for i in (0, 1, 2, None)] == [1, 2, 0, 3]
    with pytest.raises(ValueError, match="status"):
        store.queries(0, "opened")


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


def test_answers_are_read_in_their_order_with_the_place_of_the_query(store):
    ids = write_points(store, round=1).query_id
    answer_points(store, ids[[2, 0]], [1, -1], kind=["dominant", "mixed"])
    found = store.annotations()
    # annotation, query, round, frame, row, column, unit, label, kind, and cost
    assert as_rows(found) == [
        (1, 3, 1, 2, 2, 3, 2, 1, "dominant", 1, 1, 1.5),
        (2, 1, 1, 2, 0, 1, 0, -1, "mixed", 1, 0, 1.5),
    ]
    assert found.label.dtype == np.int32 and found.unit.dtype == np.int64
    assert found.seconds.dtype == np.float64
    assert store.totals() == Totals(clicks=2, pixels=1, queries=2, seconds=3.0)
    assert rows(store, "SELECT annotator FROM annotations") == [("test",)] * 2


def test_annotations_and_totals_of_some_rounds(store):
    write_three_rounds(store)
    assert store.annotations(up_to_round=1).label.tolist() == [0, 0, 1, 1]
    assert store.annotations(up_to_round=-1).kind.shape == (0,)
    for last, first, queries in ((0, 0, 2), (2, 1, 4), (None, 2, 2), (-1, 0, 0)):
        totals = store.totals(last, from_round=first)
        assert totals == Totals(queries, queries, queries, 1.5 * queries)


def test_a_snapshot_is_one_state_of_the_store(store, monkeypatch):
    empty = store.snapshot(0)
    assert empty.queried_units.shape == empty.annotations.label.shape == (0,)
    assert empty.queried_units.dtype == np.int64
    write_three_rounds(store)
    store.withdraw(write_points(store, 3, n=2, first=6).query_id[1])
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
    write_points(store)
    place = dict(row=[5, 5, 6], col=[7, 8, 7])
    answer_points(store, [1] * 3, [0, 0, 1], kind="exact", **place, seconds=0.0)
    found = store.annotations()
    assert found.row.tolist() == place["row"] and found.col.tolist() == place["col"]
    assert store.totals() == Totals(clicks=3, pixels=3, queries=1, seconds=0.0)
    store.undo(1, annotator="test")
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


def test_only_a_withdrawn_unit_may_be_queried_again(store):
    ids = write_points(store, 0).query_id
    answer_points(store, ids[:1], [0])
    store.withdraw(ids[2:])
    again = write_points(store, 1, n=2, first=2).query_id
    assert again.tolist() == [5, 6]
    assert store.queried_units().tolist() == [0, 1, 2, 3]
    store.withdraw(again)  # a unit may be withdrawn twice
    assert write_points(store, 2, n=2, first=2).unit.tolist() == [2, 3]
    assert store.queries().unit.tolist() == [0, 1, 2, 3, 2, 3, 2, 3]
    write_points(store, 3, n=4, granularity="superpixel")  # other units


@pytest.mark.parametrize(
    "error, words, call",
    [
        (RuntimeError, "round 0", lambda store: write_points(store, 0, first=9)),
        # unit 4 is new; 0 is answered, 2 is open
        (RuntimeError, "queried before", lambda store: write_points(store, 1, 5)),
        (RuntimeError, "queried before", lambda store: write_points(store, 1, 3, 2)),
        (KeyError, "99", lambda store: answer_points(store, [3, 4, 99], [0, 1, 2])),
        (
            RuntimeError,
            "query 1 is answered",
            lambda s: answer_points(s, [3, 1], [0, 1]),
        ),
        (
            RuntimeError,
            "query 2 is withdrawn",
            lambda s: answer_points(s, [3, 2], [0, 1]),
        ),
        (KeyError, "99", lambda store: store.withdraw([3, 99])),
        (RuntimeError, "query 1 is answered", lambda store: store.withdraw([3, 1])),
        (KeyError, "99", lambda store: store.undo([1, 99], annotator="test")),
        (RuntimeError, "query 3 is open", lambda s: s.undo([1, 3], annotator="test")),
        (RuntimeError, "query 2 is withdrawn", lambda s: s.undo(2, annotator="test")),
        (ValueError, "twice", lambda store: store.undo([1, 1], annotator="test")),
    ],
)
def test_a_refused_call_writes_nothing(store, error, words, call):
    write_points(store)
    answer_points(store, [1], [0])
    store.withdraw(2)
    tables = ("SELECT * FROM queries", "SELECT * FROM annotations")
    before = [rows(store, table) for table in tables]
    with pytest.raises(error, match=words):
        call(store)
    assert [rows(store, table) for table in tables] == before
