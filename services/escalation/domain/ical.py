"""Holidays out of an iCalendar file (RFC 5545), for a person to approve.

Published calendars list days as holidays on which people work (zammad#390): whatever is read here
is not active. All-day events count, each local date once; events with a time of day only get
counted. Repetitions are expanded by RRULE, RDATE and EXDATE; a changed occurrence (RECURRENCE-ID)
replaces the one it names.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import icalendar
from dateutil.rrule import rrulestr

from services.escalation.domain.calendar import Holiday
from shared.events import Struct

_ONE_DAY: Final = timedelta(days=1)
_FREQUENCIES: Final = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")


class Import(Struct, frozen=True):
    """What a file holds: ``holidays`` by date, none active; ``timed`` events were left out."""

    holidays: tuple[Holiday, ...] = ()
    timed: int = 0


def holidays_from(text: str, zone: str, years: range) -> Import:
    """Return the all-day events of ``text`` whose local dates are in ``years``.

    ``zone`` gives a date to the instants that a repetition names (UNTIL, EXDATE). Cancelled events
    are left out; events on one date share a Holiday. ValueError tells what cannot be read.
    """
    if not years:
        raise ValueError("no years to read the holidays of")
    try:
        place = ZoneInfo(zone)
    except (KeyError, ValueError, OSError):  # unknown; not a name; a directory of zones
        raise ValueError(f"{zone!r} is not an IANA time zone") from None
    events = _events(text)
    replaced = [(str(event.get("UID")), _replaces(event, place)) for event in events]
    names: dict[date, dict[str, None]] = {}
    timed = 0
    for event in events:
        if str(event.get("STATUS", "")).upper() == "CANCELLED":
            continue
        if isinstance(event.start, datetime):
            timed += 1
            continue
        without = {day for uid, day in replaced if uid == str(event.get("UID"))}
        for day in _dates(event, without, place, years):
            names.setdefault(day, {})[str(event.get("SUMMARY", "")).strip()] = None
    holidays = (
        Holiday(date=day.isoformat(), name=" / ".join(filter(None, found)), active=False)
        for day, found in sorted(names.items())
    )
    return Import(holidays=tuple(holidays), timed=timed)


def _events(text: str) -> list[icalendar.Event]:
    """Return the events of a calendar file, every property of which could be read."""
    try:
        # As bytes: the library takes a string that names a file for that file.
        calendar = icalendar.Calendar.from_ical(text.encode())
    except (ValueError, KeyError, IndexError) as error:
        raise ValueError(f"not an iCalendar file: {error}") from error
    if calendar.name != "VCALENDAR":
        raise ValueError(f"not an iCalendar file: it holds a {calendar.name}, not a VCALENDAR")
    events = [event for event in calendar.walk("VEVENT") if isinstance(event, icalendar.Event)]
    for event in events:
        # The library keeps what it cannot read apart: a rule must not be lost without a word.
        problem = "; ".join(": ".join(filter(None, found)) for found in event.errors)
        try:
            if not problem and event.start > event.end:
                problem = f"DTEND {event.end} is before DTSTART {event.start}"
        except (ValueError, TypeError) as error:
            problem = str(error)
        if problem:
            raise ValueError(f"{_name(event)}: {problem}")
    return events


def _replaces(event: icalendar.Event, zone: ZoneInfo) -> date | None:
    """Return the date of the occurrence that an event stands for; None: it is one by itself."""
    found = event.get("RECURRENCE-ID")
    if found is None:
        return None
    if isinstance(found, icalendar.vDDDTypes) and isinstance(found.dt, date):
        return _day(found.dt, zone)
    raise ValueError(f"{_name(event)}: RECURRENCE-ID is not one date")


def _name(event: icalendar.Event) -> str:
    """Return what a person recognises an event by."""
    return f"event {event.get('SUMMARY') or event.get('UID') or 'without a name'}"


def _dates(
    event: icalendar.Event, without: set[date | None], zone: ZoneInfo, years: range
) -> Iterator[date]:
    """Yield every local date in ``years`` that an all-day event covers, one per occurrence.

    An occurrence in ``without`` is replaced by an event of its own, unless this is that event.
    """
    start, length = event.start, max(event.end - event.start, _ONE_DAY)
    first, last = date(min(years), 1, 1), date(max(years), 12, 31)
    skipped: set[date | None] = {_day(at, zone) for at in event.exdates}
    if "RECURRENCE-ID" not in event:
        skipped |= without
    begins = {start, *(_day(found[0], zone) for found in event.rdates)}
    for rule in event.rrules:
        begins |= set(_occurrences(event, rule, zone, first - min(length, first - date.min), last))
    for begin in begins - skipped:
        for number in range(max((first - begin).days, 0), length.days):
            day = begin + timedelta(days=number)
            if day > last:
                break
            if day.year in years:
                yield day


def _occurrences(
    event: icalendar.Event, rule: icalendar.vRecur, zone: ZoneInfo, first: date, last: date
) -> Iterator[date]:
    """Yield the dates from ``first`` to ``last`` on which a repetition begins."""
    frequency = str(rule.get("FREQ", ["none"])[0]).upper()
    if frequency not in _FREQUENCIES:
        raise ValueError(f"{_name(event)}: FREQ={frequency} does not repeat whole days")
    if min(rule.get("INTERVAL", [1])) < 1:
        raise ValueError(f"{_name(event)}: the INTERVAL of a repetition is at least 1")
    local = icalendar.vRecur(rule)
    if "UNTIL" in local:
        local["UNTIL"] = [_day(at, zone) for at in local["UNTIL"]]
    begin, end = datetime.combine(first, time.min), datetime.combine(last, time.min)
    try:
        written = local.to_ical().decode()  # type: ignore[no-untyped-call]
        repetition = rrulestr(written, dtstart=datetime.combine(event.start, time.min))
        found = repetition.between(begin, end, inc=True)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{_name(event)}: RRULE: {error}") from error
    return (at.date() for at in found)


def _day(at: date | datetime, zone: ZoneInfo) -> date:
    """Return the local date of a date, an instant or a time without a zone."""
    if isinstance(at, datetime):
        return (at.astimezone(zone) if at.tzinfo else at).date()
    return at
