"""Praise and suggestions: thanked for, decided on, told; and complaints when they become some."""

from __future__ import annotations

import pytest

from services.escalation.domain.policy import DAY
from shared.events import (
    CaseEventKind,
    CaseState,
    Cause,
    ClockKind,
    CommandKind,
    EscalationStatus,
    Kind,
    Refusal,
    Severity,
    Verdict,
)
from tests.unit.escalation.desk import kinds_of_live, refused, state
from tests.unit.escalation.world import World, kinds

K = CaseEventKind
C = CommandKind


def thanks(kind: Kind, severity: Severity = Severity.LOW) -> World:
    """Return a world with one case of praise, or of a suggestion."""
    world = World()
    world.feed(severity, kind, thread="t1")
    return world


@pytest.mark.parametrize("kind", [Kind.PRAISE, Kind.SUGGESTION])
def test_nobody_is_paged_and_a_clock_runs(kind: Kind) -> None:
    world = thanks(kind)
    assert kinds(world.log) == [K.OPENED]
    assert kinds_of_live(world.case) == {ClockKind.THANK_YOU}
    assert K.CLOCK_BREACHED in kinds(world.run(20 * DAY))


def test_praise_is_over_with_a_reply() -> None:
    world = thanks(Kind.PRAISE)
    events = world.command(C.REPLY, note="thank you").events
    assert [(event.kind, event.cause) for event in events] == [
        (K.REPLIED, Cause.COMMAND),
        (K.CLOSED, Cause.THANKED),
    ]
    assert kinds_of_live(world.case) == set()


@pytest.mark.parametrize("kind", [C.REPLY, C.COMMUNICATE])
def test_a_suggestion_is_decided_on_and_its_author_told(kind: CommandKind) -> None:
    world = thanks(Kind.SUGGESTION)
    assert refused(world, C.COMMUNICATE) == (Refusal.MISSING, "verdict")
    assert refused(world, C.DECIDE, note="so") == (Refusal.MISSING, "verdict")
    assert refused(world, C.DECIDE, verdict=Verdict.PLANNED) == (Refusal.MISSING, "note")
    (event,) = world.command(C.DECIDE, verdict=Verdict.PLANNED, note="in spring").events
    assert (event.kind, event.note, world.case.verdict) == (
        K.DECIDED,
        "in spring",
        Verdict.PLANNED,
    )
    assert state(world) is CaseState.ACKNOWLEDGED
    said = K.REPLIED if kind is C.REPLY else K.COMMUNICATED
    assert kinds(world.command(kind).events) == [said, K.CLOSED]


def test_a_suggestion_that_was_answered_but_not_decided_is_not_over() -> None:
    world = thanks(Kind.SUGGESTION)
    assert kinds(world.command(C.REPLY).events) == [K.REPLIED]
    assert world.case.next_due_at is not None
    assert state(world) is CaseState.ACKNOWLEDGED


@pytest.mark.parametrize("severity", [Severity.LOW, Severity.HIGH])
def test_a_complaint_makes_it_a_complaint(severity: Severity) -> None:
    world = thanks(Kind.PRAISE)
    world.feed(severity, Kind.COMPLAINT, thread="t1")
    case = world.case
    assert (case.kind, case.severity) == (Kind.COMPLAINT, severity)
    assert ClockKind.THANK_YOU not in kinds_of_live(case)
    assert {ClockKind.FIRST_RESPONSE, ClockKind.FIRST_RESOLUTION} <= kinds_of_live(case)
    paged = case.escalation.status is EscalationStatus.PENDING
    assert paged is (severity is Severity.HIGH)
    assert kinds(world.command(C.REPLY).events) == [K.REPLIED]
    assert refused(world, C.CLOSE, note="done")[0] is Refusal.WRONG_STATE


def test_a_complaint_that_reopens_it_makes_it_one() -> None:
    world = thanks(Kind.PRAISE)
    world.resolve()
    world.now += DAY
    assert K.REOPENED in kinds(world.feed(Severity.LOW, Kind.COMPLAINT, thread="t1").events)
    assert world.case.kind is Kind.COMPLAINT
    assert kinds(world.command(C.REPLY).events) == [K.REPLIED]


@pytest.mark.parametrize("kind", [Kind.PRAISE, Kind.SUGGESTION])
def test_a_problem_that_is_put_kindly_is_resolved_like_any_other(kind: Kind) -> None:
    world = thanks(kind, Severity.HIGH)
    assert ClockKind.FIRST_RESPONSE in kinds_of_live(world.case)
    if kind is Kind.SUGGESTION:
        world.command(C.DECIDE, verdict=Verdict.ACCEPTED, note="yes")
    assert kinds(world.command(C.REPLY).events) == [K.REPLIED]
    assert refused(world, C.COMMUNICATE)[0] is Refusal.WRONG_STATE
    world.resolve()
    assert kinds(world.command(C.COMMUNICATE).events) == [K.COMMUNICATED]


def test_thanks_that_did_not_arrive_are_owed_again() -> None:
    world = thanks(Kind.PRAISE)
    world.command(C.REPLY, message_id="r1")
    events = world.command(C.BOUNCE, message_id="r1").events
    assert kinds(events) == [K.REPLY_BOUNCED, K.REOPENED]
    assert events[1].cause is Cause.CONTACT_FAILED
    assert kinds_of_live(world.case) == {ClockKind.THANK_YOU}
    assert kinds(world.command(C.REPLY, message_id="r2").events) == [K.REPLIED, K.CLOSED]


def test_an_advertisement_is_closed_with_a_reason() -> None:
    world = thanks(Kind.PRAISE)
    assert refused(world, C.CLOSE) == (Refusal.MISSING, "note")
    assert kinds(world.command(C.CLOSE, note="an advertisement").events) == [K.CLOSED]
