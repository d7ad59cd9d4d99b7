"""New targets: severity changes, packs, edited policies, reapplied policies."""

from __future__ import annotations

import msgspec
import pytest

from services.escalation.domain.calendar import DAY, HOUR, MINUTE, Window
from services.escalation.domain.policy import Match, Pack, Policy, Team, fingerprint
from shared.events import (
    CaseEventKind,
    Cause,
    Clock,
    ClockChangeKind,
    ClockKind,
    ClockState,
    CommandKind,
    Kind,
    Reason,
    Severity,
)
from tests.unit.escalation.clock_world import (
    FRIDAY_OFFICE,
    THREAD,
    at,
    breaches,
    changes,
    clock,
    plan,
    policy,
    resolve,
    since_t0,
    targets,
    wait,
    words,
)
from tests.unit.escalation.world import T0, World

KIND = ClockKind.FIRST_RESOLUTION
BOTH = policy(
    critical=plan({KIND: "1h"}, grace_ms=15 * MINUTE),
    high=plan({KIND: "4h"}, grace_ms=30 * MINUTE),
    medium=plan({KIND: "10h"}, pause_for_third_party=True),
    low=plan({KIND: "20h"}),
)


@pytest.fixture
def world() -> World:
    """A case of medium severity with one clock of ten hours."""
    made = World(BOTH)
    made.feed(thread=THREAD)
    return made


def correct(world: World, severity: Severity) -> Clock:
    """Somebody sets the severity; return the clock after that."""
    world.command(CommandKind.CORRECT_SEVERITY, severity=severity)
    return clock(world, KIND)


def test_a_new_severity_keeps_start_and_intervals_and_swaps_the_target(world: World) -> None:
    world.now = T0 + HOUR
    wait(world, "third_party")
    world.now = T0 + 3 * HOUR
    world.command(CommandKind.INVESTIGATE)
    before = clock(world, KIND)
    after = correct(world, Severity.HIGH)
    assert (after.started_at, after.intervals, after.since) == (
        before.started_at,
        before.intervals,
        before.since,
    )
    assert since_t0(after.due_at) == 6
    (change,) = [
        one for one in changes(world.log, KIND) if one.change is ClockChangeKind.TARGET_APPLIED
    ]
    assert (change.target_ms, change.due_at, change.at) == (4 * HOUR, T0 + 6 * HOUR, world.now)


@pytest.mark.parametrize(
    ("severity", "now", "due"),
    [(Severity.CRITICAL, 3, 3.25), (Severity.HIGH, 5, 5.5), (Severity.HIGH, 3.75, 4.25)],
)
def test_what_would_be_over_gets_the_grace_and_breaks_when_that_is_over(
    world: World, severity: Severity, now: float, due: float
) -> None:
    world.now = T0 + int(now * HOUR)
    assert since_t0(correct(world, severity).due_at) == due
    world.run(10 * HOUR)
    (broken,) = [one for one in world.log if one.kind is CaseEventKind.CLOCK_BREACHED]
    assert broken.cause is Cause.RETARGET
    assert since_t0(broken.at) == due


def test_in_time_after_a_new_target_a_breach_is_like_any_other(world: World) -> None:
    world.now = T0 + HOUR
    correct(world, Severity.HIGH)
    world.run(10 * HOUR)
    (broken,) = [one for one in world.log if one.kind is CaseEventKind.CLOCK_BREACHED]
    assert (broken.cause, since_t0(broken.at)) == (Cause.CLOCK, 4)


def test_fulfilled_within_the_grace_it_is_no_breach(world: World) -> None:
    world.now = T0 + 5 * HOUR
    correct(world, Severity.HIGH)
    world.now += 29 * MINUTE
    resolve(world)
    assert breaches(world.log) == []


def test_a_raise_never_lengthens_a_deadline(world: World) -> None:
    world.now = T0 + 10 * HOUR - 5 * MINUTE
    after = correct(world, Severity.HIGH)
    assert since_t0(after.due_at) == 10
    assert not after.retargeted
    world.run(HOUR)
    assert [one.cause for one in world.log if one.kind is CaseEventKind.CLOCK_BREACHED] == [
        Cause.CLOCK
    ]


def test_a_raise_to_a_plan_that_is_slower_leaves_the_target_for_good() -> None:
    slow = policy(medium=plan({KIND: "2h"}), high=plan({KIND: "9h"}, grace_ms=HOUR))
    made = World(slow)
    made.feed(thread=THREAD)
    assert since_t0(correct(made, Severity.HIGH).due_at) == 2
    made.now = T0 + HOUR
    wait(made)
    made.now = T0 + 5 * HOUR
    made.command(CommandKind.INVESTIGATE)
    assert since_t0(clock(made, KIND).due_at) == 6


def test_raised_twice_the_earlier_grace_still_binds(world: World) -> None:
    world.now = T0 + 5 * HOUR
    correct(world, Severity.HIGH)
    world.now += 20 * MINUTE
    assert since_t0(correct(world, Severity.CRITICAL).due_at) == 5.5


def test_the_grace_survives_a_wait(world: World) -> None:
    world.now = T0 + int(3.75 * HOUR)
    assert since_t0(correct(world, Severity.HIGH).due_at) == 4.25
    world.now = T0 + int(3.8 * HOUR)
    wait(world)
    world.now = T0 + int(3.9 * HOUR)
    world.command(CommandKind.INVESTIGATE)
    assert since_t0(clock(world, KIND).due_at) == 4.25
    assert clock(world, KIND).intervals == ((T0, T0 + int(3.8 * HOUR)),)


def test_the_grace_survives_warnings() -> None:
    generous = plan({KIND: "4h"}, grace_ms=3 * HOUR)
    made = World(msgspec.structs.replace(BOTH, high=generous))
    made.feed(thread=THREAD)
    made.now = T0 + int(2.5 * HOUR)
    correct(made, Severity.HIGH)
    made.run(10 * HOUR)
    assert words(made.log, KIND)[2:] == [("warned", 3), ("warned", 3.6), ("breached", 5.5)]


def test_lowering_extends_and_warns_anew_but_erases_nothing(world: World) -> None:
    correct(world, Severity.HIGH)
    world.run(int(3.8 * HOUR))
    assert clock(world, KIND).warned == 90
    after = correct(world, Severity.LOW)
    assert (since_t0(after.due_at), after.warned) == (20, 0)
    world.run(30 * HOUR)
    assert words(world.log, KIND)[-3:] == [("warned", 15), ("warned", 18), ("breached", 20)]
    broken = clock(world, KIND)
    assert correct(world, Severity.MEDIUM) == broken
    assert breaches(world.log) == [("first_resolution", 20)]


def test_a_fulfilled_clock_never_changes(world: World) -> None:
    world.now = T0 + HOUR
    resolve(world)
    before = clock(world, KIND)
    assert before.state is ClockState.FULFILLED
    assert correct(world, Severity.CRITICAL) == before


def test_a_new_target_of_a_paused_clock_shows_when_it_goes_on(world: World) -> None:
    world.now = T0 + HOUR
    wait(world, "third_party")
    after = correct(world, Severity.LOW)
    assert (after.state, after.due_at, after.next_at) == (ClockState.PAUSED, None, None)
    world.now = T0 + 11 * HOUR
    world.command(CommandKind.INVESTIGATE)
    assert since_t0(clock(world, KIND).due_at) == 30


def test_an_edited_policy_is_for_new_instances_only_until_it_is_reapplied(world: World) -> None:
    before = clock(world, KIND)
    world.policy = msgspec.structs.replace(
        BOTH, version="edited", medium=plan({KIND: "6h"}), high=BOTH.high
    )
    world.now = T0 + HOUR
    world.feed(thread=THREAD)
    assert clock(world, KIND) == before
    world.command(CommandKind.REAPPLY, note="shorter promises from today on")
    after = clock(world, KIND)
    assert (since_t0(after.due_at), after.policy) == (6, "edited")
    world.feed(thread="another")
    assert clock(world, KIND).target_ms == 6 * HOUR


def business(calendar: str = "office", **fields: object) -> Policy:
    """Return a policy whose resolution is promised in eight working hours."""
    return policy(
        **{
            "medium": plan({KIND: "8bh"}),
            "calendars": (FRIDAY_OFFICE,),
            "calendar": calendar,
            "version": "first",
        }
        | fields
    )


def test_an_edited_calendar_is_for_new_instances_and_the_archive_keeps_the_old_one() -> None:
    world = World(business())
    world.now = at("2026-06-05 16:00")
    world.feed(thread=THREAD)
    old = clock(world, KIND)
    assert old.calendar == f"office@{fingerprint(FRIDAY_OFFICE)}"
    longer = msgspec.structs.replace(FRIDAY_OFFICE, week=((Window.parse("09:00-20:00"),),) * 7)
    world.policy = business(calendars=(longer,), archive={old.calendar: FRIDAY_OFFICE})
    wait(world)
    world.command(CommandKind.INVESTIGATE)
    assert clock(world, KIND).due_at == at("2026-06-08 16:00")
    world.command(CommandKind.REAPPLY, note="new hours")
    after = clock(world, KIND)
    assert after.calendar == f"office@{fingerprint(longer)}"
    assert after.due_at == at("2026-06-06 13:00")


def test_thanks_are_promised_anew_as_well() -> None:
    world = World()
    world.now = at("2026-06-05 16:00")
    world.feed(Severity.LOW, Kind.PRAISE)
    (sooner,) = targets({ClockKind.THANK_YOU: "3h"})
    thanks = dict(world.policy.thanks) | {Kind.PRAISE: sooner}
    world.policy = msgspec.structs.replace(world.policy, thanks=thanks)
    world.command(CommandKind.REAPPLY, note="sooner")
    after = clock(world, ClockKind.THANK_YOU)
    assert (after.due_at, after.calendar) == (at("2026-06-05 19:00"), "")


def test_another_pack_fits_when_a_matched_field_changes() -> None:
    pack = Pack(
        name="money",
        match=Match(reasons=(Reason.FINANCIAL_LOSS,)),
        plans={Severity.MEDIUM: plan({KIND: "3h"}, grace_ms=10 * MINUTE)},
    )
    world = World(msgspec.structs.replace(BOTH, packs=(pack,)))
    world.feed(thread=THREAD, reasons=(Reason.DELAY,))
    assert since_t0(clock(world, KIND).due_at) == 10
    world.now = T0 + HOUR
    (decided,) = world.feed(
        thread=THREAD, reasons=(Reason.FINANCIAL_LOSS,), severity=Severity.MEDIUM
    ).cases
    assert since_t0(clock(world, KIND).due_at) == 3
    assert decided == world.log[-1].case
    assert world.log[-1].clocks[-1].change is ClockChangeKind.TARGET_APPLIED
    world.policy = msgspec.structs.replace(BOTH, packs=())
    world.now += DAY // 24
    world.feed(thread=THREAD)
    assert clock(world, KIND).target_ms == 3 * HOUR  # an edit is no change of the case


def test_the_sun_is_followed_from_the_start_and_a_new_team_swaps_no_calendar() -> None:
    sydney = msgspec.structs.replace(FRIDAY_OFFICE, name="sydney", zone="Australia/Sydney")
    teams = (Team(name="eu", calendar="office"), Team(name="au", calendar="sydney"))
    world = World(business(calendars=(FRIDAY_OFFICE, sydney), teams=teams, team="eu"))
    world.now = at("2026-06-05 16:00")
    world.feed(thread=THREAD)
    started = clock(world, KIND)
    assert started.calendar.startswith("office@")
    world.command(CommandKind.ASSIGN, team="au", assignee="bob")
    assert world.case.team == "au"
    assert clock(world, KIND) == started
    world.command(CommandKind.REAPPLY, note="handed over")
    moved = clock(world, KIND)
    assert moved.calendar.startswith("sydney@")
    assert moved.due_at == at("2026-06-08 17:00", "Australia/Sydney")
