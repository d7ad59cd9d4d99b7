"""Business calendars: the vectors of the specification, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest

from services.escalation.domain.calendar import (
    DAY,
    HORIZON,
    HOUR,
    MINUTE,
    Calendar,
    Holiday,
    Span,
    Window,
    WorkingTime,
    problems,
)

EARLY = "01:00-04:00"
OFFICE = "09:00-17:00"


def ms(text: str, zone: str = "UTC", fold: int = 0) -> int:
    """Return a local time of ``zone`` as milliseconds since the epoch."""
    local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return int(local.timestamp() * 1000)


def windows(*texts: str) -> tuple[Window, ...]:
    """Return the windows of one day."""
    return tuple(map(Window.parse, texts))


def daily(zone: str, *texts: str, holidays: tuple[Holiday, ...] = ()) -> WorkingTime:
    """Return the same windows for all seven days."""
    week = (windows(*texts),) * 7
    return WorkingTime(Calendar(name="daily", zone=zone, week=week, holidays=holidays))


def office(*texts: str, zone: str = "UTC", holidays: tuple[Holiday, ...] = ()) -> WorkingTime:
    """Return Monday to Friday, 9 to 17 unless ``texts`` say otherwise."""
    week = (windows(*(texts or (OFFICE,))),) * 5 + ((), ())
    return WorkingTime(Calendar(name="office", zone=zone, week=week, holidays=holidays))


def on(work: WorkingTime, day: str, zone: str) -> float:
    """Return the working hours of one local day."""
    begin = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone))
    following = begin.replace(day=begin.day + 1)
    return work.elapsed(int(begin.timestamp() * 1000), int(following.timestamp() * 1000)) / HOUR


@pytest.mark.parametrize(
    ("zone", "day", "window", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", EARLY, 2),
        ("Europe/Berlin", "2026-10-25", EARLY, 4),
        ("Europe/Berlin", "2026-10-24", EARLY, 3),
        ("Europe/Berlin", "2026-03-29", "00:00-24:00", 23),
        ("Europe/Berlin", "2026-10-25", "00:00-24:00", 25),
        ("Europe/Berlin", "2026-03-29", "02:00-03:00", 0),  # all of it is skipped
        ("Europe/Berlin", "2026-03-29", "01:30-02:30", 0.5),  # ends where the gap begins
        ("Europe/Berlin", "2026-03-29", "02:30-04:00", 1),  # starts where the gap ends
        ("Europe/Berlin", "2026-10-25", "02:00-03:00", 2),  # both times
        ("Europe/Berlin", "2026-10-25", "01:00-02:30", 2.5),  # the end is the second 02:30
        ("Europe/Berlin", "2026-10-25", "02:30-04:00", 2.5),  # the start is the first 02:30
        ("America/Sao_Paulo", "2026-10-18", "00:00-24:00", 24),  # no change since 2019
        ("America/Sao_Paulo", "2026-02-15", "00:00-24:00", 24),
        ("America/Sao_Paulo", "2018-11-04", "00:00-24:00", 23),  # there was no midnight
        ("America/Sao_Paulo", "2018-02-17", "00:00-24:00", 25),  # 23:00 came twice
        ("Asia/Kolkata", "2026-03-29", OFFICE, 8),
        ("Australia/Lord_Howe", "2026-04-05", EARLY, 3.5),
        ("Australia/Lord_Howe", "2026-10-04", EARLY, 2.5),
        ("Australia/Lord_Howe", "2026-10-04", "02:00-02:30", 0),
        ("UTC", "2028-02-28", OFFICE, 8),
    ],
)
def test_hours_of_a_day(zone: str, day: str, window: str, hours: float) -> None:
    assert on(daily(zone, window), day, zone) == hours


def test_kolkata_opens_at_half_past_three_utc() -> None:
    work = daily("Asia/Kolkata", OFFICE)
    assert work.next_open(ms("2026-01-05T00:00")) == ms("2026-01-05T03:30")
    assert work.add(ms("2026-01-05T00:00"), 8 * HOUR) == ms("2026-01-05T11:30")


def test_windows_that_meet_across_a_repeated_hour_count_once() -> None:
    split = daily("Europe/Berlin", "01:00-02:30", "02:30-04:00")
    assert on(split, "2026-10-25", "Europe/Berlin") == 4
    # In Havana 00:00-01:00 comes twice: the day before ends after this one has begun.
    havana = daily("America/Havana", "00:00-24:00")
    two_days = ms("2026-10-31", "America/Havana"), ms("2026-11-02", "America/Havana")
    assert havana.elapsed(*two_days) == 49 * HOUR
    assert list(havana.intervals(*two_days)) == [two_days]


def test_a_skipped_day_has_no_hours() -> None:
    work = daily("Pacific/Apia", OFFICE)
    begin, end = ms("2011-12-29", "Pacific/Apia"), ms("2012-01-01", "Pacific/Apia")
    assert end - begin == 2 * DAY
    assert work.elapsed(begin, end) == 16 * HOUR


@pytest.mark.parametrize(
    ("start", "hours", "due"),
    [
        ("2026-01-02T16:30", 1, "2026-01-05T09:30"),  # Friday to Monday
        ("2026-01-02T16:00", 8, "2026-01-05T16:00"),
        ("2026-01-02T16:00", 1, "2026-01-02T17:00"),  # the first instant, not Monday 09:00
        ("2026-01-03T12:00", 1, "2026-01-05T10:00"),  # from a Saturday
        ("2026-01-02T16:30", 0, "2026-01-02T16:30"),
        ("2026-01-03T12:00", 0, "2026-01-03T12:00"),
        ("2028-02-28T16:00", 8, "2028-02-29T16:00"),  # a leap day is a Tuesday
        ("2026-01-05T09:00", 400, "2026-03-13T17:00"),  # fifty days
    ],
)
def test_due(start: str, hours: int, due: str) -> None:
    assert office().add(ms(start), hours * HOUR) == ms(due)


def test_lunch_is_not_worked() -> None:
    work = office("09:00-12:00", "13:30-18:00")
    assert work.add(ms("2026-01-05T11:30"), HOUR) == ms("2026-01-05T14:00")
    assert work.elapsed(ms("2026-01-05T11:30"), ms("2026-01-05T14:00")) == HOUR
    assert not work.is_open(ms("2026-01-05T12:00"))
    assert work.is_open(ms("2026-01-05T13:30"))
    assert work.next_open(ms("2026-01-05T12:00")) == ms("2026-01-05T13:30")
    assert work.next_open(ms("2026-01-05T13:45")) == ms("2026-01-05T13:45")


def test_holidays() -> None:
    reduced = Holiday(date="2026-12-24", windows=windows("09:00-12:00"))
    closed = Holiday(date="2026-12-25", name="Christmas Day")
    ignored = Holiday(date="2026-12-28", active=False)
    extra = Holiday(date="2026-12-27", windows=windows("10:00-11:00"))  # a Sunday
    work = office(holidays=(reduced, closed, ignored, extra))
    found = [on(work, f"2026-12-{day}", "UTC") for day in range(23, 30)]
    assert found == [8, 3, 0, 0, 1, 8, 8]


def test_a_holiday_is_a_local_date_also_when_clocks_change() -> None:
    sunday = Holiday(date="2026-03-29", windows=windows(EARLY))
    work = daily("Europe/Berlin", OFFICE, holidays=(sunday,))
    assert on(work, "2026-03-29", "Europe/Berlin") == 2
    closed = daily("Europe/Berlin", "00:00-24:00", holidays=(Holiday(date="2026-03-29"),))
    begin, end = ms("2026-03-28", "Europe/Berlin"), ms("2026-03-31", "Europe/Berlin")
    assert list(closed.intervals(begin, end)) == [
        (begin, ms("2026-03-29", "Europe/Berlin")),
        (ms("2026-03-30", "Europe/Berlin"), end),
    ]


def test_a_search_ends_at_the_horizon() -> None:
    work = WorkingTime(Calendar(name="rare", week=(windows("00:00-00:01"), *[()] * 6)))
    for week in range(10):  # wherever in what is kept the horizon falls
        monday = ms("2026-01-05") + week * 7 * DAY
        assert work.add(monday, 58 * MINUTE) == monday + 57 * 7 * DAY + MINUTE  # the 58th Monday
        assert work.add(monday, 59 * MINUTE) is None
    monday = ms("2026-01-05")
    assert office().add(monday, HORIZON) is None
    closed = tuple(
        Holiday(date=datetime.fromtimestamp(monday // 1000 + n * 86_400, UTC).date().isoformat())
        for n in range(0, 500, 7)
    )
    rare = Calendar(name="never", week=(windows("00:00-00:01"), *[()] * 6), holidays=closed)
    assert WorkingTime(rare).next_open(monday) is None
    assert WorkingTime(rare).add(monday, 1) is None


def test_always_open_is_arithmetic() -> None:
    work = WorkingTime(Calendar(name="24x7", always_open=True))
    assert work.elapsed(5, 1_000) == 995
    assert work.add(5, 500 * DAY) == 5 + 500 * DAY
    assert work.is_open(7)
    assert list(work.intervals(5, 9)) == [(5, 9)]


def test_empty_and_impossible_questions() -> None:
    for work in (office(), WorkingTime(Calendar(name="24x7", always_open=True))):
        assert work.elapsed(ms("2026-01-05T12:00"), ms("2026-01-05T10:00")) == 0
        assert list(work.intervals(9, 9)) == []
        with pytest.raises(ValueError, match="duration of -1 ms"):
            work.add(0, -1)
    for far in (-(2**62), 2**62):
        with pytest.raises(ValueError, match="not within the years"):
            office().add(far, 1)
    with pytest.raises(ValueError, match="not within the years"):
        office().elapsed(0, 2**62)


def test_intervals_do_not_show_how_they_are_kept() -> None:
    begin, end = ms("2026-01-01"), ms("2026-12-31")
    for zone in ("UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/Berlin"):
        assert list(daily(zone, "00:00-24:00").intervals(begin, end)) == [(begin, end)]
    work = office()
    assert all(stop - start == 8 * HOUR for start, stop in work.intervals(begin, end))
    assert sum(stop - start for start, stop in work.intervals(begin, end)) == work.elapsed(
        begin, end
    )


def test_what_is_kept_is_bounded() -> None:
    work = office()
    before = [work.elapsed(at, at + DAY) for at in range(0, 40 * HORIZON, HORIZON // 3)]
    assert len(work._blocks) <= 64
    assert [work.elapsed(at, at + DAY) for at in range(0, 40 * HORIZON, HORIZON // 3)] == before


WEEK = (windows(OFFICE), *[()] * 6)


@pytest.mark.parametrize(
    ("calendar", "expected"),
    [
        (Calendar(name="x"), "week: no window at all"),
        (Calendar(name="x", week=((),) * 7), "week: no window at all"),
        (Calendar(name="x", week=WEEK[:6]), "week: 6 days instead of 7"),
        (Calendar(name="x", zone="Mars/Base", week=WEEK), "zone: 'Mars/Base' is not an IANA"),
        (Calendar(name="x", zone="../UTC", week=WEEK), "zone: '../UTC' is not"),
        (Calendar(name="x", zone="Europe", week=WEEK), "zone: 'Europe' is not"),
        (
            Calendar(name="x", week=((), windows("11:00-13:00", "12:00-14:00"), *[()] * 5)),
            "week.tue: 11:00-13:00 overlaps 12:00-14:00",
        ),
        (
            Calendar(name="x", week=(windows("13:00-14:00", "09:00-12:00"), *[()] * 6)),
            "week.mon: 09:00-12:00 comes before 13:00-14:00",
        ),
        (
            Calendar(name="x", week=WEEK, holidays=(Holiday(date="2026-1-1"),)),
            "holidays[0]: '2026-1-1' is no date",
        ),
        (
            Calendar(name="x", week=WEEK, holidays=(Holiday(date="20260101"),)),
            "holidays[0]: '20260101' is no date",
        ),
        (
            Calendar(name="x", week=WEEK, holidays=(Holiday(date="2027-02-29"),)),
            "holidays[0]: '2027-02-29' is no date",
        ),
        (
            Calendar(name="x", week=WEEK, holidays=(Holiday(date="2026-01-01"),) * 2),
            "holidays[1]: 2026-01-01 is there twice",
        ),
        (
            Calendar(
                name="x",
                week=WEEK,
                holidays=(Holiday(date="2026-01-01", windows=windows("09:00-12:00") * 2),),
            ),
            "holidays[0] 2026-01-01: 09:00-12:00 overlaps 09:00-12:00",
        ),
    ],
)
def test_problems(calendar: Calendar, expected: str) -> None:
    (problem,) = problems(calendar)
    assert problem.startswith(expected)
    with pytest.raises(ValueError, match="calendar x: "):
        WorkingTime(calendar)


def test_touching_windows_and_a_leap_day_are_fine() -> None:
    week = (windows("09:00-12:00", "12:00-24:00"), *[()] * 6)
    assert problems(Calendar(name="x", week=week, holidays=(Holiday(date="2028-02-29"),))) == []


@pytest.mark.parametrize("text", ["9:00-12:00", "09:60-12:00", "12:00-09:00", "09:00-24:01", ""])
def test_windows_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="window"):
        Window.parse(text)


def test_a_window_out_of_bounds_cannot_be_decoded() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"start":600,"end":600}', type=Window)


def test_spans() -> None:
    assert Span.parse("90s") == Span(ms=90_000)
    assert Span.parse("8bh") == Span(ms=8 * HOUR, business=True)
    assert str(Span(ms=90 * MINUTE)) == "90m"
    for text in ("2d", "1 day", "3 days", "1w", "2 weeks", "1bd"):
        with pytest.raises(ValueError, match="a day is ambiguous: write 24h or 8bh"):
            Span.parse(text)
    for text in ("", "h", "-1h", "1.5h", "4 h", "1bs", "٣h"):
        with pytest.raises(ValueError, match="is no duration"):
            Span.parse(text)
    for number, business in ((1, False), (-1_000, False), (1_000, True)):
        with pytest.raises(ValueError, match="not a whole number"):
            Span(ms=number, business=business)
