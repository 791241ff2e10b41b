"""Queries and answers that the tests of the label store write into it."""

import numpy as np

from alsem.annotation import point_cost


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


def reply(store, query_ids, labels):
    clicks, pixels = point_cost(np.asarray(labels))
    store.answer(
        query_ids, labels, clicks=clicks, pixels=pixels, annotator="test", seconds=1.5
    )


def rows(store, sql):
    return store._db.execute(sql).fetchall()


def truth(frame, row, col):
    """Labels -1, 0, 1, 2 in turn, by column."""
    assert frame.dtype == row.dtype == col.dtype == np.int32
    return (col + row) // 2 % 4 - 1
