"""Replies that bounce, that are learnt of late, or that are reported twice."""

from __future__ import annotations

import pytest

from services.escalation.domain.calendar import DAY, HOUR, MINUTE
from shared.events import CaseState, ClockKind, ClockState, CommandKind, Kind, Severity
from tests.unit.escalation.clock_world import (
    THREAD,
    bounce,
    breaches,
    clock,
    echo,
    fulfilled,
    live,
    plan,
    policy,
    reply,
    resolve,
    since_t0,
    wait,
    words,
)
from tests.unit.escalation.world import T0, World

FIRST, NEXT = ClockKind.FIRST_RESPONSE, ClockKind.NEXT_RESPONSE


@pytest.fixture
def world() -> World:
    """A case whose response clocks count from T0 on."""
    made = World(policy())
    made.now = T0 + 1000
    made.feed(thread=THREAD)
    made.now = T0
    return made


def test_a_bounce_revokes_and_the_gap_counts(world: World) -> None:
    world.now = T0 + HOUR
    reply(world, "r1")
    world.now = T0 + 2 * HOUR
    bounce(world, "r1")
    one = clock(world, FIRST)
    assert (one.state, since_t0(one.due_at), one.ended_at) == (ClockState.RUNNING, 4, None)
    assert world.case.waiting_since == T0
    assert ClockKind.UPDATE not in live(world)
    assert words(world.log, FIRST) == [("activated", 0), ("fulfilled", 1), ("revoked", 2)]
    world.now = T0 + 3 * HOUR
    reply(world, "r2")
    assert fulfilled(world, FIRST) == [HOUR, 3 * HOUR]


def test_what_ran_out_in_the_gap_is_a_breach_then(world: World) -> None:
    world.now = T0 + HOUR
    reply(world, "r1")
    world.now = T0 + 9 * HOUR
    bounce(world, "r1")
    world.poll()
    assert ("first_response", 4) in breaches(world.log)


def test_after_a_bounce_only_the_oldest_question_runs(world: World) -> None:
    world.now = T0 + HOUR
    reply(world, "r1")
    world.now = T0 + 2 * HOUR
    world.feed(thread=THREAD)
    assert NEXT in live(world)
    bounce(world, "r1")
    assert live(world) & {FIRST, NEXT} == {FIRST}
    assert clock(world, NEXT).state is ClockState.CANCELLED
    assert world.case.waiting_since == T0


def test_a_later_reply_that_arrived_is_the_answer_when_an_earlier_one_bounces(
    world: World,
) -> None:
    world.now = T0 + HOUR
    reply(world, "r1")
    world.now = T0 + 5 * HOUR
    world.feed(thread=THREAD)
    reply(world, "r2")
    world.now = T0 + 6 * HOUR
    bounce(world, "r1")
    assert not live(world) & {FIRST, NEXT}
    assert fulfilled(world, FIRST) == [HOUR, 5 * HOUR]
    assert ("first_response", 4) in breaches(world.log)
    assert clock(world, ClockKind.UPDATE).instance == "r2"
    assert ClockKind.UPDATE in live(world)
    world.now = T0 + 7 * HOUR
    bounce(world, "r2")  # and now nothing has arrived at all
    assert live(world) & {FIRST, NEXT} == {FIRST}
    assert world.case.waiting_since == T0


def test_the_same_bounce_twice_counts_once(world: World) -> None:
    reply(world, "r1")
    bounce(world, "r1")
    before = world.case.clocks
    bounce(world, "r1")
    assert world.case.clocks == before


def test_a_bounce_in_a_closed_case_starts_nothing(world: World) -> None:
    reply(world, "r1")
    wait(world)
    world.command(CommandKind.CLOSE, note="no answer")
    world.command(CommandKind.BOUNCE, message_id="r1")
    assert world.case.state is CaseState.CLOSED
    assert not live(world)


def test_a_bounce_while_the_customer_is_waited_for_leaves_the_update_paused(
    world: World,
) -> None:
    reply(world, "r0")
    world.now = T0 + HOUR
    reply(world, "r1")
    wait(world)
    world.now = T0 + 2 * HOUR
    bounce(world, "r1")
    states = {one.instance: one.state for one in world.case.clocks if one.kind is ClockKind.UPDATE}
    assert states == {"r0": ClockState.PAUSED, "r1": ClockState.CANCELLED}


def test_a_resolution_that_bounces_is_still_to_be_told(world: World) -> None:
    reply(world, "r0")
    world.now = T0 + HOUR
    resolve(world)
    world.now = T0 + 2 * HOUR
    world.command(CommandKind.COMMUNICATE, message_id="told")
    world.now = T0 + 3 * HOUR
    bounce(world, "told")
    assert {ClockKind.UPDATE, ClockKind.TOTAL_RESOLUTION} <= live(world)
    assert since_t0(clock(world, ClockKind.TOTAL_RESOLUTION).due_at) == pytest.approx(74, abs=0.01)


def test_a_reply_said_before_the_clock_began_does_not_stop_it(world: World) -> None:
    world.now = T0 + HOUR
    reply(world, "r1")
    world.now = T0 + 3 * HOUR
    world.feed(thread=THREAD, occurred_at=T0 + 2 * HOUR)
    echo(world, T0 + 2 * HOUR - 1)
    assert NEXT in live(world)
    echo(world, T0 + 2 * HOUR)
    assert NEXT not in live(world)
    assert fulfilled(world, NEXT) == [0]


@pytest.mark.parametrize("said_at", [T0 - DAY, 1], ids=["yesterday", "1970"])
def test_an_old_message_of_ours_is_no_answer_and_acknowledges_nothing(
    world: World, said_at: int
) -> None:
    world.now = T0 + HOUR
    before = world.case.clocks
    echo(world, said_at)
    assert world.case.clocks == before
    assert world.case.state is CaseState.OPEN


def test_a_message_of_ours_from_the_future_counts_as_seen_now(world: World) -> None:
    world.now = T0 + HOUR
    echo(world, T0 + DAY)
    assert clock(world, FIRST).ended_at == T0 + HOUR - 1000


def test_what_was_asked_after_a_reply_that_we_learn_of_late_is_waiting(world: World) -> None:
    world.now = T0 + HOUR
    world.feed(thread=THREAD, occurred_at=T0 + 50 * MINUTE)
    asked = world.case.feedback[-1].feedback_id
    world.now = T0 + 2 * HOUR
    echo(world, T0 + 30 * MINUTE)
    assert fulfilled(world, FIRST) == [30 * MINUTE]
    one = clock(world, NEXT)
    assert (one.instance, one.started_at) == (asked, T0 + 50 * MINUTE)
    assert world.case.waiting_since == T0 + 50 * MINUTE


def test_thanks_for_a_reply_that_we_learn_of_late_wait_for_nothing(world: World) -> None:
    world.now = T0 + HOUR
    world.feed(Severity.LOW, Kind.PRAISE, thread=THREAD)
    world.now = T0 + 2 * HOUR
    echo(world, T0 + 30 * MINUTE)
    assert not live(world) & {FIRST, NEXT}
    assert world.case.waiting_since is None


def test_a_reply_that_is_reported_and_then_seen_counts_once(world: World) -> None:
    world.now = T0 + HOUR
    number = world.given + 2
    reply(world, f"m{number}")
    update = clock(world, ClockKind.UPDATE)
    world.now = T0 + HOUR + 5 * MINUTE
    echo(world, T0 + HOUR + MINUTE)
    assert clock(world, ClockKind.UPDATE) == update
    assert ClockKind.UPDATE in live(world)
    assert [one.id for one in world.case.replies] == [f"m{number}"]


def test_an_answer_before_the_worker_saw_the_message_needs_no_receipt() -> None:
    made = World(policy())
    made.feed(thread=THREAD, occurred_at=T0 - HOUR)
    echo(made, T0 - HOUR // 2)
    assert not live(made) & {ClockKind.RECEIPT, FIRST}
    assert fulfilled(made, FIRST) == [HOUR // 2]
    assert fulfilled(made, ClockKind.RECEIPT) == [0]


def test_an_answer_learnt_of_after_a_pause_counts_what_was_before_it(world: World) -> None:
    world.now = T0 + HOUR
    reply(world, "r1")
    world.now = T0 + 2 * HOUR
    wait(world)
    world.now = T0 + 3 * HOUR
    world.command(CommandKind.INVESTIGATE)
    world.now = T0 + 4 * HOUR
    echo(world, T0 + HOUR + 30 * MINUTE)
    assert fulfilled(world, ClockKind.UPDATE) == [30 * MINUTE]


def test_what_was_withdrawn_does_not_come_back_with_a_reopening(world: World) -> None:
    reply(world, "r1")
    world.now = T0 + HOUR
    bounce(world, "r1")
    wait(world)
    world.now = T0 + 2 * HOUR
    world.command(CommandKind.CLOSE, note="no such address")
    world.now = T0 + 3 * HOUR
    world.command(CommandKind.REOPEN, note="found another address")
    assert {FIRST, ClockKind.FIRST_RESOLUTION, ClockKind.TOTAL_RESOLUTION} <= live(world)
    assert ClockKind.UPDATE not in live(world)


def test_a_late_reply_never_takes_a_breach_back() -> None:
    made = World(policy(medium=plan({FIRST: "1h"})))
    made.feed(thread=THREAD, occurred_at=T0)
    made.run(3 * HOUR)
    began = clock(made, FIRST).started_at
    echo(made, began + 30 * MINUTE)
    one = clock(made, FIRST)
    assert (one.state, one.breached_at) == (ClockState.FULFILLED, began + HOUR)
    assert fulfilled(made, FIRST) == [30 * MINUTE]
