"""Imported history: cases and clocks as usual, but nobody is paged before something new comes."""

from __future__ import annotations

from typing import Any

import pytest

from services.escalation.domain.policy import DAY, HOUR, MINUTE
from shared.events import (
    Author,
    CaseEventKind,
    CaseState,
    Cause,
    Channel,
    EscalationStatus,
    Flag,
    Kind,
    Operation,
    Origin,
    OutcomeKind,
    Reason,
    Refusal,
    Repeat,
    Role,
    Severity,
    TimerKind,
)
from tests.unit.escalation.test_grouping import kind_of
from tests.unit.escalation.world import PLAIN, T0, World, kinds

K = CaseEventKind
S = EscalationStatus
OLD: dict[str, Any] = {"flags": (Flag.BACKFILL,)}
severities = pytest.mark.parametrize("severity", Severity)
paged = pytest.mark.parametrize("severity", [one for one in Severity if one is not Severity.LOW])


def targets(world: World) -> list[tuple[str, ...]]:
    return [event.targets for event in world.log if event.targets]


@severities
def test_the_case_opens_and_nobody_is_paged(severity: Severity) -> None:
    world = World(PLAIN)
    decision = world.feed(severity, reasons=[Reason.DELAY], **OLD)
    assert kind_of(decision) is OutcomeKind.CASE_OPENED
    assert kinds(decision.events) == [K.OPENED]
    case = world.case
    assert (case.state, case.severity, case.backfilled) == (CaseState.OPEN, severity, True)
    assert (case.opened_at, case.timers, case.escalation.status) == (T0, (), S.NONE)
    assert world.run(60 * DAY) == []
    assert world.case == case


def test_what_asks_for_no_case_opens_none() -> None:
    assert kind_of(World(PLAIN).feed(Severity.LOW, Kind.PRAISE, **OLD)) is OutcomeKind.NO_CASE


@paged
def test_something_new_starts_the_escalation(severity: Severity) -> None:
    world = World(PLAIN)
    world.feed(severity, thread="t1", **OLD)
    world.run(DAY)
    decision = world.feed(severity, thread="t1")
    assert kinds(decision.events) == [K.FEEDBACK_ATTACHED, K.ESCALATION_TRIGGERED]
    assert decision.events[-1].cause is Cause.FEEDBACK
    case = world.case
    assert (case.backfilled, case.escalation.status, case.escalation.epoch) == (False, S.PENDING, 1)
    assert [timer.kind for timer in case.timers] == [TimerKind.STEP]
    assert case.escalation.started_at == world.now


def test_worse_news_starts_it_once() -> None:
    world = World(PLAIN)
    world.feed(Severity.MEDIUM, thread="t1", **OLD)
    events = world.feed(Severity.CRITICAL, thread="t1").events
    assert kinds(events) == [K.FEEDBACK_ATTACHED, K.SEVERITY_RAISED, K.ESCALATION_TRIGGERED]
    assert events[-1].cause is Cause.SEVERITY_RAISED


def test_a_new_revision_starts_it() -> None:
    world = World(PLAIN)
    world.feed(Severity.HIGH, number=1, **OLD)
    events = world.feed(Severity.HIGH, number=1, op=Operation.UPDATE).events
    assert kinds(events) == [K.FEEDBACK_ATTACHED, K.ESCALATION_TRIGGERED]


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": Kind.PRAISE, "severity": Severity.LOW},
        {"origin": Origin.AUTO_REPLY},
        {"author": Author(role=Role.BOT)},
        {"op": Operation.DELETE, "number": 1, "text": ""},
        OLD,
    ],
    ids=str,
)
def test_what_is_no_new_complaint_does_not_start_it(fields: dict[str, Any]) -> None:
    world = World(PLAIN)
    world.feed(Severity.HIGH, thread="t1", number=1, **OLD)
    severity = fields.get("severity", Severity.HIGH)
    rest = {name: value for name, value in fields.items() if name != "severity"}
    assert kinds(world.feed(severity, thread="t1", **rest).events) == [K.FEEDBACK_ATTACHED]
    assert (world.case.backfilled, world.case.timers) == (True, ())


def test_a_reply_of_ours_takes_it_in_hand_and_pages_nobody() -> None:
    world = World(PLAIN)
    world.feed(Severity.HIGH, thread="t1", **OLD)
    events = world.feed(Severity.HIGH, thread="t1", author=Author(role=Role.AGENT)).events
    assert kinds(events) == [K.FEEDBACK_ATTACHED, K.REPLIED]
    assert (world.case.state, world.case.timers) == (CaseState.ACKNOWLEDGED, ())
    assert targets(world) == []


def test_imported_contacts_raise_without_paging() -> None:
    world = World(PLAIN)
    for _ in range(3):
        decision = world.feed(Severity.MEDIUM, thread="t1", **OLD)
    assert kinds(decision.events) == [K.FEEDBACK_ATTACHED, K.SEVERITY_RAISED]
    assert (world.case.severity, world.case.timers) == (Severity.HIGH, ())
    world.feed(Severity.MEDIUM, thread="t1")
    assert world.timers(TimerKind.STEP) == [HOUR]


def test_the_third_time_of_imported_words_opens_without_paging() -> None:
    world = World(PLAIN)
    events = world.feed(Severity.MEDIUM, repeat=Repeat(of="gone", count=3), **OLD).events
    assert kinds(events) == [K.OPENED, K.SEVERITY_RAISED]
    assert (world.case.severity, world.case.timers) == (Severity.HIGH, ())


# ---- commands


@severities
def test_it_can_be_acknowledged_and_stays_quiet(severity: Severity) -> None:
    world = World(PLAIN)
    world.feed(severity, **OLD)
    events = world.acknowledge().events
    assert kinds(events) == [K.ACKNOWLEDGED]
    assert (world.case.state, world.case.acknowledged_by) == (CaseState.ACKNOWLEDGED, "ada")
    assert world.run(30 * DAY) == []
    assert world.acknowledge().events[0].refusal is Refusal.WRONG_STATE


def test_a_new_message_on_an_acknowledged_one_lets_the_acknowledgement_expire_as_usual() -> None:
    world = World(PLAIN)
    world.feed(Severity.CRITICAL, thread="t1", **OLD)
    world.acknowledge()
    world.now += HOUR
    assert kinds(world.feed(Severity.CRITICAL, thread="t1").events) == [K.FEEDBACK_ATTACHED]
    assert (world.case.state, world.case.backfilled) == (CaseState.ACKNOWLEDGED, False)
    assert world.timers(TimerKind.ACK_EXPIRY) == [HOUR + 30 * MINUTE]
    events = world.run(30 * MINUTE)
    assert kinds(events) == [K.ESCALATION_TRIGGERED]
    assert (events[0].cause, events[0].targets) == (Cause.ACK_EXPIRED, ("on-call",))
    assert world.case.escalation.started_at == T0 + HOUR


def test_worse_news_on_an_acknowledged_one_page() -> None:
    world = World(PLAIN)
    world.feed(Severity.MEDIUM, thread="t1", **OLD)
    world.acknowledge()
    events = world.feed(Severity.CRITICAL, thread="t1").events
    assert kinds(events) == [K.FEEDBACK_ATTACHED, K.SEVERITY_RAISED, K.ESCALATION_TRIGGERED]
    assert [timer.kind for timer in world.case.timers] == [TimerKind.STEP]


def test_worse_imported_news_leave_an_acknowledged_one_quiet() -> None:
    world = World(PLAIN)
    world.feed(Severity.MEDIUM, thread="t1", **OLD)
    world.acknowledge()
    world.feed(Severity.CRITICAL, thread="t1", **OLD)
    case = world.case
    assert (case.state, case.severity) == (CaseState.ACKNOWLEDGED, Severity.CRITICAL)
    assert (case.backfilled, case.timers) == (True, ())


@pytest.mark.parametrize("acknowledged", [False, True])
def test_it_can_be_resolved_with_its_promises(acknowledged: bool) -> None:
    world = World(PLAIN)
    world.feed(Severity.HIGH, **OLD)
    if acknowledged:
        world.acknowledge()
    assert kinds(world.resolve().events) == [K.RESOLVED, *[K.FOLLOW_UP_SCHEDULED] * 2]
    world.settle(1)
    world.settle(2)
    assert world.case.state is CaseState.CLOSED
    assert targets(world) == []


# ---- imported history on a case that is alive


def test_a_running_ladder_goes_on() -> None:
    world = World(PLAIN)
    world.feed(Severity.MEDIUM, thread="t1")
    before = world.case
    events = world.feed(Severity.HIGH, thread="t1", **OLD).events
    assert kinds(events) == [K.FEEDBACK_ATTACHED, K.SEVERITY_RAISED]
    assert (world.case.timers, world.case.escalation) == (before.timers, before.escalation)
    assert not world.case.backfilled


def test_an_acknowledgement_holds_for_as_long_as_the_new_severity_allows() -> None:
    world = World(PLAIN)
    world.feed(Severity.MEDIUM, thread="t1")
    world.acknowledge()
    assert world.timers(TimerKind.ACK_EXPIRY) == []
    world.feed(Severity.HIGH, thread="t1", **OLD)
    assert world.case.state is CaseState.ACKNOWLEDGED
    assert world.timers(TimerKind.ACK_EXPIRY) == [2 * HOUR]


def test_a_case_without_a_ladder_stays_quiet_until_something_new_comes() -> None:
    world = World(PLAIN)
    world.feed(Severity.LOW, thread="t1")
    assert kinds(world.feed(Severity.HIGH, thread="t1", **OLD).events) == [
        K.FEEDBACK_ATTACHED,
        K.SEVERITY_RAISED,
    ]
    assert (world.case.backfilled, world.case.timers) == (True, ())
    events = world.feed(Severity.MEDIUM, thread="t1").events
    assert kinds(events) == [K.FEEDBACK_ATTACHED, K.ESCALATION_TRIGGERED]


def test_history_does_not_reopen_what_is_resolved() -> None:
    world = World(PLAIN)
    world.feed(Severity.HIGH, thread="t1")
    world.resolve()
    before = world.case
    events = world.feed(Severity.CRITICAL, thread="t1", **OLD).events
    assert kinds(events) == [K.FEEDBACK_ATTACHED]
    case = world.case
    assert (case.state, case.severity, case.timers) == (
        CaseState.RESOLVED,
        before.severity,
        before.timers,
    )
    assert case.follow_ups == before.follow_ups
    events = world.feed(Severity.HIGH, thread="t1").events
    assert kinds(events)[0] is K.REOPENED


@pytest.mark.parametrize(("written", "reopens"), [(-1, False), (0, True), (1, True), (None, True)])
def test_what_was_written_before_the_resolution_says_nothing_against_it(
    written: int | None, reopens: bool
) -> None:
    world = World(PLAIN)
    world.feed(Severity.HIGH, thread="t1")
    world.resolve()
    resolved_at = world.case.resolved_at
    assert resolved_at is not None
    world.now += HOUR
    at = None if written is None else resolved_at + written
    decision = world.feed(Severity.HIGH, thread="t1", occurred_at=at)
    expected = OutcomeKind.CASE_REOPENED if reopens else OutcomeKind.CASE_ATTACHED
    assert kind_of(decision) is expected


def test_a_backfilled_case_that_was_resolved_reopens_as_usual() -> None:
    world = World(PLAIN)
    world.feed(Severity.HIGH, thread="t1", **OLD)
    world.resolve()
    events = world.feed(Severity.HIGH, thread="t1", channel=Channel.PHONE).events
    assert kinds(events)[-1] is K.ESCALATION_TRIGGERED
    assert not world.case.backfilled
