"""Dates and times as people write them in each language, without the locales of the system."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from shared.errors import Misconfigured


class Dates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The words of a language. ``first`` is how the first of a month is written, "" like the others.

    ``moment`` has the fields weekday, day, month, year, time and zone; ``date`` has day, month, year.
    The names stand in the case that the templates need.
    """

    months: Annotated[tuple[str, ...], msgspec.Meta(min_length=12, max_length=12)]
    weekdays: Annotated[tuple[str, ...], msgspec.Meta(min_length=7, max_length=7)]
    moment: str
    date: str
    first: str = ""


def zone(name: str) -> ZoneInfo:
    """Return an IANA time zone.

    Raises:
        Misconfigured: there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Misconfigured(f"{name!r} is no IANA time zone, such as Europe/Berlin") from error


def moment(at: int, where: tzinfo, words: Dates) -> str:
    """Return an instant (ms) as a local date and time that names its zone."""
    local = _local(at, where)
    return words.moment.format(
        weekday=words.weekdays[local.weekday()],
        time=f"{local:%H:%M}",
        zone=_offset(local),
        **_day(local, words),
    )


def date(at: int, where: tzinfo, words: Dates) -> str:
    """Return the local date of an instant (ms)."""
    return words.date.format(**_day(_local(at, where), words))


def _local(at: int, where: tzinfo) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)).astimezone(where)


def _day(local: datetime, words: Dates) -> dict[str, str]:
    day = words.first if local.day == 1 and words.first else str(local.day)
    return {"day": day, "month": words.months[local.month - 1], "year": str(local.year)}


def _offset(local: datetime) -> str:
    """Return the zone as ``UTC+2``: every language reads it, and summer time is in it."""
    minutes = round((local.utcoffset() or timedelta()).total_seconds() / 60)
    if not minutes:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'+' if minutes > 0 else '-'}{hours}" + (f":{rest:02}" if rest else "")
