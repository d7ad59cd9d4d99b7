"""Tables as people export them (CSV of Excel, review sites, survey tools) → items, row by row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

import msgspec

from services.ingest.channels.item import Item
from services.ingest.channels.provider import Settings, Unfit


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One row: ``line`` is where it begins in the file (1 is the first); either ``item`` or ``unfit``."""

    line: int
    item: Item | None = None
    unfit: Unfit | None = None


def columns(assignments: Iterable[str]) -> dict[str, str]:
    """Return ``field=Column`` assignments as a mapping, e.g. ``text=Comment``.

    Raises:
        ValueError: one is no assignment, or its field does not exist.
    """
    raise NotImplementedError


def read_rows(stream: BinaryIO, mapping: Mapping[str, str], settings: Settings) -> Iterator[Row]:
    """Yield the rows of the table in ``stream``, which is read once, from where it stands.

    ``mapping`` says which column holds a field (``columns``); the others are guessed by their names.

    Raises:
        Rejected: it has no header, or no column for what is to be read.
    """
    raise NotImplementedError
