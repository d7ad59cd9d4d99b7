"""Further revisions of an item that a case lists: new evidence, but no further contact."""

from __future__ import annotations

import pytest
from msgspec import structs

from services.escalation.domain.defaults import DEFAULT_POLICY
from services.escalation.domain.policy import DAY
from shared.events import (
    CaseEventKind,
    CaseState,
    Cause,
    Channel,
    EscalationStatus,
    FollowUpState,
    Kind,
    Operation,
    OutcomeKind,
    Reason,
    Repeat,
    Severity,
)
from tests.unit.escalation.test_grouping import kind_of
from tests.unit.escalation.world import PLAIN, World, kinds

K = CaseEventKind
MEDIUM, HIGH, CRITICAL, LOW = (
    Severity.MEDIUM,
    Severity.HIGH,
    Severity.CRITICAL,
    Severity.LOW,
)
operations = pytest.mark.parametrize("op", [Operation.CREATE, Operation.UPDATE])


@operations
def test_a_revision_goes_to_the_case_of_its_item_without_a_thread_however_late(
    op: Operation,
) -> None:
    world = World(PLAIN)
    world.feed(MEDIUM, number=1, reasons=[Reason.DELAY], text="Late.")
    first = world.case.case_id
    world.run(10 * DAY)
    world.feed(HIGH, number=2, reasons=[Reason.PRICE])
    assert len(world.cases) == 2
    decision = world.feed(
        MEDIUM, number=1, op=op, reasons=[Reason.SERVICE], text="Late and rude.",
        channel=Channel.REVIEWS,
    )  # fmt: skip
    assert kind_of(decision) is OutcomeKind.CASE_ATTACHED
    assert [(event.kind, event.cause) for event in decision.events] == [
        (K.FEEDBACK_ATTACHED, Cause.REVISION)
    ]
    case = world.cases[first]
    assert case.feedback_count == 1
    assert case.reasons == (Reason.DELAY, Reason.SERVICE)
    assert [(ref.excerpt, ref.cause) for ref in case.feedback] == [
        ("Late and rude.", Cause.FEEDBACK)
    ]
    assert decision.outcome is not None
    assert case.feedback[0].feedback_id == decision.outcome.feedback_id


def test_a_revision_goes_to_the_case_of_its_item_rather_than_of_its_thread() -> None:
    world = World(PLAIN)
    world.feed(number=1, thread="t1")
    world.feed(number=2, thread="t2")
    decision = world.feed(number=1, thread="t2")
    assert decision.cases[0].thread_id == "t1"


@operations
def test_revisions_are_no_further_contacts(op: Operation) -> None:
    world = World(PLAIN)
    for _ in range(6):
        world.feed(MEDIUM, number=1, op=op, repeat=Repeat(of="f", count=9))
    assert world.case.severity is (HIGH if op is Operation.CREATE else MEDIUM)  # by the first one
    world = World(PLAIN)
    world.feed(MEDIUM, number=1, thread="t1")
    world.feed(MEDIUM, number=2, thread="t1")
    for _ in range(3):
        world.feed(MEDIUM, number=2, op=op, thread="t1", repeat=Repeat(of="f", count=9))
    assert (world.case.severity, world.case.feedback_count) == (MEDIUM, 2)
    world.feed(MEDIUM, number=3, thread="t1")
    assert (world.case.severity, world.case.feedback_count) == (HIGH, 3)


def test_a_revision_raises() -> None:
    world = World(PLAIN)
    world.feed(MEDIUM, number=1)
    world.acknowledge()
    events = world.feed(CRITICAL, number=1, op=Operation.UPDATE, text="It burns!").events
    assert kinds(events) == [K.FEEDBACK_ATTACHED, K.SEVERITY_RAISED, K.REESCALATED]
    assert (world.case.severity, world.case.state) == (CRITICAL, CaseState.OPEN)
    assert world.case.feedback[0].severity is CRITICAL


@pytest.mark.parametrize(
    ("severity", "kind"), [(MEDIUM, Kind.COMPLAINT), (LOW, Kind.COMPLAINT), (LOW, Kind.PRAISE)]
)
def test_a_revision_never_lowers(severity: Severity, kind: Kind) -> None:
    world = World(PLAIN)
    world.feed(CRITICAL, number=1, reasons=[Reason.SAFETY])
    before = world.case
    decision = world.feed(severity, kind, number=1, op=Operation.UPDATE)
    assert kinds(decision.events) == [K.FEEDBACK_ATTACHED]
    after = world.case
    assert (after.severity, after.timers, after.state, after.reasons) == (
        CRITICAL,
        before.timers,
        before.state,
        before.reasons,
    )
    assert after.feedback[0].severity is severity


@pytest.mark.parametrize(
    ("before", "after", "kind", "reopens"),
    [
        (MEDIUM, MEDIUM, Kind.COMPLAINT, True),
        (MEDIUM, HIGH, Kind.COMPLAINT, True),
        (MEDIUM, Severity.UNDETERMINED, Kind.OTHER, True),
        (HIGH, MEDIUM, Kind.COMPLAINT, False),
        (MEDIUM, LOW, Kind.COMPLAINT, False),
        (MEDIUM, LOW, Kind.PRAISE, False),
        (LOW, LOW, Kind.COMPLAINT, True),
        (LOW, LOW, Kind.PRAISE, False),
    ],
)
@pytest.mark.parametrize("thread", [None, "t1"])
def test_of_a_resolved_case(
    before: Severity, after: Severity, kind: Kind, reopens: bool, thread: str | None
) -> None:
    world = World(PLAIN)
    world.feed(before, number=1, thread=thread)
    world.resolve()
    resolved = world.case
    world.now += DAY
    decision = world.feed(
        after, kind, number=1, thread=thread, op=Operation.UPDATE, reasons=[Reason.SERVICE]
    )
    assert decision.events[0].cause is Cause.REVISION
    assert world.case.feedback_count == 1
    if reopens:
        assert kind_of(decision) is OutcomeKind.CASE_REOPENED
        assert (world.case.state, world.case.reopen_count) == (CaseState.OPEN, 1)
        assert world.case.follow_ups[0].state is FollowUpState.WAIVED
        status = EscalationStatus.NONE if after is LOW else EscalationStatus.PENDING
        assert world.case.escalation.status is status
    else:
        assert kind_of(decision) is OutcomeKind.CASE_ATTACHED
        assert kinds(decision.events) == [K.FEEDBACK_ATTACHED]
        listed = world.case.feedback
        changed = structs.replace(resolved, feedback=listed, case_seq=world.case.case_seq)
        assert world.case == changed
        assert listed[0].severity is after


def test_too_late_to_reopen_it_is_a_feedback_like_any_other() -> None:
    world = World(PLAIN)
    world.feed(MEDIUM, number=1, thread="t1")
    world.resolve()
    world.now += DEFAULT_POLICY.medium.reopen_ms + 1
    decision = world.feed(MEDIUM, number=1, thread="t1", op=Operation.UPDATE)
    assert kind_of(decision) is OutcomeKind.CASE_OPENED
    assert decision.events[0].cause is Cause.FEEDBACK
    again = world.feed(MEDIUM, number=1, op=Operation.UPDATE)
    assert again.cases[0].case_id == decision.cases[0].case_id
    assert again.events[0].cause is Cause.REVISION


def test_an_edit_of_what_opened_no_case_may_open_one() -> None:
    world = World(PLAIN)
    assert kind_of(world.feed(LOW, Kind.PRAISE, number=1)) is OutcomeKind.NO_CASE
    decision = world.feed(MEDIUM, number=1, op=Operation.UPDATE)
    assert kind_of(decision) is OutcomeKind.CASE_OPENED


def test_the_same_native_id_of_another_source_is_another_item() -> None:
    world = World(PLAIN)
    world.feed(number=1, thread="t1")
    assert kind_of(world.feed(number=1, thread="t2")) is OutcomeKind.CASE_ATTACHED
    world = World(PLAIN)
    world.feed(number=1, thread="t1")
    case = world.case
    other = tuple(structs.replace(ref, item="0" * 12) for ref in case.feedback)
    world.cases[case.case_id] = structs.replace(case, feedback=other)
    assert kind_of(world.feed(number=1, thread="t2")) is OutcomeKind.CASE_OPENED
