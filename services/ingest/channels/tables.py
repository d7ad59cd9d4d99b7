"""Tables as people export them (CSV of Excel, review sites, survey tools) → items, row by row.

Separated by ``,`` ``;`` tab or ``|``; UTF-8, UTF-16 with its mark, or cp1252. Cells are text and nothing
else: what begins with ``=`` is no formula here. Only mapped columns are read; others may hold anything,
also personal data that nobody meant to hand over.
"""

from __future__ import annotations

import csv
import datetime as dt
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

import msgspec

from services.ingest.channels.item import Item, Scalar, derived, with_title
from services.ingest.channels.provider import Settings, Unfit
from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.channels.reviews.names import public_name
from services.ingest.channels.reviews.stars import HIGHEST, LOWEST, stars
from services.ingest.channels.reviews.territories import country
from services.ingest.channels.table_columns import ATTRIBUTE, FIELDS, columns, located
from services.ingest.channels.table_lines import Line, Record, Records, lines
from services.ingest.channels.times import UNSTATED, Stated, stated
from shared.errors import Misconfigured
from shared.events import Channel, Medium, Product, Rating

__all__ = ["FIELDS", "OPTIONS", "Row", "columns", "read_rows"]

OPTIONS = {
    "channel": "channel of the items (reviews)",
    "delimiter": "character between cells, where the guess is wrong; tab for a tab",
    "encoding": "Python's name of the encoding, where it is neither Unicode nor cp1252",
    "rating_min": "lowest rating (1)",
    "rating_max": "highest rating (5)",
    "date_order": "dmy or mdy, for dates such as 03/04/2026",
}
_DELIMITERS = ",;\t|"
_NONE_OF_THEM = "\x1f"  # a table of one column may have any of them in its text
_SEPARATOR = re.compile(r"sep=(.)\s*")  # Excel's own first line
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8}){0,4}")
_COUNTRY = re.compile(r"[A-Za-z]{2}")
_NOTHING = frozenset({"", "-", "--", "n/a", "na", "none", "null", "nan"})
_DATE = re.compile(
    r"(?P<a>\d{1,2})(?P<mark>[./-])(?P<b>\d{1,2})(?P=mark)(?P<year>\d{4}|\d{2})"
    r"(?:,?[ T]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?\s?(?P<half>[AaPp][Mm])?)?"
)
_MONTH_FIRST = frozenset({"US", "PH", "FM", "MH", "PW"})


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One row: ``line`` is where it begins in the file (1 is the first); ``item`` or ``unfit``."""

    line: int
    item: Item | None = None
    unfit: Unfit | None = None


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How the rows of one table are read."""

    places: dict[str, int]
    width: int
    channel: Channel
    lowest: float
    highest: float
    month_first: bool | None


def read_rows(stream: BinaryIO, mapping: Mapping[str, str], settings: Settings) -> Iterator[Row]:
    """Yield the rows of the table in ``stream``, which is read once, from where it stands.

    ``mapping`` says which column holds a field (``columns``); the others are guessed by their names.
    Empty rows are left out. Memory is constant. Without an id a row is known by what it says, so that
    a newer export of the same table repeats no item.

    Raises:
        Rejected: there is no header, or no column for what is to be read.
        Misconfigured: one of ``OPTIONS`` makes no sense.
    """
    try:
        source = lines(stream, settings.option("encoding"))
        delimiter, source = _delimiter(source, settings)
    except LookupError as error:
        raise Misconfigured(f"encoding: {error}") from error
    records = Records(source, delimiter)
    header = next((found for found in records if found.fault or any(found.cells)), None)
    if header is None:
        raise Rejected(Refusal.EMPTY, "a table without a header")
    if header.fault is not None:
        raise Rejected(Refusal.BAD_VALUE, f"line {header.line}: the header: {header.fault}")
    plan = _plan(header.cells, mapping, settings)
    records.width = plan.width
    for record in records:
        if record.fault is not None or any(cell.strip() for cell in record.cells):
            try:
                yield Row(line=record.line, item=_item(record, plan))
            except Rejected as rejected:
                detail = f"line {record.line}: {rejected.detail}"
                yield Row(line=record.line, unfit=Unfit(rejected.reason, detail, record.raw))


def _delimiter(source: Iterator[Line], settings: Settings) -> tuple[str, Iterator[Line]]:
    """Return what separates the cells of the first line that has any, and all lines from there on."""
    said = settings.option("delimiter").replace("tab", "\t")
    for line in source:
        if line.number == 1 and (match := _SEPARATOR.fullmatch(line.text)):
            said = said or match[1]
        elif line.raw.strip():
            cells = {mark: _width(line.text, mark) for mark in _DELIMITERS}
            best = max(cells, key=cells.__getitem__)
            guess = best if cells[best] > 1 else _NONE_OF_THEM
            if len(said) > 1 or said in {'"', "\r", "\n"}:
                raise Misconfigured(f"delimiter: {said!r} is not one character")
            return said or guess, itertools.chain([line], source)
    return ",", iter(())


def _width(text: str, delimiter: str) -> int:
    try:
        return len(next(csv.reader([text], delimiter=delimiter), []))
    except csv.Error:
        return 0


def _plan(header: Sequence[str], mapping: Mapping[str, str], settings: Settings) -> _Plan:
    order = settings.option("date_order")
    region = (settings.region or "").upper()
    if order not in {"", "dmy", "mdy"}:
        raise Misconfigured(f"date_order: {order!r} is neither dmy nor mdy")
    month_first = order == "mdy" if order else (region in _MONTH_FIRST if region else None)
    try:
        return _Plan(
            places=located(header, mapping),
            width=len(header),
            channel=Channel(settings.option("channel", Channel.REVIEWS)),
            lowest=float(settings.option("rating_min", str(LOWEST))),
            highest=float(settings.option("rating_max", str(HIGHEST))),
            month_first=month_first,
        )
    except ValueError as error:
        raise Misconfigured(f"channel, rating_min or rating_max: {error}") from error


def _item(record: Record, plan: _Plan) -> Item:
    cells = _cells(record, plan)
    text = with_title(cells.get("title"), cells.get("text", ""))
    rating, unread = _rating(cells.get("rating", ""), plan)
    if not text.strip() and rating is None:
        raise Rejected(Refusal.EMPTY_TEXT, "neither text nor a rating that can be read")
    at = _time(cells.get("date", ""), plan)
    attributes: dict[str, Scalar] = {
        field.removeprefix(ATTRIBUTE): cell
        for field, cell in cells.items()
        if field.startswith(ATTRIBUTE)
    }
    if unread:
        attributes["rating_stated"] = unread
    if at is UNSTATED and "date" in cells:
        attributes["date_stated"] = cells["date"]
    return Item(
        native_id=cells.get("id") or _known_by(cells),
        channel=plan.channel,
        medium=Medium.REVIEW if plan.channel is Channel.REVIEWS else None,
        title=cells.get("title"),
        text=text,
        author=cells.get("author"),
        display_name=public_name(cells.get("name")),
        thread_id=cells.get("thread"),
        url=cells.get("url"),
        language=_language(cells.get("language", "")),
        country=_country(cells.get("country", "")),
        occurred_at=at.at,
        time_quality=at.quality,
        rating=rating,
        product=_product(cells),
        attributes=attributes,
    )


def _cells(record: Record, plan: _Plan) -> dict[str, str]:
    """Return the cells that hold something, by field."""
    if record.fault is not None:
        raise Rejected(Refusal.BAD_VALUE, record.fault)
    found = len(record.cells)
    # Old versions of Excel leave out empty cells at the end, and more rows have too many of them.
    extra = any(cell.strip() for cell in record.cells[plan.width :])
    if extra or (record.doubtful and found < plan.width):
        raise Rejected(Refusal.BAD_VALUE, f"{found} cells, the header has {plan.width}")
    return {
        field: cell
        for field, index in plan.places.items()
        if index < found and (cell := record.cells[index].strip())
    }


def _known_by(cells: Mapping[str, str]) -> str:
    named = ("author", "name", "date", "title", "text", "rating", "url", "location", "order")
    return derived(*(cells.get(field) for field in named))


def _rating(cell: str, plan: _Plan) -> tuple[Rating | None, str | None]:
    """Return the rating, else what stood in its place: a text is not lost for a bad rating."""
    if cell.casefold() in _NOTHING:
        return None, None
    rating = stars(cell, plan.lowest, plan.highest)
    return rating, (None if rating is not None else cell)


def _time(cell: str, plan: _Plan) -> Stated:
    match = _DATE.fullmatch(cell)
    if match is None:
        return stated(cell)
    a, b, year = int(match["a"]), int(match["b"]), int(match["year"])
    month_first = plan.month_first
    if month_first is None:  # only where there is no doubt
        month_first = None if a <= 12 and b <= 12 and a != b else b > 12
        month_first = False if match["mark"] == "." else month_first
    if month_first is None:
        return UNSTATED
    month, day = (a, b) if month_first else (b, a)
    try:
        date = dt.date(year + 2000 if year < 100 else year, month, day).isoformat()
    except ValueError:
        return UNSTATED
    if match["hour"] is None:
        return stated(date)
    hour = int(match["hour"])
    if half := (match["half"] or "").lower():
        hour = hour % 12 + (12 if half == "pm" else 0)
    return stated(f"{date}T{hour:02d}:{match['minute']}:{match['second'] or '00'}")


def _language(cell: str) -> str | None:
    return cell.replace("_", "-") if _LANGUAGE.fullmatch(cell) else None


def _country(cell: str) -> str | None:
    return cell.upper() if _COUNTRY.fullmatch(cell) else country(cell)


def _product(cells: Mapping[str, str]) -> Product | None:
    version, location, order = (cells.get(field) for field in ("version", "location", "order"))
    if version is None and location is None and order is None:
        return None
    return Product(version=version, location_id=location, order_ref=order)
