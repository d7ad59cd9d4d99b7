"""Commands and times that nobody sends on purpose, and that must not cost anybody a complaint."""

from __future__ import annotations

import msgspec
import pytest

from services.escalation.domain import audit
from services.escalation.domain.bounds import MAX_SKEW
from services.escalation.domain.calendar import HORIZON, Calendar, Span, Window
from services.escalation.domain.decide import CommandIn, EraseIn, FeedbackIn, TimerIn, decide
from services.escalation.domain.defaults import DEFAULT_POLICY
from services.escalation.domain.policy import DAY, HOUR, MINUTE, SeverityPlan, Target
from shared import ids
from shared.events import (
    CaseCommand,
    CaseEventKind,
    CaseState,
    ClockKind,
    CommandKind,
    EraseCustomer,
    EscalationStatus,
    Flag,
    OutcomeKind,
    Refusal,
    Severity,
    TimerKind,
)
from tests.unit.escalation.world import CUSTOMER, PLAIN, T0, TENANT, World, feedback, kinds

RARE = Calendar(name="office", week=((Window.parse("09:00-10:00"),), *((),) * 6))
"""One hour a week: within the horizon less than what a clock is given."""


@pytest.mark.parametrize("received_at", [-(2**63), -62_135_596_800_001, 0, 2**63 - 1])
def test_a_complaint_of_an_impossible_time_opens_a_case_with_possible_ones(
    received_at: int,
) -> None:
    world = World()
    decision = world.give(FeedbackIn(feedback(1, Severity.HIGH, received_at=received_at)))
    assert decision.outcome is not None
    assert decision.outcome.kind is OutcomeKind.CASE_OPENED
    assert world.case.clocks
    for clock in world.case.clocks:
        assert T0 - HORIZON <= clock.started_at <= T0
        assert clock.next_at is not None
        assert clock.next_at <= T0 + HORIZON


def test_an_answer_counts_though_the_message_bears_a_time_in_the_future() -> None:
    world = World()
    world.give(FeedbackIn(feedback(1, received_at=T0 + HOUR, thread="t1")))
    world.now += MINUTE
    world.command(CommandKind.REPLY, message_id="r1")
    assert world.case.waiting_since is None
    assert not [one for one in world.case.clocks if one.kind is ClockKind.NEXT_RESPONSE]


def test_an_erasure_of_the_future_swallows_no_complaint_of_tomorrow() -> None:
    command = EraseCustomer(
        command_id="e1",
        tenant=TENANT,
        record_key=ids.record_key(TENANT, CUSTOMER),
        actor="ada",
        at=T0 + 365 * DAY,
        reason="asked for",
    )
    receipt = decide({}, EraseIn(command), T0, PLAIN).erased
    assert receipt is not None
    assert receipt.erased_at <= T0 + MAX_SKEW
    item = feedback(1, received_at=T0 + DAY)
    outcome = decide({}, FeedbackIn(item, receipt.erased_at), T0 + DAY, PLAIN).outcome
    assert outcome is not None
    assert outcome.kind is OutcomeKind.CASE_OPENED


def test_a_snoozed_ladder_that_was_lowered_to_no_steps_ends_with_the_snooze() -> None:
    world = World(PLAIN)
    world.feed(Severity.MEDIUM)
    world.command(CommandKind.CORRECT_SEVERITY, severity=Severity.LOW)
    assert world.timers(TimerKind.STEP)
    world.command(CommandKind.SNOOZE, until=world.now + HOUR)
    assert CaseEventKind.SNOOZE_OVER in kinds(world.down(HOUR))
    assert world.case.escalation.status is EscalationStatus.CANCELLED
    assert world.case.next_due_at is not None


def test_a_lowered_ladder_that_lost_its_step_is_repaired_once() -> None:
    world = World(PLAIN)
    world.feed(Severity.MEDIUM)
    world.command(CommandKind.CORRECT_SEVERITY, severity=Severity.LOW)
    world.cases[world.case.case_id] = msgspec.structs.replace(world.case, timers=())
    first = world.command(CommandKind.AUDIT)
    assert CaseEventKind.REPAIRED in kinds(first.events)
    assert world.command(CommandKind.AUDIT).events[0].refusal is Refusal.INVALID


def test_a_poll_ends_where_the_calendar_has_hardly_any_time() -> None:
    high, medium = (
        SeverityPlan(
            clocks=(Target(clock=ClockKind.TOTAL_RESOLUTION, span=Span.parse(span)),),
            grace_ms=30 * MINUTE,
        )
        for span in ("89bh", "90bh")
    )
    world = World(
        msgspec.structs.replace(DEFAULT_POLICY, calendars=(RARE,), high=high, medium=medium)
    )
    world.feed(Severity.HIGH)
    world.down(HORIZON - 10 * MINUTE)
    world.command(CommandKind.CORRECT_SEVERITY, severity=Severity.MEDIUM)
    assert CaseEventKind.CLOCK_BREACHED not in kinds(world.down(11 * MINUTE))
    assert CaseEventKind.CLOCK_BREACHED in kinds(world.down(30 * MINUTE))


@pytest.mark.parametrize("into", [None, ""])
@pytest.mark.parametrize("kind", [CommandKind.ABSORBED, CommandKind.FORGET])
def test_what_only_cases_say_does_nothing_without_the_other_case(
    kind: CommandKind, into: str | None
) -> None:
    world = World(PLAIN)
    world.feed()
    before = world.case
    decision = world.command(kind, into=into)
    assert kinds(decision.events) == [CaseEventKind.COMMAND_REFUSED]
    assert world.case.feedback == before.feedback
    assert world.case.state is CaseState.OPEN
    assert world.case.timers == before.timers


@pytest.mark.parametrize("into", ["", "nobody", "a:b"])
@pytest.mark.parametrize("kind", [CommandKind.ABSORB, CommandKind.FORWARD])
def test_a_hand_over_by_nobody_gets_no_answer(kind: CommandKind, into: str) -> None:
    world = World(PLAIN)
    world.feed()
    command = CaseCommand(
        command_id="c1",
        tenant=TENANT,
        case_id=ids.case_id(TENANT, CUSTOMER, "no such case"),
        kind=kind,
        actor="ada",
        at=T0,
        into=into,
        case=msgspec.structs.replace(world.case, case_id=into),
    )
    decision = world.give(CommandIn(command))
    assert decision.sent == ()
    assert decision.events[0].refusal is Refusal.UNKNOWN_CASE
    here = msgspec.structs.replace(command, case_id=world.case.case_id)
    assert world.give(CommandIn(here)).sent == ()


def test_a_name_that_is_too_long_is_refused_and_known_again() -> None:
    world = World(PLAIN)
    world.feed()
    name = "x" * 40_000
    decision = world.command(CommandKind.ACKNOWLEDGE, command_id=name)
    assert decision.events[0].refusal is Refusal.INVALID
    assert "command_id" in decision.events[0].detail
    assert len(msgspec.json.encode(world.case)) < 10_000
    assert world.command(CommandKind.ACKNOWLEDGE, command_id=name).events == ()
    assert world.command(CommandKind.ACKNOWLEDGE, actor=name).events[0].refusal is Refusal.INVALID


def test_a_case_that_is_too_large_is_not_handed_over() -> None:
    world = World(PLAIN)
    world.feed()
    threads = tuple(f"{number}".rjust(900, "t") for number in range(64))
    world.cases[world.case.case_id] = msgspec.structs.replace(world.case, threads=threads)
    other = ids.case_id(TENANT, "decaf", "f")
    decision = world.command(CommandKind.MERGE, into=other)
    assert decision.events[0].refusal is Refusal.NOT_ALLOWED
    assert decision.sent == ()
    assert world.case.state is CaseState.OPEN


def test_the_long_reason_of_a_waiver_is_whole_in_its_event_only() -> None:
    world = World(PLAIN)
    world.feed(Severity.HIGH)
    world.resolve()
    decision = world.command(CommandKind.FOLLOW_UP_WAIVE, follow_up=1, note="n" * 4_000)
    waived = decision.events[0]
    assert waived.note == "n" * 4_000
    assert [len(item.reason or "") for item in world.case.follow_ups] == [300, 0]


def test_a_reply_of_another_age_was_said_within_the_horizon() -> None:
    world = World()
    world.feed(thread="t1")
    command = CaseCommand(
        command_id="c1",
        tenant=TENANT,
        case_id=world.case.case_id,
        kind=CommandKind.REPLY,
        actor="ada",
        at=-(2**63),
    )
    decision = world.give(CommandIn(command))
    assert [event.at for event in decision.events] == [T0 - HORIZON]
    assert world.give(TimerIn(world.case.case_id)).events == ()


def test_a_reference_of_an_older_release_takes_the_place_of_no_other() -> None:
    world = World(PLAIN)
    world.feed()
    for name in ("f1", "f2"):
        ref = msgspec.structs.replace(world.case.feedback[0], feedback_id=name, item="")
        world.command(CommandKind.FORWARD, feedback=ref)
    assert [ref.feedback_id for ref in world.case.feedback][1:] == ["f1", "f2"]


def test_history_that_raises_a_snoozed_case_leaves_it_a_next_step() -> None:
    world = World(PLAIN)
    world.feed(Severity.MEDIUM, thread="t1")
    world.command(CommandKind.SNOOZE, until=world.now + HOUR)
    world.feed(Severity.HIGH, thread="t1", flags=(Flag.BACKFILL,))
    assert world.case.severity is Severity.HIGH
    assert audit.violation(world.case) == ""
