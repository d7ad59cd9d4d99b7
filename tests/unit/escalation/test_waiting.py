"""Waiting for the customer or somebody else, and being snoozed: what is quiet, and until when."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.escalation.domain.defaults import DEFAULT_POLICY
from services.escalation.domain.policy import DAY, HOUR
from shared.events import (
    CaseEventKind,
    CaseState,
    Cause,
    CommandKind,
    FollowUp,
    FollowUpState,
    Kind,
    Refusal,
    Severity,
    TimerKind,
)
from tests.unit.escalation.desk import opened, refused, state
from tests.unit.escalation.world import PLAIN, T0, World, kinds

K = CaseEventKind
C = CommandKind
NEWS = {K.NUDGE_DUE, K.CLOSED, K.WAIT_OVER, K.REMINDED}


def waiting(severity: Severity = Severity.MEDIUM, **fields: Any) -> World:
    """Return a case without clocks that waits for the customer."""
    world = opened(severity, World(PLAIN))
    world.command(C.REPLY, note="which invoice is it?")
    world.command(C.WAIT, **{"on": "customer"} | fields)
    return world


def said(world: World, duration: int) -> list[tuple[int, CaseEventKind]]:
    """Let time pass; return what was said about the wait, in hours from T0 on."""
    found = world.run(duration)
    return [((event.at - T0) // HOUR, event.kind) for event in found if event.kind in NEWS]


@pytest.mark.parametrize("severity", [Severity.HIGH, Severity.MEDIUM, Severity.LOW])
def test_two_reminders_and_then_it_is_over(severity: Severity) -> None:
    world = waiting(severity)
    assert said(world, 30 * DAY) == [
        (2 * 24, K.NUDGE_DUE),
        (5 * 24, K.NUDGE_DUE),
        (14 * 24, K.CLOSED),
    ]
    assert (world.log[-1].cause, world.case.state) == (Cause.NO_RESPONSE, CaseState.CLOSED)


def test_a_promise_that_is_still_open_is_waived_for_that_reason() -> None:
    world = waiting()
    item = FollowUp(number=1, kind="confirm", due_at=world.now + 60 * DAY)
    case = msgspec.structs.replace(world.case, follow_ups=(item,))
    world.cases[case.case_id] = case
    world.run(14 * DAY)
    (waived,) = world.case.follow_ups
    assert (waived.state, waived.reason) == (FollowUpState.WAIVED, "no_response")


def test_a_case_is_not_closed_on_a_customer_whom_nobody_answered() -> None:
    world = opened(Severity.MEDIUM, World(PLAIN))
    world.command(C.WAIT, on="customer")
    assert said(world, 15 * DAY)[2:] == [(14 * 24, K.WAIT_OVER), (15 * 24, K.REMINDED)]
    assert state(world) is CaseState.ACKNOWLEDGED


def test_critical_is_for_a_person_to_decide() -> None:
    world = waiting(Severity.CRITICAL)
    found = said(world, 20 * DAY)
    assert found[:2] == [(2 * 24, K.NUDGE_DUE), (5 * 24, K.NUDGE_DUE)]
    assert found[2:] == [(day * 24, K.REMINDED) for day in range(6, 21)]
    (event,) = world.command(C.CLOSE, note="she wrote that all is well").events
    assert (event.kind, event.cause) == (K.CLOSED, Cause.NO_RESPONSE)


def test_a_case_that_became_critical_while_it_waits_does_not_close_by_itself() -> None:
    world = waiting()
    changed = msgspec.structs.replace(world.case, severity=Severity.CRITICAL)
    world.cases[changed.case_id] = changed
    assert K.CLOSED not in kinds(world.run(20 * DAY))
    assert K.WAIT_OVER in kinds(world.log)


def test_a_customer_who_waits_as_agreed_is_not_closed() -> None:
    world = waiting(until=T0 + 3 * DAY)
    assert said(world, 20 * DAY)[:2] == [(2 * 24, K.NUDGE_DUE), (3 * 24, K.WAIT_OVER)]
    assert state(world) is CaseState.ACKNOWLEDGED


@pytest.mark.parametrize(
    ("severity", "on", "until", "refusal"),
    [
        (Severity.MEDIUM, "third_party", None, Refusal.MISSING),
        (Severity.MEDIUM, "third_party", T0, Refusal.INVALID),
        (Severity.MEDIUM, "third_party", T0 + 7 * DAY, None),
        (Severity.MEDIUM, "third_party", T0 + 7 * DAY + 1, Refusal.INVALID),
        (Severity.CRITICAL, "third_party", T0 + DAY, None),
        (Severity.CRITICAL, "third_party", T0 + DAY + 1, Refusal.INVALID),
        (Severity.CRITICAL, "customer", T0 + DAY + 1, Refusal.INVALID),
    ],
)
def test_how_long_a_case_may_wait(
    severity: Severity, on: str, until: int | None, refusal: Refusal | None
) -> None:
    world = opened(severity)
    if refusal is not None:
        assert refused(world, C.WAIT, on=on, until=until) == (refusal, "until")
    else:
        assert kinds(world.command(C.WAIT, on=on, until=until).events) == [K.WAITING]


def test_somebody_else_answered_in_time_or_not() -> None:
    world = opened(Severity.HIGH)
    world.command(C.WAIT, on="third_party", until=T0 + 2 * HOUR)
    assert world.timers(TimerKind.STEP) == world.timers(TimerKind.ACK_EXPIRY) == []
    world.now = T0 + HOUR
    world.feed(Severity.HIGH, thread="t1")
    assert state(world) is CaseState.WAITING_THIRD_PARTY
    world.now = T0 + 2 * HOUR
    over = next(event for event in world.poll() if event.kind is K.WAIT_OVER)
    assert (over.at, over.targets) == (T0 + 2 * HOUR, ("ada",))
    # The acknowledgement that was held back begins to run.
    assert world.timers(TimerKind.ACK_EXPIRY) == [4 * HOUR]


def test_a_message_of_the_customer_ends_the_wait_and_thanks_do_not() -> None:
    world = waiting(Severity.HIGH)
    world.feed(Severity.LOW, Kind.PRAISE, thread="t1")
    assert state(world) is CaseState.WAITING_CUSTOMER
    world.feed(Severity.LOW, Kind.OTHER, thread="t1")
    assert state(world) is CaseState.ACKNOWLEDGED
    assert (world.timers(TimerKind.NUDGE), world.timers(TimerKind.WAIT_END)) == ([], [])
    assert world.timers(TimerKind.ACK_EXPIRY) == [2 * HOUR]
    assert K.NUDGE_DUE not in kinds(world.run(6 * DAY))


def test_who_waits_again_begins_anew() -> None:
    world = waiting()
    world.run(3 * DAY)
    world.command(C.WAIT, on="customer")
    assert (world.case.nudges, world.timers(TimerKind.NUDGE)) == (0, [5 * DAY, 8 * DAY])


def test_a_raised_severity_ends_the_wait() -> None:
    world = waiting()
    world.command(C.CORRECT_SEVERITY, severity=Severity.HIGH)
    assert (world.case.state, world.case.wait_until) == (CaseState.OPEN, None)
    assert (world.timers(TimerKind.WAIT_END), world.timers(TimerKind.NUDGE)) == ([], [])
    assert world.timers(TimerKind.STEP) == [HOUR]


@pytest.mark.parametrize(
    ("severity", "limit"),
    [(Severity.HIGH, 4 * HOUR), (Severity.MEDIUM, DAY), (Severity.LOW, DAY)],
)
def test_how_long_a_case_may_be_snoozed(severity: Severity, limit: int) -> None:
    world = opened(severity)
    assert refused(world, C.SNOOZE) == (Refusal.MISSING, "until")
    assert refused(world, C.SNOOZE, until=T0 + limit + 1) == (Refusal.INVALID, "until")
    assert refused(world, C.SNOOZE, until=T0) == (Refusal.INVALID, "until")
    assert kinds(world.command(C.SNOOZE, until=T0 + limit).events) == [K.SNOOZED]
    assert world.timers(TimerKind.STEP) == []


def test_what_cannot_be_snoozed() -> None:
    assert refused(opened(Severity.CRITICAL), C.SNOOZE, until=T0 + 1)[0] is Refusal.NOT_ALLOWED
    assert refused(waiting(), C.SNOOZE, until=T0 + HOUR)[0] is Refusal.WRONG_STATE


def snoozed(severity: Severity = Severity.HIGH, *, acknowledged: bool = False) -> World:
    """Return a snoozed case, for 4 hours."""
    world = opened(severity, World(PLAIN))
    if acknowledged:
        world.acknowledge()
    world.command(C.SNOOZE, until=T0 + 4 * HOUR)
    return world


def test_after_a_snooze_the_ladder_begins_anew() -> None:
    world = snoozed()
    events = world.run(4 * HOUR)
    assert [(event.kind, event.at, event.epoch) for event in events] == [
        (K.SNOOZE_OVER, T0 + 4 * HOUR, None),
        (K.REESCALATED, T0 + 4 * HOUR, 2),
    ]


def test_an_acknowledgement_expires_after_a_snooze_only() -> None:
    world = snoozed(acknowledged=True)
    world.command(C.NOTE, note="a note that is long enough to be work")
    assert world.timers(TimerKind.ACK_EXPIRY) == []
    assert kinds(world.run(4 * HOUR)) == [K.SNOOZE_OVER]
    assert world.timers(TimerKind.ACK_EXPIRY) == [6 * HOUR]


def test_who_acknowledges_a_snoozed_case_is_not_paged_before_the_snooze_ends() -> None:
    world = snoozed()
    world.acknowledge()
    assert kinds(world.run(4 * HOUR)) == [K.SNOOZE_OVER]
    assert world.timers(TimerKind.ACK_EXPIRY) == [6 * HOUR]


def test_a_snooze_ends_when_the_case_begins_to_wait() -> None:
    world = snoozed()
    world.command(C.WAIT, on="customer")
    assert (world.case.snoozed_until, world.timers(TimerKind.SNOOZE_END)) == (None, [])


@pytest.mark.parametrize("acknowledged", [False, True])
def test_what_wakes_a_snoozed_case(acknowledged: bool) -> None:
    world = snoozed(acknowledged=acknowledged)
    world.feed(Severity.LOW, Kind.PRAISE, thread="t1")
    world.feed(Severity.LOW, Kind.OTHER, thread="t1")
    until = world.case.snoozed_until
    assert until == T0 + 4 * HOUR
    events = world.feed(Severity.LOW, Kind.COMPLAINT, thread="t1").events
    assert world.case.snoozed_until is None
    assert K.SNOOZE_OVER in kinds(events) or K.REESCALATED in kinds(events)
    assert bool(world.timers(TimerKind.STEP)) is not acknowledged or K.SEVERITY_RAISED in kinds(
        events
    )


def test_a_raised_severity_wakes() -> None:
    world = snoozed(Severity.MEDIUM)
    events = world.feed(Severity.CRITICAL, thread="t1").events
    assert K.ESCALATION_TRIGGERED in kinds(events) or K.REESCALATED in kinds(events)
    assert (world.case.snoozed_until, world.timers(TimerKind.SNOOZE_END)) == (None, [])


def test_a_breach_wakes_and_a_warning_does_not() -> None:
    tight = msgspec.structs.replace(DEFAULT_POLICY.high, clocks=DEFAULT_POLICY.critical.clocks)
    world = opened(Severity.HIGH, World(msgspec.structs.replace(DEFAULT_POLICY, high=tight)))
    world.command(C.RECEIPT)
    world.command(C.SNOOZE, until=T0 + 4 * HOUR)
    events = world.run(HOUR)
    assert kinds(events) == [
        K.CLOCK_WARNED,
        K.CLOCK_WARNED,
        K.CLOCK_BREACHED,
        K.SNOOZE_OVER,
        K.REESCALATED,
    ]
    assert (events[-2].cause, world.case.snoozed_until) == (Cause.CLOCK, None)
