"""Rows into a file, as they come: JSON lines, CSV, Parquet. The file is there whole or not at all."""

from __future__ import annotations

import csv
import enum
import importlib
import io
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import BinaryIO, Final, Protocol

import msgspec

from services.record.rows import Cell, Column, Type, row
from services.record.times import rfc3339
from shared.errors import Misconfigured
from shared.events import Struct

GROUP_ROWS: Final = 20_000
GROUP_BYTES: Final = 32_000_000
"""A row group of a Parquet file is written when it has as many rows, or came from as many bytes."""

FORMULA: Final = frozenset("=+-@\t\r\n＝＋－＠")
"""What makes a spreadsheet take a cell for a formula (OWASP, "CSV Injection")."""

_INNER: Final = re.compile(r"(?<=[;\t\r\n])(?=[ \"]*(?!-\))[=+\-@＝＋－＠])")
"""Where a cell could begin in the midst of a text: many countries' spreadsheets part at the semicolon,
and pay no heed to the quotes then. A ``;-)`` runs nothing.
"""


class Format(enum.StrEnum):
    """Format of an export."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


class Writer(Protocol):
    """Takes events in order; what it holds back is written by ``close``."""

    def write(self, raw: bytes, event: Struct) -> None:
        """Write one event; ``raw`` is its JSON as the topic has it."""
        ...

    def close(self) -> None:
        """Write what is left. The file stays open."""
        ...


class JsonLines:
    """The events as they are, one a line, with all that this version does not know."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, raw: bytes, event: Struct) -> None:
        """Write one event."""
        if b"\n" in raw or b"\r" in raw:
            raw = msgspec.json.format(raw, indent=-1)
        self._file.write(raw + b"\n")

    def close(self) -> None:
        """Do nothing: each event is written when it comes."""


class Csv:
    """RFC 4180 with a header, UTF-8. Lists are joined by ``;``; what a spreadsheet would take for a
    formula gets an apostrophe before it.
    """

    def __init__(self, file: BinaryIO, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
        self._csv = csv.writer(self._text)
        self._csv.writerow(column.name for column in columns)

    def write(self, raw: bytes, event: Struct) -> None:
        """Write one row."""
        cells = zip(self._columns, row(self._columns, event), strict=True)
        self._csv.writerow(_cell(column.type, cell) for column, cell in cells)

    def close(self) -> None:
        """Let go of the file."""
        self._text.detach()


def _cell(kind: Type, cell: Cell) -> str | float | None:
    if cell is None:
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, list):
        return harmless(";".join(cell))
    if isinstance(cell, str):
        return harmless(cell)
    return rfc3339(int(cell)) if kind is Type.TIME else cell


def harmless(text: str) -> str:
    """Return ``text`` so that no spreadsheet runs it: with an apostrophe before what it could."""
    inner = _INNER.sub("'", text)
    return "'" + inner if text[:1] in FORMULA and text else inner


class Parquet:
    """Typed columns in row groups, compressed with zstd.

    Raises:
        Misconfigured: pyarrow is not installed.
    """

    def __init__(self, file: BinaryIO, columns: Sequence[Column]) -> None:
        self._arrow, parquet = _pyarrow("pyarrow"), _pyarrow("pyarrow.parquet")
        self._columns = columns
        types = {
            Type.TEXT: self._arrow.string(),
            Type.WHOLE: self._arrow.int64(),
            Type.NUMBER: self._arrow.float64(),
            Type.YES_NO: self._arrow.bool_(),
            Type.TIME: self._arrow.timestamp("ms", "UTC"),
            Type.LIST: self._arrow.list_(self._arrow.string()),
        }
        fields = [self._arrow.field(one.name, types[one.type]) for one in columns]
        self._schema = self._arrow.schema(fields)
        self._writer = parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._rows: list[list[Cell]] = []
        self._bytes = 0

    def write(self, raw: bytes, event: Struct) -> None:
        """Add one row; a full row group is written."""
        self._rows.append(row(self._columns, event))
        self._bytes += len(raw)
        if len(self._rows) >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        """Write the last row group and the footer."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if not self._rows:
            return
        arrays = [
            self._arrow.array(cells, field.type)
            for cells, field in zip(zip(*self._rows, strict=True), self._schema, strict=True)
        ]
        self._writer.write_batch(self._arrow.record_batch(arrays, schema=self._schema))
        self._rows, self._bytes = [], 0


def _pyarrow(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Misconfigured(
            f"--format parquet needs pyarrow ({error}): pip install 'tocsin[export]'"
        ) from error


def writer(kind: Format, file: BinaryIO, columns: Sequence[Column]) -> Writer:
    """Return the writer of a format.

    Raises:
        Misconfigured: what it needs is not installed; the message says how to.
    """
    if kind is Format.JSONL:
        return JsonLines(file)
    return Csv(file, columns) if kind is Format.CSV else Parquet(file, columns)


@contextmanager
def whole(path: Path, *, force: bool) -> Iterator[BinaryIO]:
    """Yield a file that gets the name ``path`` when the block ends well, and is removed otherwise.

    Raises:
        Misconfigured: ``path`` is there and not to be replaced, or cannot be written.
    """

    def refuse_to_replace() -> None:
        if path.exists() and not force:
            raise Misconfigured(f"{path} is there already; --force replaces it")

    refuse_to_replace()
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.unlink(
            missing_ok=True
        )  # of a process that was killed, or a link that somebody planted
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        refuse_to_replace()
        part.replace(path)
    except OSError as error:
        raise Misconfigured(f"{path}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
