"""Laws of working time, and a slow reference that walks minute by minute.

The reference never turns a local time into UTC. It looks at the local clock of each UTC minute: a
window has begun once the clock has shown its start or more, and has ended when the clock will never
again show less than its end, nor its end itself. So a repeated hour is within a window that begins
or ends in it, and a skipped one is nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate, pairwise
from zoneinfo import ZoneInfo

from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.escalation.domain.calendar import (
    DAY,
    HOUR,
    MINUTE,
    Calendar,
    Holiday,
    Span,
    Window,
    WorkingTime,
)

# Around these instants the local clocks change; the last two are ordinary days.
CHANGES = [
    ("Australia/Lord_Howe", "2026-04-04T15:00"),
    ("Australia/Lord_Howe", "2026-10-03T15:30"),
    ("Europe/Berlin", "2026-03-29T01:00"),
    ("Europe/Berlin", "2026-10-25T01:00"),
    ("America/Sao_Paulo", "2018-11-04T03:00"),
    ("America/Sao_Paulo", "2018-02-18T02:00"),
    ("America/St_Johns", "2011-03-13T03:31"),
    ("America/St_Johns", "2010-11-07T02:31"),
    ("America/Havana", "2026-11-01T05:00"),
    ("Pacific/Apia", "2011-12-30T10:00"),
    ("Asia/Kolkata", "2026-01-31T18:30"),
    ("Asia/Kathmandu", "2028-02-29T12:00"),
]
AROUND = 3 * 24 * 60  # minutes on each side of a change


@st.composite
def days(draw: st.DrawFn) -> tuple[Window, ...]:
    """Return windows of one day, sorted, some of them touching, often on odd minutes."""
    minutes = st.one_of(st.integers(0, 1440), st.integers(0, 48).map(lambda half: half * 30))
    cuts = sorted(draw(st.sets(minutes, max_size=5)))
    return tuple(Window(start=a, end=b) for a, b in pairwise(cuts) if draw(st.integers(0, 3)))


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Calendar, int]:
    """Return a calendar and the instant, in minutes, of a change of its clock."""
    zone, at = draw(st.sampled_from(CHANGES))
    change = datetime.fromisoformat(at).replace(tzinfo=UTC)
    week = [draw(days()) for _ in range(7)]
    if not any(week):
        week[draw(st.integers(0, 6))] = (Window(start=0, end=1440),)
    offsets = draw(st.sets(st.integers(-3, 3), max_size=3))
    holidays = tuple(
        Holiday(
            date=(change + timedelta(days=offset)).date().isoformat(),
            windows=draw(days()),
            active=draw(st.booleans()),
        )
        for offset in offsets
    )
    calendar = Calendar(name="any", zone=zone, week=tuple(week), holidays=holidays)
    return calendar, int(change.timestamp()) // 60


def open_minutes(calendar: Calendar, first: int, last: int) -> list[bool]:
    """Tell of each UTC minute from ``first`` to before ``last`` whether somebody works."""
    zone = ZoneInfo(calendar.zone)
    margin = 2 * 24 * 60
    origin = datetime(1970, 1, 1)  # noqa: DTZ001
    clock = [
        (datetime.fromtimestamp(minute * 60, zone).replace(tzinfo=None) - origin)
        // timedelta(minutes=1)
        for minute in range(first - margin, last + margin)
    ]
    shown = list(accumulate(clock, max))
    to_come = list(accumulate(reversed(clock), min))[::-1]
    found = [False] * len(clock)
    for number in range(min(clock) // 1440, max(clock) // 1440 + 1):
        for window in windows_of(calendar, date(1970, 1, 1) + timedelta(days=number)):
            start, end = number * 1440 + window.start, number * 1440 + window.end
            for index in range(len(clock) - 1):
                begun = shown[index] >= start
                found[index] |= begun and (to_come[index] < end or to_come[index + 1] <= end)
    return found[margin:-margin]


def windows_of(calendar: Calendar, day: date) -> tuple[Window, ...]:
    """Return the windows that hold on a local date."""
    for holiday in calendar.holidays:
        if holiday.active and holiday.date == day.isoformat():
            return holiday.windows
    return calendar.week[day.weekday()]


def runs(minutes: list[bool], first: int) -> Iterator[tuple[int, int]]:
    """Yield the runs of open minutes as intervals of milliseconds."""
    start: int | None = None
    for index, is_open in enumerate([*minutes, False]):
        if is_open and start is None:
            start = index
        elif not is_open and start is not None:
            yield (first + start) * MINUTE, (first + index) * MINUTE
            start = None


@given(world=worlds(), offsets=st.lists(st.integers(0, 2 * AROUND), min_size=2, max_size=6))
@settings(max_examples=150, deadline=None)
def test_every_minute_is_as_the_reference_says(
    world: tuple[Calendar, int], offsets: list[int]
) -> None:
    calendar, change = world
    first, last = change - AROUND, change + AROUND
    expected = open_minutes(calendar, first, last)
    work = WorkingTime(calendar)
    assert list(work.intervals(first * MINUTE, last * MINUTE)) == list(runs(expected, first))
    start, *ends = sorted(offsets)
    total = list(accumulate(expected, initial=0))
    for end in ends:
        elapsed = (total[end] - total[start]) * MINUTE
        assert work.elapsed((first + start) * MINUTE, (first + end) * MINUTE) == elapsed
        if elapsed:
            due = next(
                n for n in range(start, end + 1) if total[n] - total[start] == elapsed // MINUTE
            )
            assert work.add((first + start) * MINUTE, elapsed) == (first + due) * MINUTE
        if end < len(expected):
            at = (first + end) * MINUTE
            assert work.is_open(at) is expected[end]
            opens = next((n for n in range(end, len(expected)) if expected[n]), None)
            if opens is not None:
                assert work.next_open(at) == (first + opens) * MINUTE


INSTANTS = st.integers(-40 * DAY, 40 * DAY)
DURATIONS = st.one_of(st.integers(0, 2 * HOUR), st.integers(0, 60 * DAY))


@given(world=worlds(), offset=INSTANTS, shorter=DURATIONS, more=DURATIONS)
@settings(deadline=None)
def test_add_undoes_elapsed_and_is_monotone(
    world: tuple[Calendar, int], offset: int, shorter: int, more: int
) -> None:
    calendar, change = world
    work = WorkingTime(calendar)
    start = change * MINUTE + offset
    due, later = work.add(start, shorter), work.add(start, shorter + more)
    if due is not None:
        assert due >= start
        assert work.elapsed(start, due) == shorter
        assert shorter == 0 or work.elapsed(start, due - 1) == shorter - 1  # the first such instant
        moved = work.add(start + more, shorter)
        assert moved is None or moved >= due  # a later start is never due earlier
    if later is not None:
        assert due is not None
        assert due <= later


@given(world=worlds(), offsets=st.tuples(INSTANTS, INSTANTS, INSTANTS))
@example(
    world=(Calendar(name="x", week=((Window(start=0, end=1440),),) * 7), 0), offsets=(0, 0, DAY)
)
@settings(deadline=None)
def test_elapsed_is_additive_and_at_most_wall_time(
    world: tuple[Calendar, int], offsets: tuple[int, int, int]
) -> None:
    calendar, change = world
    work = WorkingTime(calendar)
    start, middle, end = sorted(change * MINUTE + offset for offset in offsets)
    whole = work.elapsed(start, end)
    assert whole == work.elapsed(start, middle) + work.elapsed(middle, end)
    assert 0 <= whole <= end - start
    assert whole == sum(stop - begin for begin, stop in work.intervals(start, end))


@given(number=st.integers(0, 10**9 - 1), unit=st.sampled_from(["s", "m", "h", "bm", "bh"]))
def test_a_span_reads_back_what_it_writes(number: int, unit: str) -> None:
    span = Span.parse(f"{number}{unit}")
    assert Span.parse(str(span)) == span
    assert len(str(span)) <= len(f"{number}{unit}")
