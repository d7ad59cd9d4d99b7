"""Where a feedback belongs."""

from __future__ import annotations

import pytest
from msgspec import structs

from services.escalation.domain.decide import Decision, FeedbackIn
from services.escalation.domain.policy import DAY, HOUR
from shared.events import (
    CaseState,
    Channel,
    CommandKind,
    Kind,
    NoCaseReason,
    OutcomeKind,
    Reason,
    Severity,
)
from tests.unit.escalation.world import PLAIN, World


def kind_of(decision: Decision) -> OutcomeKind:
    assert decision.outcome is not None
    return decision.outcome.kind


OPENED, ATTACHED, REOPENED, NO_CASE = (
    OutcomeKind.CASE_OPENED,
    OutcomeKind.CASE_ATTACHED,
    OutcomeKind.CASE_REOPENED,
    OutcomeKind.NO_CASE,
)


@pytest.mark.parametrize(
    ("severity", "kind", "reason"),
    [
        (Severity.LOW, Kind.PRAISE, NoCaseReason.PRAISE),
        (Severity.LOW, Kind.QUESTION, NoCaseReason.QUESTION),
        (Severity.LOW, Kind.SUGGESTION, NoCaseReason.SUGGESTION),
        (Severity.LOW, Kind.OTHER, NoCaseReason.NOT_NEGATIVE),
        (Severity.LOW, Kind.COMPLAINT, None),
        (Severity.MEDIUM, Kind.QUESTION, None),
        (Severity.HIGH, Kind.SUGGESTION, None),
        (Severity.CRITICAL, Kind.OTHER, None),
        (Severity.UNDETERMINED, Kind.PRAISE, None),
    ],
)
def test_what_asks_for_a_case(severity: Severity, kind: Kind, reason: NoCaseReason | None) -> None:
    world = World(PLAIN)
    decision = world.feed(severity, kind)
    assert decision.outcome is not None
    assert decision.outcome.no_case_reason is reason
    assert kind_of(decision) is (OPENED if reason is None else NO_CASE)
    assert bool(decision.cases) == bool(decision.events) == (reason is None)


@pytest.mark.parametrize("kind", [Kind.PRAISE, Kind.SUGGESTION])
def test_what_is_to_be_thanked_for_opens_a_case_that_complaints_do_not_join(kind: Kind) -> None:
    world = World()
    assert kind_of(world.feed(Severity.LOW, kind)) is OPENED
    assert kind_of(world.feed(Severity.LOW, kind)) is ATTACHED
    assert kind_of(world.feed(Severity.LOW)) is OPENED
    assert [case.kind for case in world.cases.values()] == [kind, Kind.COMPLAINT]


def test_a_problem_that_is_put_kindly_is_not_done_with_a_reply() -> None:
    world = World()
    world.feed(Severity.HIGH, Kind.PRAISE, text="I love it, but it caught fire.")
    world.command(CommandKind.REPLY)
    assert world.case.state is CaseState.ACKNOWLEDGED
    world = World()
    world.feed(Severity.LOW, Kind.PRAISE)
    world.command(CommandKind.REPLY)
    assert world.case.state is CaseState.CLOSED


def test_same_thread_attaches_whatever_channel_age_and_reason() -> None:
    world = World(PLAIN)
    world.feed(thread="t1", reasons=[Reason.DELAY])
    world.run(30 * DAY)
    decision = world.feed(thread="t1", channel=Channel.PHONE, reasons=[Reason.PRICE])
    assert kind_of(decision) is ATTACHED
    assert len(world.cases) == 1


def test_another_thread_opens_another_case() -> None:
    world = World(PLAIN)
    world.feed(thread="t1")
    assert kind_of(world.feed(thread="t2")) is OPENED
    assert len(world.cases) == 2


@pytest.mark.parametrize(
    ("age", "channel", "first", "second", "expected"),
    [
        (72 * HOUR, Channel.EMAIL, [Reason.DELAY], [Reason.DELAY, Reason.PRICE], ATTACHED),
        (72 * HOUR + 1, Channel.EMAIL, [Reason.DELAY], [Reason.DELAY], OPENED),
        (HOUR, Channel.PHONE, [Reason.DELAY], [Reason.DELAY], OPENED),
        (HOUR, Channel.EMAIL, [Reason.DELAY], [Reason.PRICE], OPENED),
        (HOUR, Channel.EMAIL, [], [Reason.PRICE], ATTACHED),
        (HOUR, Channel.EMAIL, [Reason.DELAY], [], ATTACHED),
    ],
)
def test_without_a_thread(
    age: int,
    channel: Channel,
    first: list[Reason],
    second: list[Reason],
    expected: OutcomeKind,
) -> None:
    world = World(PLAIN)
    world.feed(reasons=first)
    world.now += age
    assert kind_of(world.feed(channel=channel, reasons=second)) is expected


def test_without_a_thread_the_newest_open_case_is_taken() -> None:
    world = World(PLAIN)
    world.feed(thread="t1")
    world.now += 1000
    newest = world.feed(thread="t2").cases[0].case_id
    decision = world.feed()
    assert decision.outcome is not None
    assert decision.outcome.case_id == newest


def test_without_a_thread_a_resolved_case_is_left_alone() -> None:
    world = World(PLAIN)
    world.feed()
    world.resolve()
    assert kind_of(world.feed()) is OPENED


def test_thanks_joins_an_open_case_of_its_thread_and_changes_nothing_else() -> None:
    world = World(PLAIN)
    world.feed(Severity.HIGH, thread="t1", reasons=[Reason.DELAY])
    before = world.case
    decision = world.feed(Severity.LOW, Kind.PRAISE, thread="t1", reasons=[Reason.PRAISE])
    assert kind_of(decision) is ATTACHED
    assert world.case.feedback_count == 2
    assert world.case.reasons == before.reasons
    assert (world.case.severity, world.case.timers) == (before.severity, before.timers)


def test_thanks_does_not_reopen() -> None:
    world = World(PLAIN)
    world.feed(thread="t1")
    world.resolve()
    before = world.case
    decision = world.feed(Severity.LOW, Kind.PRAISE, thread="t1")
    assert kind_of(decision) is ATTACHED
    listed = {"feedback": world.case.feedback, "case_seq": before.case_seq + 1}
    assert world.case == structs.replace(before, **listed)
    assert len(world.case.feedback) == 2


@pytest.mark.parametrize(
    ("severity", "days"),
    [
        (Severity.CRITICAL, 30),
        (Severity.HIGH, 30),
        (Severity.MEDIUM, 14),
        (Severity.LOW, 14),
        (Severity.UNDETERMINED, 14),
    ],
)
def test_reopen_window(severity: Severity, days: int) -> None:
    for late, expected in ((0, REOPENED), (1, OPENED)):
        world = World(PLAIN)
        world.feed(severity, thread="t1")
        world.resolve()
        world.now += days * DAY + late
        assert kind_of(world.feed(thread="t1")) is expected


def test_a_closed_case_is_never_reopened() -> None:
    world = World(PLAIN)
    world.feed(thread="t1")
    world.resolve()
    world.settle(1)
    assert world.case.state is CaseState.CLOSED
    assert kind_of(world.feed(thread="t1")) is OPENED


def test_a_feedback_that_a_case_lists_already_does_nothing() -> None:
    world = World(PLAIN)
    world.feed(thread="t1")
    given, _ = world.inputs[0]
    assert isinstance(given, FeedbackIn)
    assert world.give(given) is Decision.NOTHING
