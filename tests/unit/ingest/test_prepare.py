from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from services.ingest import prepare
from services.ingest.channels.item import DERIVED, Alias, Item
from services.ingest.channels.rejection import Refusal
from services.ingest.companions import MAX_LETTER_BYTES
from services.ingest.flight import Fate, Record
from services.ingest.prepare import Door, Preparer, Raw
from shared import codec, ids
from shared.events import Channel, DeadLetter, FeedbackReceived
from shared.topics import Names

Make = Callable[..., bytes]
DECODER: codec.Decoder[Any] = codec.Decoder([FeedbackReceived, DeadLetter])


def _letter(record: Record) -> DeadLetter:
    letter = DECODER.decode(record.value)
    assert isinstance(letter, DeadLetter)
    return letter


def test_an_item_becomes_a_record_keyed_by_its_customer(rig: Any, item: Make) -> None:
    trace = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"
    prepared = rig.preparer.prepare(Raw(item()), Door("*", trace))
    event = DECODER.decode(prepared.record.value)
    assert event == prepared.event
    assert prepared.record.topic == "feedback.received"
    assert prepared.record.key.decode() == event.record_key
    assert event.source == "api"
    headers = dict(prepared.record.headers)
    assert headers["ce_id"].decode() == event.feedback_id
    assert headers["ce_type"] == b"tocsin.feedback.received.v1"
    assert headers["traceparent"] == trace


def test_a_rejected_item_becomes_a_letter_with_the_bytes(rig: Any, item: Make) -> None:
    raw = item(rating=9, channel="social")
    prepared = rig.preparer.prepare(Raw(raw, 3), Door())
    letter = _letter(prepared.record)
    assert prepared.record.topic == "dead-letters"
    assert (letter.stage, letter.reason, letter.value) == ("ingest", "bad_value", raw)
    assert letter.channel == "social"
    assert prepared.native_id == "1"
    again = rig.preparer.prepare(Raw(raw, 8), Door())
    assert again.record.id == prepared.record.id


def test_a_huge_rejected_item_keeps_its_beginning(rig: Any) -> None:
    raw = b"x" * (MAX_LETTER_BYTES + 5)
    letter = _letter(rig.preparer.prepare(Raw(raw), Door()).record)
    assert letter.value == raw[:MAX_LETTER_BYTES]
    assert f"first {MAX_LETTER_BYTES} of {len(raw)} bytes kept" in letter.detail


@pytest.mark.parametrize(
    ("allowed", "stated", "source"),
    [("*", None, "api"), ("*", "crm", "crm"), ("crm", None, "crm"), ("crm", "crm", "crm")],
)
def test_the_key_decides_the_source(
    rig: Any, item: Make, allowed: str, stated: str | None, source: str
) -> None:
    event = rig.preparer.prepare(Raw(item(source=stated)), Door(allowed)).event
    assert event.source == source
    assert event.feedback_id == ids.feedback_id("acme", source, "1", event.revision)


def test_a_key_cannot_write_another_source(rig: Any, item: Make) -> None:
    prepared = rig.preparer.prepare(Raw(item(source="other")), Door("crm"))
    assert prepared.rejected.reason is Refusal.FOREIGN_SOURCE


def test_a_record_over_the_limit_is_rejected(
    rig: Any, item: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codec, "MAX_RECORD_BYTES", 500)
    prepared = rig.preparer.prepare(Raw(item(text="x" * 200)), Door())
    assert prepared.rejected.reason is Refusal.TOO_LARGE


def _item(**fields: Any) -> Item:
    whole: dict[str, Any] = {
        "native_id": "1",
        "channel": Channel.OTHER,
        "text": "It broke.",
    } | fields
    return Item(**whole)


def test_half_a_surrogate_pair_costs_one_character(rig: Any) -> None:
    item = _item(native_id="1\udfff", text="It \ud800broke.", attributes={"a": "\udc00"})
    event = rig.preparer.prepare(item, Door("s")).event
    assert event.text == "It \ufffdbroke."
    assert event.attributes == {"a": "\ufffd"}


def test_a_bug_met_by_one_item_becomes_a_letter(rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(prepare, "normalise", broken)
    prepared = rig.preparer.prepare(_item(), Door("s"))
    letter = _letter(prepared.record)
    assert prepared.rejected.reason is Refusal.FAILED
    assert letter.detail == "intake failed: ZeroDivisionError"
    assert b"It broke." in (letter.value or b"")


def test_what_was_made_of_words_cannot_be_found_by_trying(rig: Any) -> None:
    item = _item(native_id=DERIVED + "abc", revision=DERIVED + "def", thread_id=DERIVED + "abc")
    first, again = (rig.preparer.prepare(item, Door("s")).event for _ in range(2))
    assert first == again
    assert "abc" not in first.native_id
    assert "def" not in first.revision
    assert re.fullmatch("[0-9a-f]{32}", first.thread_id)
    assert first.thread_id == first.native_id
    other = Preparer("acme", b"another secret", Names(), rig.clock)
    assert other.prepare(item, Door("s")).native_id != first.native_id


@pytest.mark.parametrize("native_id", ["+4930901820", "tel:030901820", "ann@shop.example"])
def test_an_address_as_an_id_is_hashed(rig: Any, native_id: str) -> None:
    event = rig.preparer.prepare(_item(native_id=native_id), Door("s")).event
    assert re.fullmatch("[0-9a-f]{32}", event.native_id)
    mail = _item(native_id=native_id, channel=Channel.EMAIL)
    assert rig.preparer.prepare(mail, Door("s")).event.native_id == native_id


def test_a_link_counts_once_it_is_written(rig: Any) -> None:
    item = _item(
        author="ann@shop.example",
        author_verified=True,
        aliases=(Alias("tel:+4930901820", verified=True),),
    )
    [link] = rig.preparer.prepare(item, Door("s")).extra
    link.settle(Fate.FAILED)
    [link] = rig.preparer.prepare(item, Door("s")).extra
    link.settle(Fate.WRITTEN)
    assert rig.preparer.prepare(item, Door("s")).extra == ()


def test_an_item_without_a_usable_id_is_known_by_its_words(rig: Any) -> None:
    events = [
        rig.preparer.prepare(_item(native_id="\x00\x01", text=text), Door("s")).event
        for text in ("It broke.", "It broke.", "It rattles.")
    ]
    assert events[0].native_id.startswith("gen:")
    assert events[0].feedback_id == events[1].feedback_id != events[2].feedback_id
