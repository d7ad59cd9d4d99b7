"""Mailgun routes: received mail as a form, parsed by Mailgun or as the whole MIME message.

Vendor pages "Receiving Messages via HTTP through a forward() action" and "Securing Webhooks". The
signature covers a timestamp and a random token but not the mail: the token is therefore a nonce that
is good for one mail only (for its fields: boundaries differ when it is sent again). A URL that ends in
``mime`` gets the untouched message in ``body-mime``.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from services.ingest.channels.email.message import from_parts, parse_message
from services.ingest.channels.email.parts import OPTIONS, Checks, Envelope, Parts
from services.ingest.channels.forms import Form, read_form
from services.ingest.channels.hook import Hook
from services.ingest.channels.item import Item
from services.ingest.channels.mailhook import one_message
from services.ingest.channels.provider import (
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

TOLERANCE_MS = 9 * 3_600_000
"""It tries again for eight hours ("Automatic Retries"), and says nowhere that it signs anew for that."""

T = TypeVar("T")
Headers = tuple[tuple[str, str], ...]


class _Stored(msgspec.Struct, frozen=True):
    """An attachment that Mailgun kept for us, as ``store(notify=…)`` describes it."""

    url: str | None = None
    name: str | None = None
    media_type: str | None = msgspec.field(name="content-type", default=None)
    size: int | None = None


def verify(hook: Hook, credentials: Credentials, _settings: Settings) -> Proof:
    """Check the HMAC of timestamp and token, which are fields of the form."""
    try:
        form = read_form(hook)
    except Rejected as rejected:
        raise Unauthentic(f"there is no form to verify ({rejected.reason})") from rejected
    token = form.text("token")
    signatures.require(bool(token), "the token is missing")
    signatures.check_hmac(
        credentials.secrets, form.raw("timestamp") + form.raw("token"), form.text("signature")
    )
    signatures.check_age(signatures.seconds(form.text("timestamp")), hook.now, TOLERANCE_MS)
    return Proof("mailgun hmac-sha256", nonce=token, digest=form.digest())


def parse(hook: Hook, settings: Settings) -> Delivery:
    """Return the one message of the request."""
    form = read_form(hook)
    if not (form.raw("body-mime") or form.raw("from") or form.raw("message-headers")):
        raise Rejected(Refusal.MISSING_FIELD, "body-mime, from or message-headers")
    return one_message(lambda: _item(form, settings, hook.now), hook.body)


def _item(form: Form, settings: Settings, now: int) -> Item:
    headers = _listed(form, "message-headers", Headers)
    envelope = Envelope(
        sender=form.text("sender") if form.part("sender") else None,
        recipients=tuple(filter(None, [form.text("recipient")])),
        checks=_checks(headers) if settings.option("spam_filter") == "on" else None,
    )
    if mime := form.raw("body-mime"):
        return parse_message(mime, envelope, settings, now)
    files = [part.attachment() for part in form.files()]
    stored = _listed(form, "attachments", tuple[_Stored, ...])
    parts = Parts(
        headers=headers,
        sender=form.text("from"),
        subject=form.text("subject"),
        text=form.text("body-plain"),
        html=form.text("body-html"),
        stripped=form.text("stripped-text") or None,
        attachments=(*files, *map(_attachment, stored)),
    )
    return from_parts(parts, envelope, settings, now)


def _checks(headers: Headers) -> Checks:
    return Checks(
        method="mailgun",
        spf=_only(headers, "x-mailgun-spf"),
        dkim=_only(headers, "x-mailgun-dkim-check-result"),
        spam=any(
            name.lower() == "x-mailgun-sflag" and value.strip().lower() == "yes"
            for name, value in headers
        ),
    )


def _only(headers: Headers, name: str) -> str | None:
    """Return a finding of Mailgun; a second one of the name was put there by the sender."""
    found = [value.strip().lower() for key, value in headers if key.lower() == name]
    return found[0] if len(found) == 1 else None


def _listed(form: Form, name: str, kind: type[tuple[T, ...]]) -> tuple[T, ...]:
    try:
        return read_json(form.raw(name), kind)
    except Rejected:  # the mail itself is in other fields
        return ()


def _attachment(stored: _Stored) -> Attachment:
    return Attachment(
        name=stored.name, media_type=stored.media_type, size=stored.size, url=stored.url
    )


PROVIDER = Provider(
    name="mailgun",
    title="Mailgun routes",
    channel=Channel.EMAIL,
    capability=Capability(redelivery_s=86_400),
    secret="the HTTP webhook signing key of the account",
    max_body=40_000_000,
    verify=verify,
    parse=parse,
    options={
        **OPTIONS,
        "spam_filter": "on: the domain's spam filter is set to add headers, so they are Mailgun's word",
    },
)
