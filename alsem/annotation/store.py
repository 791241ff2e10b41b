"""The label store: where the loop leaves queries and an annotator leaves answers.

One SQLite file. Rows are only ever appended (an undo is a row too) and each call is
one transaction, so a process may be killed at any moment and lose at most the call
it was in. Rounds, frames, rows, columns and labels are integers; -1 stands for a
label that is void, and for the row and column of a unit that has none.

Why a rollback journal and not WAL: a run directory often lies on a network file
system, where WAL's shared memory does not work, and one file is all there is to copy.
"""

import dataclasses
import datetime
import sqlite3
from collections.abc import Sequence

import numpy as np

from alsem.annotation.database import VALID, Database
from alsem.annotation.rows import (
    DTYPES,
    Annotations,
    Numbers,
    Queries,
    Totals,
    integers,
    last_round,
    seconds_list,
    where_clause,
)


class LabelStore(Database):
    """Queries and annotations of one run. Every process and thread opens its own.

    Any method raises `InputError` when the disk is full, read-only or failing.
    """

    def __enter__(self) -> "LabelStore":
        """Returns itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Closes the file."""
        self.close()

    def write_queries(
        self,
        round: int,
        granularity: str,
        *,
        frame: Numbers,
        row: Numbers,
        col: Numbers,
        unit: Numbers,
        score: Numbers,
    ) -> Queries:
        """Writes all queries of a round, or none of them.

        Args:
            round: The round; it may be written once only.
            granularity: What one query covers, for example "point".
            frame: ``[n]`` indices of the training frames.
            row: ``[n]`` or one pixel row, -1 for none.
            col: ``[n]`` or one pixel column, -1 for none.
            unit: ``[n]`` what is asked; for a point its index in the pool.
            score: ``[n]`` or one number, not NaN; the higher the more wanted.

        Returns:
            The queries as written, all open.

        Raises:
            RuntimeError: The round has queries already, or a unit was asked before.
            ValueError: No query at all, or arrays of wrong shape, type or range.
        """
        n = np.size(unit)
        if n == 0:
            raise ValueError(f"round {round}: no query to write")
        scores = np.broadcast_to(np.asarray(score, np.float64), (n,))
        if np.isnan(scores).any():
            raise ValueError(f"round {round}: a score is NaN")
        columns = [
            integers("frame", frame, n, np.int32, least=0),
            integers("row", row, n, np.int32),
            integers("col", col, n, np.int32),
            integers("unit", unit, n, np.int64, least=0),
            scores.tolist(),
        ]
        now = _now()
        with self._transaction() as db:
            if self._count(round=round):
                raise RuntimeError(f"round {round} has queries already: read them")
            (last,) = db.execute("SELECT max(query_id) FROM queries").fetchone()
            query_ids = range((last or 0) + 1, (last or 0) + 1 + n)
            try:
                db.executemany(
                    "INSERT INTO queries VALUES(?,?,?,?,?,?,?,?,'open',?)",
                    (
                        (query_id, int(round), granularity, *values, now)
                        for query_id, *values in zip(query_ids, *columns, strict=True)
                    ),
                )
            except sqlite3.IntegrityError as error:
                raise RuntimeError(
                    f"round {round}: a {granularity} was asked before ({error})"
                ) from error
        return self.queries(round)

    def queries(self, round: int | None = None, status: str | None = None) -> Queries:
        """Reads queries of one round or all, and of one status or all.

        Args:
            round: The round.
            status: "open", "answered" or "withdrawn".

        Returns:
            In the order they were written.
        """
        where, values = where_clause(round=round, status=status)
        return Queries(*self._read(Queries, f"queries {where}", values))

    def queried_units(self) -> np.ndarray:
        """Units ``[n]`` int64 of all queries but the withdrawn, in their order."""
        sql = "SELECT unit FROM queries WHERE status != 'withdrawn' ORDER BY query_id"
        with self._input_errors():
            return np.array([unit for (unit,) in self._db.execute(sql)], np.int64)

    def has_queries(self, round: int) -> bool:
        """Tells whether the round's queries are written."""
        with self._input_errors():
            return self._count(round=round) > 0

    def count_open(self, round: int | None = None) -> int:
        """Counts the queries, of one round or of all, that wait for an answer."""
        with self._input_errors():
            return self._count(round=round, status="open")

    def answer(
        self,
        query_ids: Numbers,
        labels: Numbers,
        *,
        clicks: Numbers,
        pixels: Numbers,
        annotator: str,
        seconds: Numbers,
        kind: str | Sequence[str] = "point",
        row: Numbers | None = None,
        col: Numbers | None = None,
    ) -> None:
        """Answers open queries, all of them or none.

        A query may stand several times in one call only if `row` and `col` say
        which of its pixels each label is for.

        Args:
            query_ids: ``[n]`` the queries.
            labels: ``[n]`` label indices, -1 = void or cannot tell.
            clicks: ``[n]`` or one number, see `alsem.annotation.costs`.
            pixels: ``[n]`` or one number.
            annotator: Who answers.
            seconds: ``[n]`` or one number, the time each answer took.
            kind: ``[n]`` or one, how it was answered; anything but "undo".
            row: ``[n]`` pixel rows where they are not the queries' own.
            col: ``[n]`` pixel columns where they are not the queries' own.

        Raises:
            KeyError: There is no such query.
            RuntimeError: A query is answered already.
            ValueError: Arrays of wrong shape, type or range.
        """
        ids = integers("query_ids", query_ids, np.size(query_ids), np.int64, least=1)
        if (row is None) != (col is None):
            raise ValueError("row and col go together")
        if row is None and len(set(ids)) < len(ids):
            raise ValueError("a query stands twice in one call")
        n = len(ids)
        kinds = [kind] * n if isinstance(kind, str) else list(kind)
        if len(kinds) != n or not {"undo", ""}.isdisjoint(kinds):
            raise ValueError(f"{n} answers cannot be of kinds {sorted(set(kinds))}")
        here = [None] * n
        columns = [
            here if row is None else integers("row", row, n, np.int32, least=0),
            here if col is None else integers("col", col, n, np.int32, least=0),
            integers("labels", labels, n, np.int32),
            kinds,
            integers("clicks", clicks, n, np.int64, least=0),
            integers("pixels", pixels, n, np.int64, least=0),
            [annotator] * n,
            seconds_list(seconds, n),
        ]
        with self._transaction():
            self._move(ids, before="open", after="answered")
            self._append(ids, columns)

    def withdraw(self, query_ids: Numbers) -> None:
        """Gives open queries up, all or none; their units may be asked again later.

        Args:
            query_ids: ``[n]`` or one open query.

        Raises:
            KeyError: There is no such query.
            RuntimeError: A query is not open.
        """
        ids = integers("query_ids", query_ids, np.size(query_ids), np.int64, least=1)
        with self._transaction():
            self._move(ids, before="open", after="withdrawn")

    def undo(self, query_ids: Numbers, *, annotator: str, seconds: float = 0.0) -> None:
        """Takes the answers of queries back and opens them again, all or none.

        Args:
            query_ids: ``[n]`` or one answered query.
            annotator: Who takes them back.
            seconds: The time each of them took.

        Raises:
            KeyError: There is no such query.
            RuntimeError: A query is not answered.
            ValueError: A query stands twice.
        """
        ids = integers("query_ids", query_ids, np.size(query_ids), np.int64, least=1)
        if len(set(ids)) < len(ids):
            raise ValueError("a query stands twice in one call")
        (spent,) = seconds_list(seconds, 1)
        row = (None, None, -1, "undo", 0, 0, annotator, spent)
        columns = [[value] * len(ids) for value in row]
        with self._transaction():
            self._move(ids, before="answered", after="open")
            self._append(ids, columns)

    def annotations(self, up_to_round: int | None = None) -> Annotations:
        """Reads the answers that stand, of all rounds or up to one (inclusive)."""
        values = [0, last_round(up_to_round)]
        return Annotations(*self._read(Annotations, VALID, values))

    def totals(self, up_to_round: int | None = None, *, from_round: int = 0) -> Totals:
        """Adds up the answers that stand, of all rounds or of some (both inclusive)."""
        with self._input_errors():
            sums = self._db.execute(
                "SELECT coalesce(sum(clicks), 0), coalesce(sum(pixels), 0),"
                f" count(DISTINCT query_id), total(seconds) FROM {VALID}",
                [int(from_round), last_round(up_to_round)],
            ).fetchone()
        return Totals(*sums)

    def _move(self, ids: list[int], *, before: str, after: str) -> None:
        """Moves queries from one status to another, inside a transaction."""
        unique = sorted(set(ids))
        for query_id in unique:
            found = self._db.execute(
                "SELECT status FROM queries WHERE query_id = ?", [query_id]
            ).fetchone()
            if found is None:
                raise KeyError(f"no query {query_id} in {self.path}")
            if found[0] != before:
                raise RuntimeError(f"query {query_id} is {found[0]}, not {before}")
        self._db.executemany(
            "UPDATE queries SET status = ? WHERE query_id = ?",
            ((after, query_id) for query_id in unique),
        )

    def _append(self, ids: list[int], columns: list[list]) -> None:
        """Adds an annotation for each id, inside a transaction."""
        now = _now()
        self._db.executemany(
            "INSERT INTO annotations SELECT NULL, query_id, round, frame,"
            " coalesce(?, row), coalesce(?, col), ?, ?, ?, ?, ?, ?, ?"
            " FROM queries WHERE query_id = ?",
            (
                (*values, now, query_id)
                for query_id, *values in zip(ids, *columns, strict=True)
            ),
        )

    def _read(self, record: type, source: str, values: list) -> list[np.ndarray]:
        names = [field.name for field in dataclasses.fields(record)]
        with self._input_errors():
            # fetchall: a cursor left half read would lock the writer out
            rows = self._db.execute(
                f"SELECT {', '.join(names)} FROM {source} ORDER BY 1", values
            ).fetchall()
        columns = list(zip(*rows, strict=True)) or [()] * len(names)
        return [
            np.array(column, DTYPES.get(name, np.int32))
            for name, column in zip(names, columns, strict=True)
        ]

    def _count(self, *, round: int | None, status: str | None = None) -> int:
        where, values = where_clause(round=round, status=status)
        sql = f"SELECT count(*) FROM queries {where}"
        return self._db.execute(sql, values).fetchone()[0]


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
