"""A survey is asked seldom, not in the middle of a talk, and never where nobody wants an answer."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.escalation.domain.policy import DAY, HOUR
from shared.events import (
    CaseEventKind,
    CaseState,
    Channel,
    CommandKind,
    FollowUpState,
    Severity,
)
from tests.unit.escalation.world import PLAIN, World, kinds

K = CaseEventKind


def surveyed(world: World, **fields: Any) -> None:
    """Open a low case, resolve it and tell the customer: a survey is promised in 7 days."""
    world.feed(Severity.LOW, **fields)
    world.resolve()
    world.command(CommandKind.COMMUNICATE)


def test_it_falls_due_when_nothing_is_against_it() -> None:
    world = World(PLAIN)
    surveyed(world)
    assert kinds(world.run(7 * DAY)) == [K.FOLLOW_UP_DUE]
    assert world.case.follow_ups[0].state is FollowUpState.DUE


def test_it_waits_for_a_day_of_silence() -> None:
    world = World(PLAIN)
    surveyed(world)
    world.run(7 * DAY - HOUR)
    world.command(CommandKind.REPLY, note="one more thing")
    events = world.run(HOUR)
    assert kinds(events) == [K.FOLLOW_UP_SCHEDULED]
    later = world.case.follow_ups[0]
    assert later.state is FollowUpState.SCHEDULED
    assert later.due_at == world.now - HOUR + DAY
    assert kinds(world.run(DAY)) == [K.FOLLOW_UP_DUE]


def test_one_in_two_weeks_is_enough_for_all_cases_of_a_customer() -> None:
    world = World(PLAIN)
    surveyed(world, thread="one")
    world.run(5 * DAY)
    surveyed(world, thread="two")
    events = world.run(8 * DAY)
    mine = [event for event in events if event.case_id == world.case.case_id]
    assert K.FOLLOW_UP_DUE in kinds(events)
    assert kinds(mine) == [K.FOLLOW_UP_WAIVED, K.CLOSED]
    assert world.case.follow_ups[0].reason == "asked_lately"
    assert world.case.state is CaseState.CLOSED


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"may_auto_respond": False}, "no_automatic_messages"),
        ({"quarantined": True}, "no_automatic_messages"),
        ({"legal_hold": "court file 7"}, "legal_hold"),
    ],
)
def test_some_are_never_asked(changed: dict[str, object], reason: str) -> None:
    world = World(PLAIN)
    surveyed(world)
    world.cases[world.case.case_id] = msgspec.structs.replace(world.case, **changed)
    events = world.run(7 * DAY)
    assert kinds(events) == [K.FOLLOW_UP_WAIVED, K.CLOSED]
    assert events[0].follow_up is not None
    assert events[0].follow_up.reason == reason


def test_not_when_the_channel_takes_no_answer_any_more() -> None:
    windows = {Channel.SOCIAL: DAY}
    world = World(msgspec.structs.replace(PLAIN, reply_windows=windows))
    surveyed(world, channel=Channel.SOCIAL)
    world.run(7 * DAY)
    assert world.case.follow_ups[0].reason == "reply_window_closed"
    surveyed(world, channel=Channel.EMAIL, thread="mail")
    assert K.FOLLOW_UP_DUE in kinds(world.run(7 * DAY))
