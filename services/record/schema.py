"""The tables of the index, and opening its file."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from services.record.words import TOKENIZER
from shared.errors import Misconfigured, Transient

VERSION: Final = 1
"""A file of another version is built anew."""

BUSY_S: Final = 60.0
CACHE_KB: Final = 32_768

_TABLES: Final = f"""
CREATE TABLE position(
    topic TEXT NOT NULL, partition INTEGER NOT NULL, topic_id TEXT NOT NULL, next INTEGER NOT NULL,
    PRIMARY KEY(topic, partition)) WITHOUT ROWID;
CREATE TABLE erased(owner TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE entry(
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, owner TEXT NOT NULL,
    words TEXT NOT NULL, at INTEGER NOT NULL, born INTEGER NOT NULL, severity TEXT NOT NULL,
    channel TEXT NOT NULL, case_id TEXT, feedback_id TEXT,
    topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL);
CREATE INDEX entry_owner ON entry(owner);
CREATE INDEX entry_feedback ON entry(feedback_id, kind);
CREATE INDEX entry_place ON entry(topic, partition, offset);
CREATE TABLE facts(
    case_id TEXT PRIMARY KEY, owner TEXT NOT NULL, severity TEXT NOT NULL, state TEXT NOT NULL,
    channel TEXT NOT NULL, opened_at INTEGER NOT NULL, resolution TEXT NOT NULL,
    topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL);
CREATE INDEX facts_owner ON facts(owner);
CREATE INDEX facts_place ON facts(topic, partition, offset);
CREATE TABLE member(
    feedback_id TEXT PRIMARY KEY, case_id TEXT NOT NULL,
    topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX member_case ON member(case_id);
CREATE INDEX member_place ON member(topic, partition, offset);
CREATE VIRTUAL TABLE word USING fts5(
    words, content='entry', content_rowid='id', tokenize="{TOKENIZER}");
CREATE TRIGGER entry_added AFTER INSERT ON entry BEGIN
    INSERT INTO word(rowid, words) VALUES(new.id, new.words); END;
CREATE TRIGGER entry_removed AFTER DELETE ON entry BEGIN
    INSERT INTO word(word, rowid, words) VALUES('delete', old.id, old.words); END;
CREATE TRIGGER entry_changed AFTER UPDATE OF words ON entry BEGIN
    INSERT INTO word(word, rowid, words) VALUES('delete', old.id, old.words);
    INSERT INTO word(rowid, words) VALUES(new.id, new.words); END;
"""


def opened(path: Path) -> sqlite3.Connection:
    """Open the index at ``path``, for its owner only; what is damaged or of another version goes.

    Transactions are begun by hand. What is deleted is overwritten.

    Raises:
        Misconfigured: it cannot be written, or this SQLite has no FTS5.
        Transient: another process keeps it for itself for longer than a minute.
    """
    try:
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        if path.is_symlink():
            raise Misconfigured(f"the index of the search at {path}: it is a link; name the file")
        path.touch(0o600)
        path.chmod(0o600)
        try:
            return _opened(path)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:  # not a database any more: all of it can be had from Kafka
            path.unlink()
            path.touch(0o600)
            return _opened(path)
    except (OSError, sqlite3.OperationalError) as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
            raise Transient(f"the index of the search at {path}: {error}") from error
        raise Misconfigured(f"the index of the search at {path}: {error}") from error


def _opened(path: Path) -> sqlite3.Connection:
    store = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    try:
        store.execute("PRAGMA secure_delete=ON")
        store.execute(f"PRAGMA cache_size=-{CACHE_KB}")
        store.execute("BEGIN IMMEDIATE")
        [(found,)] = store.execute("PRAGMA user_version")
        if found != VERSION:
            clear(store)
        store.execute("COMMIT")
    except BaseException:
        store.close()
        raise
    return store


def clear(store: sqlite3.Connection) -> None:
    """Make all tables anew, empty, within the transaction of the caller."""
    for name in ("word", "entry", "facts", "member", "erased", "position"):
        store.execute(f"DROP TABLE IF EXISTS {name}")
    for statement in _statements(_TABLES):
        store.execute(statement)
    store.execute(f"PRAGMA user_version={VERSION}")


def _statements(script: str) -> list[str]:
    """Split a script (``executescript`` would end the transaction)."""
    found, part = [], ""
    for line in script.splitlines(keepends=True):
        part += line
        if sqlite3.complete_statement(part):
            found.append(part)
            part = ""
    return found
