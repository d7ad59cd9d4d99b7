"""The signatures are made and checked by Slack's own library."""

from __future__ import annotations

import json

import pytest
from slack_sdk.signature import Clock, SignatureVerifier

from services.ingest.channels.hook import Hook
from services.ingest.channels.provider import (
    Credentials,
    Ignored,
    Settings,
)
from services.ingest.channels.providers import slack
from shared.events import Operation, Role
from shared.signatures import Unauthentic

NOW = 1_781_600_400
SECRET = "signing-secret"
CREDENTIALS = Credentials(secrets=(b"next", SECRET.encode()))
SETTINGS = Settings(name="slack", options={"agents": "U1, U2"})
URL = "https://feedback.example.com/v1/hooks/slack"


class _Then(Clock):
    def now(self) -> float:
        return float(NOW)


THEIRS = SignatureVerifier(SECRET, _Then())


def _signed(payload: object, *, at: int = NOW, **headers: str) -> Hook:
    body = json.dumps(payload, ensure_ascii=False).encode()
    signature = THEIRS.generate_signature(timestamp=str(at), body=body)
    assert signature is not None
    given = {"x-slack-request-timestamp": str(at), "x-slack-signature": signature, **headers}
    return Hook(url=URL, headers=given, body=body, now=NOW * 1000)


def _event(**event: object) -> dict[str, object]:
    return {"type": "event_callback", "event": {"type": "message", "channel": "C1", **event}}


@pytest.mark.parametrize(("age", "valid"), [(0, True), (299, True), (-299, True), (301, False)])
def test_we_and_their_library_agree(age: int, valid: bool) -> None:
    hook = _signed(_event(text="Grüße 🙃"), at=NOW - age)
    assert THEIRS.is_valid_request(hook.body, hook.headers) is valid
    if valid:
        assert slack.verify(hook, CREDENTIALS, SETTINGS).method == "slack-v0"
    else:
        with pytest.raises(Unauthentic, match="old"):
            slack.verify(hook, CREDENTIALS, SETTINGS)


def test_a_retry_is_the_same_item() -> None:
    event = _event(text="hello", user="U9", ts="1781600390.000100")
    first = slack.parse(_signed(event), SETTINGS)
    again = _signed(event, at=NOW + 60, **{"x-slack-retry-num": "1"})
    slack.verify(again, CREDENTIALS, SETTINGS)
    assert slack.parse(again, SETTINGS) == first


def test_the_challenge_is_answered_only_if_it_is_signed() -> None:
    asked = {"type": "url_verification", "challenge": "abc", "token": "t"}
    reply = slack.challenge(_signed(asked), CREDENTIALS, SETTINGS)
    assert reply is not None
    assert reply.body == b"abc"
    unsigned = Hook(url=URL, body=json.dumps(asked).encode(), now=NOW * 1000)
    with pytest.raises(Unauthentic):
        slack.challenge(unsigned, CREDENTIALS, SETTINGS)


@pytest.mark.parametrize(
    "payload",
    [_event(text="url_verification"), _event(text="x", user="url_verification"), {"type": "other"}],
)
def test_a_message_about_it_is_no_challenge(payload: object) -> None:
    assert slack.challenge(_signed(payload), CREDENTIALS, SETTINGS) is None


def test_a_signed_challenge_in_a_broken_request_is_none() -> None:
    hook = _signed("url_verification")
    assert slack.challenge(hook, CREDENTIALS, SETTINGS) is None


def test_a_bot_of_ours_is_known_by_its_user_too() -> None:
    payload = _event(text="done", user="UBOT", bot_id="B1", ts="1781600390.1")
    payload["authorizations"] = [{"user_id": "UBOT", "is_bot": True}, {"user_id": "U7"}]
    (item,) = slack.parse(_signed(payload), SETTINGS).items
    assert item.role is Role.AGENT


def test_colleagues_are_agents_and_their_edits_too() -> None:
    message = {"user": "U2", "ts": "1781600390.1", "text": "b", "edited": {"ts": "1781600399.0"}}
    event = _event(subtype="message_changed", message=message)
    (item,) = slack.parse(_signed(event), SETTINGS).items
    assert (item.role, item.op, item.revision) == (Role.AGENT, Operation.UPDATE, "1781600399.0")


def test_a_changed_message_of_an_ignored_kind() -> None:
    event = _event(subtype="message_changed", message={"subtype": "channel_topic", "ts": "1.1"})
    assert slack.parse(_signed(event), SETTINGS).ignored == (Ignored.STATUS,)
