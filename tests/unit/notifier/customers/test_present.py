"""A message that waited is sent only if the case still needs it, and says how the case is now."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from services.notifier.customers.present import Present, ViewPresent, is_wanted
from services.notifier.customers.render import promised
from services.notifier.ports import Result, Verdict
from shared.errors import Transient
from shared.events import (
    Case,
    CaseEvent,
    CaseState,
    Clock,
    ClockChange,
    ClockChangeKind,
    ClockKind,
    ClockState,
    FollowUp,
    FollowUpState,
    MessageKind,
    NoReply,
)
from shared.ids import partition_of
from tests.unit.notifier.customers import cases
from tests.unit.notifier.customers.test_sink import Desk, with_desk
from tests.unit.notifier.plan_world import CASE_ID, RECORD_KEY, case

WARNED = ClockChange(
    clock=ClockKind.UPDATE, instance="u1", change=ClockChangeKind.WARNED, at=1, target_ms=1
)


def clock(kind: ClockKind, instance: str = "1", **fields: Any) -> Clock:
    return Clock(kind=kind, instance=instance, target_ms=1, started_at=0, **fields)


def due(number: int, state: FollowUpState) -> FollowUp:
    return FollowUp(number=number, kind="confirm", due_at=1, state=state)


ENDED = ClockState.FULFILLED
RECEIPT = clock(ClockKind.RECEIPT)
UPDATE = clock(ClockKind.UPDATE, "u1")
WAITING = {"state": CaseState.WAITING_CUSTOMER, "nudges": 1}
SOLVED = {"state": CaseState.RESOLVED, "resolved_at": 5}


@pytest.mark.parametrize(
    ("kind", "then", "now", "wanted"),
    [
        (MessageKind.RECEIPT, {"clocks": (RECEIPT,)}, {}, True),
        (MessageKind.RECEIPT, {"clocks": (RECEIPT,)}, {"state": CaseState.RESOLVED}, True),
        (
            MessageKind.RECEIPT,
            {"clocks": (RECEIPT,)},
            {"clocks": (clock(ClockKind.RECEIPT, state=ENDED),)},
            False,
        ),
        (MessageKind.RECEIPT, {"clocks": (RECEIPT,)}, {"clocks": (UPDATE,)}, False),
        (MessageKind.PROGRESS, {"clocks": (UPDATE,)}, {}, True),
        (MessageKind.PROGRESS, {"clocks": (UPDATE,)}, SOLVED, False),
        (
            MessageKind.PROGRESS,
            {"clocks": (UPDATE,)},
            {"clocks": (clock(ClockKind.UPDATE, "u2"),)},
            False,
        ),
        (MessageKind.RESOLUTION, SOLVED, {}, True),
        (MessageKind.RESOLUTION, SOLVED, {"state": CaseState.COMMUNICATED}, False),
        (MessageKind.RESOLUTION, SOLVED, {"state": CaseState.OPEN}, False),
        (MessageKind.RESOLUTION, SOLVED, {"resolved_at": 6}, False),
        (MessageKind.NUDGE, WAITING, {}, True),
        (MessageKind.NUDGE, WAITING, {"nudges": 2}, False),
        (MessageKind.NUDGE, WAITING, {"state": CaseState.CLARIFIED}, False),
        (MessageKind.SURVEY, {}, {"follow_ups": (due(2, FollowUpState.DUE),)}, True),
        (MessageKind.FOLLOW_UP, {}, {"follow_ups": (due(2, FollowUpState.MISSED),)}, True),
        (MessageKind.FOLLOW_UP, {}, {"follow_ups": (due(2, FollowUpState.WAIVED),)}, False),
        (MessageKind.SURVEY, {}, {"follow_ups": (due(1, FollowUpState.DUE),)}, False),
    ],
)
def test_what_the_customer_is_still_to_be_told(
    kind: MessageKind, then: dict[str, Any], now: dict[str, Any], wanted: bool
) -> None:
    before = case(**then)
    cause = cases.notification(kind, before).cause
    assert isinstance(cause, CaseEvent)
    event = msgspec.structs.replace(
        cause, clocks=(WARNED,), follow_up=due(2, FollowUpState.DUE), case=before
    )
    assert is_wanted(kind, event, before, msgspec.structs.replace(before, **now)) is wanted


def awaiting(**fields: Any) -> Case:
    about = cases.complaint("en")
    given = {"clocks": (*about.clocks, RECEIPT)} | fields
    return msgspec.structs.replace(about, **given)


def told(present: Present, kind: MessageKind = MessageKind.RECEIPT) -> tuple[Result, list[bytes]]:
    found: list[tuple[Result, list[bytes]]] = []

    async def scenario(desk: Desk) -> None:
        result = await desk.tell(kind, awaiting())
        found.append((result, [one.content for one in desk.office.letters]))

    with_desk(scenario, present=present)
    return found[0]


@pytest.mark.parametrize(
    "now",
    [
        {"clocks": (clock(ClockKind.RECEIPT, state=ENDED),)},
        {"state": CaseState.MERGED, "clocks": ()},
        {"state": CaseState.CLOSED, "clocks": ()},
    ],
)
def test_no_receipt_is_sent_of_a_case_that_was_answered_merged_or_closed(
    now: dict[str, Any],
) -> None:
    result, letters = told(cases.Stands(awaiting(case_seq=2, **now)))
    assert (result.verdict, result.commands, letters) == (Verdict.STALE, (), [])


def test_a_view_that_is_behind_or_knows_nothing_stops_no_receipt() -> None:
    behind = awaiting(case_seq=0, clocks=())
    for present in (cases.Stands(behind), cases.Stands(None)):
        result, letters = told(present)
        assert (result.verdict, len(letters)) == (Verdict.DELIVERED, 1), result


def test_a_view_that_is_away_is_waited_for() -> None:
    result, letters = told(cases.Stands(None, away=True))
    assert (result.verdict, letters) == (Verdict.RETRYABLE, [])


def test_a_case_that_turned_out_to_be_of_a_machine_is_not_written_to() -> None:
    result, letters = told(cases.Stands(awaiting(case_seq=2, may_auto_respond=False)))
    assert (result.verdict, result.why, letters) == (Verdict.UNSUITABLE, NoReply.MACHINE, [])


def test_the_promise_is_that_of_now() -> None:
    later = tuple(
        msgspec.structs.replace(one, due_at=one.due_at and one.due_at + 86_400_000)
        for one in cases.complaint("en").clocks
    )
    _, [letter] = told(cases.Stands(awaiting(case_seq=2, clocks=(*later, RECEIPT))))
    assert b"10 October 2026" in letter
    assert b"9 October 2026" not in letter


def test_the_view_is_asked_in_the_partition_of_the_customer() -> None:
    one = case()

    def read(partition: int, case_ids: object) -> dict[str, Case]:
        assert (partition, case_ids) == (partition_of(RECORD_KEY, 12), (CASE_ID,))
        return {CASE_ID: one}

    def away(_partition: int, _case_ids: object) -> dict[str, Case]:
        raise Transient("redis: away")

    def newer(_partition: int, _case_ids: object) -> dict[str, Case]:
        raise msgspec.ValidationError("a state of a newer release")

    assert asyncio.run(ViewPresent(read, 12).of(CASE_ID)) == one
    assert asyncio.run(ViewPresent(newer, 12).of(CASE_ID)) is None
    assert asyncio.run(ViewPresent(read, 12).of("c1")) is None
    with pytest.raises(Transient):
        asyncio.run(ViewPresent(away, 12).of(CASE_ID))


def test_no_time_is_promised_that_is_past_when_it_is_read() -> None:
    clocks = (
        clock(ClockKind.FIRST_RESPONSE, due_at=cases.NOW + 20_000),
        clock(ClockKind.UPDATE, due_at=cases.NOW + 7_200_000),
    )
    assert (
        promised(MessageKind.RECEIPT, awaiting(clocks=clocks), cases.NOW) == cases.NOW + 7_200_000
    )
    assert promised(MessageKind.RECEIPT, awaiting(clocks=clocks[:1]), cases.NOW) is None
