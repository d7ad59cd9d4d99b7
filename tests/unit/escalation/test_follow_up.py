"""Follow-ups: due on time, missed after their grace, closing the case when settled."""

from __future__ import annotations

import msgspec
import pytest

from services.escalation.domain.follow_up import MAX_FOLLOW_UPS
from services.escalation.domain.policy import DAY, HOUR
from shared.events import (
    CaseEventKind,
    CaseState,
    Cause,
    ClockState,
    CommandKind,
    EscalationStatus,
    FollowUpState,
    Severity,
    Timer,
    TimerKind,
)
from tests.unit.escalation.world import PLAIN, T0, World, kinds

K = CaseEventKind


def resolved(severity: Severity) -> World:
    world = World(PLAIN)
    world.feed(severity, thread="t1")
    world.resolve()
    return world


@pytest.mark.parametrize(
    ("severity", "cadence"),
    [
        (
            Severity.CRITICAL,
            [("confirm", 1), ("still_fixed", 7), ("relationship", 30)],
        ),
        (Severity.HIGH, [("confirm", 2), ("still_fixed", 7)]),
        (Severity.MEDIUM, [("confirm", 2)]),
        (Severity.LOW, [("survey", 7)]),
        (Severity.UNDETERMINED, [("survey", 7)]),
    ],
)
def test_cadence(severity: Severity, cadence: list[tuple[str, int]]) -> None:
    world = resolved(severity)
    items = world.case.follow_ups
    assert tuple(event.follow_up for event in world.log if event.follow_up) == items
    assert [(item.kind, (item.due_at - T0) // DAY) for item in items] == cadence
    assert [item.number for item in items] == list(range(1, len(cadence) + 1))
    assert world.timers(TimerKind.FOLLOW_UP_DUE) == [days * DAY for _, days in cadence]


@pytest.mark.parametrize(
    ("severity", "due", "grace"),
    [
        (Severity.CRITICAL, DAY, DAY),
        (Severity.HIGH, 2 * DAY, DAY),
        (Severity.LOW, 7 * DAY, 3 * DAY),
    ],
)
def test_due_then_missed_then_the_lead_is_told_once(
    severity: Severity, due: int, grace: int
) -> None:
    world = resolved(severity)
    epoch = world.case.escalation.epoch
    (event,) = world.run(due)
    assert (event.kind, event.cause, event.at) == (K.FOLLOW_UP_DUE, Cause.FOLLOW_UP, T0 + due)
    assert event.follow_up is not None
    assert event.follow_up.state is FollowUpState.DUE
    missed, told = world.run(grace)
    assert (missed.kind, missed.at) == (K.FOLLOW_UP_MISSED, T0 + due + grace)
    assert (told.kind, told.cause) == (K.REESCALATED, Cause.FOLLOW_UP_OVERDUE)
    assert (told.targets, told.epoch, told.step) == (("team-lead",), epoch + 1, 1)
    assert told.follow_up == missed.follow_up == world.case.follow_ups[0]
    assert world.case.state is CaseState.RESOLVED
    world.run(365 * DAY)
    overdue = [event for event in world.log if event.cause is Cause.FOLLOW_UP_OVERDUE]
    assert len(overdue) == len(world.case.follow_ups)


def test_an_overdue_follow_up_leaves_the_old_ladder_behind() -> None:
    world = World(PLAIN)
    world.feed(Severity.HIGH)
    world.run(DAY)
    world.resolve()
    world.run(3 * DAY)
    stands = world.case.escalation
    assert (stands.status, stands.epoch) == (EscalationStatus.CANCELLED, 2)
    assert (stands.step, stands.rounds) == (1, 0)


@pytest.mark.parametrize("ref", [1, 9])
@pytest.mark.parametrize("kind", [TimerKind.FOLLOW_UP_DUE, TimerKind.FOLLOW_UP_MISSED])
def test_a_timer_whose_follow_up_is_settled_is_dropped_quietly(kind: TimerKind, ref: int) -> None:
    world = resolved(Severity.HIGH)
    world.settle(1)
    stray = Timer(kind=kind, due_at=world.now, version=99, ref=ref)
    kept = world.case.timers
    strayed = msgspec.structs.replace(world.case, timers=(*kept, stray), timer_version=99)
    world.cases[strayed.case_id] = strayed
    assert world.poll() == []
    assert world.case.timers == kept


def test_grace_after_downtime_runs_from_the_notice() -> None:
    world = resolved(Severity.MEDIUM)
    (event,) = world.down(10 * DAY)
    assert (event.kind, event.at, event.recorded_at) == (
        K.FOLLOW_UP_DUE,
        T0 + 2 * DAY,
        T0 + 10 * DAY,
    )
    assert world.timers(TimerKind.FOLLOW_UP_MISSED) == [13 * DAY]


def test_several_deadlines_fire_in_order_after_downtime() -> None:
    world = resolved(Severity.CRITICAL)
    events = world.down(40 * DAY)
    assert kinds(events) == [K.FOLLOW_UP_DUE] * 3
    assert [(event.at - T0) // DAY for event in events] == [1, 7, 30]


@pytest.mark.parametrize("wait", [0, 2 * DAY, 6 * DAY], ids=["scheduled", "due", "missed"])
@pytest.mark.parametrize("kind", [CommandKind.FOLLOW_UP_DONE, CommandKind.FOLLOW_UP_WAIVE])
@pytest.mark.parametrize("told", [False, True])
def test_settling_the_last_one_closes_when_the_customer_knows(
    wait: int, kind: CommandKind, told: bool
) -> None:
    """Who did a follow-up has told the customer; who waives it has not."""
    world = resolved(Severity.MEDIUM)
    if told:
        world.command(CommandKind.COMMUNICATE)
    world.run(wait)
    before = world.case.state
    events = world.command(kind, follow_up=1).events
    case = world.case
    if kind is CommandKind.FOLLOW_UP_WAIVE and not told:
        assert kinds(events) == [K.FOLLOW_UP_WAIVED]
        assert (case.state, case.closed_at) == (before, None)
        world.command(CommandKind.COMMUNICATE)
    assert world.log[-1].kind is K.CLOSED
    assert world.log[-1].cause is Cause.FOLLOW_UPS_SETTLED
    case = world.case
    assert (case.state, case.closed_at) == (CaseState.CLOSED, T0 + wait)
    assert {clock.state for clock in case.clocks} <= {ClockState.FULFILLED, ClockState.CANCELLED}
    assert [(timer.kind, timer.due_at - world.now) for timer in case.timers] == [
        (TimerKind.FORGET, 45 * DAY)
    ]


def test_a_closed_case_is_forgotten_in_the_end_unless_the_law_wants_it() -> None:
    world = resolved(Severity.MEDIUM)
    world.settle(1)
    world.command(CommandKind.HOLD, note="a court wants to see it")
    world.run(60 * DAY)
    assert world.case.state is CaseState.CLOSED
    world.command(CommandKind.RELEASE)
    assert world.run(2 * DAY) == []
    assert world.cases == {}


def test_a_missed_one_keeps_the_case_from_closing() -> None:
    world = resolved(Severity.HIGH)
    world.run(4 * DAY)
    assert world.case.follow_ups[0].state is FollowUpState.MISSED
    after = [world.settle(number).cases[0].state for number in (2, 1)]
    assert after == [CaseState.RESOLVED, CaseState.CLOSED]


def test_a_done_follow_up_never_falls_due() -> None:
    world = resolved(Severity.HIGH)
    world.settle(1)
    assert kinds(world.run(3 * DAY)) == []
    world.run(4 * DAY)
    world.settle(2)
    assert world.run(60 * DAY) == []
    assert world.cases == {}


def test_reopening_forgets_the_deadlines() -> None:
    world = resolved(Severity.MEDIUM)
    world.run(2 * DAY)
    world.feed(Severity.MEDIUM, thread="t1")
    assert not any(event.follow_up for event in world.run(10 * DAY))


@pytest.mark.parametrize("told", [False, True])
def test_a_resolution_without_promises_closes_as_soon_as_the_customer_knows(told: bool) -> None:
    silent = msgspec.structs.replace(PLAIN.low, follow_ups=())
    world = World(msgspec.structs.replace(PLAIN, low=silent))
    world.feed(Severity.LOW, thread="t1")
    assert kinds(world.resolve().events) == [K.RESOLVED]
    assert world.timers(TimerKind.CLOSE) == [14 * DAY]
    world.feed(Severity.LOW, thread="t1")
    assert world.timers(TimerKind.CLOSE) == []
    world.resolve()
    if told:
        # Nothing is promised any more, so that is the end of it.
        assert kinds(world.command(CommandKind.COMMUNICATE).events) == [K.COMMUNICATED, K.CLOSED]
        return
    (event,) = world.run(14 * DAY)
    assert (event.kind, event.targets) == (K.REMINDED, ("team-lead",))
    assert world.case.state is CaseState.RESOLVED
    assert kinds(world.run(DAY)) == [K.REMINDED]
    assert world.command(CommandKind.COMMUNICATE).events[-1].kind is K.CLOSED


def test_old_follow_ups_are_forgotten() -> None:
    world = resolved(Severity.CRITICAL)
    for _ in range(MAX_FOLLOW_UPS):
        world.now += HOUR
        world.feed(Severity.CRITICAL, thread="t1")
        world.resolve()
    assert len(world.case.follow_ups) == MAX_FOLLOW_UPS == 32
    numbers = [item.number for item in world.case.follow_ups]
    assert numbers == list(range(numbers[-1] - MAX_FOLLOW_UPS + 1, numbers[-1] + 1))
    assert numbers[-1] == 3 * (MAX_FOLLOW_UPS + 1)
    unsettled = [item for item in world.case.follow_ups if item.state is FollowUpState.SCHEDULED]
    assert [item.number for item in unsettled] == numbers[-3:]
