"""Requests as providers sign them: with the providers' own libraries where those can sign.

Nothing here comes from the product, so that a mistake of its own does not prove itself right.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from slack_sdk.signature import SignatureVerifier
from standardwebhooks import Webhook
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
SECRETS: Mapping[str, str] = {
    "postmark": "doors:doors-password",
    "trustpilot": "doors:doors-password",
    "deepgram": "doors:doors-password",
    "standard_webhooks": "whsec_" + base64.b64encode(b"doors-secret-of-24-bytes").decode(),
}
"""Where a secret has a form of its own; all others are ``OTHER_SECRET``."""

OTHER_SECRET = "doors-secret"


class Letter(NamedTuple):
    """What is to be sent: unsigned; ``url`` is the address that it goes to, ``now`` in s."""

    body: bytes
    content_type: str
    url: str
    now: int


class Sealed(NamedTuple):
    """What goes over the wire."""

    body: bytes
    headers: dict[str, str]


def secret_of(provider: str) -> str:
    """Return the secret that sources of ``provider`` have here."""
    return SECRETS.get(provider, OTHER_SECRET)


def seal(provider: str, letter: Letter, secret: str | None = None) -> Sealed:
    """Return ``letter`` as ``provider`` would send it."""
    found = _SEALS[provider](letter, secret_of(provider) if secret is None else secret)
    if not isinstance(found, Sealed):
        found = Sealed(letter.body, found)
    return Sealed(found.body, {"Content-Type": letter.content_type} | found.headers)


Headers = dict[str, str]


def _mac(secret: str, signed: bytes) -> bytes:
    return hmac.new(secret.encode(), signed, hashlib.sha256).digest()


def _bearer(_: Letter, secret: str) -> Headers:
    return {"Authorization": f"Bearer {secret}"}


def _api_key(_: Letter, secret: str) -> Headers:
    return {"X-Api-Key": secret}


def _basic(_: Letter, secret: str) -> Headers:
    return {"Authorization": "Basic " + base64.b64encode(secret.encode()).decode()}


def _call_record(letter: Letter, secret: str) -> Headers:
    digest = _mac(secret, f"{letter.now}.".encode() + letter.body).hex()
    return {"X-Tocsin-Signature": f"t={letter.now},v1={digest}"}


def _chatwoot(letter: Letter, secret: str) -> Headers:
    digest = _mac(secret, f"{letter.now}.".encode() + letter.body).hex()
    return {
        "X-Chatwoot-Timestamp": str(letter.now),
        "X-Chatwoot-Signature": f"sha256={digest}",
    }


def _meta(letter: Letter, secret: str) -> Headers:
    return {"X-Hub-Signature-256": "sha256=" + _mac(secret, letter.body).hex()}


def _x(letter: Letter, secret: str) -> Headers:
    encoded = base64.b64encode(_mac(secret, letter.body)).decode()
    return {"X-Twitter-Webhooks-Signature": f"sha256={encoded}"}


def _zendesk(letter: Letter, secret: str) -> Headers:
    stamp = dt.datetime.fromtimestamp(letter.now, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    digest = _mac(secret, stamp.encode() + letter.body)
    return {
        "X-Zendesk-Webhook-Signature-Timestamp": stamp,
        "X-Zendesk-Webhook-Signature": base64.b64encode(digest).decode(),
    }


def _slack(letter: Letter, secret: str) -> Headers:
    stamp = str(letter.now)
    signature = SignatureVerifier(secret).generate_signature(timestamp=stamp, body=letter.body)
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature or ""}


def _standard_webhooks(letter: Letter, secret: str) -> Headers:
    webhook_id = "msg_" + hashlib.sha256(letter.body).hexdigest()[:24]
    at = dt.datetime.fromtimestamp(letter.now, dt.UTC)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(letter.now),
        "webhook-signature": Webhook(secret).sign(webhook_id, at, letter.body.decode()),
    }


def _twilio(letter: Letter, secret: str) -> Headers:
    fields = dict(parse_qsl(letter.body.decode(), keep_blank_values=True))
    signature = RequestValidator(secret).compute_signature(letter.url, fields)
    return {"X-Twilio-Signature": signature}


def _mailgun(letter: Letter, secret: str) -> Sealed:
    """Mailgun's signature is part of the form, and does not cover the rest of it."""
    token = secrets.token_hex(25)
    proof = {
        "timestamp": str(letter.now),
        "token": token,
        "signature": _mac(secret, f"{letter.now}{token}".encode()).hex(),
    }
    # Whole messages are bytes of any kind, which Latin-1 leaves as they are.
    fields = parse_qsl(letter.body.decode(), keep_blank_values=True, encoding="latin-1")
    kept = [(name, value) for name, value in fields if name not in proof]
    return Sealed(urlencode([*kept, *proof.items()], encoding="latin-1").encode(), {})


_SEALS: Mapping[str, Callable[[Letter, str], Headers | Sealed]] = {
    "amazon_connect": _api_key,
    "call_record": _call_record,
    "chatwoot": _chatwoot,
    "cloudevents": _bearer,
    "deepgram": _basic,
    "generic": _bearer,
    "mailgun": _mailgun,
    "meta": _meta,
    "postmark": _basic,
    "slack": _slack,
    "staff": _call_record,
    "standard_webhooks": _standard_webhooks,
    "trustpilot": _basic,
    "twilio": _twilio,
    "whisper": _bearer,
    "x": _x,
    "zendesk": _zendesk,
}
SEALED = tuple(_SEALS)
"""The providers whose requests can be made here."""
