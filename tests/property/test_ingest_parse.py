"""Whatever comes in: an item or a reason, nothing else; and the same item whenever it comes."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from services.ingest.channels import generic, wire
from services.ingest.channels.item import Item
from services.ingest.channels.rejection import Rejected
from services.ingest.channels.text import MAX_TEXT, clean, clean_line
from services.ingest.prepare import Door, Preparer, Raw
from shared import codec
from shared.clock import ManualClock
from shared.events import DeadLetter, FeedbackReceived
from shared.topics import Names

NOW = 1_750_000_000_000
DECODER: codec.Decoder[Any] = codec.Decoder([FeedbackReceived, DeadLetter])
PREPARER = Preparer("t", b"k", Names(), ManualClock())

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = wire.WireItem.__struct_fields__
almost_items = st.fixed_dictionaries(
    {"id": st.text(max_size=8) | st.integers() | anything, "channel": st.just("email") | anything},
    optional={name: anything for name in FIELDS if name not in {"id", "channel"}},
)
good_items = st.fixed_dictionaries(
    {
        "id": st.text(min_size=1, max_size=20).filter(lambda text: bool(clean_line(text))),
        "channel": st.sampled_from(["email", "phone", "social", "reviews", "other"]),
        "text": st.text(),
        "rating": st.integers(1, 5),
    },
    optional={
        "author": st.none() | st.text(max_size=40),
        "thread": st.none() | st.text(max_size=40),
        "occurred_at": st.integers(generic.EARLIEST_MS, NOW * 2),
        "language": st.sampled_from(["en", "de-AT", None]),
        "attributes": st.dictionaries(
            st.from_regex(r"[a-z]{1,9}", fullmatch=True),
            st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.text(max_size=20),
            max_size=5,
        ),
    },
)


def _parse(raw: bytes) -> Item | None:
    try:
        return generic.parse(raw)
    except Rejected as rejected:
        detail = rejected.detail
    assert 0 < len(detail) <= 500
    return None


@given(st.binary(max_size=200))
@example(b'{"id":"\xed\xa0\x80"}')
@example(b'{"\xff":1}')
@example(b'{"id":' + b"9" * 5000 + b"}")
def test_any_bytes_are_an_item_or_a_reason(raw: bytes) -> None:
    _parse(raw)
    record = PREPARER.prepare(Raw(raw), Door()).record
    assert isinstance(DECODER.decode(record.value), DeadLetter | FeedbackReceived)


@given(almost_items)
def test_any_json_is_an_item_or_a_reason(fields: dict[str, Any]) -> None:
    raw = json.dumps(fields).encode("utf-8", "surrogatepass")
    _parse(raw)
    event = DECODER.decode(PREPARER.prepare(Raw(raw), Door()).record.value)
    if isinstance(event, DeadLetter):
        assert event.value == raw


def _event(raw: Raw, now: int) -> FeedbackReceived:
    clock = ManualClock(now)
    event = Preparer("t", b"k", Names(), clock).prepare(raw, Door("s")).event
    assert event is not None
    return event


@given(good_items, st.integers(0, 10**9))
def test_ids_depend_on_the_item_alone(fields: dict[str, Any], later: int) -> None:
    raw = json.dumps(fields).encode("utf-8", "replace")
    shuffled = json.dumps(dict(reversed(fields.items()))).encode("utf-8", "replace")
    first = _event(Raw(raw), NOW)
    again = _event(Raw(shuffled), NOW + later)
    assert (first.feedback_id, first.record_key) == (again.feedback_id, again.record_key)
    assert first.occurred_at is None or first.occurred_at <= NOW
    assert DECODER.decode(codec.encode(first)) == first


@given(st.text())
@example("e\x00\u0301")
@example("\r\x01\n")
@example("x" * (MAX_TEXT - 1) + "  y")
@example("a" + "\u0301\u0327" * 400)
def test_normalising_twice_changes_nothing(text: str) -> None:
    once, _ = clean(text)
    assert clean(once) == (once, False)
    assert unicodedata.is_normalized("NFC", once)
    line = clean_line(text)
    assert clean_line(line) == line
    assert "\n" not in line
