"""The clocks of a case: what starts and stops each, and how many there are of it."""

from __future__ import annotations

import pytest

from services.escalation.domain.calendar import DAY, HOUR, MINUTE
from services.escalation.domain.reading import MAX_DELAY_MS
from shared.events import (
    ClockKind,
    ClockState,
    CommandKind,
    Flag,
    Kind,
    Origin,
    Severity,
)
from tests.unit.escalation.clock_world import (
    THREAD,
    breaches,
    clock,
    echo,
    fulfilled,
    live,
    policy,
    reply,
    resolve,
    since_t0,
    wait,
    words,
)
from tests.unit.escalation.world import T0, World

OPENING = {
    ClockKind.RECEIPT,
    ClockKind.FIRST_RESPONSE,
    ClockKind.FIRST_RESOLUTION,
    ClockKind.TOTAL_RESOLUTION,
}


@pytest.fixture
def world() -> World:
    """A case of medium severity, opened at T0 by a message of a second before."""
    made = World(policy())
    made.feed(thread=THREAD)
    return made


def test_an_opening_starts_four_clocks(world: World) -> None:
    assert live(world) == OPENING
    assert since_t0(clock(world, ClockKind.RECEIPT).due_at) == 1
    assert since_t0(clock(world, ClockKind.FIRST_RESOLUTION).due_at) == 48
    assert since_t0(clock(world, ClockKind.TOTAL_RESOLUTION).due_at) == 72
    assert {one.instance for one in world.case.clocks} == {world.case.feedback[0].feedback_id}


def test_the_first_response_counts_from_when_the_customer_said_it() -> None:
    world = World(policy())
    world.feed(occurred_at=T0 - 3 * HOUR)
    assert clock(world, ClockKind.FIRST_RESPONSE).started_at == T0 - 3 * HOUR
    assert since_t0(clock(world, ClockKind.FIRST_RESPONSE).due_at) == 1
    assert clock(world, ClockKind.FIRST_RESOLUTION).started_at == T0
    assert world.case.waiting_since == T0 - 3 * HOUR


@pytest.mark.parametrize("occurred_at", [None, T0 + DAY, 0, T0 - 1000 - MAX_DELAY_MS - 1], ids=str)
def test_a_source_time_that_cannot_be_right_is_when_it_came_in(occurred_at: int | None) -> None:
    world = World(policy())
    world.feed(occurred_at=occurred_at)
    assert clock(world, ClockKind.FIRST_RESPONSE).started_at == T0 - 1000


def test_a_message_that_was_long_under_way_counts_in_full() -> None:
    world = World(policy())
    world.feed(occurred_at=T0 - 1000 - MAX_DELAY_MS)
    world.poll()
    assert breaches(world.log) == [("first_response", 4 - (MAX_DELAY_MS + 1000) / HOUR)]


def test_an_automatic_receipt_stops_the_receipt_only(world: World) -> None:
    world.now += MINUTE
    world.command(CommandKind.RECEIPT)
    assert live(world) == OPENING - {ClockKind.RECEIPT}
    assert fulfilled(world, ClockKind.RECEIPT) == [MINUTE]


def test_a_reply_stops_receipt_and_first_response_and_starts_the_update(world: World) -> None:
    world.now += HOUR // 2
    reply(world, "r1")
    assert live(world) == {ClockKind.UPDATE, *OPENING} - {
        ClockKind.RECEIPT,
        ClockKind.FIRST_RESPONSE,
    }
    assert fulfilled(world, ClockKind.FIRST_RESPONSE) == [HOUR // 2 + 1000]
    assert clock(world, ClockKind.UPDATE).instance == "r1"
    assert since_t0(clock(world, ClockKind.UPDATE).due_at) == 24.5
    assert world.case.waiting_since is None


def test_a_note_or_an_acknowledgement_stops_nothing(world: World) -> None:
    world.acknowledge()
    world.command(CommandKind.NOTE, note="The customer was called, without an answer so far.")
    assert live(world) == OPENING


def test_an_answer_seen_on_the_channel_counts_when_it_was_said(world: World) -> None:
    world.now = T0 + 2 * HOUR
    echo(world, T0 + HOUR)
    assert fulfilled(world, ClockKind.FIRST_RESPONSE) == [HOUR + 1000]
    assert clock(world, ClockKind.UPDATE).started_at == T0 + HOUR


def test_one_response_clock_at_a_time_and_later_messages_do_not_reset_it(world: World) -> None:
    world.now += HOUR
    world.feed(thread=THREAD)
    assert ClockKind.NEXT_RESPONSE not in live(world)
    reply(world)
    world.now += HOUR
    world.feed(thread=THREAD)
    first = clock(world, ClockKind.NEXT_RESPONSE)
    assert ClockKind.FIRST_RESPONSE not in live(world)
    assert first.instance == world.case.feedback[-1].feedback_id
    world.now += HOUR
    world.feed(thread=THREAD)
    assert clock(world, ClockKind.NEXT_RESPONSE) == first
    assert sum(one.kind is ClockKind.NEXT_RESPONSE for one in world.case.clocks) == 1


def test_each_answered_message_is_an_instance_of_its_own(world: World) -> None:
    reply(world)
    names = []
    for _ in range(3):
        world.now += HOUR
        world.feed(thread=THREAD)
        names.append(clock(world, ClockKind.NEXT_RESPONSE).instance)
        world.now += MINUTE
        reply(world)
    assert len(set(names)) == 3
    assert fulfilled(world, ClockKind.NEXT_RESPONSE) == [MINUTE + 1000] * 3


def test_thanks_do_not_start_the_next_response(world: World) -> None:
    reply(world)
    world.now += HOUR
    world.feed(Severity.LOW, Kind.PRAISE, thread=THREAD, text="thank you!")
    assert ClockKind.NEXT_RESPONSE not in live(world)
    assert world.case.waiting_since is None


@pytest.mark.parametrize(
    "origin",
    [Origin.AUTO_REPLY, Origin.AUTO_GENERATED, Origin.RECEIPT, Origin.BOUNCE_SOFT, Origin.OWN_ECHO],
)
def test_machine_mail_neither_starts_nor_stops_a_clock(world: World, origin: Origin) -> None:
    before = world.case.clocks
    world.now += MINUTE
    world.feed(thread=THREAD, origin=origin)
    assert world.case.clocks == before
    reply(world)
    before = world.case.clocks
    world.feed(thread=THREAD, origin=origin)
    assert world.case.clocks == before


def test_a_snooze_stops_no_clock(world: World) -> None:
    before = world.case.clocks
    world.command(CommandKind.SNOOZE, until=T0 + HOUR)
    assert world.case.clocks == before


def test_the_first_resolution_ends_once_the_total_one_goes_on_after_a_reopening(
    world: World,
) -> None:
    world.now = T0 + 10 * HOUR
    resolve(world)
    assert fulfilled(world, ClockKind.FIRST_RESOLUTION) == [10 * HOUR]
    assert fulfilled(world, ClockKind.TOTAL_RESOLUTION) == [10 * HOUR]
    world.now = T0 + 100 * HOUR
    world.feed(thread=THREAD)
    first, total = (
        clock(world, ClockKind.FIRST_RESOLUTION),
        clock(world, ClockKind.TOTAL_RESOLUTION),
    )
    assert first.state is ClockState.FULFILLED
    assert total.state is ClockState.RUNNING
    assert since_t0(total.due_at) == 162  # what was resolved does not count
    world.now = T0 + 101 * HOUR
    resolve(world)
    assert fulfilled(world, ClockKind.TOTAL_RESOLUTION) == [10 * HOUR, 11 * HOUR]
    assert fulfilled(world, ClockKind.FIRST_RESOLUTION) == [10 * HOUR]


def test_what_a_closing_cancelled_goes_on_when_an_agent_reopens(world: World) -> None:
    reply(world)
    wait(world)
    world.now = T0 + 5 * HOUR
    world.command(CommandKind.CLOSE, note="never answered")
    assert not live(world)
    world.now = T0 + 50 * HOUR
    world.command(CommandKind.REOPEN, note="answered on the phone")
    assert since_t0(clock(world, ClockKind.FIRST_RESOLUTION).due_at) == 98
    assert since_t0(clock(world, ClockKind.TOTAL_RESOLUTION).due_at) == 122


def test_a_resolution_promises_to_tell_it(world: World) -> None:
    world.now = T0 + HOUR
    resolve(world)
    assert clock(world, ClockKind.UPDATE).started_at == T0 + HOUR
    world.now = T0 + 2 * HOUR
    world.command(CommandKind.COMMUNICATE, message_id="m")
    assert fulfilled(world, ClockKind.UPDATE) == [HOUR]
    assert not live(world) & {ClockKind.RECEIPT, ClockKind.FIRST_RESPONSE}


@pytest.mark.parametrize(("kind", "hours"), [(Kind.PRAISE, 16), (Kind.SUGGESTION, 40)])
def test_praise_and_suggestions_have_a_clock_for_thanks_and_no_other(
    kind: Kind, hours: int
) -> None:
    world = World()
    world.feed(Severity.LOW, kind)
    assert live(world) == {ClockKind.THANK_YOU}
    assert clock(world, ClockKind.THANK_YOU).target_ms == hours * HOUR
    world.now += DAY
    reply(world)
    assert clock(world, ClockKind.THANK_YOU).state is ClockState.FULFILLED


def test_thanks_turn_into_a_promise_when_a_complaint_follows() -> None:
    world = World()
    world.feed(Severity.LOW, Kind.PRAISE, thread=THREAD)
    world.now += HOUR
    world.feed(Severity.MEDIUM, thread=THREAD)
    assert clock(world, ClockKind.THANK_YOU).state is ClockState.CANCELLED
    assert live(world) == OPENING


def test_imported_history_starts_no_clock_until_something_new_comes() -> None:
    world = World(policy())
    for days in (400, 300):
        old = T0 - days * DAY
        world.feed(thread=THREAD, flags=frozenset({Flag.BACKFILL}), occurred_at=old)
    assert world.case.clocks == ()
    world.now += HOUR
    world.feed(thread=THREAD)
    assert live(world) == OPENING
    assert clock(world, ClockKind.FIRST_RESPONSE).started_at == T0 + HOUR - 1000


def test_a_question_into_imported_history_and_a_complaint_after_it_have_one_response_clock() -> (
    None
):
    world = World(policy())
    world.feed(thread=THREAD, flags=frozenset({Flag.BACKFILL}))
    world.feed(Severity.LOW, Kind.QUESTION, thread=THREAD)
    assert live(world) == {ClockKind.NEXT_RESPONSE}
    world.feed(thread=THREAD)
    assert ClockKind.FIRST_RESPONSE not in live(world)


def test_imported_history_that_is_reopened_gets_its_promise_of_a_resolution() -> None:
    world = World(policy())
    world.feed(thread=THREAD, flags=frozenset({Flag.BACKFILL}))
    resolve(world)
    world.now += HOUR
    world.feed(thread=THREAD)
    assert {ClockKind.TOTAL_RESOLUTION, ClockKind.NEXT_RESPONSE} <= live(world)


def test_every_instance_is_recorded_from_its_start_on(world: World) -> None:
    world.now += MINUTE
    reply(world)
    recorded = words(world.log, ClockKind.FIRST_RESPONSE)
    assert [what for what, _ in recorded] == ["activated", "fulfilled"]
    assert [at for _, at in recorded] == pytest.approx([-1 / 3600, 1 / 60])
