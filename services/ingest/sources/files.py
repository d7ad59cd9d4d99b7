"""Files as people have them, piece by piece: lines, or the messages of an mbox; gzip is recognised.

Everything is read in counted chunks, so neither a line without an end nor a file that swells on being
unpacked fills the memory. What is longer than its limit is passed on cut, and marked.
"""

from __future__ import annotations

import codecs
import gzip
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

CHUNK = 64 * 1024
_GZIP = b"\x1f\x8b"
_UTF8_BOM = b"\xef\xbb\xbf"
_WIDE = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
# "From ada@example.com Mon Jan  5 10:00:00 2026": a sentence that begins with "From" has no time.
# The first time will do, so it is not given up for a later one: a line takes time as it is long.
SEPARATOR = re.compile(rb"From \S+ (?>.*?\d\d:\d\d).*\d{4}\b")
_QUOTED = re.compile(rb">+From ")


class Piece(NamedTuple):
    """A piece of a file; ``line`` is where it begins (1 is the first), ``cut`` that there was more."""

    line: int
    data: bytes
    cut: bool = False


class Source:
    """An open file. ``position`` counts bytes on the disk, for a progress bar."""

    def __init__(self, path: Path) -> None:
        self._raw = path.open("rb")
        self.size = path.stat().st_size
        packed = self._raw.read(2) == _GZIP
        self._raw.seek(0)
        unpacked = gzip.GzipFile(fileobj=self._raw) if packed else self._raw
        self.stream = io.BufferedReader(cast("io.RawIOBase", unpacked), CHUNK)

    def __enter__(self) -> Source:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._raw.close()

    def position(self) -> int:
        """Return how far the file was read, in bytes."""
        return self._raw.tell()

    def head(self) -> bytes:
        """Return the beginning without moving on; gzip may give less than there is."""
        return self.stream.peek(CHUNK)[:CHUNK]


def lines(stream: BinaryIO, limit: int) -> Iterator[Piece]:
    """Yield the lines that are not blank, without their end, at most ``limit`` bytes of each."""
    stream = _utf8(stream)
    number = 0
    while line := stream.readline(limit + 1):
        number += 1
        cut = len(line) > limit and not line.endswith(b"\n")
        if cut:
            _skip_line(stream)
        if number == 1:
            line = line.removeprefix(_UTF8_BOM)
        line = line[:limit] if cut else line.rstrip(b"\r\n")
        if line and not line.isspace():
            yield Piece(number, line, cut)


def messages(stream: BinaryIO, limit: int) -> Iterator[Piece]:
    """Yield the messages of an mbox (RFC 4155, "From " quoting of mboxrd undone)."""
    number, first, size = 0, 0, 0
    blank, begun, fresh = True, False, True  # fresh: at the beginning of a line
    kept: list[bytes] = []
    while chunk := stream.readline(CHUNK):
        number += fresh
        if fresh and blank and SEPARATOR.match(chunk):
            if first:
                yield Piece(first, b"".join(kept), cut=size > limit)
            first, size, begun, kept = number + 1, 0, False, []
        elif first:
            if fresh and _QUOTED.match(chunk):
                chunk = chunk[1:]
            begun = begun or not chunk.isspace()
            size += len(chunk)
            if begun and size <= limit:
                kept.append(chunk)
        blank = fresh and chunk.isspace()
        fresh = chunk.endswith(b"\n")
    if first:
        yield Piece(first, b"".join(kept), cut=size > limit)


def whole(stream: BinaryIO, limit: int) -> Iterator[Piece]:
    """Yield the whole file as one piece."""
    data = stream.read(limit + 1)
    yield Piece(1, data[:limit], cut=len(data) > limit)


def _skip_line(stream: BinaryIO) -> None:
    while (rest := stream.readline(CHUNK)) and not rest.endswith(b"\n"):
        pass


def _utf8(stream: BinaryIO) -> BinaryIO:
    """Return ``stream`` as UTF-8 if it begins like UTF-16, as some shells and Excel write it."""
    if isinstance(stream, io.BufferedReader):
        wide = _WIDE.get(stream.peek(2)[:2])
        if wide is not None:
            stream.read(2)
            return io.BufferedReader(cast("io.RawIOBase", _Recoded(stream, wide)), CHUNK)
    return stream


class _Recoded(io.RawIOBase):
    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # any writable buffer
        while not self._left:
            chunk = self._stream.read(CHUNK)
            self._left = self._decoder.decode(chunk, final=not chunk).encode()
            if not chunk:
                break
        part, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)
