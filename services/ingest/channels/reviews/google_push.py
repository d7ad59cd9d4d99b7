"""Pushes of Google Cloud Pub/Sub: the token that proves them, and the envelope.

Documentation: "Authentication for push subscriptions" and "Push subscriptions", Pub/Sub; OpenID
Connect Core 1.0, section 3.1.3.7. The token is signed by Google for the service account of the
subscription; it does not cover the body, and Google uses one for many pushes, so it is no nonce.
"""

from __future__ import annotations

import base64
import binascii

import jwt
import msgspec

from services.ingest.channels.hook import Hook
from services.ingest.channels.provider import (
    Credentials,
    KeyNeeded,
    Proof,
    Settings,
)
from services.ingest.channels.reading import read_json
from services.ingest.channels.rejection import Refusal, Rejected
from shared.signatures import TOLERANCE_MS, Unauthentic, require

KEYS_URL = "https://www.googleapis.com/oauth2/v3/certs"
OPTIONS = {
    "service_account": "e-mail address of the service account that the push subscription uses",
    "audience": "audience of the push subscription; by default the URL of the source",
}
_ISSUERS = frozenset({"https://accounts.google.com", "accounts.google.com"})
_MAX_TOKEN = 8_192


class _Header(msgspec.Struct):
    alg: str = ""
    kid: str = ""


class _Claims(msgspec.Struct):
    iss: str = ""
    aud: str = ""
    exp: float = 0
    iat: float = 0
    email: str = ""
    email_verified: bool = False


class _Keys(msgspec.Struct):
    keys: list[msgspec.Raw] = []


class _Key(msgspec.Struct):
    kid: str = ""
    kty: str = ""


class _Message(msgspec.Struct):
    data: str = ""


class _Envelope(msgspec.Struct):
    message: _Message


def verify_push(hook: Hook, credentials: Credentials, settings: Settings) -> Proof:
    """Check the OpenID Connect token of a push.

    Claims are checked first and cost nothing; then the signature, with the key it names.

    Raises:
        Unauthentic: no token, a wrong one, or a source without ``service_account``.
        KeyNeeded: the key that signed it is not in ``credentials.keys``.
    """
    account = settings.option("service_account")
    # Any account of Google can have a token made for any audience: the address is what counts.
    require(bool(account), "the source has no option service_account to check with")
    scheme, _, token = hook.header("authorization").partition(" ")
    token = token.strip()
    require(scheme.lower() == "bearer" and bool(token), "the bearer token is missing")
    require(len(token) <= _MAX_TOKEN and token.isascii(), "the bearer token is malformed")
    header, claims = _opened(token)
    require(header.alg == "RS256", "the token is not signed with RS256")
    require(claims.iss in _ISSUERS, "the token is of another issuer")
    require(
        claims.aud == settings.option("audience", hook.url), "the token is for another audience"
    )
    require(claims.email == account and claims.email_verified, "the token is of another account")
    require(claims.exp * 1000 > hook.now - TOLERANCE_MS, "the token has expired")
    require(claims.iat * 1000 < hook.now + TOLERANCE_MS, "the token is of the future")
    key = _key(header.kid, credentials)
    try:
        # Only the signature: the library's own checks of times would ask the clock.
        jwt.PyJWS().decode(token, key, algorithms=["RS256"])
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise Unauthentic("the token's signature does not match") from error
    return Proof(method="oidc")


def _opened(token: str) -> tuple[_Header, _Claims]:
    parts = token.split(".")
    require(len(parts) == 3, "the bearer token is malformed")
    try:
        header, claims = (
            base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in parts[:2]
        )
        return read_json(header, _Header), read_json(claims, _Claims)
    except (Rejected, binascii.Error, ValueError) as error:
        raise Unauthentic("the bearer token is malformed") from error


def _key(kid: str, credentials: Credentials) -> jwt.PyJWK:
    """Return the key ``kid``; Google changes its keys every few days, so an unknown one is fetched."""
    try:
        published = read_json(credentials.keys.get(KEYS_URL, b""), _Keys).keys
        for raw in published:
            found = read_json(bytes(raw), _Key)
            if found.kid == kid and found.kty == "RSA":
                return jwt.PyJWK.from_json(bytes(raw).decode(), algorithm="RS256")
    except (Rejected, jwt.PyJWTError, ValueError) as error:
        raise KeyNeeded(KEYS_URL) from error
    raise KeyNeeded(KEYS_URL)


def message_data(body: bytes) -> bytes:
    """Return the data of the message in a push.

    Raises:
        Rejected: it is no push, or its data is no base64.
    """
    try:
        return base64.b64decode(read_json(body, _Envelope).message.data, validate=True)
    except ValueError as error:
        raise Rejected(Refusal.BAD_VALUE, "message.data: not base64") from error
