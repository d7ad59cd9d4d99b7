"""Business time through the whole engine: from a feedback that comes in to the breach."""

from __future__ import annotations

import msgspec
import pytest

from services.escalation.domain.calendar import HORIZON, HOUR, Calendar, Holiday, Window
from services.escalation.domain.policy import Policy
from shared.events import CaseEventKind, ClockKind, CommandKind
from tests.unit.escalation.clock_world import (
    FRIDAY_OFFICE,
    THREAD,
    at,
    clock,
    fulfilled,
    plan,
    policy,
    resolve,
    wait,
)
from tests.unit.escalation.world import World

KIND = ClockKind.FIRST_RESOLUTION


def one_clock(span: str, calendar: Calendar) -> Policy:
    """Return a policy with one clock."""
    return policy(medium=plan({KIND: span}), calendars=(calendar,), calendar=calendar.name)


def daily(zone: str, *windows: str, holidays: tuple[Holiday, ...] = ()) -> Calendar:
    """Return the same windows for all seven days."""
    week = (tuple(map(Window.parse, windows)),) * 7
    return Calendar(name="daily", zone=zone, week=week, holidays=holidays)


def opened(span: str, calendar: Calendar, now: int) -> World:
    """Return a world with a case of that moment."""
    world = World(one_clock(span, calendar))
    world.now = now
    world.feed(thread=THREAD)
    return world


def breach_at(world: World) -> int:
    """Return when the clock is broken if nothing happens."""
    events = world.run(HORIZON)
    (broken,) = [event for event in events if event.kind is CaseEventKind.CLOCK_BREACHED]
    assert broken.recorded_at == broken.at
    return broken.at


@pytest.mark.parametrize(
    ("start", "span", "due"),
    [
        ("2026-06-05 16:30", "1bh", "2026-06-08 09:30"),
        ("2026-06-05 16:00", "8bh", "2026-06-08 16:00"),
        ("2026-06-05 16:00", "8h", "2026-06-06 00:00"),
        ("2026-06-05 16:00", "1bh", "2026-06-05 17:00"),
        ("2026-06-06 12:00", "8bh", "2026-06-08 17:00"),
        ("2028-02-28 16:00", "9bh", "2028-02-29 17:00"),
    ],
)
def test_working_hours_from_the_message_to_the_breach(start: str, span: str, due: str) -> None:
    assert breach_at(opened(span, FRIDAY_OFFICE, at(start))) == at(due)


def test_warnings_are_percents_of_the_working_time() -> None:
    world = opened("8bh", FRIDAY_OFFICE, at("2026-06-05 16:00"))
    warned = [
        event.at for event in world.run(100 * HOUR) if event.kind is CaseEventKind.CLOCK_WARNED
    ]
    assert warned == [at("2026-06-08 14:00"), at("2026-06-08 15:12")]


@pytest.mark.parametrize(
    ("zone", "windows", "start", "span", "due"),
    [
        ("Europe/Berlin", "01:00-04:00", "2026-03-29 00:00", "3bh", "2026-03-30 02:00"),
        ("Europe/Berlin", "01:00-04:00", "2026-10-25 00:00", "4bh", "2026-10-25 04:00"),
        ("Europe/Berlin", "00:00-24:00", "2026-03-29 00:00", "24bh", "2026-03-30 01:00"),
        ("Europe/Berlin", "00:00-24:00", "2026-10-25 00:00", "24bh", "2026-10-25 23:00"),
        ("America/Sao_Paulo", "01:00-04:00", "2026-10-18 00:00", "3bh", "2026-10-18 04:00"),
        ("Asia/Kolkata", "09:00-17:00", "2026-06-05 16:30", "1bh", "2026-06-06 09:30"),
        ("Australia/Lord_Howe", "01:00-04:00", "2026-04-05 00:00", "210bm", "2026-04-05 04:00"),
        ("Australia/Lord_Howe", "01:00-04:00", "2026-10-04 00:00", "150bm", "2026-10-04 04:00"),
    ],
)
def test_days_on_which_the_clocks_change(
    zone: str, windows: str, start: str, span: str, due: str
) -> None:
    world = opened(span, daily(zone, windows), at(start, zone))
    assert breach_at(world) == at(due, zone)


def test_a_holiday_on_the_day_of_a_change_moves_the_deadline_to_the_next_day() -> None:
    closed = (Holiday(date="2026-03-29", name="closed"),)
    calendar = daily("Europe/Berlin", "01:00-04:00", holidays=closed)
    world = opened("2bh", calendar, at("2026-03-29 00:00", "Europe/Berlin"))
    assert breach_at(world) == at("2026-03-30 03:00", "Europe/Berlin")


def test_only_active_working_time_counts() -> None:
    world = opened("8bh", FRIDAY_OFFICE, at("2026-06-05 16:00"))
    world.now = at("2026-06-05 16:30")
    wait(world)
    world.now = at("2026-06-08 11:00")  # over the weekend, and two hours of Monday
    world.command(CommandKind.INVESTIGATE)
    assert clock(world, KIND).due_at == at("2026-06-09 10:30")
    world.now = at("2026-06-08 20:00")
    resolve(world)
    assert fulfilled(world, KIND) == [int(6.5 * HOUR)]


def test_a_paused_clock_goes_on_at_night_when_the_office_opens() -> None:
    world = opened("1bh", FRIDAY_OFFICE, at("2026-06-05 16:30"))
    wait(world)
    world.now = at("2026-06-05 23:00")
    world.command(CommandKind.INVESTIGATE)
    assert breach_at(world) == at("2026-06-08 10:00")


def test_a_calendar_that_never_opens_again_falls_due_at_the_horizon() -> None:
    away = tuple(
        Holiday(date=f"{year}-{month:02}-{day:02}")
        for year in (2026, 2027, 2028)
        for month in range(1, 13)
        for day in range(1, 29)
    )
    week = ((Window.parse("09:00-09:01"),), *((),) * 6)
    calendar = Calendar(name="away", week=week, holidays=away)
    start = at("2026-06-05 16:00")
    world = opened("8bh", calendar, start)
    assert clock(world, KIND).due_at == start + HORIZON


def test_a_target_may_name_a_calendar_of_its_own() -> None:
    night = daily("UTC", "20:00-24:00")
    given = policy(
        medium=plan({KIND: "1h"}),
        calendars=(FRIDAY_OFFICE, night),
        calendar="office",
    )
    (target,) = plan({KIND: "1bh"}).clocks
    named = msgspec.structs.replace(target, calendar="daily")
    given = msgspec.structs.replace(
        given, medium=msgspec.structs.replace(given.medium, clocks=(named,))
    )
    world = World(given)
    world.now = at("2026-06-05 16:00")
    world.feed(thread=THREAD)
    assert clock(world, KIND).due_at == at("2026-06-05 21:00")
