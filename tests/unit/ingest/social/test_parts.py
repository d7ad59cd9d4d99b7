from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.channels.gathering import delivered
from services.ingest.channels.item import Item
from services.ingest.channels.provider import Delivery, Ignored
from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.channels.social.keywords import contains
from services.ingest.channels.social.mrkdwn import to_text
from services.ingest.channels.social.parts import (
    Part,
    count,
    each,
    optional,
    required,
)
from shared.events import Channel


class _Numbered(msgspec.Struct):
    n: int


def _read(given: _Numbered) -> Iterator[Part]:
    yield Item(native_id=str(given.n), channel=Channel.SOCIAL, text="")
    if given.n == 2:
        raise Rejected(Refusal.BAD_VALUE, "half of it was good")
    yield Ignored.STATUS


def test_an_element_stands_or_falls_as_a_whole_and_alone() -> None:
    raws = [msgspec.Raw(raw) for raw in (b'{"n":1}', b'{"n":2}', b'{"n":"x"}', b"[]", b'{"n":3}')]
    delivery = delivered(each(raws, _Numbered, _read))
    assert [item.native_id for item in delivery.items] == ["1", "3"]
    assert delivery.ignored == (Ignored.STATUS, Ignored.STATUS)
    assert [(unfit.reason, unfit.payload) for unfit in delivery.unfit] == [
        (Refusal.BAD_VALUE, b'{"n":2}'),
        (Refusal.BAD_VALUE, b'{"n":"x"}'),
        (Refusal.NOT_AN_OBJECT, b"[]"),
    ]


def test_no_list_is_an_empty_one() -> None:
    assert delivered(each(None, _Numbered, _read)) == Delivery()


def test_ids_are_text_or_missing() -> None:
    assert optional(7) == "7"
    assert optional(" 7 ") == "7"
    assert optional(0) == "0"
    assert optional("") is None
    assert optional(None) is None
    with pytest.raises(Rejected) as caught:
        required("id", " ")
    assert caught.value.reason is Refusal.MISSING_FIELD


def test_a_count_is_a_number_of_people() -> None:
    assert count(0) == 0
    assert count(-1) is None
    assert count(2**63) is None
    assert count(None) is None


@pytest.mark.parametrize(
    ("text", "words", "found"),
    [
        ("The ACME app is down", ("acme",), True),
        ("#acme!", ("acme",), True),
        ("acmeを買ったら壊れていた", ("acme",), True),
        ("trailers", ("rail", "trailer"), False),
        ("über_acme", ("acme",), False),
        ("STRASSE gesperrt", ("straße",), True),
        ("Электрички опять стоят", ("электричк",), True),
        ("東京メトロが遅延", ("メトロ",), True),
        ("anything", (), False),
        ("a.b and axb", ("a.b",), True),
        ("axb", ("a.b",), False),
    ],
)
def test_keywords(text: str, words: tuple[str, ...], found: bool) -> None:
    assert contains(text, words) is found


@pytest.mark.parametrize(
    ("mrkdwn", "text"),
    [
        ("a &lt;b&gt; &amp;amp; c", "a <b> &amp; c"),
        ("<https://a.example/?x=1&amp;y=2>", "https://a.example/?x=1&y=2"),
        ("<https://a.example|the page> <mailto:a@b.example|a@b.example>", "the page a@b.example"),
        ("<mailto:a@b.example> <tel:+491>", "a@b.example +491"),
        ("<@U1> <@U2|bob> <#C1> <#C2|ops>", "@U1 @bob #C1 #ops"),
        ("<!here> <!subteam^S1|@team> <!date^1^{date}|today>", "@here @team today"),
        ("a < b <> <|> >", "a < b   >"),
    ],
)
def test_mark_up_of_slack(mrkdwn: str, text: str) -> None:
    assert to_text(mrkdwn) == text


@given(st.text(alphabet="<>|@#!&;amplt ab\n", max_size=200))
def test_mark_up_of_slack_never_fails_and_never_grows(mrkdwn: str) -> None:
    assert len(to_text(mrkdwn)) <= len(mrkdwn) + 1 + mrkdwn.count("<")
