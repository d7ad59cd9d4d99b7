"""A file in one of the formats → steps: what one line, row or message of it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO, NamedTuple

from services.ingest.channels.email.message import parse_message
from services.ingest.channels.email.parts import Envelope
from services.ingest.channels.exports import chatwoot_line, zendesk_ticket
from services.ingest.channels.fields import Layout, data_item
from services.ingest.channels.item import Item
from services.ingest.channels.provider import Delivery, Settings, Unfit
from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.channels.tables import read_rows
from services.ingest.importing.formats import Format
from services.ingest.sources.files import Piece, lines, messages, whole

MAX_LINE = 256 * 1024
MAX_EXPORT_LINE = 16 * 1024 * 1024
"""A ticket with all of its comments is one line."""

MAX_MESSAGE = 32 * 1024 * 1024
MAX_KEPT = 600_000
"""Of what is unfit so much goes into the dead letter."""

ROW_BYTES = 2_000
"""What a row of a table is taken to weigh."""

Entry = Item | Unfit
Reader = Callable[[bytes], Delivery]


class Step(NamedTuple):
    """What is acknowledged together: all that one line (row, message) holds; ``size`` in bytes."""

    line: int
    entries: tuple[Entry, ...]
    ignored: int = 0
    size: int = 0


class Recipe(NamedTuple):
    """How to read a file; ``columns`` maps fields to names (``text`` → ``Comment``)."""

    format: Format
    settings: Settings
    columns: Mapping[str, str]
    now: int


def steps(stream: BinaryIO, recipe: Recipe) -> Iterator[Step]:
    """Yield what is in ``stream``, in order; what cannot become an item is unfit, with its line.

    Raises:
        Rejected: the file as a whole cannot be read (a table without a header).
    """
    if recipe.format is Format.CSV:
        yield from _rows(stream, recipe)
        return
    pieces, limit = _PIECES[recipe.format]
    read = _reader(recipe)
    for piece in pieces(stream, limit):
        yield _step(piece, read, limit)


_PIECES: Mapping[Format, tuple[Callable[[BinaryIO, int], Iterator[Piece]], int]] = {
    Format.JSONL: (lines, MAX_LINE),
    Format.ZENDESK: (lines, MAX_EXPORT_LINE),
    Format.CHATWOOT: (lines, MAX_EXPORT_LINE),
    Format.MBOX: (messages, MAX_MESSAGE),
    Format.EML: (whole, MAX_MESSAGE),
}


def _reader(recipe: Recipe) -> Reader:
    if recipe.format is Format.ZENDESK:
        return zendesk_ticket
    if recipe.format is Format.CHATWOOT:
        return chatwoot_line
    if recipe.format is Format.JSONL:
        layout = Layout.of(recipe.settings.options, recipe.columns)
        return lambda data: Delivery(items=(data_item(data, layout),))

    def mail(data: bytes) -> Delivery:
        return Delivery(items=(parse_message(data, Envelope(), recipe.settings, recipe.now),))

    return mail


def _step(piece: Piece, read: Reader, limit: int) -> Step:
    try:
        if piece.cut:
            raise Rejected(Refusal.TOO_LARGE, f"longer than {limit} bytes")
        found = read(piece.data)
    except Rejected as rejected:
        found = Delivery(unfit=(Unfit.of(rejected, piece.data),))
    unfit = (_unfit(part, piece.line) for part in found.unfit)
    return Step(
        piece.line, (*found.items, *unfit), ignored=len(found.ignored), size=len(piece.data)
    )


def _rows(stream: BinaryIO, recipe: Recipe) -> Iterator[Step]:
    for row in read_rows(stream, recipe.columns, recipe.settings):
        entry = row.item or row.unfit
        yield Step(row.line, () if entry is None else (entry,), size=ROW_BYTES)


def _unfit(unfit: Unfit, line: int) -> Unfit:
    return Unfit(unfit.reason, f"line {line}: {unfit.detail}", unfit.payload[:MAX_KEPT])
