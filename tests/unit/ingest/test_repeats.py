from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from services.ingest.channels.item import Item
from services.ingest.prepare import Door
from services.ingest.repeats import WINDOW_MS
from shared.errors import Transient
from shared.events import Channel, FeedbackReceived, Flag, Operation

TEXT = "The heating in my flat has been broken for three weeks and nobody calls me back."
NEARLY = "The heating in my flat has been broken for three weeks now and nobody calls me back!!"
OTHER = "Can I change the delivery address of the order that I placed this morning, please?"


def _item(number: int, text: str = TEXT, **fields: Any) -> Item:
    whole: dict[str, Any] = {"channel": Channel.EMAIL, "author": "ann@example.com"} | fields
    return Item(native_id=str(number), text=text, **whole)


def _take(rig: Any, *batches: Sequence[Item]) -> list[FeedbackReceived]:
    async def scenario() -> None:
        intake = rig.intake()
        for batch in batches:
            await intake.take(batch, Door("s"))
            await intake.settle()

    asyncio.run(scenario())
    return [
        msgspec.json.decode(v, type=FeedbackReceived) for v in rig.log.values("feedback.received")
    ]


def test_the_same_said_again_is_marked_and_counted_on_any_channel(rig: Any) -> None:
    first, second, third = _take(
        rig, [_item(1)], [_item(2, NEARLY)], [_item(3, channel=Channel.OTHER)]
    )
    assert first.repeat is None
    assert second.repeat is not None
    assert (second.repeat.of, second.repeat.count) == (first.feedback_id, 2)
    assert third.repeat is not None
    assert third.repeat.count == 3
    assert rig.metric("tocsin_events_deduplicated_total", channel="email", kind="near") == 1


def test_within_one_batch_too(rig: Any) -> None:
    first, second = _take(rig, [_item(1), _item(2)])
    assert second.repeat is not None
    assert (second.repeat.of, second.repeat.exact) == (first.feedback_id, True)


def test_another_matter_another_person_and_a_revision_are_no_repetition(rig: Any) -> None:
    events = _take(
        rig,
        [_item(1)],
        [_item(2, OTHER)],
        [_item(3, author="bob@example.com")],
        [_item(1, NEARLY, op=Operation.UPDATE)],
        [_item(1, NEARLY + " Still.")],
    )
    assert [event.repeat for event in events] == [None] * 5


def test_after_the_window_it_is_something_new(rig: Any) -> None:
    async def scenario() -> None:
        intake = rig.intake()
        await intake.take([_item(1)], Door("s"))
        await intake.settle()
        rig.clock.advance(WINDOW_MS / 1000 + 1)
        await intake.take([_item(2)], Door("s"))
        await intake.settle()

    asyncio.run(scenario())
    last = msgspec.json.decode(rig.log.values("feedback.received")[-1], type=FeedbackReceived)
    assert last.repeat is None


def test_history_was_not_said_in_the_hour_in_which_it_is_read(rig: Any) -> None:
    day = 86_400_000
    start = rig.clock.now_ms() - 900 * day
    events = _take(rig, [_item(n, occurred_at=start + n * 300 * day) for n in range(3)])
    assert [event.repeat for event in events] == [None] * 3


def test_imported_history_is_neither_marked_nor_remembered(rig: Any) -> None:
    imported = [_item(n, flags=(Flag.BACKFILL,)) for n in (1, 2)]
    events = _take(rig, imported, [_item(3)])
    assert [event.repeat for event in events] == [None] * 3


def test_without_the_store_everything_goes_on_unmarked(rig: Any) -> None:
    class Away:
        async def recent(self, _: Sequence[str]) -> Sequence[bytes | None]:
            raise Transient("away")

        async def remember(self, _: object) -> None:
            raise Transient("away")

    rig.contacts = Away()
    events = _take(rig, [_item(1)], [_item(2)])
    assert [event.repeat for event in events] == [None, None]


def test_a_redelivery_is_no_repetition(rig: Any) -> None:
    [event] = _take(rig, [_item(1)], [_item(1)])
    assert event.repeat is None
