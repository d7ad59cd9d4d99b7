"""Whatever the bytes: an event or Poison. Whatever the event: its bytes give it back."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import codec, topics
from shared.codec import Decoder
from shared.errors import Poison, PoisonReason
from shared.events import (
    CaseCommand,
    Channel,
    CommandKind,
    DeadLetter,
    FeedbackReceived,
    Struct,
)
from shared.topics import Topic

INT64 = st.integers(min_value=-(2**63), max_value=2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
SCALARS = TEXT | INT64 | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)
FOR_DECODING = {
    PoisonReason.BAD_JSON,
    PoisonReason.BAD_UTF8,
    PoisonReason.TOO_DEEP,
    PoisonReason.UNKNOWN_TYPE,
    PoisonReason.UNKNOWN_VERSION,
    PoisonReason.BAD_SCHEMA,
    PoisonReason.EMPTY,
}
DECODERS = {topic.name: Decoder[Struct](topic.carries) for topic in topics.ALL}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
received = st.builds(
    FeedbackReceived,
    feedback_id=TEXT,
    tenant=TEXT,
    source=TEXT,
    channel=st.sampled_from(Channel),
    native_id=TEXT,
    record_key=TEXT,
    customer_key=TEXT,
    received_at=INT64,
    text=TEXT,
    thread_id=st.none() | TEXT,
    occurred_at=st.none() | INT64,
    truncated=st.booleans(),
    attributes=st.dictionaries(TEXT, SCALARS, max_size=3),
)
commands = st.builds(
    CaseCommand,
    command_id=TEXT,
    tenant=TEXT,
    case_id=TEXT,
    kind=st.sampled_from(CommandKind),
    actor=TEXT,
    at=INT64,
    expected_seq=st.none() | INT64,
    follow_up=st.none() | INT64,
    note=st.none() | TEXT,
)
letters = st.builds(
    DeadLetter,
    stage=TEXT,
    reason=TEXT,
    detail=TEXT,
    at=INT64,
    key=st.none() | st.binary(max_size=30),
    value=st.none() | st.binary(max_size=200),
    headers=st.lists(st.tuples(TEXT, st.binary(max_size=20)), max_size=3).map(tuple),
)
CASES = [
    (topics.FEEDBACK_RECEIVED, received),
    (topics.CASE_COMMANDS, commands),
    (topics.DEAD_LETTERS, letters),
]


def judge(raw: bytes) -> None:
    """Decode for every topic: an event of that topic, or Poison with a fitting reason."""
    for topic in topics.ALL:
        try:
            event = DECODERS[topic.name].decode(raw)
        except Poison as poison:
            reason: PoisonReason | None = poison.reason
        else:
            reason = None
            assert isinstance(event, topic.carries)
        assert reason is None or reason in FOR_DECODING


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_poison(raw: bytes) -> None:
    judge(raw)


@given(json_values)
def test_any_json_is_an_event_or_poison(value: Any) -> None:
    judge(json.dumps(value).encode())


@given(
    event=received,
    field=st.sampled_from([*FeedbackReceived.__struct_fields__, "type", "unheard_of"]),
    value=json_values,
)
def test_an_event_with_one_odd_field_is_an_event_or_poison(
    event: FeedbackReceived, field: str, value: Any
) -> None:
    changed = json.loads(codec.encode(event)) | {field: value}
    judge(json.dumps(changed).encode())


@given(event=received, at=st.integers(min_value=0), byte=st.integers(0, 255))
def test_an_event_with_one_odd_byte_is_an_event_or_poison(
    event: FeedbackReceived, at: int, byte: int
) -> None:
    raw = bytearray(codec.encode(event))
    raw[at % len(raw)] = byte
    judge(bytes(raw))


@given(event=received, cut=st.integers(min_value=0))
def test_a_cut_event_is_poison(event: FeedbackReceived, cut: int) -> None:
    raw = codec.encode(event)
    with pytest.raises(Poison):
        DECODERS["feedback.received"].decode(raw[: cut % len(raw)])


@given(st.data())
def test_what_was_encoded_comes_back_the_same(data: st.DataObject) -> None:
    topic: Topic
    topic, events = data.draw(st.sampled_from(CASES))
    event = data.draw(events)
    again = DECODERS[topic.name].decode(codec.encode(event))
    assert again == event
    assert codec.encode(again) == codec.encode(event)


@given(event=received, extra=st.dictionaries(TEXT, json_values, max_size=3))
def test_unknown_fields_change_nothing(event: FeedbackReceived, extra: dict[str, Any]) -> None:
    known = json.loads(codec.encode(event))
    ours = set(FeedbackReceived.__struct_fields__) | {"type"}
    raw = json.dumps({k: v for k, v in extra.items() if k not in ours} | known)
    assert DECODERS["feedback.received"].decode(raw.encode()) == event


@given(st.sampled_from(topics.ALL), received)
def test_an_event_is_taken_by_the_topics_that_carry_it(
    topic: Topic, event: FeedbackReceived
) -> None:
    raw = codec.encode(event)
    if FeedbackReceived in topic.carries:
        assert DECODERS[topic.name].decode(raw) == msgspec.json.decode(raw, type=FeedbackReceived)
    else:
        with pytest.raises(Poison, match="unknown_type"):
            DECODERS[topic.name].decode(raw)
