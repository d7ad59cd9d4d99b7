"""E-mail from anybody: whatever the bytes, an item or a rejection comes of them, and soon."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.channels.email import threading
from services.ingest.channels.email.message import from_parts, parse_message
from services.ingest.channels.email.parts import Checks, Envelope, Parts
from services.ingest.channels.email.quotes import own_words
from services.ingest.channels.html import to_text
from services.ingest.channels.item import Item
from services.ingest.channels.provider import Settings
from services.ingest.channels.rejection import Rejected

NOW = 1_780_000_000_000
SETTINGS = Settings(
    name="mail",
    languages=("de", "fr", "es", "ja"),
    options={
        "own_addresses": "support@shop.example",
        "own_domain": "mail.shop.example",
        "relays": "forms@web.example",
        "authserv_id": "mx.shop.example",
        "thread_secret": "golden",
    },
)
LIMIT_S = 1.0
TRUSTED = Envelope(recipients=("support@shop.example",), trusted=True)

names = st.sampled_from(
    [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "References",
        "In-Reply-To",
        "Return-Path",
        "Content-Type",
        "Reply-To",
        "Content-Transfer-Encoding",
        "Auto-Submitted",
        "Precedence",
        "Authentication-Results",
        "Thread-Index",
        "Received",
        "X-Failed-Recipients",
        "Content-Disposition",
        "Sender",
        "Delivered-To",
        "X-Odd",
    ]
)
values = st.one_of(
    st.text(max_size=80),
    st.sampled_from(
        [
            "a@b.example",
            "MAILER-DAEMON@b.example",
            '"A <x@y.example>" <a@b.example>, c@d.example',
            "=?utf-8?q?=C3=A4?=",
            "=?utf-8?b?!!?=",
            "Re: Undeliverable: x",
            "multipart/report; report-type=delivery-status; boundary=b",
            "multipart/mixed; boundary=b",
            "message/rfc822",
            "text/html; charset=nonsense",
            "text/plain; charset=utf-16",
            "base64",
            "quoted-printable",
            "<a@b> <c@d>",
            "mx.shop.example; dkim=pass header.d=b.example; dmarc=pass",
            "Mon, 99 Foo 2026 25:61:00 +9999",
        ]
    ),
)
bodies = st.one_of(
    st.binary(max_size=400),
    st.lists(
        st.sampled_from(
            [
                b"--b\r\n", b"--b--\r\n", b"\r\n", b"Content-Type: message/rfc822\r\n",
                b"Content-Type: message/delivery-status\r\n", b"Status: 5.1.1\r\n", b"SGVsbG8=\r\n",
                b"Content-Transfer-Encoding: base64\r\n", b"> old\r\n", b"On 1 Jan 2026 a@b wrote:\r\n",
                b"-- \r\n", b"From: a@b\r\nSent: 2026\r\nTo: c\r\n", b"<div><blockquote type=cite>",
                b"\xff\xfe\x00", b"could not be delivered to\r\n", b"Sent from my iPhone\r\n",
            ]
        ),
        max_size=25,
    ).map(b"".join),
)  # fmt: skip
messages = st.one_of(
    st.binary(max_size=600),
    st.builds(
        lambda fields, body: (
            "".join(f"{n}: {v}\r\n" for n, v in fields).encode("utf-8", "surrogatepass")
            + b"\r\n"
            + body
        ),
        st.lists(st.tuples(names, values), max_size=12),
        bodies,
    ),
)
envelopes = st.builds(
    Envelope,
    sender=st.one_of(st.none(), st.just(""), values),
    recipients=st.lists(values, max_size=2).map(tuple),
    checks=st.one_of(st.none(), st.builds(Checks, dkim=values, dkim_domain=values, dmarc=values)),
    trusted=st.booleans(),
)


def _sound(item: Item) -> None:
    assert 0 < len(item.native_id) <= threading.MAX_ID
    assert item.thread_id
    assert item.revision
    assert item.author is None or item.author.strip()
    assert item.display_name is None or "@" not in item.display_name
    assert all(attachment.url is None for attachment in item.attachments)


@settings(max_examples=400, deadline=None)
@given(messages, envelopes)
def test_any_bytes_become_an_item_or_are_rejected(raw: bytes, envelope: Envelope) -> None:
    try:
        item = parse_message(raw, envelope, SETTINGS, NOW)
    except Rejected:
        return
    _sound(item)
    assert item == parse_message(raw, envelope, SETTINGS, NOW)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.one_of(names, st.text(max_size=10)), values), max_size=10),
    values,
    values,
    st.text(max_size=300),
    st.text(max_size=300),
    envelopes,
)
def test_any_parts_become_an_item_or_are_rejected(
    headers: list[tuple[str, str]],
    sender: str,
    subject: str,
    text: str,
    html: str,
    envelope: Envelope,
) -> None:
    parts = Parts(headers=tuple(headers), sender=sender, subject=subject, text=text, html=html)
    try:
        _sound(from_parts(parts, envelope, SETTINGS, NOW))
    except Rejected:
        return


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=500), st.booleans())
def test_stripping_takes_lines_away_and_adds_none(text: str, reply: bool) -> None:
    own = own_words(text, ("de",), reply=reply)
    assert bool(own) == bool(text.strip())
    lines = {line.strip() for line in text.split("\n")}
    assert {line.strip() for line in own.split("\n")} <= lines | {""}


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="<>/ divpbr=\"'&;!-a\n\xa0\u200b", max_size=300))
def test_any_markup_becomes_text(html: str) -> None:
    assert "\0" not in to_text(html)


HEAD = b"From: a@b.example\r\nSubject: Re: x\r\n"
DAEMON = b"From: mailer-daemon@b.example\r\nSubject: failure notice\r\n\r\n"
MULTIPART = b"From: a@b.example\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
WORD = b"=?utf-8?q?a?= "
FLOODS: dict[str, bytes] = {
    "encoded words": b"Subject: " + WORD * 38_000 + b"\r\n\r\nhi",
    "encoded words, folded": b"Subject: " + b"=?utf-8?q?a?=\r\n " * 35_000 + b"\r\n\r\nhi",
    "encoded words in a part": MULTIPART
    + b'--x\r\nContent-Disposition: attachment; filename="'
    + WORD * 38_000
    + b'"\r\n\r\nhi\r\n--x--\r\n',
    "200k texts": MULTIPART + b"--x\r\n\r\na\r\n" * 200_000 + b"--x--\r\n",
    "200k attachments": MULTIPART + b"--x\r\nContent-Type: a/b\r\n\r\na\r\n" * 200_000,
    "200k broken texts": MULTIPART
    + b"--x\r\nContent-Transfer-Encoding: base64\r\n\r\n*\r\n" * 50_000,
    "3000 nested": b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i)
        for i in range(3000)
    ),
    "nested messages": b"Content-Type: message/rfc822\r\n\r\n" * 20_000,
    "newlines": HEAD + b"\r\n" + b"\r\n" * 262_144,
    "On Mon": HEAD + b"\r\n" + b"On Mon\r\n" * 65_000,
    "On Mon in one line": HEAD + b"\r\n" + b"On Mon, Jan 5 " * 40_000,
    "On Mon within the library's limits": HEAD
    + b"\r\n"
    + (b"On " * 160 + b"\r\n") * 34
    + b"x:\r\n",
    "wrote": HEAD + b"\r\n" + b"On Mon 5 a wrote:\r\n" * 27_000,
    "labels": HEAD + b"\r\n" + b"From: a\r\n" * 55_000,
    "marks": HEAD + b"\r\n" + b">\r\n" * 170_000,
    "div": HEAD + b"Content-Type: text/html\r\n\r\n" + b"<div>" * 100_000,
    "div, balanced": HEAD
    + b"Content-Type: text/html\r\n\r\n"
    + b"<div>" * 20_000
    + b"</div>" * 20_000,
    "ul": HEAD + b"Content-Type: text/html\r\n\r\n" + b"<ul><li>" * 30_000,
    "brackets": HEAD + b"Content-Type: text/html\r\n\r\n" + b"<" * 500_000,
    "references": b"References: " + b"<a@b> " * 90_000 + b"\r\n" + HEAD + b"\r\nhi",
    "recipients": b"To: " + b"a@b, " * 100_000 + b"\r\n" + HEAD + b"\r\nhi",
    "fields": b"".join(b"X-%d: a\r\n" % i for i in range(50_000)) + HEAD + b"\r\nhi",
    "one field": b"Subject: " + b"a" * 5_000_000,
    "carriage returns": b"Subject: a\r" * 60_000,
    "bounce": DAEMON + b"<a@b.example>:\r\n550 x\r\n" * 40_000,
    "bounce brackets": DAEMON + b"<(" * 250_000,
    "verdicts": b"Authentication-Results: mx.shop.example; "
    + b"dkim=pass " * 900
    + b"\r\n"
    + HEAD
    + b"\r\nhi",
    "wrong bytes": HEAD
    + b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
    + b"--x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\xe4\r\n" * 50_000,
}


@pytest.mark.parametrize("name", FLOODS)
def test_floods_take_less_than_a_second(name: str) -> None:
    begin = time.process_time()
    with contextlib.suppress(Rejected):
        parse_message(FLOODS[name], TRUSTED, SETTINGS, NOW)
    assert time.process_time() - begin < LIMIT_S


@pytest.mark.parametrize(
    "unit", [b"On Mon, Jan 5 2026 a@b wrote:\r\n", b"From: a@b\r\nSent: 5\r\n", b"> a:\r\n\r\n"]
)
def test_time_grows_with_the_length_and_not_with_its_square(unit: bytes) -> None:
    def cost(count: int) -> float:
        raw = HEAD + b"\r\n" + b"x\r\n" + unit * count
        begin = time.process_time()
        parse_message(raw, TRUSTED, SETTINGS, NOW)
        return time.process_time() - begin

    cost(100)
    small = min(cost(2_000) for _ in range(3))
    assert cost(16_000) < 24 * small + 0.05
