"""Warnings and breaches: when, how often, in which order, and what is never taken back."""

from __future__ import annotations

import msgspec
import pytest

from services.escalation.domain.calendar import DAY, HOUR, MINUTE
from shared.events import (
    CaseEventKind,
    Cause,
    ClockChangeKind,
    ClockKind,
    ClockState,
    CommandKind,
    Severity,
    Step,
)
from tests.unit.escalation.clock_world import (
    THREAD,
    breaches,
    changes,
    clock,
    plan,
    policy,
    reply,
    resolve,
    words,
)
from tests.unit.escalation.world import T0, World

ONE = {ClockKind.FIRST_RESOLUTION: "4h"}
KINDS = {CaseEventKind.CLOCK_WARNED, CaseEventKind.CLOCK_BREACHED}


@pytest.fixture
def world() -> World:
    """A case with one clock of four hours."""
    made = World(policy(medium=plan(ONE), high=plan({ClockKind.FIRST_RESOLUTION: "2h"})))
    made.feed(thread=THREAD)
    return made


def test_warned_at_75_and_90_per_cent_and_broken_once(world: World) -> None:
    world.run(40 * HOUR)
    assert words(world.log, ClockKind.FIRST_RESOLUTION) == [
        ("activated", 0),
        ("warned", 3),
        ("warned", 3.6),
        ("breached", 4),
    ]
    warned = [
        one.percent
        for one in changes(world.log, ClockKind.FIRST_RESOLUTION)
        if one.change is ClockChangeKind.WARNED
    ]
    assert warned == [75, 90]


def test_a_breach_stays_and_the_clock_runs_on(world: World) -> None:
    world.run(5 * HOUR)
    one = clock(world, ClockKind.FIRST_RESOLUTION)
    assert (one.breached_at, one.due_at, one.next_at) == (T0 + 4 * HOUR, None, None)
    assert one.state is ClockState.RUNNING
    resolve(world)
    done = clock(world, ClockKind.FIRST_RESOLUTION)
    assert (done.breached_at, done.ended_at) == (T0 + 4 * HOUR, T0 + 5 * HOUR)
    assert breaches(world.log) == [("first_resolution", 4)]


@pytest.mark.parametrize(("late_ms", "broken"), [(-1, False), (0, True), (1, True)])
def test_the_deadline_is_the_first_instant_at_which_the_target_is_used_up(
    world: World, late_ms: int, broken: bool
) -> None:
    world.now = T0 + 4 * HOUR + late_ms
    resolve(world)
    assert bool(breaches(world.log)) is broken
    world.run(40 * HOUR)
    assert len(breaches(world.log)) == broken


@pytest.mark.parametrize("down", [2 * HOUR, 14 * DAY], ids=["two hours", "two weeks"])
def test_after_downtime_everything_fires_once_in_the_order_in_which_it_was_due(down: int) -> None:
    made = World()
    made.feed(Severity.CRITICAL, thread=THREAD)
    events = [event for event in made.down(down) if event.kind in KINDS]
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert {event.recorded_at for event in events} == {T0 + down}
    said = [event.detail for event in events]
    assert len(set(said)) == len(said)
    assert "receipt is over" in said
    assert not any("receipt: " in one for one in said)  # no warning about what is over
    assert made.poll() == []


def test_late_detection_keeps_the_deadline_beside_the_time_of_detection(world: World) -> None:
    (event,) = [one for one in world.down(DAY) if one.kind in KINDS]
    assert (event.kind, event.cause) == (CaseEventKind.CLOCK_BREACHED, Cause.CLOCK)
    assert (event.at, event.recorded_at) == (T0 + 4 * HOUR, T0 + DAY)
    (change,) = event.clocks
    assert (change.change, change.at) == (ClockChangeKind.BREACHED, T0 + 4 * HOUR)


def test_after_a_standstill_the_last_warning_counts_with_its_own_instant(world: World) -> None:
    (event,) = [one for one in world.down(int(3.7 * HOUR)) if one.kind in KINDS]
    (change,) = event.clocks
    assert (change.percent, event.at) == (90, T0 + int(3.6 * HOUR))


def test_deadlines_of_clocks_and_of_the_ladder_keep_their_order_after_downtime() -> None:
    """The first warning (3 h) lies before the step of the ladder (3.5 h), the breach (4 h) after."""
    step = Step(targets=("support",), wait_ms=int(3.5 * HOUR))
    made = World(policy(medium=msgspec.structs.replace(plan(ONE), steps=(step,))))
    made.feed(thread=THREAD)
    events = made.down(6 * HOUR)
    assert [event.kind for event in events[:1]] == [CaseEventKind.ACK_TIMED_OUT]
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert breaches(events) == [("first_resolution", 4)]


def test_what_nobody_has_seen_yet_is_recorded_before_the_clock_is_cancelled(world: World) -> None:
    world.now = T0 + 5 * HOUR
    world.feed(thread="t2")
    survivor = world.case.case_id
    world.command(CommandKind.MERGE, case_id=next(iter(world.cases)), into=survivor)
    assert breaches(world.log) == [("first_resolution", 4)]


def test_a_breach_that_nobody_has_seen_survives_a_new_target(world: World) -> None:
    world.now = T0 + 5 * HOUR
    world.command(CommandKind.CORRECT_SEVERITY, severity=Severity.LOW)
    one = clock(world, ClockKind.FIRST_RESOLUTION)
    assert (one.breached_at, one.target_ms) == (T0 + 4 * HOUR, 4 * HOUR)
    assert [event.cause for event in world.log if event.kind in KINDS] == [Cause.CLOCK]


def test_a_warning_that_is_no_longer_in_the_plan_is_passed_over(world: World) -> None:
    world.policy = policy(medium=plan(ONE, warn=(95,)))
    world.run(40 * HOUR)
    assert words(world.log, ClockKind.FIRST_RESOLUTION) == [
        ("activated", 0),
        ("warned", 3.8),
        ("breached", 4),
    ]


def test_a_warning_of_an_edited_plan_that_comes_before_the_last_one_is_not_given(
    world: World,
) -> None:
    world.run(int(3.2 * HOUR))
    world.policy = policy(medium=plan(ONE, warn=(50,)))
    world.run(40 * HOUR)
    recorded = words(world.log, ClockKind.FIRST_RESOLUTION)
    assert recorded == [("activated", 0), ("warned", 3), ("breached", 4)]


def test_each_instance_of_a_clock_has_a_breach_of_its_own() -> None:
    made = World(policy())
    made.feed(thread=THREAD)
    reply(made)
    for _ in range(3):
        made.run(HOUR)
        made.feed(thread=THREAD)
        made.run(3 * HOUR)
        reply(made)
    late = [at for what, at in breaches(made.log) if what == "next_response"]
    assert late == pytest.approx([hour + 2 - 1 / 3600 for hour in (1, 5, 9)])


def test_a_breach_is_told_to_somebody_and_ends_a_snooze(world: World) -> None:
    world.command(CommandKind.SNOOZE, until=T0 + 20 * HOUR)
    events = world.run(5 * HOUR)
    (broken,) = [event for event in events if event.kind is CaseEventKind.CLOCK_BREACHED]
    assert broken.targets
    assert CaseEventKind.SNOOZE_OVER in {event.kind for event in events}
    assert world.case.snoozed_until is None


def test_no_clock_is_negative_when_the_time_goes_back(world: World) -> None:
    world.now = T0 - 10 * MINUTE
    resolve(world)
    one = clock(world, ClockKind.FIRST_RESOLUTION)
    assert one.state is ClockState.FULFILLED
    assert one.ended_at == T0
    done = [one for one in changes(world.log, ClockKind.FIRST_RESOLUTION) if one.elapsed_ms]
    assert done == []
