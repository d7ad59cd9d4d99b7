"""Standard Webhooks (specification 1.0.0), and Svix, whose headers are the same under another name.

HMAC-SHA256 over ``id.timestamp.body``, several signatures at a time, at most five minutes old. The
payload is ``{"type", "timestamp", "data"}`` with an item as data, or the item itself; see
``services.ingest.channels.fields`` for its form. Without an id of its own an item has the web hook's,
which stays the same when it is sent again.
"""

from __future__ import annotations

import base64
import binascii
import re

import msgspec

from services.ingest.channels.fields import OPTIONS, Layout, data_item, has_own_id
from services.ingest.channels.hook import Hook
from services.ingest.channels.provider import (
    Capability,
    Credentials,
    Delivery,
    Ignored,
    Proof,
    Provider,
    Settings,
)
from services.ingest.channels.reading import read_json
from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.channels.times import stated
from shared.events import Channel
from shared.signatures import check_age, check_hmac, require, seconds

PREFIX = b"whsec_"
MAX_SIGNATURES = 20
_DELETED = re.compile(r"(?:^|[._\-])(?:deleted|removed)$", re.IGNORECASE)


class Payload(msgspec.Struct, frozen=True):
    """What the specification recommends."""

    type: str = ""
    timestamp: str | int | float | None = None
    data: msgspec.Raw = msgspec.Raw()


def verify(hook: Hook, credentials: Credentials, _settings: Settings) -> Proof:
    """Check that one of the signatures is ours, and recent."""
    id_, timestamp = _header(hook, "id"), _header(hook, "timestamp")
    require(bool(id_), "the id is missing")
    at = seconds(timestamp)
    check_age(at, hook.now)
    given = _header(hook, "signature").split()
    require(len(given) <= MAX_SIGNATURES, "too many signatures")
    prefix = f"{id_}.{timestamp}.".encode("utf-8", "surrogateescape")
    keys = tuple(_key(secret) for secret in credentials.secrets if _key(secret))
    check_hmac(
        keys,
        prefix + hook.body,
        [signature[3:] for signature in given if signature.startswith("v1,")],
        encoding=base64.b64encode,
    )
    return Proof("standard-webhooks-v1")


def parse(hook: Hook, settings: Settings) -> Delivery:
    """Return the one item of a web hook."""
    payload = read_json(hook.body, Payload)
    data = bytes(payload.data)
    wrapped = data.startswith(b"{")
    if payload.type.endswith(".ping") or payload.type == "ping":
        return Delivery(ignored=(Ignored.PING,))
    gone = _DELETED.search(payload.type) is not None
    item = data_item(data if wrapped else hook.body, Layout.of(settings.options), gone=gone)
    native_id = item.native_id if has_own_id(item) else _header(hook, "id")
    if not native_id:
        raise Rejected(Refusal.MISSING_FIELD, "webhook-id: the header is missing")
    time = stated(payload.timestamp) if wrapped else stated(None)
    about = {"event_type": payload.type} if wrapped and payload.type else {}
    item = msgspec.structs.replace(
        item,
        native_id=native_id,
        occurred_at=time.at if item.occurred_at is None else item.occurred_at,
        time_quality=time.quality if item.occurred_at is None else item.time_quality,
        attributes=item.attributes | about,
    )
    return Delivery(items=(item,))


def _header(hook: Hook, name: str) -> str:
    return hook.header(f"webhook-{name}") or hook.header(f"svix-{name}")


def _key(secret: bytes) -> bytes:
    """Return the key that a ``whsec_`` secret encodes; any other secret is used as it is."""
    if not secret.startswith(PREFIX):
        return secret
    try:
        return base64.b64decode(secret.removeprefix(PREFIX) + b"==")
    except binascii.Error:
        return b""


PROVIDER = Provider(
    name="standard_webhooks",
    title="Standard Webhooks, Svix",
    channel=Channel.OTHER,
    capability=Capability(),
    secret="the signing secret, whsec_…",
    verify=verify,
    parse=parse,
    options=OPTIONS,
)
