"""Server-sent events (WHATWG HTML, 9.2): bytes as they come → events, bounded in size.

Lines end with LF or CRLF; ``id`` and ``retry`` are not used.
"""

from __future__ import annotations

import msgspec

MAX_EVENT = 1_000_000


class Event(msgspec.Struct, frozen=True):
    """One event; ``cut``: it was larger than allowed, and ``data`` is how it began."""

    name: str
    data: bytes
    cut: bool = False


class Decoder:
    """Keeps what is not complete yet. Comments are no events; that they came is life enough."""

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max = max_event
        self._line = bytearray()
        self._long = False
        self._name = b""
        self._data = bytearray()
        self._any = False
        self._cut = False

    def feed(self, chunk: bytes) -> list[Event]:
        """Return the events that ``chunk`` completes."""
        events: list[Event] = []
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            self._keep(line)
            whole, long = bytes(self._line).removesuffix(b"\r"), self._long
            self._line.clear()
            self._long = False
            if whole:
                self._field(whole, long)
            elif self._any:
                events.append(self._event())
        self._keep(rest)
        return events

    def _keep(self, part: bytes) -> None:
        room = self._max - len(self._line)
        self._long |= len(part) > room
        self._line += part[:room]

    def _field(self, line: bytes, long: bool) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"event":
            self._name = value
        elif name == b"data":
            more = b"\n" + value if self._any else value
            room = self._max - len(self._data)
            self._cut |= long or len(more) > room
            self._data += more[:room]
            self._any = True

    def _event(self) -> Event:
        name = self._name.decode("utf-8", "replace") or "message"
        event = Event(name, bytes(self._data), self._cut)
        self._name, self._any, self._cut = b"", False, False
        self._data.clear()
        return event
