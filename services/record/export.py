"""Exports: a topic from a time on, filtered, as a stream of events and a summary."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from services.record.rows import SHEETS, Sheet, What
from services.record.times import rfc3339
from services.record.writers import Writer
from shared import codec
from shared.errors import Poison
from shared.events import CustomerErased, Struct
from shared.streams.spans import (
    Client,
    Moved,
    Span,
    erasures,
    place,
    position,
    span_of,
)
from shared.topics import Names


@dataclass(frozen=True)
class Wanted:
    """What is exported; an empty set is everything.

    Times are those of the records in Kafka, ms since the epoch: ``since_ms`` ≤ time < ``until_ms``.
    """

    what: What
    since_ms: int
    until_ms: int | None = None
    case_id: str | None = None
    severities: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()


class Summary(Struct, frozen=True, omit_defaults=False):
    """What an export has written.

    ``first`` and ``last`` are record times (RFC 3339, UTC) of what was written. ``filtered`` counts
    what was not asked for, ``skipped`` what could not or must not be written, by reason: ``erased``,
    ``superseded`` (a later snapshot of the case follows), or why it is no event.
    """

    what: str
    rows: int
    since: str
    until: str | None
    first: str | None
    last: str | None
    filtered: int
    skipped: dict[str, int]


class Export:
    """One export. ``size`` is what :meth:`run` reports to its ``moved`` in all.

    Raises:
        Transient: Kafka does not answer.
        Misconfigured: there is no such topic.
    """

    def __init__(self, client: Client, names: Names, wanted: Wanted) -> None:
        self._client = client
        self._names = names
        self._wanted = wanted
        self._sheet = SHEETS[wanted.what]
        kinds: dict[type[Struct], None] = dict.fromkeys(self._sheet.topic.carries)
        self._decoder = codec.Decoder[Struct](kinds | {CustomerErased: None})
        self._span = span_of(client, names.of(self._sheet.topic), wanted.since_ms)
        self._filtered = 0
        self._skipped: Counter[str] = Counter()
        self._times: list[int] = []

    @property
    def size(self) -> int:
        """Return how many offsets are read."""
        return self._span.size

    def run(self, to: Writer, moved: Moved) -> Summary:
        """Write all there is until the moment the export was made (same errors as the class)."""
        rows = 0
        gone = erasures(self._client, self._names)
        for message, event in self._events(moved):
            if not self._matches(event):
                self._filtered += 1
            elif gone.cover(_owner(self._sheet, event, message), self._sheet.born_ms(event)):
                self._skipped["erased"] += 1
            else:
                to.write(message.value() or b"", event)
                rows += 1
                self._note(_time(message))
        to.close()
        return self._summary(rows)

    def _events(self, moved: Moved) -> Iterator[tuple[Message, Struct]]:
        if self._wanted.what is What.CASES:
            with closing(_Latest(self._span, self._wanted)) as latest:
                yield from self._read(moved, latest)
        else:
            yield from self._read(moved, None)

    def _read(self, moved: Moved, latest: _Latest | None) -> Iterator[tuple[Message, Struct]]:
        for batch in self._span.read(moved):
            for message in batch:
                value = message.value()
                if not _within(message, self._wanted):
                    self._filtered += 1
                elif value is None:
                    self._skipped["deleted"] += 1
                elif latest is not None and not latest.is_last(message):
                    self._skipped["superseded"] += 1
                else:
                    try:
                        event = self._decoder.decode(value)
                    except Poison as poison:
                        self._skipped[poison.reason.value] += 1
                        continue
                    if not isinstance(event, CustomerErased):  # a mark, no case
                        yield message, event

    def _matches(self, event: Struct) -> bool:
        wanted, sheet = self._wanted, self._sheet
        if wanted.case_id is not None and sheet.text(event, sheet.case) != wanted.case_id:
            return False
        if wanted.severities and sheet.text(event, sheet.severity) not in wanted.severities:
            return False
        return not wanted.channels or sheet.text(event, sheet.channel) in wanted.channels

    def _note(self, at_ms: int) -> None:
        self._times = [min([at_ms, *self._times]), max([at_ms, *self._times])]

    def _summary(self, rows: int) -> Summary:
        wanted = self._wanted
        return Summary(
            what=wanted.what.value,
            rows=rows,
            since=rfc3339(wanted.since_ms),
            until=None if wanted.until_ms is None else rfc3339(wanted.until_ms),
            first=rfc3339(self._times[0]) if self._times else None,
            last=rfc3339(self._times[-1]) if self._times else None,
            filtered=self._filtered,
            skipped=dict(sorted(self._skipped.items())),
        )


class _Latest:
    """Where the last record of each key is: on disk, for there may be more keys than memory."""

    def __init__(self, span: Span, wanted: Wanted) -> None:
        self._store = sqlite3.connect("")  # a file of its own, gone when it is closed
        self._store.execute("PRAGMA synchronous=OFF")
        self._store.execute("CREATE TABLE last(key BLOB PRIMARY KEY, at TEXT) WITHOUT ROWID")
        for batch in span.read():
            self._store.executemany(
                "INSERT OR REPLACE INTO last VALUES(?, ?)",
                [(one.key(), _at(one)) for one in batch if _within(one, wanted)],
            )

    def is_last(self, message: Message) -> bool:
        """Return whether no later record within the span has the same key."""
        found = self._store.execute("SELECT at FROM last WHERE key = ?", (message.key(),))
        return bool(found.fetchone() == (_at(message),))

    def close(self) -> None:
        """Remove the store."""
        self._store.close()


def _at(message: Message) -> str:
    return f"{place(message).number}:{position(message)}"


def _time(message: Message) -> int:
    kind, at_ms = message.timestamp()
    return 0 if kind == TIMESTAMP_NOT_AVAILABLE else int(at_ms)


def _within(message: Message, wanted: Wanted) -> bool:
    at_ms = _time(message)
    return wanted.since_ms <= at_ms and (wanted.until_ms is None or at_ms < wanted.until_ms)


def _owner(sheet: Sheet, event: Struct, message: Message) -> str:
    if sheet.owner:
        return sheet.text(event, sheet.owner)
    return (message.key() or b"").decode("utf-8", "replace")
