"""Rows of the data folder, and identifiers made from theirs as each platform forms its own."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

EPOCH = dt.datetime(2026, 3, 2, 8, 0, tzinfo=dt.UTC)
SPAN_S = 60 * 86_400
CHANNELS = ("email", "phone", "social", "reviews")


class Row(msgspec.Struct, frozen=True):
    """What all files have in common; without a channel a row fits no platform in particular."""

    id: str
    text: str
    channel: str | None = None
    lang: str | None = None

    def number(self, what: str, below: int) -> int:
        """Return a number that is always the same for this row."""
        digest = hashlib.blake2b(f"{what}\0{self.id}".encode(), digest_size=12).digest()
        return int.from_bytes(digest) % below

    def hex(self, what: str, digits: int = 32) -> str:
        """Return hexadecimal digits that are always the same for this row."""
        return hashlib.blake2b(f"{what}\0{self.id}".encode(), digest_size=digits // 2).hexdigest()

    @property
    def at(self) -> dt.datetime:
        """When it is said to have been written."""
        return EPOCH + dt.timedelta(seconds=self.number("time", SPAN_S))

    @property
    def token(self) -> str:
        """Return the id in characters that are allowed in any identifier."""
        return "".join(char if char.isalnum() else "-" for char in self.id)

    @property
    def customer(self) -> str:
        """Who wrote it; some write more than once."""
        return f"customer{self.number('customer', 20_000):05}"


def rows(path: Path, limit: int | None = None) -> Iterator[Row]:
    """Yield the rows of a file; with a ``limit`` so many, evenly spread over it."""
    lines = path.read_bytes().splitlines()
    step = 1 if limit is None else max(1, len(lines) // max(1, limit))
    for line in lines[::step][:limit]:
        yield msgspec.json.decode(line, type=Row)
