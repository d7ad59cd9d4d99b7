"""Commands: what is carried out, what is refused and why, and that each counts once."""

from __future__ import annotations

import pytest

from services.escalation.domain.commands import MAX_COMMANDS
from services.escalation.domain.decide import Decision
from services.escalation.domain.lifecycle import MAX_NOTE
from shared import ids
from shared.events import (
    CaseEventKind,
    CaseState,
    Cause,
    CommandKind,
    EscalationStatus,
    FollowUpState,
    Refusal,
    Severity,
    TimerKind,
)
from tests.unit.escalation.world import PLAIN, T0, TENANT, World, kinds

K = CaseEventKind


def at_state(state: CaseState, severity: Severity = Severity.MEDIUM) -> World:
    """Return a world whose one case is in ``state``."""
    world = World(PLAIN)
    world.feed(severity, thread="t1")
    if state is CaseState.ACKNOWLEDGED:
        world.acknowledge()
    if state in (CaseState.RESOLVED, CaseState.CLOSED):
        world.resolve()
    if state is CaseState.CLOSED:
        world.settle(1)
    assert world.case.state is state
    return world


@pytest.mark.parametrize(
    ("state", "kind", "follow_up", "refusal"),
    [
        (CaseState.OPEN, CommandKind.ACKNOWLEDGE, None, None),
        (CaseState.ACKNOWLEDGED, CommandKind.ACKNOWLEDGE, None, Refusal.WRONG_STATE),
        (CaseState.RESOLVED, CommandKind.ACKNOWLEDGE, None, Refusal.WRONG_STATE),
        (CaseState.CLOSED, CommandKind.ACKNOWLEDGE, None, Refusal.WRONG_STATE),
        (CaseState.OPEN, CommandKind.RESOLVE, None, None),
        (CaseState.ACKNOWLEDGED, CommandKind.RESOLVE, None, None),
        (CaseState.RESOLVED, CommandKind.RESOLVE, None, Refusal.WRONG_STATE),
        (CaseState.CLOSED, CommandKind.RESOLVE, None, Refusal.WRONG_STATE),
        (CaseState.OPEN, CommandKind.FOLLOW_UP_DONE, 1, Refusal.NO_SUCH_FOLLOW_UP),
        (CaseState.RESOLVED, CommandKind.FOLLOW_UP_DONE, 1, None),
        (CaseState.RESOLVED, CommandKind.FOLLOW_UP_WAIVE, 1, None),
        (CaseState.RESOLVED, CommandKind.FOLLOW_UP_DONE, 2, Refusal.NO_SUCH_FOLLOW_UP),
        (CaseState.RESOLVED, CommandKind.FOLLOW_UP_DONE, None, Refusal.NO_SUCH_FOLLOW_UP),
        (CaseState.CLOSED, CommandKind.FOLLOW_UP_WAIVE, 1, Refusal.WRONG_STATE),
    ],
)
def test_what_is_allowed_when(
    state: CaseState, kind: CommandKind, follow_up: int | None, refusal: Refusal | None
) -> None:
    world = at_state(state)
    before = world.case
    events = world.command(kind, follow_up=follow_up, note="why").events
    assert events[0].refusal is refusal
    assert (events[0].kind is K.COMMAND_REFUSED) == (refusal is not None)
    assert (events[0].actor, events[0].note, events[0].cause) == ("ada", "why", Cause.COMMAND)
    assert events[0].case_seq == before.case_seq + 1
    if refusal is not None:
        assert len(events) == 1
        assert (world.case.state, world.case.timers) == (state, before.timers)


def test_a_low_case_that_pages_nobody_can_be_acknowledged_all_the_same() -> None:
    world = at_state(CaseState.OPEN, Severity.LOW)
    assert world.acknowledge().events[0].kind is K.ACKNOWLEDGED
    assert (world.case.state, world.case.assignee) == (CaseState.ACKNOWLEDGED, "ada")
    assert world.timers(TimerKind.ACK_EXPIRY) == []
    assert world.resolve().events[0].kind is K.RESOLVED


def test_a_low_case_can_be_resolved_at_once() -> None:
    world = at_state(CaseState.OPEN, Severity.LOW)
    assert world.resolve().events[0].kind is K.RESOLVED
    assert world.case.escalation.status is EscalationStatus.NONE


def test_resolving_cancels_and_promises() -> None:
    world = at_state(CaseState.ACKNOWLEDGED, Severity.CRITICAL)
    events = world.resolve().events
    assert kinds(events) == [K.RESOLVED, *[K.FOLLOW_UP_SCHEDULED] * 3]
    case = world.case
    assert (case.resolved_at, case.resolved_by, case.resolution) == (T0, "ada", "refunded")
    assert case.escalation.status is EscalationStatus.CANCELLED
    assert {timer.kind for timer in case.timers} == {TimerKind.FOLLOW_UP_DUE}


def test_expected_sequence() -> None:
    world = at_state(CaseState.OPEN)
    seq = world.case.case_seq
    (refused,) = world.command(CommandKind.RESOLVE, expected_seq=seq - 1).events
    assert refused.refusal is Refusal.SEQ_MISMATCH
    assert world.case.case_seq == seq + 1
    assert world.command(CommandKind.RESOLVE, expected_seq=seq + 1).events[0].kind is K.RESOLVED


@pytest.mark.parametrize("tenant", [TENANT, "other"])
def test_unknown_case(tenant: str) -> None:
    """A case of another tenant is unknown as well."""
    world = at_state(CaseState.OPEN)
    case_id = world.case.case_id if tenant == "other" else "acme:c0ffee:000000000000"
    decision = world.command(CommandKind.RESOLVE, case_id=case_id, command_id="k9", tenant=tenant)
    (event,) = decision.events
    assert decision.cases == ()
    assert event.event_id == ids.digest(tenant, "refusal", "k9")
    assert (event.case, event.case_seq, event.case_id) == (None, 0, case_id)
    assert (event.refusal, event.tenant) == (Refusal.UNKNOWN_CASE, tenant)


@pytest.mark.parametrize("state", [CaseState.OPEN, CaseState.CLOSED])
def test_a_repeated_command_does_nothing(state: CaseState) -> None:
    world = at_state(state)
    world.command(CommandKind.RESOLVE, command_id="once")
    before = world.case
    assert world.command(CommandKind.RESOLVE, command_id="once") is Decision.NOTHING
    assert world.command(CommandKind.ACKNOWLEDGE, command_id="once") is Decision.NOTHING
    assert world.case == before


def test_the_last_commands_are_remembered() -> None:
    world = at_state(CaseState.RESOLVED)
    for number in range(MAX_COMMANDS):
        world.command(CommandKind.RESOLVE, command_id=f"c{number}")
    assert MAX_COMMANDS == 32
    assert world.case.commands == tuple(f"c{number}" for number in range(MAX_COMMANDS))


def test_a_note_is_cut() -> None:
    world = at_state(CaseState.OPEN)
    long = "n" * (MAX_NOTE + 1)
    for kind, case_id in (
        (CommandKind.RESOLVE, None),
        (CommandKind.RESOLVE, None),
        (CommandKind.RESOLVE, "acme:c0ffee:000000000000"),
    ):
        event = world.command(kind, case_id=case_id, note=long).events[0]
        assert event.note == long[:MAX_NOTE]
    assert world.case.resolution == long[:MAX_NOTE]


@pytest.mark.parametrize(
    ("kind", "event", "state"),
    [
        (CommandKind.FOLLOW_UP_DONE, K.FOLLOW_UP_DONE, FollowUpState.DONE),
        (CommandKind.FOLLOW_UP_WAIVE, K.FOLLOW_UP_WAIVED, FollowUpState.WAIVED),
    ],
)
def test_settling_names_the_follow_up(
    kind: CommandKind, event: CaseEventKind, state: FollowUpState
) -> None:
    world = at_state(CaseState.RESOLVED, Severity.HIGH)
    (settled,) = world.command(kind, follow_up=2).events
    assert settled.kind is event
    assert settled.follow_up is not None
    assert (settled.follow_up.number, settled.follow_up.state) == (2, state)
    assert [timer.ref for timer in world.case.timers] == [1]
