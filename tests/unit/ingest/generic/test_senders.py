"""What the public libraries send is understood: they are the senders here."""

from __future__ import annotations

import base64
import datetime as dt
import json
from typing import Any

import msgspec
import pytest
from cloudevents.core.bindings.http import HTTPMessage, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from standardwebhooks.webhooks import Webhook

from services.ingest.channels.hook import Hook
from services.ingest.channels.item import Item
from services.ingest.channels.provider import (
    Credentials,
    Settings,
)
from services.ingest.channels.providers import cloudevents, standard_webhooks
from services.ingest.channels.rejection import Rejected
from shared.signatures import Unauthentic

NOW = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)
NOW_MS = int(NOW.timestamp() * 1000)
SETTINGS = Settings(name="test")
DATA = {
    "id": "r-1",
    "channel": "reviews",
    "text": "Größe falsch, Rückgabe verweigert 😠",
    "rating": 1,
}


def _event(**attributes: Any) -> CloudEvent:
    named = {"id": "e 1", "source": "/shop/ü", "type": "com.example.review"} | attributes
    return CloudEvent(named | {"specversion": "1.0"}, DATA)


def _hook(message: HTTPMessage) -> Hook:
    headers = {name.lower(): value for name, value in message.headers.items()}
    return Hook(url="https://x.example/v1/hooks/t", headers=headers, body=message.body, now=NOW_MS)


def _one(hook: Hook) -> Item:
    [item] = cloudevents.parse(hook, SETTINGS).items
    return item


def test_both_modes_of_the_sdk_give_the_same_item() -> None:
    event = _event(subject="Größe", datacontenttype="application/json", time=NOW)
    structured = _one(_hook(to_structured_event(event)))
    assert structured == _one(_hook(to_binary_event(event)))
    assert structured.native_id == "/shop/ü#r-1"
    assert structured.attributes["ce_subject"] == "Größe"
    assert structured.occurred_at == NOW_MS


def test_binary_mode_invents_no_time() -> None:
    """The SDK itself does, when it reads; and it states one when it writes, unless it is removed."""
    message = to_binary_event(_event())
    headers = {name: value for name, value in message.headers.items() if name != "ce-time"}
    assert _one(_hook(HTTPMessage(headers, message.body))).occurred_at is None


def test_a_batch_is_a_list_of_what_the_sdk_writes() -> None:
    bodies = [to_structured_event(_event(id=str(number))).body for number in range(3)]
    body = b"[" + b",".join(bodies) + b"]"
    hook = _hook(HTTPMessage({"Content-Type": "application/cloudevents-batch+json"}, body))
    assert len(cloudevents.parse(hook, SETTINGS).items) == 3


def test_fields_under_other_names() -> None:
    options = {"text_field": "answers.free.text", "author_field": "Kunde", "rating_max": "10"}
    event = CloudEvent(
        {"id": "1", "source": "s", "type": "t", "specversion": "1.0"},
        {"answers": {"free": {"text": "Zu laut."}}, "kunde": 12, "score": 7, "secret": "x"},
    )
    settings = Settings(name="test", options=options)
    [item] = cloudevents.parse(_hook(to_structured_event(event)), settings).items
    assert (item.text, item.author) == ("Zu laut.", "12")
    assert item.rating is not None
    assert (item.rating.value, item.rating.max) == (7, 10)
    assert "secret" not in item.attributes


def _signed(secret: str, body: str) -> dict[str, str]:
    signature = Webhook(secret).sign("msg_1", NOW, body)
    stamp = str(int(NOW.timestamp()))
    return {"webhook-id": "msg_1", "webhook-timestamp": stamp, "webhook-signature": signature}


def _secret(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode().rstrip("=")


def test_what_the_standard_webhooks_library_signs_is_let_in() -> None:
    body = json.dumps({"type": "review.created", "data": DATA}, ensure_ascii=False)
    new, old = _secret(b"new-golden-secret-1"), _secret(b"old-golden-secret-12")
    headers = _signed(old, body)
    hook = Hook(url="https://x.example", headers=headers, body=body.encode(), now=NOW_MS)
    credentials = Credentials(secrets=(new.encode(), old.encode()))
    assert standard_webhooks.verify(hook, credentials, SETTINGS).method == "standard-webhooks-v1"
    [item] = standard_webhooks.parse(hook, SETTINGS).items
    assert item.text == DATA["text"]
    for wrong in (b"\xff" + hook.body, hook.body + b" "):
        with pytest.raises(Unauthentic):
            standard_webhooks.verify(
                msgspec.structs.replace(hook, body=wrong), credentials, SETTINGS
            )


@pytest.mark.parametrize(
    "signature", ["v1", "v1,", "v1,é", "v1a,AAAA", "v1," + "A" * 9_999, " ".join(["v1,AA=="] * 500)]
)
def test_malformed_signatures_are_refused(signature: str) -> None:
    headers = _signed(_secret(b"golden-secret-12345"), "{}") | {"webhook-signature": signature}
    hook = Hook(url="https://x.example", headers=headers, body=b"{}", now=NOW_MS)
    with pytest.raises(Unauthentic):
        standard_webhooks.verify(hook, Credentials(secrets=(b"whsec_AAAA",)), SETTINGS)


def test_an_empty_key_lets_nobody_in() -> None:
    headers = _signed(_secret(b"golden-secret-12345"), "{}")
    hook = Hook(url="https://x.example", headers=headers, body=b"{}", now=NOW_MS)
    for secret in (b"", b"whsec_", b"whsec_!"):
        with pytest.raises(Unauthentic):
            standard_webhooks.verify(hook, Credentials(secrets=(secret,)), SETTINGS)


@pytest.mark.parametrize("depth", [3, 50, 5_000, 200_000])
def test_deep_data_is_read_or_refused(depth: int) -> None:
    body = b'{"data":' + b'{"a":' * depth + b"1" + b"}" * depth + b',"text":"x"}'
    hook = Hook(url="https://x.example", headers={"webhook-id": "1"}, body=body, now=NOW_MS)
    with pytest.raises(Rejected):
        standard_webhooks.parse(hook, SETTINGS)


@pytest.mark.parametrize(
    ("header", "meant"),
    [
        ("Gr%C3%B6%C3%9Fe%20%22a%22", 'Größe "a"'),
        ("100%", "100%"),
        ("%25C3", "%C3"),
        ('"a \\"b\\" %20"', 'a "b"  '),
        ("Größe", "Größe"),
        ("gr\udcc3\udcb6\udcdf", "grö\ufffd"),
        ("%ED%A0%80", "\ufffd" * 3),
        ('"', '"'),
    ],
)
def test_headers_of_binary_events_are_unescaped_once(header: str, meant: str) -> None:
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-source": "/s",
        "ce-type": "t",
        "ce-subject": header,
        "content-type": "text/plain",
    }
    hook = Hook(url="https://x.example/", headers=headers, body=b"Hello", now=NOW_MS)
    (found,) = cloudevents.parse(hook, SETTINGS).items
    assert found.attributes["ce_subject"] == meant
