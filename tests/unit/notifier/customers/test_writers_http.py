"""Twilio and Meta: what is asked of them, and what each of their answers means."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from typing import Any
from urllib.parse import parse_qs

import pytest

from services.notifier.customers.writers.meta import WINDOW_MS
from services.notifier.ports import Result, Verdict
from services.notifier.sinks.outbound import Outbound
from shared.errors import Misconfigured
from shared.events import NoReply
from shared.routes import Route
from tests.unit.notifier.customers.desk import (
    DIRECT,
    MAIL,
    RECEIPT,
    REVIEW,
    SMS,
    T0,
    WHATSAPP,
    answering,
    changed,
    making,
    route,
    told,
    writer,
)
from tests.unit.notifier.sinks.world import saying

ACCOUNT = "AC0123"
TWILIO: dict[str, Any] = {
    "kind": "twilio",
    "secrets": ("token",),
    "options": {"account": ACCOUNT, "from": "+491000000"},
}
META: dict[str, Any] = {"kind": "meta", "secrets": ("page-token",)}
SENT = {
    "phone": (201, {"sid": "SM1", "status": "queued", "error_code": None}),
    "social": (200, {"recipient_id": "p1", "message_id": "mid.77"}),
}


# ---- Twilio


def test_a_text_message_is_a_form_for_the_account() -> None:
    result, [taken] = told("phone", TWILIO, SMS, answering(*SENT["phone"]))
    assert result == Result(Verdict.DELIVERED, reference="SM1")
    assert (taken.method, taken.path) == ("POST", f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json")
    assert taken.headers["content-type"] == "application/x-www-form-urlencoded"
    assert b64decode(taken.headers["authorization"].removeprefix("Basic ")) == b"AC0123:token"
    assert parse_qs(taken.body.decode()) == {
        "To": [SMS.address], "From": [SMS.account], "Body": [RECEIPT.text],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("to", "own", "field", "value"),
    [
        (route(SMS, provider="sipgate"), "+491000000", "From", "+491000000"),
        (route(SMS, account=""), "MG77", "MessagingServiceSid", "MG77"),
    ],
)
def test_whoever_called_elsewhere_is_written_to_from_our_number(
    to: Route, own: str, field: str, value: str
) -> None:
    settings = TWILIO | {"options": {"account": ACCOUNT, "key": "SK1", "from": own}}
    _, [taken] = told("phone", settings, to, answering(*SENT["phone"]))
    assert parse_qs(taken.body.decode())[field] == [value]
    assert b64decode(taken.headers["authorization"][6:]) == b"SK1:token"


@pytest.mark.parametrize(
    ("status", "body", "verdict", "fault", "after"),
    [
        (400, {"code": 21610, "message": "unsubscribed", "status": 400}, "unsuitable", False, None),
        (400, {"code": 21211, "message": "invalid 'To'", "status": 400}, "unsuitable", False, None),
        (404, {"code": 20404, "message": "not found", "status": 404}, "unsuitable", False, None),
        (201, {"sid": "SM1", "status": "failed", "error_code": 30007}, "unsuitable", False, None),
        (401, {"code": 20003, "message": "Authenticate", "status": 401}, "retryable", True, None),
        (429, {"code": 20429, "message": "Too many", "status": 429}, "retryable", False, 7.0),
        (400, {"code": 14107, "message": "rate", "status": 400}, "retryable", False, None),
        (503, {"code": 20503, "message": "away", "status": 503}, "retryable", True, 7.0),
        (500, "no JSON of Twilio's", "retryable", True, None),
    ],
)
def test_what_twilio_says(
    status: int, body: object, verdict: str, fault: bool, after: float | None
) -> None:
    headers = {} if after is None else {"Retry_After": "7"}
    result, _ = told("phone", TWILIO, SMS, answering(status, body, **headers))
    assert (result.verdict, result.fault) == (verdict, fault), result
    assert result.retry_after_s == after
    assert (result.why is NoReply.REFUSED) == (verdict == "unsuitable")
    if isinstance(body, dict):
        assert str(body.get("code") or body.get("error_code")) in result.detail


def test_what_cannot_be_a_text_message_is_never_sent() -> None:
    none = TWILIO | {"options": {"account": ACCOUNT}}
    for settings, to, message, why in (
        (TWILIO, route(SMS, address="anonymous user"), RECEIPT, NoReply.NO_ADDRESS),
        (TWILIO, SMS, changed(text="x" * 1_601), NoReply.REFUSED),
        (none, route(SMS, account=""), RECEIPT, NoReply.NO_WRITER),
    ):
        result, taken = told("phone", settings, to, answering(*SENT["phone"]), message)
        assert (result.verdict, result.why, taken) == (Verdict.UNSUITABLE, why, [])


# ---- Meta


def test_a_direct_message_is_marked_as_written_by_a_program() -> None:
    result, [taken] = told("social", META, DIRECT, answering(*SENT["social"]))
    assert result == Result(Verdict.DELIVERED, reference="mid.77")
    assert (taken.method, taken.path) == ("POST", "/v23.0/me/messages")
    assert taken.headers["authorization"] == "Bearer page-token"
    assert json.loads(taken.body) == {
        "recipient": {"id": "p1"},
        "messaging_type": "RESPONSE",
        "message": {"text": RECEIPT.text, "metadata": "tocsin:00ff"},
    }


def test_whatsapp_is_answered_by_the_number_that_was_written_to() -> None:
    sent = {"messaging_product": "whatsapp", "messages": [{"id": "wamid.9"}]}
    result, [taken] = told("social", META, WHATSAPP, answering(200, sent))
    assert result == Result(Verdict.DELIVERED, reference="wamid.9")
    assert taken.path == "/v23.0/106/messages"
    assert json.loads(taken.body) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "491511",
        "type": "text",
        "text": {"preview_url": False, "body": RECEIPT.text},
        "context": {"message_id": "wamid.1"},
    }


def test_after_24_hours_nothing_is_sent() -> None:
    for to in (DIRECT, WHATSAPP):
        late = changed(at=T0 + WINDOW_MS)
        result, taken = told("social", META, to, answering(*SENT["social"]), late)
        assert (result.verdict, result.why, taken) == (Verdict.UNSUITABLE, NoReply.REFUSED, [])
        just = changed(at=T0 + WINDOW_MS - 120_000)
        assert told("social", META, to, answering(*SENT["social"]), just)[1]


@pytest.mark.parametrize(
    ("status", "error", "verdict", "fault"),
    [
        (400, {"code": 10, "error_subcode": 2018278, "message": "outside"}, "unsuitable", False),
        (400, {"code": 100, "error_subcode": 2018001, "message": "no user"}, "unsuitable", False),
        (400, {"code": 551, "message": "not available"}, "unsuitable", False),
        (400, {"code": 131047, "message": "Re-engagement message"}, "unsuitable", False),
        (401, {"code": 190, "message": "Invalid OAuth access token."}, "retryable", True),
        (400, {"code": 613, "message": "rate"}, "retryable", False),
        (400, {"code": 130429, "message": "Rate limit hit"}, "retryable", False),
        (500, {"code": 2, "message": "away", "is_transient": True}, "retryable", False),
        (400, {"code": 999, "message": "new", "is_transient": True}, "retryable", False),
        (500, {"code": 998, "message": "new"}, "retryable", True),
    ],
)
def test_what_meta_says(status: int, error: dict[str, object], verdict: str, fault: bool) -> None:
    result, _ = told("social", META, DIRECT, answering(status, {"error": error}))
    assert (result.verdict, result.fault) == (verdict, fault), result
    assert str(error["code"]) in result.detail


def test_what_meta_does_not_say_is_judged_by_its_status() -> None:
    for status, verdict in ((502, Verdict.RETRYABLE), (404, Verdict.UNSUITABLE)):
        assert told("social", META, DIRECT, saying(status, "<html>"))[0].verdict is verdict


# ---- all


def test_each_writer_knows_whom_it_writes_to() -> None:
    async def main() -> None:
        outbound = Outbound()
        phone = writer("phone", outbound, url="http://x.example", **TWILIO)
        social = writer("social", outbound, url="http://x.example", **META)
        routes = (MAIL, SMS, DIRECT, WHATSAPP, REVIEW, route(DIRECT, provider="mastodon"))
        assert [phone.is_public(one) for one in routes] == [None, False, None, None, None, None]
        assert [social.is_public(one) for one in routes] == [None, None, False, False, None, None]
        await outbound.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("channel", "settings", "what"),
    [
        ("email", TWILIO, "writes to customers of phone"),
        ("phone", {"kind": "pigeon"}, "is none of google_play, meta, smtp, twilio"),
        ("phone", TWILIO | {"secrets": ()}, "secrets: the auth token"),
        ("phone", TWILIO | {"options": {}}, "options.account is missing"),
        ("phone", TWILIO | {"options": {"account": "A", "form": "x"}}, "options.form is unknown"),
        ("phone", TWILIO | {"url": "http://a:b@x.example"}, "no user or password"),
        ("social", META | {"secrets": ("env:NONE",)}, "has no NONE"),
        ("reviews", {"kind": "google_play"}, "secrets: the credentials"),
        ("reviews", {"kind": "google_play", "secrets": ("{}",)}, "no service account"),
    ],
)
def test_what_is_wrong_is_said(channel: str, settings: dict[str, Any], what: str) -> None:
    from services.notifier.customers.build import writer as made

    given = {"url": "http://x.example"} | settings
    with pytest.raises(Misconfigured, match=what):
        made(making(channel, **given))
