"""Bytes of a table → records of cells: encodings, line ends, and quotes that never close.

Pure and in constant memory, whatever the size of the file: at most one record (``MAX_ROW_BYTES``) and
one chunk are held. The standard library's limit of a field (``csv.field_size_limit``, 131,072 characters
unless somebody changed it) is global to the process, so it is left alone: a longer cell makes its row
unfit, which at four times the longest text of an event loses nothing.
"""

from __future__ import annotations

import codecs
import csv
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import msgspec

MAX_ROW_BYTES = 262_144
_CHUNK = 65_536
_RE_READ_FACTOR = 4
_BOMS = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


class Line(NamedTuple):
    """A physical line with its end, UTF-8 or (else) cp1252; ``whole`` is False if it was too long."""

    number: int
    raw: bytes
    whole: bool = True

    @property
    def text(self) -> str:
        """Return the text. Each line by itself: one bad byte costs no other row its umlauts."""
        try:
            return self.raw.decode()
        except UnicodeDecodeError:
            return self.raw.decode("cp1252", "replace")


class Record(msgspec.Struct, frozen=True):
    """One row: where it begins, its bytes, its cells; ``fault`` says why there are none.

    ``doubtful``: it stands after a quote that never closed, so its cells must fit the header exactly.
    """

    line: int
    raw: bytes
    cells: tuple[str, ...] = ()
    fault: str | None = None
    doubtful: bool = False


def lines(stream: BinaryIO, encoding: str = "") -> Iterator[Line]:
    """Yield the lines in ``stream``; ``encoding`` only where it is neither Unicode nor cp1252.

    Raises:
        LookupError: there is no such encoding.
    """
    if encoding:
        "".encode(encoding)  # the registry holds more than encodings of text
    rest, number = b"", 1
    for chunk in _chunks(stream, encoding):
        # Only the new part is searched: a line may come in many chunks.
        *whole, rest = (rest + chunk).split(b"\n")
        for raw in whole:
            yield _line(number, raw + b"\n")
            number += 1
        if len(rest) > 2 * MAX_ROW_BYTES:  # the beginning says enough about what is wrong
            rest = rest[: MAX_ROW_BYTES + 1]
    if rest:
        yield _line(number, rest)


def _line(number: int, raw: bytes) -> Line:
    return Line(number, raw[:MAX_ROW_BYTES], len(raw) <= MAX_ROW_BYTES)


def _chunks(stream: BinaryIO, encoding: str) -> Iterator[bytes]:
    """Yield the content as UTF-8 (or as it is), without byte order mark, lines ended by a newline."""
    head = stream.read(_CHUNK)
    for mark, name in _BOMS:
        if head.startswith(mark) and not encoding:
            encoding, head = name, head[len(mark) :]
    decoder = codecs.getincrementaldecoder(encoding)("replace") if encoding else None
    old_mac = False
    chunk, first = head, True
    while chunk:
        following = stream.read(_CHUNK)
        if decoder is not None:
            chunk = decoder.decode(chunk, not following).encode("utf-8", "replace")
        if first:
            chunk = chunk.removeprefix(codecs.BOM_UTF8)
            old_mac = b"\r" in chunk and b"\n" not in chunk
            first = False
        yield chunk.replace(b"\r", b"\n") if old_mac else chunk
        chunk = following


class Records:
    """The records in lines. An iterator: ``next`` gives a ``Record`` until there are none left.

    A record that breaks the rules of quoting ends with its first line, and reading goes on at the
    next: a stray quote costs one row, not all that follow. ``width`` is the number of cells of the
    header, once known: it tells a quote that closed by chance many rows later.
    """

    def __init__(self, source: Iterator[Line], delimiter: str) -> None:
        self._source = source
        self._delimiter = delimiter
        self._again: deque[Line] = deque()
        self._read = 0
        self._re_read = 0
        self.width: int | None = None

    def __iter__(self) -> Iterator[Record]:
        return self

    def __next__(self) -> Record:
        doubtful = bool(self._again)
        taken: list[Line] = []
        fault = None
        cells: list[str] = []
        # Files in which nearly every quote is stray would be read again and again.
        alone = doubtful and self._re_read > _RE_READ_FACTOR * (self._read + MAX_ROW_BYTES)
        try:
            cells = next(self._parsed(taken, alone=alone))
        except StopIteration:
            if not taken:
                raise
        except csv.Error as error:
            fault = str(error)
        if fault is None and len(taken) > 1 and self._misfits(cells):
            fault = "a quote that closes some rows later"
        if fault is None:
            raw = b"".join(line.raw for line in taken)
            return Record(taken[0].number, raw, tuple(cells), doubtful=doubtful)
        self._again.extendleft(reversed(taken[1:]))
        self._re_read += sum(len(line.raw) for line in taken[1:])
        return self._single(taken[0], fault, doubtful=doubtful)

    def _misfits(self, cells: list[str]) -> bool:
        return self.width is not None and len(cells) != self.width

    def _single(self, line: Line, fault: str, *, doubtful: bool) -> Record:
        """Return the row on one line, leniently: a stray quote inside of a cell is common."""
        if line.whole:
            try:
                found = list(csv.reader([line.text, ""], delimiter=self._delimiter))
                closed = len(list(csv.reader([line.text, "x"], delimiter=self._delimiter))) == 2
            except csv.Error:
                closed, found = False, []
            if closed and found and not self._misfits(found[0]):
                return Record(line.number, line.raw, tuple(found[0]), doubtful=True)
        return Record(line.number, line.raw, fault=fault, doubtful=doubtful)

    def _parsed(self, taken: list[Line], *, alone: bool) -> Iterator[list[str]]:
        return csv.reader(self._texts(taken, alone=alone), delimiter=self._delimiter, strict=True)

    def _texts(self, taken: list[Line], *, alone: bool) -> Iterator[str]:
        """Yield lines for one record and note them in ``taken``; the reader stops by itself."""
        size = 0
        while not (alone and taken):
            line = self._again.popleft() if self._again else self._fresh()
            if line is None:
                return
            taken.append(line)
            size += len(line.raw)
            if size > MAX_ROW_BYTES or not line.whole:
                raise csv.Error(f"a row of more than {MAX_ROW_BYTES:,} bytes")
            yield line.text

    def _fresh(self) -> Line | None:
        line = next(self._source, None)
        if line is not None:
            self._read += len(line.raw)
        return line
