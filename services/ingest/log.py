"""The port to Kafka as intake needs it, and a log in memory that stands in for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from services.ingest.flight import Fate, Record
from shared.errors import Transient


class Overloaded(Transient):
    """More is in flight than the bounds allow: come back later."""


class Log(Protocol):
    """Takes records; each is settled on the event loop once its fate is known."""

    def append(self, record: Record) -> None:
        """Take ``record``, which will be settled as WRITTEN (durably) or FAILED.

        Raises:
            Overloaded: the bounds on what is in flight are reached.
            Transient: the log cannot take it now. It was not taken.
        """
        ...


class MemoryLog:
    """Keeps what Kafka would have got. ``hold`` delays acknowledgements, ``fail_with`` refuses."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.hold = False
        self.fail_with: Callable[[], Exception] | None = None
        self._held: list[Record] = []

    def append(self, record: Record) -> None:
        """See ``Log.append``."""
        if self.fail_with is not None:
            raise self.fail_with()
        if self.hold:
            self._held.append(record)
            return
        self._write(record)

    def release(self) -> None:
        """Acknowledge everything that was held."""
        self.hold = False
        held, self._held = self._held, []
        for record in held:
            self._write(record)

    def values(self, topic: str) -> list[bytes]:
        """Return the values written to ``topic``, in order."""
        return [record.value for record in self.records if record.topic == topic]

    def _write(self, record: Record) -> None:
        self.records.append(record)
        record.settle(Fate.WRITTEN)
