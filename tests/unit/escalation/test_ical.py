"""iCalendar files: what becomes a holiday, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.escalation.domain.ical import Import, holidays_from


def file(*events: str) -> str:
    """Return a calendar of ``events``, each the lines of one."""
    bodies = "".join(f"BEGIN:VEVENT\n{event}\nEND:VEVENT\n" for event in events)
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n{bodies}END:VCALENDAR\n"


def read(*events: str, years: range = range(2026, 2028), zone: str = "Europe/Berlin") -> Import:
    """Return what ``events`` hold."""
    return holidays_from(file(*events), zone, years)


def dates(*events: str, years: range = range(2026, 2028), zone: str = "Europe/Berlin") -> list[str]:
    """Return the dates that ``events`` hold."""
    return [holiday.date for holiday in read(*events, years=years, zone=zone).holidays]


def whole(start: str, *more: str) -> str:
    """Return the lines of an all-day event."""
    return "\n".join(("UID:a", f"DTSTART;VALUE=DATE:{start}", *more))


def test_a_day_needs_approval() -> None:
    (holiday,) = read(whole("20260101", "SUMMARY:New Year")).holidays
    assert (holiday.date, holiday.name, holiday.active) == ("2026-01-01", "New Year", False)


def test_days_of_one_event() -> None:
    three = whole("20261230", "DTEND;VALUE=DATE:20270102")
    assert dates(three) == ["2026-12-30", "2026-12-31", "2027-01-01"]
    assert dates(three, years=range(2027, 2028)) == ["2027-01-01"]
    assert dates(whole("20260101", "DURATION:P2D")) == ["2026-01-01", "2026-01-02"]
    assert dates(whole("20260101", "DTEND;VALUE=DATE:20260101")) == ["2026-01-01"]


def test_repetitions() -> None:
    yearly = whole("20201225", "RRULE:FREQ=YEARLY", "DTEND;VALUE=DATE:20201227")
    assert dates(yearly, years=range(2026, 2027)) == ["2026-12-25", "2026-12-26"]
    thanksgiving = whole("20201126", "RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH")
    assert dates(thanksgiving) == ["2026-11-26", "2027-11-25"]
    assert dates(whole("20200229", "RRULE:FREQ=YEARLY"), years=range(2026, 2033)) == [
        "2028-02-29",
        "2032-02-29",
    ]


def test_a_repetition_that_began_in_the_year_before() -> None:
    new_year = whole("20201231", "DTEND;VALUE=DATE:20210102", "RRULE:FREQ=YEARLY")
    assert dates(new_year, years=range(2026, 2027)) == ["2026-01-01", "2026-12-31"]


def test_the_end_of_a_repetition_is_local() -> None:
    daily = whole("20260101", "RRULE:FREQ=DAILY;UNTIL=20260102T233000Z")
    assert dates(daily) == ["2026-01-01", "2026-01-02", "2026-01-03"]
    assert dates(daily, zone="America/Sao_Paulo") == ["2026-01-01", "2026-01-02"]


def test_more_and_fewer_dates() -> None:
    event = whole(
        "20260101",
        "RRULE:FREQ=DAILY;COUNT=3",
        "EXDATE;VALUE=DATE:20260102",
        "RDATE;VALUE=DATE:20260201",
    )
    assert dates(event) == ["2026-01-01", "2026-01-03", "2026-02-01"]


def test_a_changed_occurrence_replaces_the_one_it_names() -> None:
    master = whole("20260101", "RRULE:FREQ=YEARLY")
    moved = whole("20270104", "RECURRENCE-ID;VALUE=DATE:20270101")
    cancelled = whole("20270101", "RECURRENCE-ID;VALUE=DATE:20270101", "STATUS:CANCELLED")
    in_place = whole("20270101", "RECURRENCE-ID;VALUE=DATE:20270101")
    assert dates(master, moved) == ["2026-01-01", "2027-01-04"]
    assert dates(master, cancelled) == ["2026-01-01"]
    assert dates(master, in_place) == ["2026-01-01", "2027-01-01"]


def test_one_date_is_one_holiday() -> None:
    found = read(
        whole("20260501", "SUMMARY:Labour Day"),
        whole("20260501", "SUMMARY:May Day"),
        whole("20260501", "SUMMARY:May Day"),
    )
    assert [holiday.name for holiday in found.holidays] == ["Labour Day / May Day"]


def test_timed_events_are_counted() -> None:
    timed = "UID:b\nDTSTART:20260101T100000Z\nDTEND:20260101T110000Z"
    found = read(timed, whole("20260102"))
    assert [holiday.date for holiday in found.holidays] == ["2026-01-02"]
    assert found.timed == 1
    assert read(whole("20260102", "STATUS:CANCELLED")) == Import()


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (whole("20261301"), "event a: DTSTART: Wrong date format"),
        (whole("20260101", "RRULE:FREQ=NEVER", "SUMMARY:x"), "event x: RRULE: Expected frequency"),
        (whole("20260101", "RRULE:FREQ=SECONDLY"), "SECONDLY does not repeat whole days"),
        (whole("20260101", "RRULE:FREQ=DAILY;INTERVAL=0"), "INTERVAL of a repetition is at least"),
        (whole("20260105", "DTEND;VALUE=DATE:20260101"), "DTEND 2026-01-01 is before DTSTART"),
        (whole("20260105", "no property"), "Invalid content line"),
        ("SUMMARY:x", "event x: No DTSTART given"),
        ("DTSTART:20260101T100000Z\nDTEND;VALUE=DATE:20260101", "event without a name: DTSTART"),
        (whole("20260101", "RECURRENCE-ID:20261301"), "event a: RECURRENCE-ID"),
        (whole("20260101", "RRULE:COUNT=3"), "event a: FREQ=NONE does not"),
    ],
)
def test_events_that_are_refused(event: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        read(event)


def test_files_that_are_refused(tmp_path: Path) -> None:
    for text in ("", "garbage", "BEGIN:VCALENDAR\n", "BEGIN:VEVENT\nEND:VEVENT\n", file() * 2):
        with pytest.raises(ValueError, match="not an iCalendar file"):
            holidays_from(text, "UTC", range(2026, 2027))
    path = tmp_path / "holidays.ics"  # a text that names a file is not that file
    path.write_text(file(whole("20260101")))
    with pytest.raises(ValueError, match="not an iCalendar file"):
        holidays_from(str(path), "UTC", range(2026, 2027))
    with pytest.raises(ValueError, match="'Mars' is not an IANA time zone"):
        holidays_from(file(), "Mars", range(2026, 2027))
    with pytest.raises(ValueError, match="no years"):
        holidays_from(file(), "UTC", range(0))
