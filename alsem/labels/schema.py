"""The label store's tables in SQL, and what SQLite's errors mean to a person."""

import sqlite3

APPLICATION_ID = 0x616C736D  # "alsm": tells our files from other databases
SCHEMA_VERSION = 1
SMALLEST_DATABASE = 512  # bytes: one page of the smallest size
SCHEMA = (
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
CAUSES = {
    sqlite3.SQLITE_NOTADB: "not an alsem label store; move it away or name another",
    sqlite3.SQLITE_CORRUPT: "damaged; restore it from a copy",
    sqlite3.SQLITE_FULL: "free some disk space and run the same command again",
    sqlite3.SQLITE_IOERR: "check the disk and run the same command again",
    sqlite3.SQLITE_READONLY: "make the file and its folder writable",
    sqlite3.SQLITE_CANTOPEN: "check that its folder exists and can be written",
    sqlite3.SQLITE_BUSY: "another process keeps it locked; stop that one first",
}
VALID = """annotations AS a WHERE kind != 'undo' AND round <= ? AND NOT EXISTS (
    SELECT 1 FROM annotations AS u WHERE u.kind = 'undo'
    AND u.query_id = a.query_id AND u.annotation_id > a.annotation_id)"""
