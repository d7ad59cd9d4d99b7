"""Pauses: which clocks stand still while a case waits, and what does not accrue then."""

from __future__ import annotations

import pytest

from services.escalation.domain import timing
from services.escalation.domain.calendar import HOUR, MINUTE
from services.escalation.domain.policy import Policy
from shared.events import ClockKind, ClockState, CommandKind, Severity
from tests.unit.escalation.clock_world import (
    THREAD,
    breaches,
    clock,
    fulfilled,
    live,
    plan,
    policy,
    reply,
    resolve,
    since_t0,
    wait,
    words,
)
from tests.unit.escalation.world import T0, World

RESOLUTIONS = (ClockKind.FIRST_RESOLUTION, ClockKind.TOTAL_RESOLUTION)
UPDATES = {ClockKind.UPDATE, *RESOLUTIONS}


def answered(given: Policy | None = None) -> World:
    """Return a case that was answered an hour after it was opened, and waits for a new message."""
    world = World(given or policy())
    world.feed(thread=THREAD)
    world.now = T0 + HOUR
    reply(world, "r1")
    return world


def paused(world: World) -> set[ClockKind]:
    """Return which clocks are paused."""
    return {one.kind for one in world.case.clocks if one.state is ClockState.PAUSED}


def test_waiting_for_the_customer_pauses_update_and_resolutions() -> None:
    world = answered()
    world.now = T0 + 2 * HOUR
    wait(world)
    assert paused(world) == UPDATES
    for one in world.case.clocks:
        if one.kind in UPDATES:
            assert (one.due_at, one.next_at, one.since) == (None, None, None)


def test_a_pause_accrues_nothing() -> None:
    world = answered()
    world.now = T0 + 2 * HOUR
    wait(world)
    world.now = T0 + 12 * HOUR
    world.feed(thread=THREAD)  # the customer answers: the wait is over
    assert not paused(world)
    assert since_t0(clock(world, ClockKind.FIRST_RESOLUTION).due_at) == 58
    assert since_t0(clock(world, ClockKind.UPDATE).due_at) == 35
    assert words(world.log, ClockKind.UPDATE) == [("activated", 1), ("paused", 2), ("resumed", 12)]
    world.now = T0 + 13 * HOUR
    resolve(world)
    assert fulfilled(world, ClockKind.FIRST_RESOLUTION) == [3 * HOUR]


def test_nothing_breaches_in_a_pause() -> None:
    world = answered()
    wait(world)
    before = breaches(world.log)
    world.run(100 * HOUR)
    assert breaches(world.log) == before


def test_resolved_while_paused_ends_the_pause_first() -> None:
    world = answered()
    world.now = T0 + 2 * HOUR
    wait(world)
    world.now = T0 + 30 * HOUR
    resolve(world)
    assert words(world.log, ClockKind.FIRST_RESOLUTION) == [
        ("activated", 0),
        ("paused", 2),
        ("resumed", 30),
        ("fulfilled", 30),
    ]
    assert fulfilled(world, ClockKind.FIRST_RESOLUTION) == [2 * HOUR]


@pytest.mark.parametrize(("opted_in", "stand_still"), [(False, set()), (True, set(RESOLUTIONS))])
def test_waiting_for_a_third_party_pauses_resolutions_if_the_plan_says_so(
    opted_in: bool, stand_still: set[ClockKind]
) -> None:
    world = answered(policy(medium=plan(pause_for_third_party=opted_in)))
    wait(world, "third_party")
    assert paused(world) == stand_still


def test_a_plan_without_pauses_pauses_the_update_only() -> None:
    world = answered(policy(medium=plan(pause_for_customer=False)))
    wait(world)
    assert paused(world) == {ClockKind.UPDATE}


def test_a_response_never_pauses() -> None:
    world = World(policy())
    world.feed(thread=THREAD)
    wait(world)
    assert paused(world) == set(RESOLUTIONS)
    assert since_t0(clock(world, ClockKind.RECEIPT).due_at) == 1
    assert clock(world, ClockKind.FIRST_RESPONSE).state is ClockState.RUNNING


def test_an_update_that_begins_while_the_customer_is_waited_for_begins_paused() -> None:
    world = World(policy())
    world.feed(thread=THREAD)
    wait(world)
    world.now = T0 + HOUR
    reply(world, "r1")
    one = clock(world, ClockKind.UPDATE)
    assert (one.state, one.since, one.due_at) == (ClockState.PAUSED, None, None)
    world.now = T0 + 30 * HOUR
    world.feed(thread=THREAD)
    assert since_t0(clock(world, ClockKind.UPDATE).due_at) == 54


def test_a_deadline_that_passed_before_the_pause_is_a_breach_first() -> None:
    world = World(policy(medium=plan({ClockKind.FIRST_RESOLUTION: "2h"})))
    world.feed(thread=THREAD)
    world.now = T0 + 3 * HOUR  # nobody has polled since
    wait(world)
    assert breaches(world.log) == [("first_resolution", 2)]
    world.now = T0 + 5 * HOUR
    resolve(world)
    assert fulfilled(world, ClockKind.FIRST_RESOLUTION) == [3 * HOUR]
    assert len(breaches(world.log)) == 1


def test_pause_and_resume_at_the_same_instant_leave_no_trace() -> None:
    world = answered()
    before = clock(world, ClockKind.FIRST_RESOLUTION)
    wait(world)
    wait(world)
    world.command(CommandKind.INVESTIGATE)
    after = clock(world, ClockKind.FIRST_RESOLUTION)
    assert after.intervals == ((T0, T0 + HOUR),)
    assert after.due_at == before.due_at


def test_many_pauses_are_kept_short_and_never_make_a_clock_later() -> None:
    world = answered(policy(medium=plan(dict.fromkeys(RESOLUTIONS, "900h"))))
    active = HOUR
    for number in range(2 * timing.MAX_INTERVALS):
        wait(world)
        world.now += (number % 7 + 1) * MINUTE
        world.command(CommandKind.INVESTIGATE)
        world.now += HOUR
        active += HOUR
    one = clock(world, ClockKind.FIRST_RESOLUTION)
    assert len(one.intervals) == timing.MAX_INTERVALS
    assert active <= timing.elapsed(world.policy, one, world.now) < world.now - T0


def test_a_raise_out_of_a_wait_resumes_and_leaves_the_grace() -> None:
    fast = plan(dict.fromkeys(RESOLUTIONS, "1h"), grace_ms=15 * MINUTE)
    world = answered(policy(high=fast, medium=plan(pause_for_third_party=True)))
    world.now = T0 + 2 * HOUR
    wait(world, "third_party")
    world.now = T0 + 20 * HOUR
    world.command(CommandKind.CORRECT_SEVERITY, severity=Severity.HIGH)
    assert not paused(world)
    assert since_t0(clock(world, ClockKind.FIRST_RESOLUTION).due_at) == 20.25
    assert ClockKind.FIRST_RESOLUTION in live(world)
