"""What people decide over the machine: severity and kind, the policy of today, legal holds."""

from __future__ import annotations

import msgspec
import pytest

from services.escalation.domain.defaults import DEFAULT_POLICY
from services.escalation.domain.policy import DAY, HOUR, MINUTE
from shared.events import (
    CaseEventKind,
    CaseState,
    ClockKind,
    CommandKind,
    EscalationStatus,
    Kind,
    Reason,
    Refusal,
    Severity,
    TimerKind,
)
from tests.unit.escalation.desk import clock_of, kinds_of_live, opened, refused
from tests.unit.escalation.world import PLAIN, World, kinds

K = CaseEventKind
C = CommandKind


def test_raised_by_hand_the_ladder_begins_anew() -> None:
    world = opened(Severity.MEDIUM)
    world.acknowledge()
    due_at = clock_of(world.case, ClockKind.FIRST_RESPONSE).due_at
    events = world.command(C.CORRECT_SEVERITY, severity=Severity.CRITICAL, note="a child").events
    assert kinds(events) == [K.SEVERITY_CORRECTED, K.REESCALATED]
    assert (events[0].note, events[0].detail) == ("a child", "was medium")
    case = world.case
    assert (case.severity, case.set_by, case.state) == (Severity.CRITICAL, "ada", CaseState.OPEN)
    earlier = clock_of(case, ClockKind.FIRST_RESPONSE).due_at
    assert due_at is not None
    assert earlier is not None
    assert earlier < due_at


def test_lowered_by_hand_an_acknowledgement_stays_and_holds_longer() -> None:
    world = opened(Severity.CRITICAL, World(PLAIN))
    world.acknowledge()
    assert kinds(world.command(C.CORRECT_SEVERITY, severity=Severity.HIGH).events) == [
        K.SEVERITY_CORRECTED
    ]
    assert (world.case.state, world.timers(TimerKind.ACK_EXPIRY)) == (
        CaseState.ACKNOWLEDGED,
        [2 * HOUR],
    )
    world.command(C.CORRECT_SEVERITY, severity=Severity.LOW)
    assert world.timers(TimerKind.ACK_EXPIRY) == []


def test_lowered_by_hand_a_running_epoch_ends_as_it_began() -> None:
    world = opened(Severity.CRITICAL, World(PLAIN))
    world.command(C.CORRECT_SEVERITY, severity=Severity.MEDIUM)
    assert [event.targets for event in world.run(15 * MINUTE)] == [(), ("team-lead",)]


def test_an_epoch_keeps_how_long_an_acknowledgement_holds() -> None:
    world = opened(Severity.CRITICAL, World(PLAIN))
    critical = msgspec.structs.replace(PLAIN.critical, ack_expiry_ms=DAY)
    world.policy = msgspec.structs.replace(PLAIN, version="edited", critical=critical)
    world.acknowledge()
    assert world.timers(TimerKind.ACK_EXPIRY) == [30 * MINUTE]
    world.run(30 * MINUTE)
    world.acknowledge()
    assert world.timers(TimerKind.ACK_EXPIRY) == [30 * MINUTE + DAY]


def test_new_evidence_raises_what_was_set_by_hand() -> None:
    world = opened(Severity.HIGH)
    world.command(C.CORRECT_SEVERITY, severity=Severity.LOW)
    world.feed(Severity.MEDIUM, thread="t1")
    assert (world.case.severity, world.case.set_by) == (Severity.MEDIUM, None)


def test_what_cannot_be_corrected() -> None:
    world = opened()
    assert refused(world, C.CORRECT_SEVERITY) == (Refusal.MISSING, "severity")
    again = refused(world, C.CORRECT_SEVERITY, severity=Severity.MEDIUM)
    assert again == (Refusal.INVALID, "severity")
    world.command(C.CORRECT_SEVERITY, severity=Severity.MEDIUM, reasons=(Reason.DELAY,))
    assert world.case.reasons == (Reason.DELAY,)
    world.command(C.WAIT, on="customer")
    world.command(C.CLOSE, note="gone")
    ended = refused(world, C.CORRECT_SEVERITY, severity=Severity.HIGH)
    assert ended[0] is Refusal.WRONG_STATE


def test_praise_that_was_a_complaint_gets_all_its_promises() -> None:
    world = World()
    world.feed(Severity.LOW, Kind.PRAISE)
    events = world.command(
        C.CORRECT_SEVERITY, severity=Severity.MEDIUM, kind_is=Kind.COMPLAINT
    ).events
    assert kinds(events) == [K.SEVERITY_CORRECTED, K.ESCALATION_TRIGGERED]
    assert kinds_of_live(world.case) == {
        ClockKind.RECEIPT,
        ClockKind.FIRST_RESPONSE,
        ClockKind.FIRST_RESOLUTION,
        ClockKind.TOTAL_RESOLUTION,
    }
    # A reply does not end it any more.
    assert kinds(world.command(C.REPLY).events) == [K.REPLIED]


def test_a_complaint_that_was_praise_wants_thanks_only() -> None:
    world = opened(Severity.MEDIUM)
    world.command(C.CORRECT_SEVERITY, severity=Severity.LOW, kind_is=Kind.PRAISE)
    assert kinds_of_live(world.case) == {ClockKind.THANK_YOU}
    assert world.case.escalation.status is EscalationStatus.CANCELLED
    assert kinds(world.command(C.REPLY).events) == [K.REPLIED, K.CLOSED]


def test_the_policy_of_today_counts_when_somebody_says_so() -> None:
    world = opened(Severity.HIGH)
    edited = msgspec.structs.replace(DEFAULT_POLICY, version="edited", high=DEFAULT_POLICY.critical)
    world.policy = edited
    assert clock_of(world.case, ClockKind.FIRST_RESPONSE).target_ms == 4 * HOUR
    (event,) = world.command(C.REAPPLY, note="shorter promises").events
    assert (event.kind, event.policy) == (K.REAPPLIED, "edited")
    assert clock_of(world.case, ClockKind.FIRST_RESPONSE).target_ms == HOUR
    ladder = world.case.escalation.ladder
    assert ladder is not None
    assert len(ladder.steps) == 3


@pytest.mark.parametrize("ended", [False, True])
def test_a_legal_hold_is_set_and_released_whatever_the_case_is(ended: bool) -> None:
    world = opened()
    if ended:
        world.command(C.WAIT, on="customer")
        world.command(C.CLOSE, note="gone")
    assert kinds(world.command(C.HOLD, note="court order 7").events) == [K.HELD_FOR_LAW]
    held = world.case.legal_hold
    assert held == "court order 7"
    assert [event.detail for event in world.command(C.RELEASE).events] == ["released"]
    assert world.case.legal_hold is None
