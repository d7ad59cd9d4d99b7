"""Times as platforms write them → ms since the epoch, UTC, and how far they can be trusted.

A stated time that makes no sense (year 0, seconds taken for milliseconds, no date at all) is None:
it never costs the item.
"""

from __future__ import annotations

import datetime as dt
import re
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from shared.events import TimeQuality

EARLIEST_MS = 631_152_000_000  # 1990: below lie the zero dates of other systems
LATEST_MS = 253_402_300_799_999  # year 9999

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)
_NUMBER = re.compile(r"-?\d{1,20}(?:\.\d{1,9})?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TWITTER = "%a %b %d %H:%M:%S %z %Y"
_MAX_CHARS = 64
# Magnitudes that overlap nowhere between 1990 and 9999, but for ms before 2001 and s after 4970.
_SECONDS_BELOW = 10**11
_MILLISECONDS_BELOW = 10**14


class Stated(NamedTuple):
    """A time and its quality; both None if nothing usable was stated."""

    at: int | None
    quality: TimeQuality | None


UNSTATED = Stated(None, None)


def stated(value: str | float | None) -> Stated:
    """Return the time in ``value``.

    Numbers are epoch seconds, milliseconds or microseconds by their magnitude, as text too; text is
    ISO 8601, RFC 5322 (mail) or the form of X. Without a zone it is taken for UTC and marked.
    """
    if value is None or value == "":
        return UNSTATED
    if isinstance(value, int | float):
        return _number(value)
    text = value.strip()[:_MAX_CHARS]
    if _NUMBER.fullmatch(text):
        return _number(float(text) if "." in text else int(text))
    for read in (_iso, _mail, _twitter):
        parsed = read(text)
        if parsed is not None:
            return _moment(parsed, date_only=_DATE.fullmatch(text) is not None)
    return UNSTATED


def _number(value: float) -> Stated:
    if value != value or value in {float("inf"), float("-inf")}:  # noqa: PLR0124
        return UNSTATED
    size = abs(value)
    if size < _SECONDS_BELOW:
        at = int(value * 1000)
    else:
        at = int(value) if size < _MILLISECONDS_BELOW else int(value) // 1000
    return Stated(at, TimeQuality.EXACT) if EARLIEST_MS <= at <= LATEST_MS else UNSTATED


def _moment(value: dt.datetime, *, date_only: bool) -> Stated:
    quality = TimeQuality.EXACT
    if value.tzinfo is None:
        value = value.replace(tzinfo=dt.UTC)
        quality = TimeQuality.ASSUMED_UTC
    try:
        at = (value - _EPOCH) // _MILLISECOND
    except OverflowError:
        return UNSTATED
    if not EARLIEST_MS <= at <= LATEST_MS:
        return UNSTATED
    return Stated(at, TimeQuality.DATE_ONLY if date_only else quality)


def _iso(text: str) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        return None


def _mail(text: str) -> dt.datetime | None:
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _twitter(text: str) -> dt.datetime | None:
    try:
        return dt.datetime.strptime(text, _TWITTER)  # noqa: DTZ007 (%z is required in it)
    except ValueError:
        return None
