"""What keeps a case quiet, a wait or a snooze, ends; a reminder stands while nothing else does."""

from __future__ import annotations

import msgspec

from services.escalation.domain.decide import EraseIn, decide
from services.escalation.domain.defaults import DEFAULT_POLICY
from services.escalation.domain.policy import DAY, HOUR, Team
from shared.events import (
    CaseEventKind,
    CaseState,
    Cause,
    ClockState,
    CommandKind,
    EraseCustomer,
    Kind,
    Severity,
    TimerKind,
)
from tests.unit.escalation.world import PLAIN, T0, TENANT, World, kinds

K = CaseEventKind
CREW = msgspec.structs.replace(DEFAULT_POLICY, teams=(Team(name="crew", via=("queue",)),))


def test_a_critical_case_never_closes_by_itself_however_it_waits() -> None:
    world = World(PLAIN)
    world.feed(Severity.CRITICAL)
    world.command(CommandKind.WAIT, on="customer", until=T0 + HOUR)
    (event,) = world.run(HOUR)
    assert (event.kind, event.cause) == (K.WAIT_OVER, Cause.WAIT_OVER)
    assert world.case.state is CaseState.ACKNOWLEDGED
    assert [timer.kind for timer in world.case.timers] == [TimerKind.ACK_EXPIRY]


def test_a_wait_that_was_critical_does_not_close_early_when_it_is_no_longer() -> None:
    world = World(PLAIN)
    world.feed(Severity.CRITICAL)
    world.command(CommandKind.WAIT, on="customer", until=T0 + HOUR)
    world.command(CommandKind.CORRECT_SEVERITY, severity=Severity.HIGH)
    assert kinds(world.run(HOUR)) == [K.WAIT_OVER]


def test_a_breach_ends_a_snooze_and_pages_again() -> None:
    world = World()
    world.feed(Severity.HIGH)
    world.run(2 * HOUR)
    epoch = world.case.escalation.epoch
    world.command(CommandKind.SNOOZE, until=world.now + 4 * HOUR)
    assert {event.kind for event in world.run(HOUR)} <= {K.CLOCK_WARNED}
    assert world.case.snoozed_until is not None
    events = world.run(HOUR)
    assert kinds(events)[-3:] == [K.CLOCK_BREACHED, K.SNOOZE_OVER, K.REESCALATED]
    assert (events[-2].cause, events[-1].epoch) == (Cause.CLOCK, epoch + 1)
    assert world.timers(TimerKind.SNOOZE_END) == []


def test_an_acknowledgement_in_a_snooze_expires_only_after_it() -> None:
    world = World(PLAIN)
    world.feed(Severity.HIGH)
    world.command(CommandKind.SNOOZE, until=T0 + 4 * HOUR)
    world.acknowledge()
    assert kinds(world.run(4 * HOUR)) == [K.SNOOZE_OVER]
    assert world.timers(TimerKind.ACK_EXPIRY) == [6 * HOUR]


def test_a_case_that_waits_and_is_put_into_a_queue_is_worked_on_again() -> None:
    world = World(CREW)
    world.feed(Severity.HIGH)
    world.command(CommandKind.WAIT, on="customer")
    assert ClockState.PAUSED in {clock.state for clock in world.case.clocks}
    world.command(CommandKind.ASSIGN, team="crew")
    assert (world.case.state, world.case.wait_until) == (CaseState.OPEN, None)
    assert [timer.kind for timer in world.case.timers] == [TimerKind.STEP]
    assert ClockState.PAUSED not in {clock.state for clock in world.case.clocks}


def test_a_reminder_goes_when_something_else_is_pending() -> None:
    world = World()
    world.feed(Severity.LOW, thread="t1")
    world.run(30 * DAY)
    assert [timer.kind for timer in world.case.timers] == [TimerKind.REMIND]
    world.command(CommandKind.REPLY)
    world.feed(Severity.LOW, Kind.QUESTION, thread="t1")
    assert world.timers(TimerKind.REMIND) == []
    assert K.REMINDED not in kinds(world.run(DAY))


def test_which_case_holds_up_an_erasure_does_not_depend_on_their_order() -> None:
    world = World(PLAIN)
    for thread in ("t1", "t2"):
        world.feed(thread=thread)
        world.command(CommandKind.HOLD, note=f"a court wants {thread}")
    command = EraseCustomer(
        command_id="e1", tenant=TENANT, record_key=world.case.record_key, actor="ada",
        at=world.now, reason="asked for it",
    )  # fmt: skip
    turned = dict(reversed(world.cases.items()))
    one, other = (
        decide(cases, EraseIn(command), world.now, PLAIN) for cases in (world.cases, turned)
    )
    assert one == other
    assert kinds(one.events) == [K.COMMAND_REFUSED]
    assert (one.removed, one.erased) == ((), None)
