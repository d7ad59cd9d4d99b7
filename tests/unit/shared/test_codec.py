from __future__ import annotations

import json
from typing import Any

import pytest

from shared import codec, topics
from shared.codec import Decoder
from shared.errors import Poison, PoisonReason
from shared.events import (
    CaseCommand,
    Channel,
    CommandKind,
    FeedbackClassified,
    FeedbackClassifiedV1,
    FeedbackReceived,
)

DEPTH = 100_000
WHOLE: dict[str, Any] = {
    "type": "feedback.received.v1",
    "feedback_id": "f1",
    "tenant": "acme",
    "source": "inbox",
    "channel": "email",
    "native_id": "m1",
    "record_key": "acme:c1",
    "customer_key": "c1",
    "received_at": 1_750_000_000_000,
    "text": "It broke.",
}
NESTED_LIST = b"[" * DEPTH + b"]" * DEPTH
NESTED_OBJECT = b'{"a":' * DEPTH + b"1" + b"}" * DEPTH


def raw(**fields: Any) -> bytes:
    return json.dumps(WHOLE | fields).encode()


def followed_by(tail: bytes, **fields: Any) -> bytes:
    """Return the JSON of an event with raw JSON as its last member."""
    return raw(**fields)[:-1] + b"," + tail + b"}"


def received() -> Decoder[FeedbackReceived]:
    return Decoder(topics.FEEDBACK_RECEIVED.carries)


def reason_of(value: bytes | None) -> PoisonReason:
    with pytest.raises(Poison) as caught:
        received().decode(value)
    assert str(caught.value).startswith(caught.value.reason.value)
    assert caught.value.detail
    return caught.value.reason


def test_a_whole_event_is_decoded() -> None:
    event = received().decode(raw(attributes={"n": 1, "s": "x", "f": 0.5, "b": True}))
    assert event.channel is Channel.EMAIL
    assert event.attributes == {"n": 1, "s": "x", "f": 0.5, "b": True}
    assert event.revision == "1"


@pytest.mark.parametrize("value", [None, b""], ids=["none", "empty"])
def test_a_record_without_value_is_poison(value: bytes | None) -> None:
    assert reason_of(value) is PoisonReason.EMPTY


@pytest.mark.parametrize(
    "value",
    [
        b"{",
        b"\x00",
        b"not json",
        b"\xef\xbb\xbf" + raw(),
        raw() + b" x",
        raw()[:-1],
        followed_by(b'"attributes":{"n":NaN}'),
        raw(text="x").replace(b'"x"', b'"\\ud800"'),
    ],
    ids=["open", "nul", "words", "bom", "trailing", "truncated", "nan", "lone surrogate"],
)
def test_what_is_no_json_is_poison(value: bytes) -> None:
    assert reason_of(value) is PoisonReason.BAD_JSON


@pytest.mark.parametrize(
    "value", [raw(text="x").replace(b'"x"', b'"\xff\xfe"'), b'{"type":"\xff"}'], ids=["text", "tag"]
)
def test_what_is_not_utf8_is_poison(value: bytes) -> None:
    assert reason_of(value) is PoisonReason.BAD_UTF8


@pytest.mark.parametrize("nested", [NESTED_LIST, NESTED_OBJECT], ids=["lists", "objects"])
@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(lambda nested: followed_by(b'"unknown":' + nested), id="unknown field"),
        pytest.param(
            lambda nested: followed_by(b'"attributes":{"a":' + nested + b"}"), id="known field"
        ),
        pytest.param(
            lambda nested: followed_by(b'"unknown":' + nested, received_at="late"),
            id="after another fault",
        ),
        pytest.param(
            lambda nested: b'{"type":"nobody.knows.v1","a":' + nested + b"}", id="unknown type"
        ),
        pytest.param(lambda nested: b'{"a":' + nested + b"," + raw()[1:], id="before the type"),
        pytest.param(lambda nested: b'{"type":' + nested + b"}", id="as the type"),
    ],
)
def test_deep_nesting_is_poison_wherever_it_is(shape: Any, nested: bytes) -> None:
    assert reason_of(shape(nested)) is PoisonReason.TOO_DEEP


@pytest.mark.parametrize("value", [b"[" * DEPTH, b"[" * 5_000_000], ids=["100k", "5M"])
def test_nesting_that_never_ends_is_poison(value: bytes) -> None:
    assert reason_of(value) in {PoisonReason.TOO_DEEP, PoisonReason.BAD_SCHEMA}


@pytest.mark.parametrize("tag", ["feedback", "feedback.received", "", "feedback.classified.v2"])
def test_a_type_that_the_topic_does_not_carry_is_told_apart(tag: str) -> None:
    assert reason_of(raw(type=tag)) is PoisonReason.UNKNOWN_TYPE


@pytest.mark.parametrize("tag", ["feedback.received.v2", "feedback.received.v0"])
def test_a_version_that_is_not_known_is_told_apart(tag: str) -> None:
    assert reason_of(raw(type=tag)) is PoisonReason.UNKNOWN_VERSION


def test_a_newer_version_of_one_type_is_not_mistaken_for_another() -> None:
    decoder = Decoder[FeedbackClassified](topics.FEEDBACK_CLASSIFIED.carries)
    with pytest.raises(Poison, match=r"unknown_version.*feedback\.classified\.v1.*v2"):
        decoder.decode(b'{"type":"feedback.classified.v3"}')


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (b"5", "object"),
        (b"null", "object"),
        (b"[]", "object"),
        (b"{}", "type|required"),
        (b'{"type":5}', "type"),
        (raw(received_at="now"), "received_at"),
        (raw(received_at=1.5), "received_at"),
        (raw(received_at=None), "received_at"),
        (raw(channel="fax"), "channel"),
        (raw(text=None), "text"),
        (raw(attributes={"a": None}), "attributes"),
        (raw(attributes={"a": [1]}), "attributes"),
        (raw(rating={"min": 1}), "rating"),
        (json.dumps({k: v for k, v in WHOLE.items() if k != "tenant"}).encode(), "tenant"),
        (followed_by(b'"rating":{"value":1e400}'), "rating"),
        (followed_by(b'"occurred_at":' + b"1" * 5_000), "occurred_at"),
        (raw(received_at=2**63), "received_at"),
        (raw(occurred_at=-(10**400)), "occurred_at"),
    ],
)
def test_a_wrong_shape_is_poison_and_says_where(value: bytes, where: str) -> None:
    with pytest.raises(Poison, match=where) as caught:
        received().decode(value)
    assert caught.value.reason is PoisonReason.BAD_SCHEMA


def test_fields_of_the_future_are_tolerated() -> None:
    assert received().decode(raw(sentiment={"score": [1, 2]})) == received().decode(raw())


def test_an_old_version_comes_out_in_the_newest() -> None:
    old = FeedbackClassifiedV1.__struct_config__.tag
    given = {
        "type": old,
        "feedback": WHOLE,
        "severity": "high",
        "kind": "complaint",
        "confidence": 0.75,
        "classified_at": 7,
    }
    event = Decoder[FeedbackClassified](topics.FEEDBACK_CLASSIFIED.carries).decode(
        json.dumps(given).encode()
    )
    assert isinstance(event, FeedbackClassified)
    assert event.classification.confidence == 0.75


def test_what_is_too_large_to_write_is_poison() -> None:
    event = received().decode(raw())
    room = codec.MAX_RECORD_BYTES - len(codec.encode(event))
    fits = received().decode(raw(text=event.text + "x" * room))
    assert len(codec.encode(fits)) == codec.MAX_RECORD_BYTES
    too_large = received().decode(raw(text=event.text + "x" * (room + 1)))
    with pytest.raises(Poison) as caught:
        codec.encode(too_large)
    assert caught.value.reason is PoisonReason.TOO_LARGE


def test_headers_are_cloudevents_in_binary_mode() -> None:
    command = CaseCommand(
        command_id="k1",
        tenant="acme",
        case_id="acme:c1:0123456789ab",
        kind=CommandKind.RESOLVE,
        actor="ada",
        at=1,
    )
    assert codec.headers(command, "k1", "tocsin/cli") == [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"k1"),
        ("ce_source", b"tocsin/cli"),
        ("ce_type", b"tocsin.case.command.v1"),
        ("content-type", b"application/json"),
    ]


def test_every_topic_tells_its_types_apart() -> None:
    for topic in topics.ALL:
        tags = [codec.type_tag(kind) for kind in topic.carries]
        assert len(set(tags)) == len(tags)
        with pytest.raises(Poison) as caught:
            Decoder[FeedbackReceived](topic.carries).decode(b'{"type":"nobody.knows.v1"}')
        assert caught.value.reason is PoisonReason.UNKNOWN_TYPE
