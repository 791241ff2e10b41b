"""The label store: where the loop leaves queries and an annotator leaves answers.

One SQLite file. Rows are only ever appended (an undo is a row too) and each call is
one transaction, so a process may be killed at any moment and lose at most the call
it was in. Rounds, frames, rows, columns and labels are integers; -1 stands for a
label that is void, and for the row and column of a unit that has none.

Why a rollback journal and not WAL: a run directory often lies on a network file
system, where WAL's shared memory does not work, and one file is all there is to copy.
"""

import contextlib
import dataclasses
import datetime
import os
import sqlite3
from collections.abc import Iterator, Sequence

import numpy as np

from alsem.types import InputError

Numbers = (
    np.ndarray
    | np.number
    | int
    | float
    | Sequence[np.number]
    | Sequence[int]
    | Sequence[float]
)
"""One number for all rows of a call, or ``[n]``, one for each."""

_APPLICATION_ID = 0x616C736D  # "alsm": tells our files from other databases
_SCHEMA_VERSION = 1
_SMALLEST_DATABASE = 512  # bytes: one page of the smallest size
_BUSY_SECONDS = 30.0
_SCHEMA = (
    """CREATE TABLE queries(
        query_id INTEGER PRIMARY KEY, round INTEGER NOT NULL,
        granularity TEXT NOT NULL, frame INTEGER NOT NULL, row INTEGER NOT NULL,
        col INTEGER NOT NULL, unit INTEGER NOT NULL, score REAL NOT NULL,
        status TEXT NOT NULL CHECK(status IN ('open', 'answered')),
        created_at TEXT NOT NULL, UNIQUE(granularity, unit))""",
    """CREATE TABLE annotations(
        annotation_id INTEGER PRIMARY KEY,
        query_id INTEGER NOT NULL REFERENCES queries(query_id),
        round INTEGER NOT NULL, frame INTEGER NOT NULL, row INTEGER NOT NULL,
        col INTEGER NOT NULL, label INTEGER NOT NULL CHECK(label >= -1),
        kind TEXT NOT NULL, clicks INTEGER NOT NULL, pixels INTEGER NOT NULL,
        annotator TEXT NOT NULL, seconds REAL NOT NULL, created_at TEXT NOT NULL)""",
    "CREATE INDEX queries_round ON queries(round, status)",
    "CREATE INDEX annotations_undo ON annotations(query_id) WHERE kind = 'undo'",
)
_CAUSES = {
    sqlite3.SQLITE_NOTADB: "not an alsem label store; move it away or name another",
    sqlite3.SQLITE_CORRUPT: "damaged; restore it from a copy",
    sqlite3.SQLITE_FULL: "free some disk space and run the same command again",
    sqlite3.SQLITE_IOERR: "check the disk and run the same command again",
    sqlite3.SQLITE_READONLY: "make the file and its folder writable",
    sqlite3.SQLITE_CANTOPEN: "check that its folder exists and can be written",
    sqlite3.SQLITE_BUSY: "another process keeps it locked; stop that one first",
}
_VALID = """annotations AS a WHERE kind != 'undo' AND round <= ? AND NOT EXISTS (
    SELECT 1 FROM annotations AS u WHERE u.kind = 'undo'
    AND u.query_id = a.query_id AND u.annotation_id > a.annotation_id)"""
_DTYPES = {  # of the columns that are not int32
    "query_id": np.int64,
    "annotation_id": np.int64,
    "unit": np.int64,
    "clicks": np.int64,
    "pixels": np.int64,
    "score": np.float64,
    "granularity": np.str_,
    "kind": np.str_,
}


@dataclasses.dataclass(frozen=True)
class Queries:
    """Queries in the order they were written.

    Attributes:
        query_id: ``[n]`` int64, as `unit`; the other integers are int32.
        round: ``[n]``.
        granularity: ``[n]`` str, what one query covers.
        frame: ``[n]`` index of the training frame.
        row: ``[n]`` pixel row, -1 where the unit has none.
        col: ``[n]`` pixel column, -1 where the unit has none.
        unit: ``[n]`` what is asked, unique within a granularity.
        score: ``[n]`` float64, what the strategy thought of it.
    """

    query_id: np.ndarray
    round: np.ndarray
    granularity: np.ndarray
    frame: np.ndarray
    row: np.ndarray
    col: np.ndarray
    unit: np.ndarray
    score: np.ndarray


@dataclasses.dataclass(frozen=True)
class Annotations:
    """Answers that stand, in the order they were given.

    Attributes:
        annotation_id: ``[n]`` int64, as the other id and the costs; the rest int32.
        query_id: ``[n]``.
        round: ``[n]`` the query's.
        frame: ``[n]`` index of the training frame.
        row: ``[n]`` pixel row, -1 where the unit has none.
        col: ``[n]`` pixel column, -1 where the unit has none.
        label: ``[n]`` label index, -1 = void or cannot tell.
        kind: ``[n]`` str, how it was answered, for example "point".
        clicks: ``[n]``.
        pixels: ``[n]``.
    """

    annotation_id: np.ndarray
    query_id: np.ndarray
    round: np.ndarray
    frame: np.ndarray
    row: np.ndarray
    col: np.ndarray
    label: np.ndarray
    kind: np.ndarray
    clicks: np.ndarray
    pixels: np.ndarray


@dataclasses.dataclass(frozen=True)
class Totals:
    """What the standing answers cost: clicks, labelled pixels, answered queries."""

    clicks: int
    pixels: int
    queries: int


class LabelStore:
    """Queries and annotations of one run. Every process and thread opens its own.

    Any method raises `InputError` when the disk is full, read-only or failing.
    """

    def __init__(self, path: str | os.PathLike[str]):
        """Opens the store, and creates it where there is none.

        Args:
            path: The SQLite file; its folder must exist.

        Raises:
            InputError: The file is something else, or cannot be opened.
        """
        self.path = os.fspath(path)
        # SQLite would take such a file for an empty database and write over it
        if os.path.isfile(path) and 0 < os.path.getsize(path) < _SMALLEST_DATABASE:
            raise InputError(f"{self.path}: {_CAUSES[sqlite3.SQLITE_NOTADB]}")
        with self._input_errors():
            self._db = sqlite3.connect(
                self.path, timeout=_BUSY_SECONDS, isolation_level=None
            )
        try:
            with self._input_errors():
                self._db.execute("PRAGMA journal_mode = DELETE")
                self._db.execute("PRAGMA synchronous = FULL")
                self._db.execute("PRAGMA foreign_keys = ON")
            self._open_format()
        except BaseException:
            self._db.close()
            raise

    def __enter__(self) -> "LabelStore":
        """Returns itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Closes the file."""
        self.close()

    def close(self) -> None:
        """Closes the file; every finished call is already on the disk."""
        self._db.close()

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
            _integers("frame", frame, n, np.int32, least=0),
            _integers("row", row, n, np.int32),
            _integers("col", col, n, np.int32),
            _integers("unit", unit, n, np.int64, least=0),
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
        """Reads queries, of one round and one status ("open", "answered") or all."""
        where, values = _where(round=round, status=status)
        return Queries(*self._read(Queries, f"queries {where}", values))

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
        kind: str = "point",
        row: Numbers | None = None,
        col: Numbers | None = None,
    ) -> None:
        """Answers open queries, all of them or none.

        A query may stand several times in one call only if `row` and `col` say
        which of its pixels each label is for.

        Args:
            query_ids: ``[n]`` the queries.
            labels: ``[n]`` label indices, -1 = void or cannot tell.
            clicks: ``[n]`` or one number, see `alsem.labels.costs`.
            pixels: ``[n]`` or one number.
            annotator: Who answers.
            seconds: ``[n]`` or one number, the time each answer took.
            kind: How it was answered; anything but "undo".
            row: ``[n]`` pixel rows where they are not the queries' own.
            col: ``[n]`` pixel columns where they are not the queries' own.

        Raises:
            KeyError: There is no such query.
            RuntimeError: A query is answered already.
            ValueError: Arrays of wrong shape, type or range.
        """
        ids = _integers("query_ids", query_ids, np.size(query_ids), np.int64, least=1)
        if kind == "undo" or not kind:
            raise ValueError(f"an answer cannot be of kind {kind!r}")
        if (row is None) != (col is None):
            raise ValueError("row and col go together")
        if row is None and len(set(ids)) < len(ids):
            raise ValueError("a query stands twice in one call")
        n = len(ids)
        here = [None] * n
        columns = [
            here if row is None else _integers("row", row, n, np.int32, least=0),
            here if col is None else _integers("col", col, n, np.int32, least=0),
            _integers("labels", labels, n, np.int32),
            [kind] * n,
            _integers("clicks", clicks, n, np.int64, least=0),
            _integers("pixels", pixels, n, np.int64, least=0),
            [annotator] * n,
            _seconds(seconds, n),
        ]
        self._append(ids, columns, before="open", after="answered")

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
        ids = _integers("query_ids", query_ids, np.size(query_ids), np.int64, least=1)
        if len(set(ids)) < len(ids):
            raise ValueError("a query stands twice in one call")
        (spent,) = _seconds(seconds, 1)
        row = (None, None, -1, "undo", 0, 0, annotator, spent)
        columns = [[value] * len(ids) for value in row]
        self._append(ids, columns, before="answered", after="open")

    def annotations(self, up_to_round: int | None = None) -> Annotations:
        """Reads the answers that stand, of all rounds or up to one (inclusive)."""
        values = [_last(up_to_round)]
        return Annotations(*self._read(Annotations, _VALID, values))

    def totals(self, up_to_round: int | None = None) -> Totals:
        """Adds up what `annotations` would return."""
        with self._input_errors():
            sums = self._db.execute(
                "SELECT coalesce(sum(clicks), 0), coalesce(sum(pixels), 0),"
                f" count(DISTINCT query_id) FROM {_VALID}",
                [_last(up_to_round)],
            ).fetchone()
        return Totals(*sums)

    def _append(
        self, ids: list[int], columns: list[list], *, before: str, after: str
    ) -> None:
        """Moves queries from one status to another and adds a row for each id."""
        unique = sorted(set(ids))
        now = _now()
        with self._transaction() as db:
            for query_id in unique:
                found = db.execute(
                    "SELECT status FROM queries WHERE query_id = ?", [query_id]
                ).fetchone()
                if found is None:
                    raise KeyError(f"no query {query_id} in {self.path}")
                if found[0] != before:
                    raise RuntimeError(f"query {query_id} is {found[0]}, not {before}")
            db.executemany(
                "UPDATE queries SET status = ? WHERE query_id = ?",
                ((after, query_id) for query_id in unique),
            )
            db.executemany(
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
            np.array(column, _DTYPES.get(name, np.int32))
            for name, column in zip(names, columns, strict=True)
        ]

    def _count(self, *, round: int | None, status: str | None = None) -> int:
        where, values = _where(round=round, status=status)
        sql = f"SELECT count(*) FROM queries {where}"
        return self._db.execute(sql, values).fetchone()[0]

    def _open_format(self) -> None:
        if self._format() == (0, 0, 0):
            with self._transaction() as db:
                if self._format() == (0, 0, 0):  # nobody else was first
                    for statement in _SCHEMA:
                        db.execute(statement)
                    db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                    db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        _, identity, version = self._format()
        if identity != _APPLICATION_ID:
            raise InputError(f"{self.path}: {_CAUSES[sqlite3.SQLITE_NOTADB]}")
        if version != _SCHEMA_VERSION:
            raise InputError(
                f"{self.path}: label store of version {version}, this alsem reads"
                f" version {_SCHEMA_VERSION}; use the alsem that wrote it"
            )

    def _format(self) -> tuple[int, int, int]:
        """Number of tables and indices, application id, schema version."""
        with self._input_errors():
            return self._db.execute(
                "SELECT (SELECT count(*) FROM sqlite_master), application_id,"
                " user_version FROM pragma_application_id, pragma_user_version"
            ).fetchone()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._input_errors():
            # IMMEDIATE: what is read inside cannot change before it is written
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _input_errors(self) -> Iterator[None]:
        """Turns what a user can mend into an `InputError`."""
        try:
            yield
        except sqlite3.Error as error:
            # the low byte is the kind, the rest its details
            cause = _CAUSES.get(getattr(error, "sqlite_errorcode", -1) & 0xFF)
            if cause is None:
                raise
            raise InputError(f"{self.path}: {error}; {cause}") from error


def _integers(
    name: str, value: Numbers, n: int, dtype: type[np.integer], least: int = -1
) -> list[int]:
    array = np.asarray(value)
    if array.dtype.kind not in "iu" and array.size:
        raise ValueError(f"{name} must be integers, not {array.dtype}")
    array = np.broadcast_to(array, (n,))
    most = int(np.iinfo(dtype).max)
    if n and not least <= int(array.min()) <= int(array.max()) <= most:
        raise ValueError(f"{name} must lie in {least}..{most}")
    return array.tolist()


def _seconds(value: Numbers, n: int) -> list[float]:
    array = np.broadcast_to(np.asarray(value, np.float64), (n,))
    if not (np.isfinite(array) & (array >= 0)).all():
        raise ValueError("seconds must be finite and not negative")
    return array.tolist()


def _where(**conditions: int | str | None) -> tuple[str, list]:
    given = {name: value for name, value in conditions.items() if value is not None}
    if given.get("status", "open") not in ("open", "answered"):
        raise ValueError(f"status {given['status']!r} is not 'open' or 'answered'")
    if "round" in given:
        given["round"] = int(given["round"])
    clause = " AND ".join(f"{name} = ?" for name in given)
    return ("WHERE " + clause if clause else ""), list(given.values())


def _last(up_to_round: int | None) -> int:
    return int(np.iinfo(np.int64).max) if up_to_round is None else int(up_to_round)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
