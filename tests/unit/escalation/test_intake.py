"""What a feedback does to a case: opening, attaching, raising, reopening."""

from __future__ import annotations

from typing import Any

import pytest

from services.escalation.domain.policy import DAY, HOUR, MINUTE
from shared import ids
from shared.events import (
    Call,
    CallOutcome,
    Case,
    CaseEventKind,
    CaseState,
    Cause,
    ClockChangeKind,
    ClockKind,
    EscalationStatus,
    FollowUpState,
    Kind,
    Reason,
    Severity,
    TimerKind,
    Transcript,
)
from tests.unit.escalation.world import CUSTOMER, PLAIN, T0, TENANT, World, kinds

K = CaseEventKind


def test_opening_triggers_the_first_step() -> None:
    world = World(PLAIN)
    opened, triggered = world.feed(Severity.CRITICAL).events
    assert (opened.kind, triggered.kind) == (K.OPENED, K.ESCALATION_TRIGGERED)
    assert (triggered.epoch, triggered.step, triggered.targets) == (1, 1, ("on-call",))
    for seq, event in enumerate((opened, triggered), start=1):
        assert event.case is not None
        assert event.case_seq == event.case.case_seq == seq
        assert event.event_id == ids.case_event_id(TENANT, world.case.case_id, seq)
        assert (event.at, event.recorded_at, event.cause) == (T0, T0, Cause.FEEDBACK)
        assert event.feedback_received_at == T0 - 1000
        assert event.feedback_id == world.case.feedback[0].feedback_id
    assert opened.case is not None
    assert opened.case.timers == ()
    assert triggered.case == world.case
    assert world.timers(TimerKind.STEP) == [15 * MINUTE]
    assert world.case.escalation.policy == "default-2/critical"


def test_the_case_id_carries_the_record_key() -> None:
    world = World(PLAIN)
    world.feed()
    assert ids.record_key_of_case(world.case.case_id) == ids.record_key(TENANT, CUSTOMER)


def test_a_low_case_has_no_escalation() -> None:
    world = World(PLAIN)
    assert kinds(world.feed(Severity.LOW).events) == [K.OPENED]
    assert [timer.kind for timer in world.case.timers] == [TimerKind.REMIND]
    assert world.case.escalation.status is EscalationStatus.NONE


@pytest.mark.parametrize("severity", Severity)
def test_the_opening_starts_the_clocks(severity: Severity) -> None:
    world = World()
    opened = world.feed(severity).events[0]
    started = [(one.clock, one.change, one.at) for one in opened.clocks]
    assert started == [
        (ClockKind.RECEIPT, ClockChangeKind.ACTIVATED, T0),
        (ClockKind.FIRST_RESPONSE, ClockChangeKind.ACTIVATED, T0 - 1000),
        (ClockKind.FIRST_RESOLUTION, ClockChangeKind.ACTIVATED, T0),
        (ClockKind.TOTAL_RESOLUTION, ClockChangeKind.ACTIVATED, T0),
    ]
    assert world.case.waiting_since == T0 - 1000


def test_a_low_case_is_reminded_of_once_all_its_clocks_are_over() -> None:
    world = World()
    world.feed(Severity.LOW)
    assert world.case.timers == ()
    world.run(30 * DAY)
    log = world.log
    breached = max(at for at, event in enumerate(log) if event.kind is K.CLOCK_BREACHED)
    later = log[breached + 1 :]
    assert later
    assert set(kinds(later)) == {K.REMINDED}
    assert later[0].at == log[breached].at + DAY


def test_outcome_names_the_case() -> None:
    world = World(PLAIN)
    outcome = world.feed(Severity.HIGH).outcome
    assert outcome is not None
    assert (outcome.case_id, outcome.severity) == (world.case.case_id, Severity.HIGH)
    assert (outcome.received_at, outcome.decided_at) == (T0 - 1000, T0)


def test_references_keep_the_first_and_the_last() -> None:
    world = World(PLAIN)
    for number in range(Case.MAX_REFS + 5):
        world.feed(thread="t1", text=f"message {number}")
    case = world.case
    assert case.feedback_count == Case.MAX_REFS + 5
    assert [ref.excerpt for ref in case.feedback] == [
        "message 0",
        *(f"message {number}" for number in range(6, Case.MAX_REFS + 5)),
    ]


@pytest.mark.parametrize(
    ("text", "excerpt"),
    [
        ("a" * 280, "a" * 280),
        ("a" * 281, "a" * 279 + "…"),
        ("  two\n\nlines ", "two lines"),
        ("", ""),
    ],
)
def test_excerpt(text: str, excerpt: str) -> None:
    world = World(PLAIN)
    world.feed(text=text)
    assert world.case.feedback[0].excerpt == excerpt


@pytest.mark.parametrize(
    ("fields", "excerpt"),
    [
        ({"text": " ", "title": "Never again"}, "Never again"),
        ({"text": "Words", "title": "Never again"}, "Words"),
        (
            {"text": "", "call": Call(call_id="c1", outcome=CallOutcome.MISSED)},
            "[call: missed, transcript: none]",
        ),
        (
            {"text": "", "call": Call(call_id="c1", transcript=Transcript.FAILED)},
            "[call: unknown, transcript: failed]",
        ),
    ],
)
def test_what_is_shown_of_an_item_without_words(fields: dict[str, Any], excerpt: str) -> None:
    world = World(PLAIN)
    world.feed(**fields)
    assert world.case.feedback[0].excerpt == excerpt


def test_reasons_are_united_in_order() -> None:
    world = World(PLAIN)
    world.feed(thread="t1", reasons=[Reason.DELAY, Reason.PRICE])
    world.feed(thread="t1", reasons=[Reason.SERVICE, Reason.DELAY])
    assert world.case.reasons == (Reason.DELAY, Reason.PRICE, Reason.SERVICE)


L, M, U, H, C = (
    Severity.LOW,
    Severity.MEDIUM,
    Severity.UNDETERMINED,
    Severity.HIGH,
    Severity.CRITICAL,
)


@pytest.mark.parametrize(
    ("first", "second", "after"),
    [
        (L, M, M),
        (M, H, H),
        (M, U, U),
        (U, M, U),
        (U, H, H),
        (H, C, C),
        (H, L, H),
        (C, U, C),
        (C, C, C),
    ],
)
def test_severity_only_rises(first: Severity, second: Severity, after: Severity) -> None:
    world = World(PLAIN)
    world.feed(first, thread="t1")
    events = world.feed(second, thread="t1").events
    assert world.case.severity is after
    if after is first:
        assert kinds(events) == [K.FEEDBACK_ATTACHED]
    else:
        again = K.ESCALATION_TRIGGERED if first is L else K.REESCALATED
        assert kinds(events) == [K.FEEDBACK_ATTACHED, K.SEVERITY_RAISED, again]
        assert events[-1].cause is Cause.SEVERITY_RAISED
        assert events[-1].epoch == (1 if first is L else 2)


def test_severity_up_clears_the_acknowledgement_and_starts_over() -> None:
    world = World(PLAIN)
    world.feed(Severity.HIGH, thread="t1")
    world.acknowledge()
    world.now += 5 * MINUTE
    world.feed(Severity.CRITICAL, thread="t1")
    case = world.case
    assert (case.state, case.acknowledged_at, case.acknowledged_by) == (CaseState.OPEN, None, None)
    assert case.escalation.status is EscalationStatus.PENDING
    assert (case.escalation.epoch, case.escalation.step) == (2, 1)
    assert [timer.kind for timer in case.timers] == [TimerKind.STEP]
    assert world.timers(TimerKind.STEP) == [20 * MINUTE]


def test_another_message_leaves_the_acknowledgement_and_its_expiry() -> None:
    world = World(PLAIN)
    world.feed(Severity.CRITICAL, thread="t1")
    world.acknowledge()
    before = world.case
    world.now += 5 * MINUTE
    world.feed(Severity.CRITICAL, thread="t1")
    assert world.case.state is CaseState.ACKNOWLEDGED
    assert world.case.timers == before.timers


@pytest.mark.parametrize(("severity", "after"), [(L, M), (M, H), (U, H), (H, H), (C, C)], ids=str)
def test_third_contact_raises_by_one_and_never_to_critical(
    severity: Severity, after: Severity
) -> None:
    world = World(PLAIN)
    for _ in range(2):
        world.feed(severity, thread="t1")
        assert world.case.severity is severity
    events = world.feed(severity, thread="t1").events
    assert world.case.severity is after
    assert Reason.REPEAT_CONTACT in world.case.reasons
    raised = [event for event in events if event.kind is K.SEVERITY_RAISED]
    assert [event.note for event in raised] == ([] if after is severity else ["repeat_contact"])
    world.feed(severity, thread="t1")
    assert world.case.severity is after


def test_a_repetition_that_the_classifier_saw_is_not_counted_twice() -> None:
    world = World(PLAIN)
    world.feed(Severity.MEDIUM, thread="t1", reasons=[Reason.REPEAT_CONTACT])
    world.feed(Severity.MEDIUM, thread="t1")
    world.feed(Severity.MEDIUM, thread="t1")
    assert world.case.severity is Severity.MEDIUM


def test_thanks_as_the_third_contact_raises_nothing() -> None:
    world = World(PLAIN)
    world.feed(thread="t1")
    world.feed(thread="t1")
    thanks = world.feed(Severity.LOW, Kind.PRAISE, thread="t1")
    fourth = world.feed(thread="t1")
    after = [decision.cases[0].severity for decision in (thanks, fourth)]
    assert after == [Severity.MEDIUM, Severity.HIGH]


def test_reopening_waives_and_restarts() -> None:
    world = World(PLAIN)
    world.feed(Severity.HIGH, thread="t1")
    world.resolve()
    world.run(2 * DAY + HOUR)
    assert [item.state for item in world.case.follow_ups] == [
        FollowUpState.DUE,
        FollowUpState.SCHEDULED,
    ]
    events = world.feed(Severity.HIGH, thread="t1").events
    assert kinds(events) == [
        K.REOPENED,
        K.FOLLOW_UP_WAIVED,
        K.FOLLOW_UP_WAIVED,
        K.REESCALATED,
    ]
    assert [event.cause for event in events[1:]] == [Cause.REOPENED] * 3
    case = world.case
    assert (case.state, case.reopen_count, case.feedback_count) == (CaseState.OPEN, 1, 2)
    assert (case.resolved_at, case.resolved_by, case.resolution) == (None, None, None)
    assert (case.escalation.epoch, case.escalation.step) == (2, 1)
    assert [timer.kind for timer in case.timers] == [TimerKind.STEP]


def test_reopening_with_worse_news_starts_one_escalation_only() -> None:
    world = World(PLAIN)
    world.feed(Severity.MEDIUM, thread="t1")
    world.resolve()
    events = world.feed(Severity.CRITICAL, thread="t1").events
    assert kinds(events)[-2:] == [K.SEVERITY_RAISED, K.REESCALATED]
    assert (events[-1].epoch, events[-1].targets) == (2, ("on-call",))
    assert world.timers(TimerKind.STEP) == [15 * MINUTE]


def test_follow_ups_after_a_reopening_get_new_numbers() -> None:
    world = World(PLAIN)
    world.feed(Severity.MEDIUM, thread="t1")
    world.resolve()
    world.feed(Severity.MEDIUM, thread="t1")
    world.resolve()
    assert [(item.number, item.state) for item in world.case.follow_ups] == [
        (1, FollowUpState.WAIVED),
        (2, FollowUpState.SCHEDULED),
    ]
