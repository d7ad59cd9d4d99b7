"""Google Business Profile: what a push names, what is fetched, and who may push."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from services.ingest.channels.hook import Hook
from services.ingest.channels.provider import (
    Credentials,
    Fetch,
    KeyNeeded,
    Proof,
    Settings,
)
from services.ingest.channels.providers.google_business import parse, read_review
from services.ingest.channels.rejection import Rejected
from services.ingest.channels.reviews.google_push import KEYS_URL, verify_push
from shared.events import Flag, Operation, Rating
from shared.signatures import Unauthentic

NOW = 1_772_442_000_000
URL = "https://feedback.example.com/v1/hooks/maps"
ACCOUNT = "push@golden.iam.gserviceaccount.com"
SETTINGS = Settings(name="maps", options={"service_account": ACCOUNT})
KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
NAME = "accounts/1/locations/22/reviews/Ab-_C"


def _keys(kid: str = "k1", key: rsa.RSAPrivateKey = KEY) -> Credentials:
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    listed = {"keys": [{"kid": "ec", "kty": "EC"}, public | {"kid": kid, "alg": "RS256"}]}
    return Credentials(keys={KEYS_URL: json.dumps(listed).encode()})


def _token(key: object = KEY, algorithm: str = "RS256", kid: str = "k1", **claims: object) -> str:
    usual: dict[str, object] = {
        "iss": "https://accounts.google.com",
        "aud": URL,
        "email": ACCOUNT,
        "email_verified": True,
        "iat": NOW // 1000 - 60,
        "exp": NOW // 1000 + 3_540,
    }
    return jwt.encode(usual | claims, key, algorithm=algorithm, headers={"kid": kid})  # type: ignore[arg-type]


def _verify(
    token: str, credentials: Credentials | None = None, settings: Settings = SETTINGS
) -> Proof:
    hook = Hook(url=URL, headers={"authorization": f"Bearer {token}"}, now=NOW)
    return verify_push(hook, credentials or _keys(), settings)


def _push(data: Mapping[str, object]) -> Hook:
    encoded = base64.b64encode(json.dumps(data).encode()).decode()
    body = json.dumps({"message": {"data": encoded, "messageId": "1"}, "subscription": "s"})
    return Hook(url=URL, body=body.encode(), now=NOW)


def test_the_right_token() -> None:
    assert _verify(_token()) == Proof(method="oidc")
    other = Settings(name="s", options={"service_account": ACCOUNT, "audience": "tocsin"})
    assert _verify(_token(aud="tocsin"), settings=other) == Proof(method="oidc")


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://accounts.example.com"},
        {"aud": "https://elsewhere.example.com"},
        {"aud": [URL]},
        {"email": "other@golden.iam.gserviceaccount.com"},
        {"email_verified": False},
        {"exp": NOW // 1000 - 301},
        {"exp": None},
        {"iat": NOW // 1000 + 301},
    ],
)
def test_wrong_claims(claims: dict[str, Any]) -> None:
    with pytest.raises(Unauthentic):
        _verify(_token(**claims))


def test_expiry_is_measured_against_the_requests_time() -> None:
    old = _token(iat=1, exp=2)
    hook = Hook(url=URL, headers={"authorization": f"Bearer {old}"}, now=1_500)
    assert verify_push(hook, _keys(), SETTINGS) == Proof(method="oidc")
    with pytest.raises(Unauthentic, match="expired"):
        _verify(old)


def test_only_rs256() -> None:
    for token in (_token("golden-secret" * 3, "HS256"), _token(None, "none"), _token(KEY, "RS512")):
        with pytest.raises(Unauthentic, match="RS256"):
            _verify(token)


def test_the_signature_of_somebody_else() -> None:
    stranger = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    with pytest.raises(Unauthentic, match="signature"):
        _verify(_token(stranger))


@pytest.mark.parametrize("keys", [{}, {KEYS_URL: b""}, {KEYS_URL: b"<html>"}, {KEYS_URL: b"{}"}])
def test_a_key_that_is_not_there_is_asked_for(keys: dict[str, bytes]) -> None:
    with pytest.raises(KeyNeeded) as asked:
        _verify(_token(), Credentials(keys=keys))
    assert asked.value.url == KEYS_URL
    with pytest.raises(KeyNeeded):
        _verify(_token(kid="new"), _keys())
    with pytest.raises(KeyNeeded):
        _verify(_token(kid="ec"), _keys())


def test_no_key_is_fetched_for_a_token_that_is_wrong_anyway() -> None:
    with pytest.raises(Unauthentic):
        _verify(_token(kid="new", aud="x"), Credentials())


def test_without_the_account_nobody_gets_in() -> None:
    with pytest.raises(Unauthentic, match="service_account"):
        _verify(_token(), settings=Settings(name="s"))


@pytest.mark.parametrize(
    "data",
    [
        {"type": "NEW_REVIEW", "reviewName": NAME, "locationName": "accounts/1/locations/22"},
        {"type": "UPDATED_REVIEW", "review_name": NAME},
        {"notificationType": "NEW_REVIEW", "reviewName": NAME},
        {"notification_type": "UPDATED_REVIEW", "review": NAME},
    ],
)
def test_a_named_review_is_to_be_fetched(data: dict[str, object]) -> None:
    delivery = parse(_push(data), SETTINGS)
    assert delivery.fetch == (Fetch(f"https://mybusiness.googleapis.com/v4/{NAME}", "Ab-_C"),)
    assert not delivery.items


@pytest.mark.parametrize(
    "name",
    [
        "",
        "accounts/1",
        f"{NAME}?x=1",
        f"{NAME}/../../x",
        "//evil/locations/1/reviews/2",
        f"{NAME}\n",
    ],
)
def test_a_name_that_leads_elsewhere_is_unfit(name: str) -> None:
    delivery = parse(_push({"type": "NEW_REVIEW", "reviewName": name}), SETTINGS)
    assert not delivery.fetch
    assert len(delivery.unfit) == 1


def test_the_fetched_review_has_the_id_that_was_announced() -> None:
    body = {
        "name": NAME,
        "reviewId": "Ab-_C",
        "reviewer": {"displayName": "Ana", "isAnonymous": False},
        "starRating": "FIVE",
        "comment": "(Translated by Google) Great.\n\n(Original)\nGenial.",
        "createTime": "2026-03-01T10:00:00Z",
        "updateTime": "2026-03-01T11:00:00Z",
    }
    item = read_review(json.dumps(body).encode(), SETTINGS)
    assert (item.native_id, item.text, item.display_name) == ("Ab-_C", "Genial.", "Ana")
    assert item.rating == Rating(value=5)
    assert item.flags == (Flag.TRANSLATED,)
    assert item.op is Operation.UPDATE
    assert item.edited_at == (item.occurred_at or 0) + 3_600_000
    for bad in (b"", b"{}", b'{"error": {"code": 404}}'):
        with pytest.raises(Rejected):
            read_review(bad, SETTINGS)
