"""What intake marked as said before: it joins the case that lists it, and counts as a contact."""

from __future__ import annotations

import pytest

from services.escalation.domain.policy import DAY
from shared.events import (
    CaseEventKind,
    CaseState,
    Cause,
    Channel,
    Kind,
    NoCaseReason,
    Operation,
    OutcomeKind,
    Reason,
    Repeat,
    Severity,
)
from tests.unit.escalation.test_grouping import kind_of
from tests.unit.escalation.world import PLAIN, World, kinds

K = CaseEventKind
L, M, U, H, C = (
    Severity.LOW,
    Severity.MEDIUM,
    Severity.UNDETERMINED,
    Severity.HIGH,
    Severity.CRITICAL,
)


def first_in(world: World) -> str:
    """Return the id of the feedback that opened the first case."""
    return next(iter(world.cases.values())).feedback[0].feedback_id


@pytest.mark.parametrize("thread", [None, "t9"])
@pytest.mark.parametrize("first_thread", [None, "t1"])
def test_it_joins_the_case_that_lists_it_on_any_channel(
    thread: str | None, first_thread: str | None
) -> None:
    world = World(PLAIN)
    world.feed(reasons=[Reason.DELAY], thread=first_thread)
    world.feed(H, reasons=[Reason.PRICE], channel=Channel.REVIEWS, thread="t2")
    decision = world.feed(
        reasons=[Reason.SERVICE],
        channel=Channel.REVIEWS,
        thread=thread,
        repeat=Repeat(of=first_in(world), count=2),
    )
    assert kind_of(decision) is OutcomeKind.CASE_ATTACHED
    (event,) = decision.events
    assert (event.kind, event.cause) == (K.FEEDBACK_ATTACHED, Cause.REPEAT_CONTACT)
    case = next(iter(world.cases.values()))
    assert decision.cases == (case,)
    assert (case.feedback_count, case.severity) == (2, M)
    assert case.feedback[-1].cause is Cause.REPEAT_CONTACT


def test_the_open_case_of_its_own_thread_goes_first() -> None:
    world = World(PLAIN)
    world.feed(thread="t1")
    world.feed(thread="t2")
    decision = world.feed(thread="t2", repeat=Repeat(of=first_in(world), count=2))
    assert decision.cases[0].thread_id == "t2"
    assert decision.events[0].cause is Cause.REPEAT_CONTACT


@pytest.mark.parametrize(("severity", "after"), [(L, M), (M, H), (U, H), (H, H), (C, C)])
@pytest.mark.parametrize(("count", "raises"), [(2, False), (3, True), (7, True)])
def test_the_third_time_raises_by_one_and_never_to_critical(
    severity: Severity, after: Severity, count: int, raises: bool
) -> None:
    world = World(PLAIN)
    world.feed(severity)
    events = world.feed(
        severity, channel=Channel.PHONE, repeat=Repeat(of=first_in(world), count=count)
    ).events
    assert world.case.severity is (after if raises else severity)
    assert (Reason.REPEAT_CONTACT in world.case.reasons) == raises
    raised = [event for event in events if event.kind is K.SEVERITY_RAISED]
    assert [event.note for event in raised] == (
        ["repeat_contact"] if raises and after is not severity else []
    )
    world.feed(severity, channel=Channel.PHONE, repeat=Repeat(of=first_in(world), count=count + 1))
    world.feed(severity, channel=Channel.PHONE, repeat=Repeat(of=first_in(world), count=count + 2))
    assert world.case.severity is after


def test_repeated_contacts_count_like_any_other() -> None:
    world = World(PLAIN)
    world.feed(M, thread="t1")
    world.feed(M, channel=Channel.PHONE, repeat=Repeat(of=first_in(world), count=2))
    world.feed(M, thread="t1")
    assert (world.case.feedback_count, world.case.severity) == (3, H)


@pytest.mark.parametrize(("severity", "after"), [(L, M), (M, H), (U, H), (H, H), (C, C)])
def test_the_third_time_that_opens_a_case(severity: Severity, after: Severity) -> None:
    world = World(PLAIN)
    decision = world.feed(severity, repeat=Repeat(of="gone", count=3))
    assert kind_of(decision) is OutcomeKind.CASE_OPENED
    assert (world.case.severity, world.case.feedback_count) == (after, 1)
    assert Reason.REPEAT_CONTACT in world.case.reasons
    raised = [K.SEVERITY_RAISED] if after is not severity else []
    assert kinds(decision.events) == [K.OPENED, *raised, K.ESCALATION_TRIGGERED]
    assert decision.events[0].cause is Cause.REPEAT_CONTACT
    assert world.case.escalation.epoch == 1
    assert world.case.escalation.policy == f"default-2/{after}"


def test_what_was_said_of_a_resolved_case_reopens_it_within_its_window() -> None:
    for days, expected in ((14, OutcomeKind.CASE_REOPENED), (15, OutcomeKind.CASE_OPENED)):
        world = World(PLAIN)
        world.feed(M)
        world.resolve()
        world.now += days * DAY
        decision = world.feed(M, channel=Channel.SOCIAL, repeat=Repeat(of=first_in(world), count=2))
        assert kind_of(decision) is expected
        assert decision.events[0].cause is Cause.REPEAT_CONTACT
        assert world.case.state is CaseState.OPEN


def test_praise_said_twice_opens_raises_and_reopens_nothing() -> None:
    world = World(PLAIN)
    world.feed(M, thread="t1")
    for count in (2, 3, 4):
        decision = world.feed(
            L, Kind.PRAISE, channel=Channel.SOCIAL, repeat=Repeat(of=first_in(world), count=count)
        )
        assert kind_of(decision) is OutcomeKind.CASE_ATTACHED
        assert kinds(decision.events) == [K.FEEDBACK_ATTACHED]
    assert (world.case.severity, world.case.reasons) == (M, ())
    world.resolve()
    decision = world.feed(L, Kind.PRAISE, repeat=Repeat(of=first_in(world), count=5))
    assert decision.outcome is not None
    assert decision.outcome.no_case_reason is NoCaseReason.PRAISE


def test_the_mark_of_an_update_is_ignored() -> None:
    """An edited item resembles its own earlier wording."""
    world = World(PLAIN)
    world.feed(M, thread="t1")
    decision = world.feed(
        M, thread="t2", op=Operation.UPDATE, repeat=Repeat(of=first_in(world), count=3)
    )
    assert kind_of(decision) is OutcomeKind.CASE_OPENED
    assert (world.case.severity, decision.events[0].cause) == (M, Cause.FEEDBACK)


def test_what_no_case_lists_attracts_nothing() -> None:
    world = World(PLAIN)
    world.feed(M, thread="t1")
    decision = world.feed(M, channel=Channel.PHONE, repeat=Repeat(of="unheard of", count=2))
    assert kind_of(decision) is OutcomeKind.CASE_OPENED
