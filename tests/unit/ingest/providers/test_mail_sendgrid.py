"""SendGrid: who may send, and what hostile or odd forms cost. The shapes are in the golden file."""

from __future__ import annotations

import base64
import json
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.ingest.channels.forms import read_form
from services.ingest.channels.hook import Hook
from services.ingest.channels.item import Item
from services.ingest.channels.provider import (
    Credentials,
    Settings,
)
from services.ingest.channels.providers import sendgrid
from services.ingest.channels.rejection import Refusal, Rejected
from shared.events import Flag
from shared.signatures import Unauthentic

NOW = 1_790_000_000_000
DAY_MS = 86_400_000
SETTINGS = Settings(name="mail")
KEY = ec.generate_private_key(ec.SECP256R1())
FIELDS = {
    "headers": "Message-ID: <a@mail.example.org>\nDate: Fri, 20 Nov 2026 10:12:00 +0100\n",
    "from": "Ana <ana@mail.example.org>",
    "subject": "Hello",
    "text": "It broke.",
}


def encoded(fields: dict[str, str | bytes]) -> bytes:
    parts = [
        f'--B\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
        + (value if isinstance(value, bytes) else value.encode())
        + b"\r\n"
        for name, value in fields.items()
    ]
    return b"".join(parts) + b"--B--\r\n"


def hook(content: bytes, headers: dict[str, str] | None = None, now: int = NOW) -> Hook:
    kind = {"content-type": "multipart/form-data; boundary=B"}
    return Hook(url="https://example.com/", headers=kind | (headers or {}), body=content, now=now)


def public(key: PublicKeyTypes) -> bytes:
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def signed(content: bytes, at: int = NOW) -> dict[str, str]:
    stamp = str(at // 1000)
    signature = KEY.sign(stamp.encode() + content, ec.ECDSA(SHA256()))
    return {
        "x-twilio-email-event-webhook-signature": base64.b64encode(signature).decode(),
        "x-twilio-email-event-webhook-timestamp": stamp,
    }


def basic(pair: bytes) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(pair).decode()}


def item(**fields: str | bytes) -> Item:
    (found,) = sendgrid.parse(hook(encoded({**FIELDS, **fields})), SETTINGS).items
    return found


def test_a_signature_is_good_for_as_long_as_it_may_be_sent_again() -> None:
    credentials = Credentials(secrets=(public(KEY.public_key()),))
    body = encoded(dict(FIELDS))
    for age in (0, 3 * DAY_MS):
        sendgrid.verify(hook(body, signed(body, NOW - age)), credentials, SETTINGS)
    for age in (4 * DAY_MS, -4 * DAY_MS):
        with pytest.raises(Unauthentic, match="too"):
            sendgrid.verify(hook(body, signed(body, NOW - age)), credentials, SETTINGS)


def test_keys_of_another_kind_are_passed_over() -> None:
    body = encoded(dict(FIELDS))
    other = public(ed25519.Ed25519PrivateKey.generate().public_key())
    with pytest.raises(Unauthentic, match="no public key"):
        sendgrid.verify(
            hook(body, signed(body)), Credentials(secrets=(other, b"junk", b"\xff")), SETTINGS
        )
    both = Credentials(secrets=(other, public(KEY.public_key())))
    sendgrid.verify(hook(body, signed(body)), both, SETTINGS)


def test_basic_authentication_only_where_it_is_the_secret() -> None:
    body = encoded(dict(FIELDS))
    password = Credentials(secrets=(b"basic:user:word",))
    sendgrid.verify(hook(body, basic(b"user:word")), password, SETTINGS)
    for headers in (basic(b"user:other"), basic(b"basic:user:word"), {}, {"authorization": "x"}):
        with pytest.raises(Unauthentic):
            sendgrid.verify(hook(body, headers), password, SETTINGS)
    key = public(KEY.public_key())
    with pytest.raises(Unauthentic):
        sendgrid.verify(hook(body, basic(key)), Credentials(secrets=(key,)), SETTINGS)


def test_each_field_has_the_charset_that_is_stated_for_it() -> None:
    charsets = json.dumps({"text": "shift_jis", "subject": "windows-1251"})
    found = item(
        text="壊れました".encode("shift_jis"), subject="Возврат".encode("cp1251"), charsets=charsets
    )
    assert "壊れました" in found.text
    assert found.title == "Возврат"


@pytest.mark.parametrize(
    "charsets", ["{", "[]", '{"text": 5}', '{"text": "x-none"}', '{"text": "punycode"}', ""]
)
def test_wrong_charsets_do_not_cost_the_mail(charsets: str) -> None:
    assert "It broke." in item(charsets=charsets).text


@pytest.mark.parametrize("name", ["envelope", "attachment-info", "spam_score", "dkim", "SPF"])
def test_a_broken_detail_does_not_cost_the_mail(name: str) -> None:
    for junk in ("{", "[1]", '{"to": 1}', "\udcff".encode("utf-8", "surrogateescape"), "x" * 9_000):
        assert "It broke." in item(**{name: junk}).text


def test_spam_is_what_scores_over_the_option() -> None:
    assert Flag.SPAM in item(spam_score="5.0").flags
    assert Flag.SPAM not in item(spam_score="4.9").flags
    assert Flag.SPAM not in item(spam_score="nan").flags
    strict = Settings(name="mail", options={"spam_score": "2"})
    request = hook(encoded({**FIELDS, "spam_score": "3"}))
    assert Flag.SPAM in sendgrid.parse(request, strict).items[0].flags


def test_of_several_signatures_the_authors_own_is_named() -> None:
    checks = sendgrid._checks
    form = read_form(
        hook(encoded({"dkim": "{@esp.example.net : pass, @example.org : pass, @x.example : fail}"}))
    )
    assert checks(form, "Ana <ana@example.org>", SETTINGS).dkim_domain == "example.org"
    assert checks(form, "ana@bad-example.org", SETTINGS).dkim_domain == "esp.example.net"
    assert checks(form, "ana@mail.example.org", SETTINGS).dkim_domain == "esp.example.net"
    assert checks(form, "ana@elsewhere.example", SETTINGS).dkim_domain == "esp.example.net"
    form = read_form(hook(encoded({"dkim": "none"})))
    assert checks(form, "ana@mail.example.org", SETTINGS).dkim is None


def test_a_mail_with_nothing_in_it_is_a_dead_letter_and_not_an_error() -> None:
    content = encoded({"email": "\r\n"})
    (unfit,) = sendgrid.parse(hook(content), SETTINGS).unfit
    assert unfit.payload == content


def test_bombs_are_cheap() -> None:
    began = time.perf_counter()
    with pytest.raises(Rejected) as caught:
        sendgrid.parse(
            hook(b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * 200_000),
            SETTINGS,
        )
    assert caught.value.reason is Refusal.TOO_LARGE
    item(headers=FIELDS["headers"] + "X: a\n" + " b\n" * 300_000)
    item(dkim="@a : " * 100_000, headers=FIELDS["headers"] + ":" * 500_000)
    assert time.perf_counter() - began < 5
