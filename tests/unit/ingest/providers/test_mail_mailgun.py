"""Mailgun: what the signature is good for, and odd forms. The shapes are in the golden file."""

from __future__ import annotations

import hashlib
import hmac
import json
from urllib.parse import urlencode

import pytest

from services.ingest.channels.hook import Hook
from services.ingest.channels.provider import (
    Credentials,
    Proof,
    Settings,
)
from services.ingest.channels.providers import mailgun
from services.ingest.channels.rejection import Rejected
from services.ingest.core import NONCE_S
from shared.events import Flag
from shared.signatures import Unauthentic

NOW = 1_790_000_000_000
HOUR_MS = 3_600_000
SECRET = b"golden-key"
CREDENTIALS = Credentials(secrets=(SECRET,))
SETTINGS = Settings(name="mail")
TOKEN = "token-of-a-request"
FIELDS = {
    "from": "Ana <ana@mail.example.org>",
    "sender": "ana@mail.example.org",
    "recipient": "help@example.com",
    "message-headers": json.dumps([["Message-Id", "<m@mail.example.org>"]]),
    "body-plain": "It broke.",
}


def signed(at: int = NOW) -> dict[str, str]:
    stamp = str(at // 1000)
    digest = hmac.new(SECRET, f"{stamp}{TOKEN}".encode(), hashlib.sha256).hexdigest()
    return {"timestamp": stamp, "token": TOKEN, "signature": digest}


def hook(pairs: dict[str, str] | list[tuple[str, str]]) -> Hook:
    return Hook(
        url="https://example.com/",
        headers={"content-type": "application/x-www-form-urlencoded"},
        body=urlencode(pairs).encode(),
        now=NOW,
    )


def multipart(fields: dict[str, str], boundary: str) -> Hook:
    parts = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
    body = f"{parts}--{boundary}--\r\n".encode()
    return Hook(url="https://example.com/", headers=headers, body=body, now=NOW)


def proof(request: Hook) -> Proof:
    return mailgun.verify(request, CREDENTIALS, SETTINGS)


def test_the_token_is_a_nonce_since_the_body_is_not_signed() -> None:
    fields = FIELDS | signed()
    first, other = proof(hook(fields)), proof(hook(fields | {"body-plain": "forged"}))
    assert first.nonce == other.nonce == TOKEN
    assert first.digest != other.digest
    moved = fields | {"body-plain": "", "stripped-text": fields["body-plain"]}
    assert proof(hook(moved)).digest != first.digest


def test_a_mail_that_is_sent_again_has_the_same_digest() -> None:
    fields = FIELDS | signed()
    first = proof(multipart(fields, "b1"))
    turned = dict(reversed(fields.items()))
    for again in (multipart(fields, "b2"), multipart(turned, "b1"), hook(fields)):
        assert proof(again) == first


def test_a_mail_may_be_sent_again_for_eight_hours() -> None:
    mailgun.verify(hook(signed(NOW - 8 * HOUR_MS)), CREDENTIALS, SETTINGS)
    for at in (NOW - 10 * HOUR_MS, NOW + 10 * HOUR_MS):
        with pytest.raises(Unauthentic, match="too"):
            mailgun.verify(hook(signed(at)), CREDENTIALS, SETTINGS)
    # What was used is remembered for at least as long as it could be used again.
    assert mailgun.TOLERANCE_MS < NONCE_S * 1000


def test_of_doubled_fields_the_one_that_is_verified_is_the_nonce() -> None:
    doubled = [*signed().items(), ("token", "another"), ("timestamp", "0")]
    assert mailgun.verify(hook(doubled), CREDENTIALS, SETTINGS).nonce == TOKEN
    with pytest.raises(Unauthentic):
        mailgun.verify(hook([("token", "another"), *signed().items()]), CREDENTIALS, SETTINGS)


def test_what_moves_a_digit_from_the_time_to_the_token_is_no_second_nonce() -> None:
    """The two are signed without a separator: the split must not be free."""
    stamp = signed()["timestamp"]
    moved = signed() | {"timestamp": stamp[:-1], "token": stamp[-1] + TOKEN}
    with pytest.raises(Unauthentic, match="too old"):
        mailgun.verify(hook(moved), CREDENTIALS, SETTINGS)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "application/x-www-form-urlencoded"),
        (b"a=b&" * 5_000, "application/x-www-form-urlencoded"),
        (b"{}", "application/json"),
        (b"--x", "multipart/form-data"),
        (b"\xff=\xff", "application/x-www-form-urlencoded"),
    ],
)
def test_what_is_no_form_is_not_authentic(body: bytes, kind: str) -> None:
    request = Hook(url="https://example.com/", headers={"content-type": kind}, body=body, now=NOW)
    with pytest.raises(Unauthentic):
        mailgun.verify(request, CREDENTIALS, SETTINGS)
    with pytest.raises(Rejected):
        mailgun.parse(request, SETTINGS)


def with_headers(*headers: tuple[str, str]) -> Hook:
    listed = [("Message-Id", "<m@mail.example.org>"), *headers]
    return hook(FIELDS | {"message-headers": json.dumps(listed)})


def test_the_findings_in_headers_count_only_if_the_filter_is_on() -> None:
    request = with_headers(("X-Mailgun-Sflag", "Yes"), ("X-Mailgun-Spf", "Pass"))
    assert Flag.SPAM not in mailgun.parse(request, SETTINGS).items[0].flags
    trusting = Settings(name="mail", options={"spam_filter": "on"})
    assert Flag.SPAM in mailgun.parse(request, trusting).items[0].flags


def test_a_second_finding_is_the_senders_and_spoils_both() -> None:
    assert mailgun._only((("X-Mailgun-Spf", "Fail"),), "x-mailgun-spf") == "fail"
    doubled = (("X-Mailgun-Spf", "Fail"), ("X-Mailgun-SPF", "Pass"))
    assert mailgun._only(doubled, "x-mailgun-spf") is None


@pytest.mark.parametrize("junk", ["", "{}", "[[1]]", "[" * 50_000, '[["a"]]', "null"])
def test_unreadable_headers_do_not_cost_the_mail(junk: str) -> None:
    (found,) = mailgun.parse(hook(FIELDS | {"message-headers": junk}), SETTINGS).items
    assert "It broke." in found.text
