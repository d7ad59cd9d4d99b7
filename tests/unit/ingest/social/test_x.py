from __future__ import annotations

import base64
import hashlib
import hmac
import json
from urllib.parse import urlencode

import pytest

from services.ingest.channels.hook import Hook
from services.ingest.channels.provider import (
    Credentials,
    Reply,
    Settings,
)
from services.ingest.channels.providers import x
from shared.signatures import Unauthentic

URL = "https://feedback.example.com/v1/hooks/x"
SETTINGS = Settings(name="x")
CREDENTIALS = Credentials(secrets=(b"new", b"old"))


def _asked(token: str, credentials: Credentials = CREDENTIALS, method: str = "GET") -> Reply | None:
    hook = Hook(method=method, url=f"{URL}?{urlencode({'crc_token': token})}", now=0)
    return x.challenge(hook, credentials, SETTINGS)


def test_the_challenge_is_answered_with_the_newest_secret() -> None:
    token = "NTYxZGI4ZmYtYzM3-ZC00Zg=="
    reply = _asked(token)
    assert reply is not None
    digest = hmac.new(b"new", token.encode(), hashlib.sha256).digest()
    expected = "sha256=" + base64.b64encode(digest).decode()
    assert json.loads(reply.body) == {"response_token": expected}
    assert reply.content_type == "application/json"


@pytest.mark.parametrize(
    "token",
    [
        '{"for_user_id":"1","tweet_create_events":[]}',
        " {}",
        "",
        "a\nb",
        "ä",
        "[]",
        "a" * 600,
    ],
)
def test_nobody_gets_a_body_signed_by_asking_for_a_challenge(token: str) -> None:
    """The answer to a token is the signature of a body with the same bytes."""
    with pytest.raises(Unauthentic):
        _asked(token)


def test_without_a_secret_nothing_is_answered() -> None:
    with pytest.raises(Unauthentic):
        _asked("abc", Credentials())


def test_other_requests_are_no_challenge() -> None:
    assert _asked("abc", method="POST") is None
    assert x.challenge(Hook(method="GET", url=URL, now=0), CREDENTIALS, SETTINGS) is None


def test_an_absurd_number_of_followers_costs_nothing() -> None:
    tweet = {"id_str": "1", "text": "x", "user": {"id_str": "2", "followers_count": 10**30}}
    body = json.dumps({"tweet_create_events": [tweet]}).encode()
    (item,) = x.parse(Hook(url=URL, body=body, now=0), SETTINGS).items
    assert item.engagement is not None
    assert item.engagement.followers is None
