"""What we say to the customer, whether it arrives, and what follows when it does not."""

from __future__ import annotations

from typing import Any

import pytest

from services.escalation.domain.policy import DAY, HOUR, MINUTE
from shared.events import (
    Author,
    CaseEventKind,
    CaseState,
    Cause,
    ClockKind,
    ClockState,
    CommandKind,
    Flag,
    Kind,
    Origin,
    OutcomeKind,
    Refusal,
    Role,
    Severity,
)
from tests.unit.escalation.desk import clock_of, kinds_of_live, opened, refused, state
from tests.unit.escalation.world import T0, World, kinds

K = CaseEventKind
C = CommandKind
AGENT = Author(name="Ada", role=Role.AGENT)


def bounce(world: World, message_id: str | None, **fields: Any) -> list[CaseEventKind]:
    """A mail says that ours could not be delivered."""
    fields = {"origin": Origin.BOUNCE_HARD, "parent_id": message_id} | fields
    return kinds(world.feed(Severity.LOW, Kind.OTHER, thread="t1", **fields).events)


def test_a_reply_acknowledges_and_stops_what_waits_for_an_answer() -> None:
    world = opened(Severity.HIGH)
    world.now += MINUTE
    (event,) = world.command(C.REPLY, message_id="r1", note="we are on it").events
    assert (event.kind, event.at, event.note) == (K.REPLIED, T0 + MINUTE, "we are on it")
    case = world.case
    assert (case.state, case.assignee, case.waiting_since) == (
        CaseState.ACKNOWLEDGED,
        "ada",
        None,
    )
    assert kinds_of_live(case) == {
        ClockKind.UPDATE,
        ClockKind.FIRST_RESOLUTION,
        ClockKind.TOTAL_RESOLUTION,
    }


def test_a_message_of_an_agent_on_the_channel_is_a_reply() -> None:
    world = opened(Severity.HIGH)
    world.now += HOUR
    events = world.feed(Severity.LOW, Kind.OTHER, thread="t1", author=AGENT).events
    assert kinds(events) == [K.FEEDBACK_ATTACHED, K.REPLIED]
    assert world.case.replies[-1].by == "Ada"
    assert clock_of(world.case, ClockKind.FIRST_RESPONSE).state is ClockState.FULFILLED


@pytest.mark.parametrize(
    "fields",
    [
        {"author": Author(role=Role.BOT)},
        {"author": AGENT, "flags": (Flag.BACKFILL,)},
        {"author": AGENT, "origin": Origin.AUTO_REPLY},
    ],
)
def test_what_is_no_reply(fields: dict[str, Any]) -> None:
    world = opened()
    world.now += HOUR
    assert kinds(world.feed(Severity.LOW, thread="t1", **fields).events) == [K.FEEDBACK_ATTACHED]
    assert (world.case.state, world.case.replies) == (CaseState.OPEN, ())


def test_an_ended_case_takes_no_reply() -> None:
    world = opened()
    world.command(C.WAIT, on="customer")
    world.command(C.CLOSE, note="gone")
    assert refused(world, C.REPLY)[0] is Refusal.WRONG_STATE


def test_a_bounce_takes_back_what_the_reply_had_stopped() -> None:
    world = opened(Severity.HIGH)
    asked_at = world.case.waiting_since
    world.command(C.RECEIPT)
    world.now += HOUR
    world.command(C.REPLY, message_id="r1")
    world.now += 2 * HOUR
    assert bounce(world, "r1") == [K.FEEDBACK_ATTACHED, K.REPLY_BOUNCED]
    again = clock_of(world.case, ClockKind.FIRST_RESPONSE)
    assert (again.state, again.due_at) == (ClockState.RUNNING, again.started_at + 4 * HOUR)
    assert world.case.waiting_since == asked_at
    assert ClockKind.UPDATE not in kinds_of_live(world.case)
    # The same bounce again says nothing new.
    assert bounce(world, "r1") == [K.FEEDBACK_ATTACHED]


def test_a_later_reply_that_arrived_counts() -> None:
    world = opened(Severity.HIGH)
    world.command(C.REPLY, message_id="r1")
    world.now += 30 * MINUTE
    world.command(C.REPLY, message_id="r2")
    assert bounce(world, "r1") == [K.FEEDBACK_ATTACHED, K.REPLY_BOUNCED]
    first = clock_of(world.case, ClockKind.FIRST_RESPONSE)
    assert (first.state, first.ended_at) == (ClockState.FULFILLED, T0 + 30 * MINUTE)
    assert ClockKind.UPDATE in kinds_of_live(world.case)
    assert bounce(world, "r2") == [K.FEEDBACK_ATTACHED, K.REPLY_BOUNCED]
    assert ClockKind.FIRST_RESPONSE in kinds_of_live(world.case)


def test_a_receipt_that_bounced_is_owed_again_and_no_answer_is_taken_back() -> None:
    world = opened(Severity.HIGH)
    world.command(C.RECEIPT, message_id="a1")
    assert bounce(world, "a1") == [K.FEEDBACK_ATTACHED, K.REPLY_BOUNCED]
    assert ClockKind.RECEIPT in kinds_of_live(world.case)
    world.command(C.RECEIPT, message_id="a2")
    world.now += HOUR
    world.command(C.REPLY, message_id="r1")
    bounce(world, "a2")
    assert kinds_of_live(world.case).isdisjoint({ClockKind.RECEIPT, ClockKind.FIRST_RESPONSE})


def test_a_bounce_of_a_message_nobody_knows_means_the_last_one() -> None:
    world = opened()
    assert bounce(world, "x") == [K.FEEDBACK_ATTACHED]
    world.command(C.REPLY, message_id="r1")
    assert bounce(world, "x") == [K.FEEDBACK_ATTACHED, K.REPLY_BOUNCED]


def test_a_soft_bounce_and_an_automatic_answer_take_nothing_back() -> None:
    world = opened()
    world.command(C.REPLY, message_id="r1")
    for origin in (Origin.BOUNCE_SOFT, Origin.AUTO_REPLY):
        assert bounce(world, "r1", origin=origin) == [K.FEEDBACK_ATTACHED]


def test_whoever_reports_a_bounce_names_the_message() -> None:
    world = opened()
    assert refused(world, C.BOUNCE) == (Refusal.INVALID, "message_id")
    world.command(C.REPLY, message_id="r1")
    assert refused(world, C.BOUNCE, message_id="x") == (Refusal.INVALID, "message_id")
    assert kinds(world.command(C.BOUNCE, message_id="r1").events) == [K.REPLY_BOUNCED]
    assert refused(world, C.BOUNCE, message_id="r1") == (Refusal.INVALID, "message_id")


@pytest.mark.parametrize("closed", [False, True])
def test_when_the_resolution_was_never_told_the_case_is_open_again(closed: bool) -> None:
    world = opened(Severity.HIGH)
    world.resolve()
    world.command(C.COMMUNICATE, message_id="told")
    if closed:
        world.settle(1)
        world.settle(2)
        assert state(world) is CaseState.CLOSED
    world.now += HOUR
    found = world.feed(
        Severity.LOW, Kind.OTHER, thread="t1", origin=Origin.BOUNCE_HARD, parent_id="told"
    )
    waived = [] if closed else [K.FOLLOW_UP_WAIVED, K.FOLLOW_UP_WAIVED]
    assert kinds(found.events) == [
        K.FEEDBACK_ATTACHED,
        K.REPLY_BOUNCED,
        K.REOPENED,
        *waived,
        K.REESCALATED,
    ]
    assert found.events[2].cause is Cause.CONTACT_FAILED
    assert (world.case.state, world.case.communicated_at) == (CaseState.OPEN, None)
    assert {ClockKind.TOTAL_RESOLUTION, ClockKind.FIRST_RESPONSE} <= kinds_of_live(world.case)


def test_another_message_that_bounced_reopens_nothing_and_starts_no_clock() -> None:
    world = opened(Severity.LOW)
    world.command(C.REPLY, message_id="r1")
    world.resolve()
    world.command(C.COMMUNICATE, message_id="told")
    world.settle(1)
    found = world.command(C.BOUNCE, message_id="r1")
    assert kinds(found.events) == [K.REPLY_BOUNCED]
    assert (world.case.state, kinds_of_live(world.case)) == (CaseState.CLOSED, set())


def test_a_bounce_without_a_case_belongs_nowhere() -> None:
    world = opened()
    found = world.feed(
        Severity.LOW, Kind.OTHER, thread="t9", origin=Origin.BOUNCE_HARD, parent_id="x"
    )
    assert found.outcome is not None
    assert found.outcome.kind is OutcomeKind.NO_CASE


def test_an_update_is_owed_from_our_last_word_on_but_not_while_the_customer_is_asked() -> None:
    world = opened(Severity.CRITICAL)
    world.command(C.REPLY, message_id="r1")
    update = clock_of(world.case, ClockKind.UPDATE)
    assert (update.started_at, update.due_at) == (T0, T0 + 4 * HOUR)
    world.command(C.WAIT, on="customer")
    world.now += HOUR
    world.command(C.REPLY, message_id="r2")
    assert clock_of(world.case, ClockKind.UPDATE).state is ClockState.PAUSED
    world.now += DAY
    world.feed(Severity.CRITICAL, thread="t1")
    assert clock_of(world.case, ClockKind.UPDATE).due_at == world.now + 4 * HOUR
