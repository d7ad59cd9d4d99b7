from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from services.ingest.channels.hook import Hook
from services.ingest.channels.provider import (
    Credentials,
    Delivery,
    Ignored,
    Reply,
    Settings,
)
from services.ingest.channels.providers import meta
from services.ingest.channels.rejection import Refusal
from shared.events import Medium, Operation, Origin, Role
from shared.signatures import Unauthentic

SETTINGS = Settings(name="social", options={"verify_token": "our-token"})
CREDENTIALS = Credentials(secrets=(b"new-secret", b"old-secret"))
URL = "https://feedback.example.com/v1/hooks/social"


def _hook(body: bytes, **headers: str) -> Hook:
    return Hook(url=URL, headers=headers, body=body, now=0)


def _parse(payload: object) -> Delivery:
    return meta.parse(_hook(json.dumps(payload).encode()), SETTINGS)


def _whatsapp(*messages: dict[str, Any], **value: Any) -> Delivery:
    change = {"field": "messages", "value": {"messages": messages, **value}}
    return _parse({"object": "whatsapp_business_account", "entry": [{"changes": [change]}]})


def _asked(**query: str) -> Reply | None:
    hook = Hook(method="GET", url=f"{URL}?{urlencode(query)}", now=0)
    return meta.challenge(hook, CREDENTIALS, SETTINGS)


@pytest.mark.parametrize("token", ["our-token", "new-secret", "old-secret"])
def test_the_address_is_proven_to_who_knows_the_token(token: str) -> None:
    reply = _asked(**{"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "42"})
    assert reply == Reply(body=b"42")


@pytest.mark.parametrize("token", ["", "our-toke", "OUR-TOKEN"])
def test_nobody_else_gets_it_proven(token: str) -> None:
    with pytest.raises(Unauthentic):
        _asked(**{"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "42"})


def test_other_requests_are_no_challenge() -> None:
    assert _asked() is None
    assert _asked(**{"hub.mode": "unsubscribe", "hub.verify_token": "our-token"}) is None
    assert (
        meta.challenge(Hook(url=f"{URL}?hub.mode=subscribe", now=0), CREDENTIALS, SETTINGS) is None
    )


def test_a_source_without_any_secret_proves_nothing() -> None:
    hook = Hook(method="GET", url=f"{URL}?hub.mode=subscribe&hub.verify_token=x", now=0)
    with pytest.raises(Unauthentic):
        meta.challenge(hook, Credentials(), Settings(name="social"))


def test_the_signature_is_over_the_bytes_that_came() -> None:
    """Meta escapes slashes and everything beyond ASCII; a body written anew has another signature."""
    body = rb'{"object":"page","entry":[{"id":"1","x":"https:\/\/a.example\/\u00fc"}]}'
    digest = hmac.new(b"old-secret", body, hashlib.sha256).hexdigest()
    signature = {"x-hub-signature-256": f"sha256={digest}"}
    assert meta.verify(_hook(body, **signature), CREDENTIALS, SETTINGS).method == "meta-sha256"
    again = json.dumps(json.loads(body), ensure_ascii=False, separators=(",", ":")).encode()
    assert json.loads(again) == json.loads(body)
    with pytest.raises(Unauthentic):
        meta.verify(_hook(again, **signature), CREDENTIALS, SETTINGS)


def test_the_digest_alone_is_no_signature() -> None:
    digest = hmac.new(b"old-secret", b"{}", hashlib.sha256).hexdigest()
    for given in (digest, f"sha1={digest}", f"sha256= {digest}"):
        with pytest.raises(Unauthentic):
            meta.verify(_hook(b"{}", **{"x-hub-signature-256": given}), CREDENTIALS, SETTINGS)


def test_a_batch_of_a_thousand_with_one_bad_apple() -> None:
    changes: list[object] = [
        {
            "field": "feed",
            "value": {"item": "comment", "verb": "add", "comment_id": str(n), "message": f"n {n}"},
        }
        for n in range(1_000)
    ]
    changes[500] = {"field": "feed", "value": {"item": "comment", "verb": "add", "message": 7}}
    delivery = _parse({"object": "page", "entry": [{"id": "1", "changes": changes}]})
    assert len(delivery.items) == 999
    assert [unfit.reason for unfit in delivery.unfit] == [Refusal.BAD_VALUE]
    assert delivery.items[500].text == "n 501"


@pytest.mark.parametrize(
    ("stated", "at"),
    [
        (1_781_600_400, 1_781_600_400_000),
        ("1781600400", 1_781_600_400_000),
        (1_781_600_400_123, 1_781_600_400_123),
        ("2026-06-16T09:00:00+0000", 1_781_600_400_000),
        ("yesterday", None),
        (None, None),
    ],
)
def test_times_come_in_all_forms(stated: str | int | None, at: int | None) -> None:
    event = {"sender": {"id": "5"}, "timestamp": stated, "message": {"mid": "m", "text": "x"}}
    delivery = _parse({"object": "page", "entry": [{"id": "1", "messaging": [event]}]})
    assert delivery.items[0].occurred_at == at


def test_what_the_page_sends_is_an_echo_even_without_the_mark() -> None:
    event = {
        "sender": {"id": "1"},
        "recipient": {"id": "5"},
        "message": {"mid": "m", "text": "We look into it"},
    }
    item = _parse({"object": "page", "entry": [{"id": 1, "messaging": [event]}]}).items[0]
    assert (item.role, item.origin, item.author) == (Role.AGENT, Origin.OWN_ECHO, "5")
    assert (item.thread_id, item.handle) == ("1:5", "1")


def test_a_number_is_in_no_field_that_leaves_intake() -> None:
    """Without a business-scoped user id there is no thread rather than one with the number."""
    message = {"from": "4915112345678", "id": "wamid.1", "type": "text", "text": {"body": "hi"}}
    contact = {"wa_id": "4915112345678", "profile": {"name": "Eva"}}
    item = _whatsapp(message, contacts=[contact], metadata={"phone_number_id": "9"}).items[0]
    assert item.author == "+4915112345678"
    assert item.author_verified
    assert item.thread_id is None
    assert item.display_name == "Eva"


def test_the_right_contact_of_several() -> None:
    contacts = [
        {"wa_id": "491", "user_id": "DE.1", "profile": {"name": "Eva"}},
        {"wa_id": "492", "user_id": "DE.2", "profile": {"name": "Max"}},
    ]
    messages = [
        {"from": number, "id": f"wamid.{number}", "type": "text", "text": {"body": "hi"}}
        for number in ("492", "493")
    ]
    known, unknown = _whatsapp(*messages, contacts=contacts).items
    assert (known.display_name, known.aliases[0].value) == ("Max", "DE.2")
    assert (unknown.display_name, unknown.aliases) == (None, ())


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (
            '{"flow_token": "t", "why": "late \\"again\\"", "n": 3, "no": ""}',
            'why: late "again"\nn: 3',
        ),
        ("not JSON", "not JSON"),
        ("[1]", "[1]"),
        ("", ""),
        (json.dumps({f"q{n}": n for n in range(500)}), "\n".join(f"q{n}: {n}" for n in range(100))),
    ],
)
def test_forms(form: str, text: str) -> None:
    reply = {"type": "nfm_reply", "nfm_reply": {"response_json": form}}
    message = {"from": "491", "id": "wamid.1", "type": "interactive", "interactive": reply}
    item = _whatsapp(message).items[0]
    assert (item.text, item.medium) == (text, Medium.SURVEY)


def test_an_edit_or_deletion_may_come_before_its_message() -> None:
    edit = {"original_message_id": "wamid.1", "message": {"type": "text", "text": {"body": "b"}}}
    events = [
        {"from": "491", "id": "wamid.3", "timestamp": "3", "type": "revoke", "revoke": edit},
        {"from": "491", "id": "wamid.2", "timestamp": "1781600401", "type": "edit", "edit": edit},
        {"from": "491", "id": "wamid.1", "type": "text", "text": {"body": "a"}},
    ]
    items = _whatsapp(*events).items
    assert {item.native_id for item in items} == {"wamid.1"}
    assert {item.author for item in items} == {"+491"}
    assert [item.op for item in items] == [Operation.DELETE, Operation.UPDATE, Operation.CREATE]
    assert [item.revision for item in items] == [None, "1781600401000", None]


def test_edits_and_deletions_that_name_nothing() -> None:
    delivery = _whatsapp(
        {"id": "1", "type": "revoke"},
        {"id": "2", "type": "edit"},
        {
            "id": "3",
            "type": "edit",
            "edit": {"original_message_id": "0", "message": {"type": "new"}},
        },
        {"id": "4", "type": "edit", "edit": {"message": {"type": "text", "text": {"body": "b"}}}},
    )
    assert delivery.ignored == (Ignored.UNSUPPORTED, Ignored.UNSUPPORTED)
    assert [unfit.reason for unfit in delivery.unfit] == [Refusal.MISSING_FIELD] * 2
