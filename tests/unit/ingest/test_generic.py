from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from services.ingest.channels.generic import parse
from services.ingest.channels.rejection import Refusal, Rejected
from shared.events import Channel, Rating

Make = Callable[..., bytes]


def test_a_full_item(item: Make) -> None:
    parsed = parse(
        item(
            id=7,
            channel="reviews",
            source="appstore",
            thread=" t 1 ",
            occurred_at="2025-06-01T12:00:00.5+02:00",
            language="pt_BR",
            rating={"value": 9, "min": 0, "max": 10},
            attributes={"version": "1.2", "likes": 3, "paid": True, "gone": None},
        )
    )
    assert parsed.native_id == "7"
    assert parsed.channel is Channel.REVIEWS
    assert parsed.source == "appstore"
    assert parsed.thread_id == "t 1"
    assert parsed.occurred_at == 1_748_772_000_500
    assert parsed.language == "pt-BR"
    assert parsed.rating == Rating(value=9.0, min=0.0, max=10.0)
    assert parsed.attributes == {"version": "1.2", "likes": 3, "paid": True}


@pytest.mark.parametrize(
    ("raw", "reason", "detail"),
    [
        (b"", Refusal.EMPTY, "white space"),
        (b" \n", Refusal.EMPTY, "white space"),
        (b'{"id":', Refusal.BAD_JSON, "truncated"),
        (b'{"id":"\\ud800"}', Refusal.BAD_JSON, ""),
        (b"{'id':1}", Refusal.BAD_JSON, "byte 1"),
        (b'{"id":"\xff"}', Refusal.BAD_UTF8, "0xff"),
        (b"[1]", Refusal.NOT_AN_OBJECT, "array"),
        (b"{}", Refusal.MISSING_FIELD, "`id`"),
        (b'{"id":1}', Refusal.MISSING_FIELD, "`channel`"),
        (b'{"id":1,"channel":"email","txt":"x"}', Refusal.UNKNOWN_FIELD, "did you mean 'text'"),
        (
            b'{"id":1,"channel":"email","rating":{"value":1,"mx":2}}',
            Refusal.UNKNOWN_FIELD,
            "rating.mx: unknown field; did you mean 'max'",
        ),
    ],
)
def test_what_is_no_item_says_why(raw: bytes, reason: Refusal, detail: str) -> None:
    with pytest.raises(Rejected) as caught:
        parse(raw)
    assert caught.value.reason is reason
    assert detail in caught.value.detail


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"channel": "mail"}, "channel: Invalid enum value 'mail'; known: email, phone"),
        ({"text": 5}, "text: Expected `str`, got `int`"),
        ({"id": ""}, "id: empty"),
        ({"id": "x" * 513}, "id: 513 characters"),
        ({"id": True}, "id: Expected"),
        ({"source": "a b"}, "source: 1 to 64"),
        ({"author": "x" * 321}, "author: 321 characters"),
        (
            {"occurred_at": "2025-06-01T12:00:00"},
            "occurred_at: Expected `datetime` with a timezone",
        ),
        ({"occurred_at": 1_750_000_000}, "milliseconds are expected, not seconds"),
        ({"occurred_at": "0001-01-01T00:00:00+14:00"}, "not between 1990 and 9999"),
        ({"occurred_at": 10**18}, "not between 1990 and 9999"),
        ({"language": "english please"}, "language: not a BCP 47"),
        ({"rating": 6}, "rating: 6 is not within 1 to 5"),
        ({"rating": 0}, "rating: 0 is not within 1 to 5"),
        ({"rating": {"value": 1, "min": 5, "max": 5}}, "min 5 is not below max 5"),
        ({"attributes": {"a": [1]}}, "attributes[...]: Expected"),
        ({"attributes": {str(n): n for n in range(33)}}, "attributes: 33 keys"),
        ({"attributes": {"x" * 65: 1}}, "names have 1 to 64"),
        ({"attributes": {"tocsin.x": 1}}, "no prefix 'tocsin.'"),
        ({"attributes": {"a": "x" * 1025}}, "attributes.a: 1025 characters"),
        ({"attributes": {"a": 2**63}}, "attributes.a: outside of 64 bits"),
    ],
)
def test_a_bad_value_names_its_place(item: Make, fields: dict[str, Any], detail: str) -> None:
    with pytest.raises(Rejected) as caught:
        parse(item(**fields))
    assert caught.value.reason is Refusal.BAD_VALUE
    assert detail in caught.value.detail


def test_deep_nesting_is_a_reason_not_a_crash() -> None:
    deep = b'{"id":1,"channel":"email","nested":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    with pytest.raises(Rejected) as caught:
        parse(deep)
    assert caught.value.reason in {Refusal.TOO_DEEP, Refusal.UNKNOWN_FIELD}


@pytest.mark.parametrize("text", ["", "  ", "\x00", None])
def test_no_text_needs_a_rating(item: Make, text: str | None) -> None:
    assert parse(item(text=text, rating=1)).text == ""
    with pytest.raises(Rejected) as caught:
        parse(item(text=text))
    assert caught.value.reason is Refusal.EMPTY_TEXT
