"""The index of the search: a file that holds what Kafka holds, no more, and forgets what is erased.

Each batch of records is one transaction, together with the offsets it reaches: a kill at any moment
leaves a consistent index, and two who build it at once do each batch once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from services.record import schema
from services.record.entries import CaseFacts, Entry
from services.record.words import indexed
from shared.errors import Misconfigured, Transient
from shared.events import CustomerErased
from shared.streams.records import Partition
from shared.streams.spans import Erasures


class Found(NamedTuple):
    """What one record gives to the index. A batch has one for each record, in order."""

    place: Partition
    offset: int
    entries: tuple[Entry, ...] = ()
    facts: CaseFacts | None = None
    feedback_id: str | None = None
    erased: CustomerErased | None = None


_PUT_ENTRY = """
INSERT INTO entry(name, kind, owner, words, at, born, severity, channel, case_id, feedback_id,
                  topic, partition, offset)
VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT(name) DO UPDATE SET
    kind=excluded.kind, owner=excluded.owner, words=excluded.words, at=excluded.at,
    born=excluded.born, severity=excluded.severity, channel=excluded.channel,
    case_id=excluded.case_id, feedback_id=excluded.feedback_id, topic=excluded.topic,
    partition=excluded.partition, offset=excluded.offset
"""
_PUT_FACTS = "INSERT OR REPLACE INTO facts VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_MEMBER = "INSERT OR REPLACE INTO member VALUES(?, ?, ?, ?, ?)"
_FORGET_MEMBERS = """
DELETE FROM member WHERE case_id IN (SELECT case_id FROM facts WHERE owner=? AND opened_at<=?)
"""
_PUT_POSITION = """
INSERT INTO position VALUES(?, ?, ?, ?)
ON CONFLICT(topic, partition) DO UPDATE SET next=max(next, excluded.next)
"""


class Index:
    """The index at ``path``. A context manager.

    Raises:
        Misconfigured: the file cannot be used.
        Transient: another process keeps it for itself for longer than a minute.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.store = schema.opened(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.store.close()

    def begin(self, topic_ids: Mapping[str, str]) -> dict[Partition, int]:
        """Return the next offset of each partition; empty the index if a topic was created anew.

        A name that has another id, or is none of the index's, means another log.
        """
        with self.transaction():
            if not self._holds(topic_ids):
                schema.clear(self.store)
            return self._reached()

    def apply(self, batch: Iterable[Found], topic_ids: Mapping[str, str]) -> None:
        """Take in a batch; what was taken in before is passed over.

        Raises:
            Transient: another process has begun the index anew, for other topics.
        """
        with self.transaction():
            if not self._holds(topic_ids):
                raise Transient("the topics were created anew meanwhile: search again")
            reached = self._reached()
            gone = Erasures(dict(self.store.execute("SELECT owner, at FROM erased").fetchall()))
            forgot = False
            for found in batch:
                if found.offset < reached.get(found.place, 0):
                    continue
                reached[found.place] = found.offset + 1
                if found.erased is not None:
                    forgot |= self._forget(found.erased)
                else:
                    self._take(found, gone)
            if forgot:
                self._purge()
            self._remember(reached, topic_ids)

    def reach(self, ends: Mapping[Partition, int], topic_ids: Mapping[str, str]) -> None:
        """Note that all up to ``ends`` was taken in."""
        with self.transaction():
            self._remember(ends, topic_ids)

    def prune(self, firsts: Mapping[Partition, int]) -> None:
        """Remove what Kafka does not keep any more: ``firsts`` are the offsets that are left."""
        with self.transaction():
            gone = 0
            for (topic, number), first in firsts.items():
                for table in ("entry", "facts", "member"):
                    gone += self.store.execute(
                        f"DELETE FROM {table} WHERE topic=? AND partition=? AND offset<?",  # noqa: S608
                        (topic, number, first),
                    ).rowcount
            if gone:
                self._purge()

    def _holds(self, topic_ids: Mapping[str, str]) -> bool:
        stored = set(self.store.execute("SELECT DISTINCT topic, topic_id FROM position"))
        return stored <= set(topic_ids.items())

    def _reached(self) -> dict[Partition, int]:
        rows = self.store.execute("SELECT topic, partition, next FROM position")
        return {Partition(topic, number): following for topic, number, following in rows}

    def _take(self, found: Found, gone: Erasures) -> None:
        place = (found.place.topic, found.place.number, found.offset)
        for entry in found.entries:
            if gone.cover(entry.owner, entry.born):
                continue
            if not entry.text.strip():
                self.store.execute("DELETE FROM entry WHERE name=?", (entry.name,))
                continue
            row = entry._replace(text=indexed(entry.text))
            values = (row.name, row.kind, row.owner, row.text, *row[4:])
            self.store.execute(_PUT_ENTRY, (*values, *place))
        case = found.facts
        if case is not None and not gone.cover(case.owner, case.opened_at):
            self.store.execute(_PUT_FACTS, (*case, *place))
            if found.feedback_id is not None:
                self.store.execute(_PUT_MEMBER, (found.feedback_id, case.case_id, *place))

    def _forget(self, erased: CustomerErased) -> bool:
        """Remove what a customer had up to ``erased_at``; return whether there was anything."""
        owner, at = erased.record_key, erased.erased_at
        self.store.execute(
            "INSERT INTO erased VALUES(?, ?) ON CONFLICT(owner) DO UPDATE SET at=max(at, excluded.at)",
            (owner, at),
        )
        gone = 0
        for statement in (
            "DELETE FROM entry WHERE owner=? AND born<=?",
            _FORGET_MEMBERS,
            "DELETE FROM facts WHERE owner=? AND opened_at<=?",
        ):
            gone += self.store.execute(statement, (owner, at)).rowcount
        return gone > 0

    def _purge(self) -> None:
        """Have the words of what was removed gone from the file as well: FTS5 only marks them."""
        self.store.execute("INSERT INTO word(word) VALUES('optimize')")

    def _remember(self, reached: Mapping[Partition, int], topic_ids: Mapping[str, str]) -> None:
        self.store.executemany(
            _PUT_POSITION,
            [
                (at.topic, at.number, topic_ids[at.topic], following)
                for at, following in reached.items()
            ],
        )

    @contextmanager
    def transaction(self, kind: str = "IMMEDIATE") -> Iterator[None]:
        """Run the block as one transaction, of SQLite's ``kind``.

        Raises:
            Transient: another process keeps the index for itself, or the disk is full.
            Misconfigured: the file is damaged.
        """
        try:
            self.store.execute(f"BEGIN {kind}")
            try:
                yield
            except BaseException:
                if self.store.in_transaction:  # a full disk has ended it already
                    self.store.execute("ROLLBACK")
                raise
            self.store.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise Transient(f"the index of the search: {error}") from error
        except sqlite3.DatabaseError as error:
            raise Misconfigured(
                f"{self._path}: {error}; remove it, and the next search builds it anew"
            ) from error


def discard_stale(folder: Path, before: float) -> None:
    """Remove the indexes below ``folder`` that nobody has opened since ``before`` (Unix time).

    An index forgets what was erased when it is brought up to date: one that never is must not stay.
    """
    for path in folder.glob("*.sqlite3"):
        with suppress(FileNotFoundError):  # another process was faster
            if path.lstat().st_mtime < before:
                path.unlink()
