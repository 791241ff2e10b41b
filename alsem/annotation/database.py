"""The SQLite file of the label store: schema, transactions, error messages."""

import contextlib
import dataclasses
import os
import sqlite3
from collections.abc import Iterator

import numpy as np

from alsem.annotation.records import DTYPES
from alsem.core.errors import InputError

APPLICATION_ID = 0x616C736D  # "alsm": distinguishes our files from other databases
SCHEMA_VERSION = 2  # version 1 had no withdrawn queries
SMALLEST_DATABASE = 512  # bytes: one page of the smallest size
SCHEMA = (
    """CREATE TABLE queries(
        query_id INTEGER PRIMARY KEY, round INTEGER NOT NULL,
        granularity TEXT NOT NULL, frame INTEGER NOT NULL, row INTEGER NOT NULL,
        col INTEGER NOT NULL, unit INTEGER NOT NULL, score REAL NOT NULL,
        status TEXT NOT NULL CHECK(status IN ('open', 'answered', 'withdrawn')),
        created_at TEXT NOT NULL)""",
    """CREATE TABLE annotations(
        annotation_id INTEGER PRIMARY KEY,
        query_id INTEGER NOT NULL REFERENCES queries(query_id),
        round INTEGER NOT NULL, frame INTEGER NOT NULL, row INTEGER NOT NULL,
        col INTEGER NOT NULL, label INTEGER NOT NULL CHECK(label >= -1),
        kind TEXT NOT NULL, clicks INTEGER NOT NULL, pixels INTEGER NOT NULL,
        annotator TEXT NOT NULL, seconds REAL NOT NULL, created_at TEXT NOT NULL)""",
    "CREATE UNIQUE INDEX queries_unit ON queries(granularity, unit)"
    " WHERE status != 'withdrawn'",
    "CREATE INDEX queries_round ON queries(round, status)",
    "CREATE INDEX annotations_undo ON annotations(query_id) WHERE kind = 'undo'",
)
CAUSES = {
    sqlite3.SQLITE_NOTADB: "not an alsem label store; move it or name another file",
    sqlite3.SQLITE_CORRUPT: "damaged; restore it from a copy",
    sqlite3.SQLITE_FULL: "free some disk space and run the same command again",
    sqlite3.SQLITE_IOERR: "check the disk and run the same command again",
    sqlite3.SQLITE_READONLY: "make the file and its folder writable",
    sqlite3.SQLITE_CANTOPEN: "check that its folder exists and can be written",
    sqlite3.SQLITE_BUSY: "another process has locked it; stop that process first",
}
# Answers of rounds from ? to ? without a later undo.
VALID_ANNOTATIONS = """(
    SELECT a.*, q.unit FROM annotations AS a JOIN queries AS q USING (query_id)
    WHERE a.kind != 'undo' AND a.round BETWEEN ? AND ? AND NOT EXISTS (
    SELECT 1 FROM annotations AS u WHERE u.kind = 'undo'
    AND u.query_id = a.query_id AND u.annotation_id > a.annotation_id))"""
STATUSES = ("open", "answered", "withdrawn")
BUSY_SECONDS = 30.0


class Database:
    """An open label store file. Objects are not shared by threads or processes."""

    def __init__(self, path: str | os.PathLike[str]):
        """Opens the file, and creates it if it is missing.

        Args:
            path: The SQLite file; its folder must exist.

        Raises:
            InputError: It is not a label store of this version, or cannot be opened.
        """
        self.path = os.fspath(path)
        # SQLite treats such a file as an empty database and would overwrite it
        if os.path.isfile(path) and 0 < os.path.getsize(path) < SMALLEST_DATABASE:
            raise InputError(f"{self.path}: {CAUSES[sqlite3.SQLITE_NOTADB]}")
        with self._input_errors():
            self._db = sqlite3.connect(
                self.path, timeout=BUSY_SECONDS, isolation_level=None
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

    def close(self) -> None:
        """Closes the file; every finished call is already on disk."""
        self._db.close()

    def _open_format(self) -> None:
        if self._format() == (0, 0, 0):
            with self._transaction() as db:
                if self._format() == (0, 0, 0):  # no other process did it first
                    for statement in SCHEMA:
                        db.execute(statement)
                    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        _, identity, version = self._format()
        if identity != APPLICATION_ID:
            raise InputError(f"{self.path}: {CAUSES[sqlite3.SQLITE_NOTADB]}")
        if version != SCHEMA_VERSION:
            raise InputError(
                f"{self.path}: label store of version {version}; this alsem reads"
                f" version {SCHEMA_VERSION}, so use the alsem that wrote it"
            )

    def _format(self) -> tuple[int, int, int]:
        """Number of tables and indices, application id, schema version."""
        with self._input_errors():
            return self._db.execute(
                "SELECT (SELECT count(*) FROM sqlite_master), application_id,"
                " user_version FROM pragma_application_id, pragma_user_version"
            ).fetchone()

    @contextlib.contextmanager
    def _transaction(self, mode: str = "IMMEDIATE") -> Iterator[sqlite3.Connection]:
        """Runs a block as one transaction.

        Args:
            mode: "IMMEDIATE" to write: no other process can write between the
                block's reads and writes. "DEFERRED" to read one state of the file.
        """
        with self._input_errors():
            self._db.execute(f"BEGIN {mode}")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _input_errors(self) -> Iterator[None]:
        """Turns errors that a user can fix into `InputError`."""
        try:
            yield
        except sqlite3.Error as error:
            # the low byte is the error code, the others are details
            cause = CAUSES.get(getattr(error, "sqlite_errorcode", -1) & 0xFF)
            if cause is None:
                raise
            raise InputError(f"{self.path}: {error}; {cause}") from error

    def _select(self, record: type, source: str, values: list) -> list[np.ndarray]:
        """Reads the columns that are the fields of a record, ordered by the first."""
        names = [field.name for field in dataclasses.fields(record)]
        with self._input_errors():
            # fetchall: a cursor that is not exhausted keeps the file locked
            rows = self._db.execute(
                f"SELECT {', '.join(names)} FROM {source} ORDER BY 1", values
            ).fetchall()
        columns = list(zip(*rows, strict=True)) or [()] * len(names)
        return [
            np.array(column, DTYPES.get(name, np.int32))
            for name, column in zip(names, columns, strict=True)
        ]

    def _count(self, *, round: int | None, status: str | None = None) -> int:
        where, values = where_clause(round, status)
        sql = f"SELECT count(*) FROM queries {where}"
        return self._db.execute(sql, values).fetchone()[0]


def where_clause(round: int | None, status: str | None) -> tuple[str, list]:
    """SQL clause for queries of a round and status, where given, and its values."""
    if status is not None and status not in STATUSES:
        raise ValueError(f"status {status!r} is none of {STATUSES}")
    given = {"round": None if round is None else int(round), "status": status}
    given = {name: value for name, value in given.items() if value is not None}
    clause = " AND ".join(f"{name} = ?" for name in given)
    return ("WHERE " + clause if clause else ""), list(given.values())
