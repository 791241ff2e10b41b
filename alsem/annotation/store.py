"""The label store: the loop writes queries into it, an annotator answers them.

It is one SQLite file. Annotations are only ever appended (an undo is a row too) and
each call is one transaction, so a process that is killed loses at most the call it
was in. Rounds, frames, rows, columns and labels are integers; -1 stands for the label
void, and for the row and column of a unit without a pixel of its own.

Why a rollback journal and not WAL: a run directory often lies on a network file
system, where WAL's shared memory does not work, and one file is all there is to copy.
"""

import datetime
import sqlite3
from collections.abc import Sequence

import numpy as np

from alsem.annotation.column_checks import Numbers, durations, integers
from alsem.annotation.database import VALID_ANNOTATIONS, Database, where_clause
from alsem.annotation.records import Annotations, Queries, RoundSnapshot, Totals

_ALL_ROUNDS = int(np.iinfo(np.int64).max)


class LabelStore(Database):
    """Queries and annotations of one run. Every process and thread opens its own.

    All methods raise `InputError` if the disk is full, read-only or failing.
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
        """Writes the queries of a round, all or none.

        Args:
            round: The round, which has no queries yet.
            granularity: What one query covers, for example "point".
            frame: ``[n]`` indices of the training frames.
            row: ``[n]`` or one pixel row, -1 for none.
            col: ``[n]`` or one pixel column, -1 for none.
            unit: ``[n]`` numbers of the units; of a point its index in the pool.
            score: ``[n]`` or one number, not NaN, higher is better.

        Returns:
            The queries as written, all open.

        Raises:
            RuntimeError: The round has queries already, or a unit was queried before.
            ValueError: There is no query, or arrays have a wrong shape, type or range.
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
                raise RuntimeError(f"round {round} has queries already")
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
                    f"round {round}: a {granularity} was queried before ({error})"
                ) from error
        return self.queries(round)

    def queries(self, round: int | None = None, status: str | None = None) -> Queries:
        """Reads queries of one round or of all, and of one status or of all.

        Args:
            round: The round.
            status: "open", "answered" or "withdrawn".

        Returns:
            In the order they were written.
        """
        where, values = where_clause(round, status)
        return Queries(*self._select(Queries, f"queries {where}", values))

    def queried_units(self) -> np.ndarray:
        """Units ``[n]`` int64 of all queries except those withdrawn, in their order."""
        sql = "SELECT unit FROM queries WHERE status != 'withdrawn' ORDER BY query_id"
        with self._input_errors():
            return np.array([unit for (unit,) in self._db.execute(sql)], np.int64)

    def has_queries(self, round: int) -> bool:
        """Whether the queries of a round are written."""
        with self._input_errors():
            return self._count(round=round) > 0

    def count_open(self, round: int | None = None) -> int:
        """Number of open queries, of one round or of all."""
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
        """Answers open queries, all or none.

        A query may occur several times in one call only if `row` and `col` say which
        of its pixels each label is for.

        Args:
            query_ids: ``[n]`` the queries.
            labels: ``[n]`` label indices, -1 = void or undecided.
            clicks: ``[n]`` or one number, see `alsem.annotation.costs`.
            pixels: ``[n]`` or one number.
            annotator: Name of the annotator.
            seconds: ``[n]`` or one number, the time each answer took.
            kind: ``[n]`` or one, see `alsem.annotation.answer_modes`; not "undo".
            row: ``[n]`` pixel rows where they are not the queries' own.
            col: ``[n]`` pixel columns where they are not the queries' own.

        Raises:
            KeyError: A query does not exist.
            RuntimeError: A query is not open.
            ValueError: Arrays have a wrong shape, type or range.
        """
        ids = integers("query_ids", query_ids, np.size(query_ids), np.int64, least=1)
        if (row is None) != (col is None):
            raise ValueError("give both row and col, or neither")
        if row is None and len(set(ids)) < len(ids):
            raise ValueError("a query occurs twice in one call")
        n = len(ids)
        kinds = [kind] * n if isinstance(kind, str) else list(kind)
        if len(kinds) != n or not {"undo", ""}.isdisjoint(kinds):
            raise ValueError(f"{n} answers cannot be of kinds {sorted(set(kinds))}")
        query_place = [None] * n
        columns = [
            query_place if row is None else integers("row", row, n, np.int32, least=0),
            query_place if col is None else integers("col", col, n, np.int32, least=0),
            integers("labels", labels, n, np.int32),
            kinds,
            integers("clicks", clicks, n, np.int64, least=0),
            integers("pixels", pixels, n, np.int64, least=0),
            [annotator] * n,
            durations(seconds, n),
        ]
        with self._transaction():
            self._set_status(ids, before="open", after="answered")
            self._insert_annotations(ids, columns)

    def withdraw(self, query_ids: Numbers) -> None:
        """Withdraws open queries, all or none; their units may be queried again later.

        Args:
            query_ids: ``[n]`` or one open query.

        Raises:
            KeyError: A query does not exist.
            RuntimeError: A query is not open.
        """
        ids = integers("query_ids", query_ids, np.size(query_ids), np.int64, least=1)
        with self._transaction():
            self._set_status(ids, before="open", after="withdrawn")

    def undo(self, query_ids: Numbers, *, annotator: str, seconds: float = 0.0) -> None:
        """Takes back the answers to queries and opens them again, all or none.

        Args:
            query_ids: ``[n]`` or one answered query.
            annotator: Name of the annotator.
            seconds: The time each of them took.

        Raises:
            KeyError: A query does not exist.
            RuntimeError: A query is not answered.
            ValueError: A query occurs twice.
        """
        ids = integers("query_ids", query_ids, np.size(query_ids), np.int64, least=1)
        if len(set(ids)) < len(ids):
            raise ValueError("a query occurs twice in one call")
        (spent,) = durations(seconds, 1)
        row = (None, None, -1, "undo", 0, 0, annotator, spent)
        columns = [[value] * len(ids) for value in row]
        with self._transaction():
            self._set_status(ids, before="answered", after="open")
            self._insert_annotations(ids, columns)

    def annotations(self, up_to_round: int | None = None) -> Annotations:
        """Reads the answers that were not undone, up to a round (inclusive) or all."""
        values = [0, _ALL_ROUNDS if up_to_round is None else int(up_to_round)]
        return Annotations(*self._select(Annotations, VALID_ANNOTATIONS, values))

    def totals(self, up_to_round: int | None = None, *, from_round: int = 0) -> Totals:
        """Adds up the cost of the answers that were not undone.

        Args:
            up_to_round: The last round, all if None.
            from_round: The first round.
        """
        last = _ALL_ROUNDS if up_to_round is None else int(up_to_round)
        with self._input_errors():
            sums = self._db.execute(
                "SELECT coalesce(sum(clicks), 0), coalesce(sum(pixels), 0),"
                " count(DISTINCT query_id), total(seconds)"
                f" FROM {VALID_ANNOTATIONS}",
                [int(from_round), last],
            ).fetchone()
        return Totals(*sums)

    def snapshot(self, round_index: int) -> RoundSnapshot:
        """Reads all that a round needs in one transaction."""
        with self._transaction("DEFERRED"):
            return RoundSnapshot(
                annotations=self.annotations(round_index),
                queried_units=self.queried_units(),
                totals=self.totals(round_index),
            )

    def _set_status(self, ids: list[int], *, before: str, after: str) -> None:
        """Changes the status of queries, inside a transaction."""
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

    def _insert_annotations(self, ids: list[int], columns: list[list]) -> None:
        """Appends an annotation for each id, inside a transaction."""
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


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
