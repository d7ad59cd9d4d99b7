"""Who is on duty: turns in local time, layers, restrictions, overrides. Vectors made by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import msgspec
import pytest

from services.escalation.domain.calendar import DAY, HOUR, Window
from services.escalation.domain.rota import (
    Duty,
    Override,
    Rota,
    Rotation,
    Unit,
    handovers,
    next_change,
    on_duty,
    problems,
)

BERLIN = "Europe/Berlin"
WEEKLY = Rotation(
    name="weekly",
    members=("ada", "bob", "cy"),
    zone=BERLIN,
    starts="2026-01-05T09:00",  # a Monday
    unit=Unit.WEEK,
)


def ms(text: str) -> int:
    """Return an ISO 8601 time with its offset as milliseconds since the epoch."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def daily(starts: str, *members: str, zone: str = BERLIN, every: int = 1) -> Rotation:
    """Return a rotation by days."""
    return Rotation("daily", members, zone, starts, Unit.DAY, every)


def only(*rotations: Rotation, fallback: str | None = None) -> Rota:
    """Return a rota of these layers without overrides."""
    return Rota("support", rotations, fallback=fallback)


def override(start: str, end: str, person: str | None) -> Override:
    """Return an override of the rota that ``only`` makes."""
    return Override("support", ms(start), ms(end), person)


def windows(*texts: str) -> tuple[Window, ...]:
    """Return the windows of a day."""
    return tuple(map(Window.parse, texts))


def changes(rota: Rota, start: str, end: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return the hand-overs as (UTC time without year, people after), and check they chain."""
    found = handovers(rota, ms(start), ms(end))
    for earlier, later in pairwise(found):
        assert earlier.after == later.before
    return [
        (f"{datetime.fromtimestamp(at / 1000, UTC):%m-%dT%H:%M}", after) for at, _, after in found
    ]


@pytest.mark.parametrize(
    ("at", "person"),
    [
        ("2026-01-05T07:59:59.999Z", None),  # before the first hand-over
        ("2026-01-05T08:00:00Z", "ada"),  # 09:00 CET
        ("2026-01-12T07:59:59.999Z", "ada"),
        ("2026-01-12T08:00:00Z", "bob"),
        ("2026-01-19T08:00:00Z", "cy"),
        ("2026-01-26T08:00:00Z", "ada"),
        ("2026-03-23T08:00:00Z", "cy"),  # turn 11, the last in winter
        ("2026-03-30T06:59:59.999Z", "cy"),
        ("2026-03-30T07:00:00Z", "ada"),  # turn 12, 09:00 CEST
        ("2026-10-26T07:59:59.999Z", "cy"),  # turn 41
        ("2026-10-26T08:00:00Z", "ada"),  # turn 42, 09:00 CET again
    ],
)
def test_a_weekly_rotation_keeps_its_local_time(at: str, person: str | None) -> None:
    assert on_duty(only(WEEKLY), ms(at)) == (() if person is None else (person,))


def test_a_hand_over_that_the_clock_skips_is_after_the_gap() -> None:
    rota = only(daily("2026-03-27T02:30", "ada", "bob"))
    assert changes(rota, "2026-03-27T00:00Z", "2026-03-31T00:00Z") == [
        ("03-27T01:30", ("ada",)),
        ("03-28T01:30", ("bob",)),
        ("03-29T01:00", ("ada",)),  # 02:30 does not exist: 03:00 CEST
        ("03-30T00:30", ("bob",)),
    ]


def test_a_hand_over_that_comes_twice_is_the_first() -> None:
    rota = only(daily("2026-10-24T02:30", "ada", "bob"))
    assert changes(rota, "2026-10-24T00:30Z", "2026-10-27T00:00Z") == [
        ("10-24T00:30", ("ada",)),
        ("10-25T00:30", ("bob",)),  # 02:30 CEST; 02:30 CET an hour later changes nothing
        ("10-26T01:30", ("ada",)),
    ]
    assert on_duty(rota, ms("2026-10-26T01:29:59.999Z")) == ("bob",)  # 25 hours


def test_the_day_that_a_zone_skipped_has_a_turn_of_no_length() -> None:
    """Samoa had no 30 December 2011: its turn begins and ends with the 31st."""
    rota = only(daily("2011-12-29T00:00", "ada", "bob", "cy", zone="Pacific/Apia"))
    assert changes(rota, "2011-12-29T00:00Z", "2012-01-01T00:00Z") == [
        ("12-29T10:00", ("ada",)),
        ("12-30T10:00", ("cy",)),
        ("12-31T10:00", ("ada",)),
    ]


@pytest.mark.parametrize(
    ("unit", "every", "second"),
    [
        (Unit.DAY, 1, "2026-01-06T08:00Z"),
        (Unit.DAY, 3, "2026-01-08T08:00Z"),
        (Unit.WEEK, 1, "2026-01-12T08:00Z"),
        (Unit.WEEK, 2, "2026-01-19T08:00Z"),
    ],
)
def test_a_turn_is_as_long_as_it_says(unit: Unit, every: int, second: str) -> None:
    rota = only(msgspec.structs.replace(WEEKLY, unit=unit, every=every))
    assert next_change(rota, ms("2026-01-05T08:00Z")) == ms(second)


def test_each_layer_contributes_one_person_in_order_and_nobody_twice() -> None:
    second = daily("2026-01-05T09:00", "dee", "ada")
    rota = only(WEEKLY, second)
    assert on_duty(rota, ms("2026-01-05T12:00Z")) == ("ada", "dee")
    assert on_duty(rota, ms("2026-01-06T12:00Z")) == ("ada",)
    assert on_duty(rota, ms("2026-01-13T12:00Z")) == ("bob", "dee")
    assert on_duty(only(second, WEEKLY), ms("2026-01-05T12:00Z")) == ("dee", "ada")


def test_an_override_replaces_all_layers_while_it_runs() -> None:
    rota = msgspec.structs.replace(
        only(WEEKLY, daily("2026-01-05T09:00", "dee", "eve")),
        overrides=(override("2026-01-05T20:00Z", "2026-01-06T20:00Z", "fay"),),
    )
    assert changes(rota, "2026-01-05T09:00Z", "2026-01-07T00:00Z") == [
        ("01-05T20:00", ("fay",)),  # the hand-over of 08:00 is hidden
        ("01-06T20:00", ("ada", "eve")),
    ]


def test_the_override_listed_last_wins_and_nobody_is_an_answer() -> None:
    rota = msgspec.structs.replace(
        only(WEEKLY, fallback="lead"),
        overrides=(
            override("2026-01-06T00:00Z", "2026-01-06T12:00Z", "dee"),
            override("2026-01-06T03:00Z", "2026-01-06T06:00Z", None),
            override("2026-01-06T05:00Z", "2026-01-06T07:00Z", "eve"),
        ),
    )
    assert changes(rota, "2026-01-05T12:00Z", "2026-01-07T00:00Z") == [
        ("01-06T00:00", ("dee",)),
        ("01-06T03:00", ()),  # on purpose, so not even the fallback
        ("01-06T05:00", ("eve",)),
        ("01-06T07:00", ("dee",)),
        ("01-06T12:00", ("ada",)),
    ]


OFFICE = (
    *(windows("09:00-12:00", "13:30-18:00"),) * 4,
    windows("09:00-12:00"),
    (),
    windows("22:00-24:00"),
)


def test_outside_its_windows_a_rotation_has_nobody() -> None:
    rota = only(msgspec.structs.replace(WEEKLY, during=OFFICE))
    assert changes(rota, "2026-01-08T00:00Z", "2026-01-13T00:00Z") == [
        ("01-08T08:00", ("ada",)),
        ("01-08T11:00", ()),
        ("01-08T12:30", ("ada",)),
        ("01-08T17:00", ()),
        ("01-09T08:00", ("ada",)),
        ("01-09T11:00", ()),
        ("01-11T21:00", ("ada",)),
        ("01-11T23:00", ()),
        ("01-12T08:00", ("bob",)),
        ("01-12T11:00", ()),
        ("01-12T12:30", ("bob",)),
        ("01-12T17:00", ()),
    ]


def test_the_fallback_steps_in_where_no_layer_has_anybody() -> None:
    rota = only(msgspec.structs.replace(WEEKLY, during=OFFICE), fallback="lead")
    assert on_duty(rota, ms("2026-01-01T12:00Z")) == ("lead",)  # before the first hand-over
    assert on_duty(rota, ms("2026-01-10T12:00Z")) == ("lead",)  # a Saturday
    assert on_duty(rota, ms("2026-01-08T12:30Z")) == ("ada",)
    assert on_duty(only(fallback="lead"), 0) == ("lead",)


def test_three_zones_follow_the_sun_all_year() -> None:
    def office(name: str, zone: str, hours: str) -> Rotation:
        starts = "2025-12-29T00:00"
        return Rotation(name, (name,), zone, starts, Unit.WEEK, during=(windows(hours),) * 7)

    rota = only(
        office("tokyo", "Asia/Tokyo", "09:00-17:00"),
        office("berlin", BERLIN, "09:00-17:00"),
        office("la", "America/Los_Angeles", "08:00-17:00"),
    )
    assert changes(rota, "2026-01-15T00:00Z", "2026-01-16T00:00Z") == [
        ("01-15T00:00", ("tokyo", "la")),
        ("01-15T01:00", ("tokyo",)),
        ("01-15T08:00", ("berlin",)),
        ("01-15T16:00", ("la",)),
    ]
    assert changes(rota, "2026-07-15T00:00Z", "2026-07-16T00:00Z") == [
        ("07-15T00:00", ("tokyo",)),
        ("07-15T07:00", ("tokyo", "berlin")),
        ("07-15T08:00", ("berlin",)),
        ("07-15T15:00", ("la",)),
    ]
    year = handovers(rota, ms("2026-01-01T00:00Z"), ms("2027-01-01T00:00Z"))
    assert len(year) > 3 * 365
    assert all(change.before and change.after for change in year)


def test_the_next_change_is_searched_no_further_than_the_horizon() -> None:
    at = ms("2026-01-05T08:00Z")
    assert next_change(only(WEEKLY), at) == at + 7 * DAY
    assert next_change(only(WEEKLY), at - 1) == at
    assert next_change(only(WEEKLY), at, horizon_days=7) == at + 7 * DAY
    assert next_change(only(WEEKLY), at, horizon_days=6) is None
    assert next_change(only(daily("2026-01-05T09:00", "ada")), at) is None


def test_a_span_without_length_has_no_hand_over() -> None:
    at = ms("2026-01-05T08:00Z")
    assert handovers(only(WEEKLY), at, at) == []
    assert handovers(only(WEEKLY), at, at - HOUR) == []
    assert [change.at for change in handovers(only(WEEKLY), at, at + 1)] == [at]


def test_a_change_at_the_begin_of_a_span_belongs_to_it_and_one_at_its_end_does_not() -> None:
    rota = only(msgspec.structs.replace(WEEKLY, during=OFFICE))
    assert changes(rota, "2026-01-08T11:00Z", "2026-01-08T12:30Z") == [("01-08T11:00", ())]
    assert changes(rota, "2026-01-08T12:30Z", "2026-01-08T17:00Z") == [("01-08T12:30", ("ada",))]


FAULTY = [
    ({"zone": "Europe/Atlantis"}, "zone: 'Europe/Atlantis' is not an IANA time zone"),
    ({"members": ()}, "members: none; name at least one person"),
    ({"members": ("ada", "")}, "members: a name is empty"),
    ({"every": 0}, "every: 0 is not between 1 and 366"),
    ({"every": 367}, "every: 367 is not between 1 and 366"),
    *(
        ({"starts": text}, f"starts: {text!r} is no local time; write it as 2026-01-05T09:00")
        for text in ("monday", "2026-02-30T09:00", "2026-01-05", "2026-01-05T09:00Z", "")
    ),
    ({"during": ((),) * 7}, "during: no window at all; give at least one, or leave it out"),
    ({"during": OFFICE[:5]}, "during.week: 5 days instead of 7, Monday first"),
    (
        {"during": (windows("09:00-12:00", "11:00-13:00"), *OFFICE[1:])},
        "during.week.mon: 09:00-12:00 overlaps 11:00-13:00",
    ),
]


@pytest.mark.parametrize(("fields", "message"), FAULTY)
def test_a_fault_of_a_rotation_is_named_with_its_place(
    fields: dict[str, object], message: str
) -> None:
    rota = only(WEEKLY, msgspec.structs.replace(WEEKLY, name="late", **fields))
    assert problems(rota) == [f"rotations[1] late: {message}"]


def test_the_faults_of_a_rota_are_all_named() -> None:
    rota = Rota(
        name="support",
        overrides=(
            Override("sales", 5, 9, "ada"),
            Override("support", 5, 5),
            Override("support", 5, 6, ""),
        ),
        fallback="",
    )
    assert problems(rota) == [
        "fallback: the name is empty",
        "overrides[0]: rota: 'sales' is unknown here, this is 'support'",
        "overrides[1]: end: 5 is not after the start 5",
        "overrides[2]: person: the name is empty; leave it out for nobody",
    ]
    with pytest.raises(ValueError, match=r"rota support: fallback: .*; overrides\[0\]: rota: "):
        Duty(rota)
    assert problems(Rota("x")) == ["rotations: none, and no fallback: nobody is ever on duty"]
    assert problems(only(WEEKLY)) == []
