"""Records as they come from Kafka, and what is set aside of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

Headers = tuple[tuple[str, bytes], ...]
MAX_PARKED = 900_000
"""Bytes of a value that are kept when it is parked: with headers they fit below the broker's limit."""


class Partition(NamedTuple):
    """One partition of a topic."""

    topic: str
    number: int


@dataclass(frozen=True)
class Record:
    """One record. ``at_ms`` is the broker's time in milliseconds since the epoch, UTC."""

    at: Partition
    offset: int
    value: bytes | None
    key: bytes | None = None
    headers: Headers = ()
    at_ms: int = 0

    def header(self, name: str) -> str | None:
        """Return a header as text, or None."""
        return next(
            (raw.decode("utf-8", "replace") for key, raw in self.headers if key == name), None
        )


@dataclass(frozen=True)
class Parked:
    """A record that was set aside, whole.

    ``reason`` is ``failed`` (the last try failed), ``parked`` (the body asked for it) or that of a
    poison record (``bad_json``, ``bad_schema`` …); ``detail`` says in words what was wrong.
    """

    record: Record
    reason: str
    detail: str
    attempts: int = 0

    def headers(self) -> Headers:
        """Return the headers of the parked record: its own, and four that say where from and why."""
        at = self.record.at
        return (
            *self.record.headers,
            ("parked_reason", self.reason.encode()),
            ("parked_detail", self.detail[:500].encode("utf-8", "replace")),
            ("parked_from", f"{at.topic}/{at.number}/{self.record.offset}".encode()),
            ("parked_attempts", str(self.attempts).encode()),
        )


@dataclass(eq=False)
class Lane:
    """What was fetched of one partition and has not ended, oldest first.

    ``due`` is when the first of them may be handed over; ``done`` the offset to commit.
    """

    at: Partition
    queue: list[Record] = field(default_factory=list)
    attempts: int = 0
    due: float = 0.0
    busy: bool = False
    paused: bool = False
    done: int | None = None

    @property
    def head(self) -> Record:
        """Return the record that is next, or is being worked on."""
        return self.queue[0]
