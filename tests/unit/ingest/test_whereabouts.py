from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from services.ingest.channels.item import Item
from services.ingest.prepare import Door
from shared.errors import Transient
from shared.events import Channel, FeedbackReceived, Operation, Origin, Role

HOOK = Door("phone", provider="twilio")


def _item(native_id: str, author: str | None = None, **fields: Any) -> Item:
    whole: dict[str, Any] = {"channel": Channel.PHONE, "text": f"words of {native_id}"} | fields
    return Item(native_id=native_id, author=author, **whole)


def _take(rig: Any, *batches: tuple[Door, Sequence[Item]]) -> list[FeedbackReceived]:
    async def scenario() -> None:
        intake = rig.intake()
        for door, batch in batches:
            await intake.take(batch, door)
            await intake.settle()

    asyncio.run(scenario())
    values = rig.log.values("feedback.received")
    return [msgspec.json.decode(value, type=FeedbackReceived) for value in values]


def test_a_recording_belongs_to_who_called_and_a_deletion_to_who_wrote(rig: Any) -> None:
    events = _take(
        rig,
        (HOOK, [_item("call-1", "+4930123456", thread_id="call-1")]),
        (HOOK, [_item("recording-9", thread_id="call-1"), _item("call-1", op=Operation.DELETE)]),
        (HOOK, [_item("call-2", thread_id="call-2")]),
    )
    called, recorded, deleted, other = (event.record_key for event in events)
    assert called == recorded == deleted
    assert other != called


def test_our_answer_and_a_bounce_are_filed_under_the_customer_of_the_thread(rig: Any) -> None:
    asked, answered, bounced, asked_again = _take(
        rig,
        (HOOK, [_item("1", "+4930123456", thread_id="t")]),
        (
            HOOK,
            [
                _item("2", "agent-7", thread_id="t", role=Role.AGENT),
                _item("3", "mailer-daemon@x.example", thread_id="t", origin=Origin.BOUNCE_HARD),
            ],
        ),
        (HOOK, [_item("4", thread_id="t")]),
    )
    assert asked.customer_key == answered.customer_key == bounced.customer_key
    assert asked_again.customer_key == asked.customer_key


def test_through_a_thread_whose_id_may_not_be_shown(rig: Any) -> None:
    for thread in ("derived:0123", "+4930123456"):
        first, second = _take(
            type(rig)(),
            (HOOK, [_item("1", "+4930123456", thread_id=thread)]),
            (HOOK, [_item("2", thread_id=thread)]),
        )
        assert first.customer_key == second.customer_key
        assert first.thread_id == second.thread_id != thread


def test_within_one_request_too(rig: Any) -> None:
    events = _take(
        rig,
        (
            HOOK,
            [
                _item("1", "+4930123456", thread_id="t"),
                _item("2", "agent-7", thread_id="t", role=Role.AGENT),
                _item("1", op=Operation.DELETE),
            ],
        ),
    )
    assert len({event.customer_key for event in events}) == 1


def test_another_source_is_another_world(rig: Any) -> None:
    elsewhere = Door("desk", provider="zendesk")
    first, second = _take(
        rig, (HOOK, [_item("1", "+4930123456")]), (elsewhere, [_item("1", text="Something else.")])
    )
    assert first.customer_key != second.customer_key


def test_who_names_the_author_is_believed(rig: Any) -> None:
    first, second = _take(
        rig,
        (HOOK, [_item("1", "+4930123456", thread_id="t")]),
        (HOOK, [_item("2", "+4930999999", thread_id="t")]),
    )
    assert first.customer_key != second.customer_key


def test_the_id_does_not_depend_on_what_is_remembered(rig: Any) -> None:
    late = _item("recording-9", thread_id="call-1")
    [alone] = _take(rig, (HOOK, [late]))
    _, known = _take(
        type(rig)(), (HOOK, [_item("call-1", "+4930123456", thread_id="call-1")]), (HOOK, [late])
    )
    assert alone.feedback_id == known.feedback_id
    assert alone.customer_key != known.customer_key


def test_without_the_store_it_stands_alone(rig: Any) -> None:
    class Away:
        async def recent(self, _: Sequence[str]) -> Sequence[bytes | None]:
            raise Transient("away")

        async def remember(self, _: object) -> None:
            raise Transient("away")

    rig.known_items = Away()
    events = _take(
        rig,
        (HOOK, [_item("call-1", "+4930123456", thread_id="call-1")]),
        (HOOK, [_item("recording-9", thread_id="call-1")]),
    )
    assert len(events) == 2
