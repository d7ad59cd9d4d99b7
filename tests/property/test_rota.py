"""Who is on duty, against a slow reference that walks the hand-overs one by one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from services.escalation.domain.calendar import DAY, HOUR, MINUTE, Window
from services.escalation.domain.rota import Duty, Override, Rota, Rotation, Unit

SPAN = 40 * DAY
PEOPLE = ("ada", "bob", "cy", "dee")

ZONES = {
    "UTC": date(2026, 1, 1),
    "Asia/Kolkata": date(2026, 1, 1),
    "Europe/Berlin": date(2026, 3, 20),
    "America/New_York": date(2026, 10, 20),
    "Australia/Lord_Howe": date(2026, 3, 20),  # half an hour
    "Africa/Cairo": date(2026, 4, 10),  # skips midnight
    "America/St_Johns": date(2006, 10, 15),  # from 00:01 back to 23:01 of the day before
    "Pacific/Apia": date(2011, 12, 15),  # skips a whole day
}
"""Zones, each with a date shortly before its clock changes."""


# ------------------------------------------------------------------------- the reference


def wall(at_ms: int, zone: ZoneInfo) -> datetime:
    """Return what the clock on the wall shows."""
    return datetime.fromtimestamp(at_ms // 1000, zone).replace(tzinfo=None)


def first_at(local: datetime, zone: ZoneInfo) -> int:
    """Return the first minute at which the wall shows ``local`` or later."""
    at = min(_bounds(local, zone))
    while wall(at, zone) < local:
        at += MINUTE
    return at


def last_before(local: datetime, zone: ZoneInfo) -> int:
    """Return the end of the last minute at which the wall shows less than ``local``."""
    at = max(_bounds(local, zone))
    while wall(at - MINUTE, zone) >= local:
        at -= MINUTE
    return at


def _bounds(local: datetime, zone: ZoneInfo) -> tuple[int, int]:
    """Return instants around ``local``, by the offsets of the day before and the day after."""
    as_utc = local.replace(tzinfo=UTC)
    offsets = [(as_utc + timedelta(days=days)).astimezone(zone).utcoffset() for days in (-1, 1)]
    first, second = (round((as_utc - (by or timedelta())).timestamp()) * 1000 for by in offsets)
    return first, second


def walked(rotation: Rotation, at_ms: int) -> str | None:
    """Return the person of one layer: hand over again and again until ``at_ms``."""
    zone = ZoneInfo(rotation.zone)
    local = datetime.fromisoformat(rotation.starts)
    length = timedelta(days=rotation.every * {Unit.DAY: 1, Unit.WEEK: 7}[rotation.unit])
    person = None
    turn = 0
    while first_at(local, zone) <= at_ms:
        person = rotation.members[turn % len(rotation.members)]
        turn += 1
        local += length
    return person if rotation.during is None or within(rotation.during, at_ms, zone) else None


def within(week: tuple[tuple[Window, ...], ...], at_ms: int, zone: ZoneInfo) -> bool:
    """Tell whether one of the windows around ``at_ms`` holds it."""
    for days in (-2, -1, 0, 1):
        day = datetime.combine(wall(at_ms, zone).date(), datetime.min.time()) + timedelta(days)
        for window in week[day.weekday()]:
            start = first_at(day + timedelta(minutes=window.start), zone)
            if start <= at_ms < last_before(day + timedelta(minutes=window.end), zone):
                return True
    return False


def expected(rota: Rota, at_ms: int) -> tuple[str, ...]:
    """Return who is on duty, by the reference."""
    people: list[str] = []
    for rotation in rota.rotations:
        person = walked(rotation, at_ms)
        if person is not None and person not in people:
            people.append(person)
    if not people and rota.fallback is not None:
        people = [rota.fallback]
    for override in rota.overrides:
        if override.start <= at_ms < override.end:
            people = [] if override.person is None else [override.person]
    return tuple(people)


# ------------------------------------------------------------------------- what is drawn


def _windows(cuts: list[int]) -> tuple[Window, ...]:
    ordered = sorted(set(cuts))
    return tuple(Window(start=a, end=b) for a, b in list(pairwise(ordered))[::2])


days = st.lists(st.integers(0, 96).map(lambda quarter: quarter * 15), max_size=4).map(_windows)
weeks = st.tuples(days, days, days, days, days, days, days).filter(any)


@st.composite
def rotations(draw: st.DrawFn, zone: str, begin: date) -> Rotation:
    starts = datetime.combine(begin, datetime.min.time()) + timedelta(
        days=draw(st.integers(-20, 10)), minutes=draw(st.integers(0, 24 * 60 - 1))
    )
    return Rotation(
        name="layer",
        members=tuple(draw(st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=4))),
        zone=zone,
        starts=starts.isoformat(),
        unit=draw(st.sampled_from(Unit)),
        every=draw(st.integers(1, 3)),
        during=draw(st.none() | weeks),
    )


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Rota, int]:
    """Return a rota and the begin of a span of ``SPAN`` with a change of the clock in it."""
    zone = draw(st.sampled_from(sorted(ZONES)))
    begin = ZONES[zone]
    origin = round(datetime.combine(begin, datetime.min.time(), UTC).timestamp()) * 1000
    overrides = []
    for _ in range(draw(st.integers(0, 3))):
        start = origin + draw(st.integers(0, SPAN - 1))
        length = draw(st.integers(1, 9 * DAY))
        person = draw(st.none() | st.sampled_from(PEOPLE))
        overrides.append(Override("support", start, start + length, person))
    layers = [draw(rotations(zone, begin)) for _ in range(draw(st.integers(1, 3)))]
    fallback = draw(st.none() | st.just("lead"))
    return Rota("support", tuple(layers), tuple(overrides), fallback), origin


offsets = st.lists(st.integers(0, SPAN - 1), min_size=1, max_size=6)


# ------------------------------------------------------------------------- what has to hold


@given(worlds(), offsets)
@settings(max_examples=150, deadline=None)
def test_the_arithmetic_agrees_with_the_walk(world: tuple[Rota, int], at: list[int]) -> None:
    rota, origin = world
    duty = Duty(rota)
    for offset in at:
        assert duty.on_duty(origin + offset) == expected(rota, origin + offset)


@given(worlds(), st.data())
@settings(max_examples=100, deadline=None)
def test_hand_overs_are_where_the_walk_changes(
    world: tuple[Rota, int], data: st.DataObject
) -> None:
    rota, origin = world
    start = origin + data.draw(st.integers(0, SPAN))
    found = list(Duty(rota).handovers(start, start + 3 * DAY))
    for change in found[:8]:
        assert change.before == expected(rota, change.at - 1)
        assert change.after == expected(rota, change.at)
        assert change.before != change.after


@given(worlds(), offsets, offsets)
@settings(max_examples=150, deadline=None)
def test_hand_overs_partition_the_span(
    world: tuple[Rota, int], at: list[int], cuts: list[int]
) -> None:
    rota, origin = world
    duty = Duty(rota)
    found = list(duty.handovers(origin, origin + SPAN))
    times = [change.at for change in found]
    assert times == sorted(set(times))
    assert all(origin <= time < origin + SPAN for time in times)
    people = [duty.on_duty(origin - 1), *(change.after for change in found)]
    assert people[:-1] == [change.before for change in found]
    assert people[:-1] == [duty.on_duty(time - 1) for time in times]
    for offset in at:  # constant between the hand-overs
        position = sum(time <= origin + offset for time in times)
        assert duty.on_duty(origin + offset) == people[position]
        later = [time for time in times if time > origin + offset]
        if later:
            assert duty.next_change(origin + offset) == later[0]
    edges = [origin, *(origin + cut for cut in sorted(set(cuts) - {0})), origin + SPAN]
    assert found == [change for a, b in pairwise(edges) for change in duty.handovers(a, b)]


@given(worlds(), offsets)
@settings(max_examples=100, deadline=None)
def test_a_layer_has_at_most_one_person_and_the_layers_keep_their_order(
    world: tuple[Rota, int], at: list[int]
) -> None:
    rota, origin = world
    together = Duty(Rota("all", rota.rotations))
    alone = [Duty(Rota("one", (rotation,))) for rotation in rota.rotations]
    for offset in at:
        parts = [duty.on_duty(origin + offset) for duty in alone]
        assert all(len(part) <= 1 for part in parts)
        people = tuple(dict.fromkeys(person for part in parts for person in part))
        assert together.on_duty(origin + offset) == people


@given(st.sampled_from(sorted(ZONES)), st.integers(0, 24 * 60 - 1))
@settings(max_examples=60, deadline=None)
def test_a_daily_hand_over_never_drifts(zone: str, minute: int) -> None:
    """The wall shows the same time at each one, or the clock was changed that day."""
    first = datetime.combine(ZONES[zone], datetime.min.time()) + timedelta(minutes=minute)
    rotation = Rotation("daily", ("ada", "bob"), zone, first.isoformat(), Unit.DAY)
    origin = first_at(first, ZoneInfo(zone))
    found = list(Duty(Rota("support", (rotation,))).handovers(origin, origin + SPAN))
    shown = [wall(change.at, ZoneInfo(zone)).time() for change in found]
    assert sum(time != first.time() for time in shown) <= 1
    assert len(found) in {38, 39, 40, 41}
    gaps = [later.at - earlier.at for earlier, later in pairwise(found)]
    assert all(abs(gap - DAY) <= HOUR or zone == "Pacific/Apia" for gap in gaps)
