"""SendGrid Inbound Parse: received mail as ``multipart/form-data``, parsed or (send_raw) whole.

Vendor pages "Setting up the Inbound Parse Webhook" and "Securing your Inbound Parse Webhooks". Parsed
fields come in the charset of the mail; ``charsets`` says in which. There is no event id: the
Message-ID in ``headers`` identifies the mail.
"""

from __future__ import annotations

import math
import re
from typing import TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from services.ingest.channels.email.message import from_parts, parse_message
from services.ingest.channels.email.parts import OPTIONS, Checks, Envelope, Parts
from services.ingest.channels.forms import Form, Part, read_form
from services.ingest.channels.hook import Hook
from services.ingest.channels.item import Item
from services.ingest.channels.mailhook import one_message
from services.ingest.channels.provider import (
    DAY_S,
    Capability,
    Credentials,
    Delivery,
    Proof,
    Provider,
    Settings,
)
from services.ingest.channels.reading import read_json
from services.ingest.channels.rejection import Refusal, Rejected
from shared import signatures
from shared.events import Attachment, Channel
from shared.signatures import Unauthentic

TOLERANCE_MS = (3 * DAY_S + 3_600) * 1000
"""It sends again for three days, and does not say that it signs anew. Ids are remembered as long."""

T = TypeVar("T")
BASIC = b"basic:"
SPAM_SCORE = 5.0
_SIGNATURE = "x-twilio-email-event-webhook-signature"
_TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
_DKIM = re.compile(r"@?([A-Za-z0-9._-]{1,253})\s{0,5}:\s{0,5}([a-z]{1,20})")
_FOLD = re.compile(r"\r?\n[ \t]+")
_MAX_HEADER_CHARS = 65_536


class _Envelope(msgspec.Struct, frozen=True):
    sender: str | None = msgspec.field(name="from", default=None)
    to: tuple[str, ...] = ()


class _Info(msgspec.Struct, frozen=True):
    filename: str | None = None
    name: str | None = None
    type: str | None = None


def verify(hook: Hook, credentials: Credentials, _settings: Settings) -> Proof:
    """Check the signature of a security policy, or basic authentication where that is the secret."""
    passwords = tuple(
        secret.removeprefix(BASIC) for secret in credentials.secrets if secret.startswith(BASIC)
    )
    if passwords and not hook.header(_SIGNATURE):
        signatures.check_basic(passwords, hook.header("authorization"))
        return Proof("sendgrid basic")
    signature = signatures.unbase64(hook.header(_SIGNATURE).strip())
    stamp = hook.header(_TIMESTAMP)
    at = signatures.seconds(stamp)
    signatures.require(at is not None, "the signed time is missing or malformed")
    signed = stamp.encode() + hook.body
    keys = [key for secret in credentials.secrets if (key := _public_key(secret)) is not None]
    signatures.require(bool(keys), "the source has no public key to check with")
    signatures.require(
        any(_signs(key, signature, signed) for key in keys), "the signature does not match"
    )
    signatures.check_age(at, hook.now, TOLERANCE_MS)
    return Proof("sendgrid ecdsa-p256")


def parse(hook: Hook, settings: Settings) -> Delivery:
    """Return the one message of the request."""
    form = read_form(hook)
    if not (form.raw("email") or form.raw("headers") or form.raw("from")):
        raise Rejected(Refusal.MISSING_FIELD, "email, headers or from")
    return one_message(lambda: _item(form, settings, hook.now), hook.body)


def _public_key(secret: bytes) -> ec.EllipticCurvePublicKey | None:
    try:
        key = load_der_public_key(signatures.unbase64(secret.decode("ascii", "replace")))
    except (ValueError, Unauthentic):  # another kind of secret
        return None
    return key if isinstance(key, ec.EllipticCurvePublicKey) else None


def _signs(key: ec.EllipticCurvePublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _item(form: Form, settings: Settings, now: int) -> Item:
    charsets = _json(form, "charsets", dict[str, str]) or {}
    stated = _json(form, "envelope", _Envelope) or _Envelope()
    sender = form.text("from", charsets.get("from", ""))
    envelope = Envelope(
        sender=stated.sender,
        recipients=stated.to,
        checks=_checks(form, sender, settings),
    )
    if raw := form.raw("email"):
        return parse_message(raw, envelope, settings, now)
    infos = _json(form, "attachment-info", dict[str, _Info]) or {}
    parts = Parts(
        headers=_headers(form.text("headers", charsets.get("headers", ""))),
        sender=sender,
        subject=form.text("subject", charsets.get("subject", "")),
        text=form.text("text", charsets.get("text", "")),
        html=form.text("html", charsets.get("html", "")),
        attachments=tuple(
            _attachment(part, infos.get(part.name, _Info())) for part in form.files()
        ),
    )
    return from_parts(parts, envelope, settings, now)


def _json(form: Form, name: str, kind: type[T]) -> T | None:
    try:
        return read_json(form.raw(name), kind)
    except Rejected:  # a detail about the mail, which is in other fields
        return None


def _headers(block: str) -> tuple[tuple[str, str], ...]:
    """Return the headers in a block of them, unfolded (RFC 5322, section 2.2.3)."""
    lines = _FOLD.sub(" ", block[:_MAX_HEADER_CHARS]).splitlines()
    split = (line.partition(":") for line in lines)
    return tuple((name.strip(), value.strip()) for name, colon, value in split if colon)


def _checks(form: Form, sender: str, settings: Settings) -> Checks:
    found = _DKIM.findall(form.text("dkim")[:4_096].lower())
    passed = [domain for domain, result in found if result == "pass"]
    # Of several signatures the author's own says most.
    domain = next((d for d in passed if sender.rstrip("> ").lower().endswith(f"@{d}")), None)
    dkim = "pass" if passed else (found[0][1] if found else None)
    return Checks(
        method="sendgrid",
        spf=form.text("SPF").strip().lower()[:20] or None,
        dkim=dkim,
        dkim_domain=domain or (passed[0] if passed else None),
        spam=_number(form.text("spam_score"), -math.inf)
        >= _number(settings.option("spam_score"), SPAM_SCORE),
    )


def _number(text: str, default: float) -> float:
    try:
        return float(text.strip()[:20])
    except ValueError:
        return default


def _attachment(part: Part, info: _Info) -> Attachment:
    found = part.attachment()
    return msgspec.structs.replace(
        found,
        name=found.name or info.filename or info.name,
        media_type=found.media_type or info.type,
    )


PROVIDER = Provider(
    name="sendgrid",
    title="SendGrid Inbound Parse",
    channel=Channel.EMAIL,
    capability=Capability(redelivery_s=4 * DAY_S),
    secret=(
        "the public key of the security policy (base64, as shown); or, without a policy,"
        " basic:USER:PASSWORD with the same user and password in the address of the hook"
    ),
    max_body=40_000_000,
    verify=verify,
    parse=parse,
    options={**OPTIONS, "spam_score": f"score from which mail counts as spam ({SPAM_SCORE:g})"},
)
