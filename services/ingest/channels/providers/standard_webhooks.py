"""Standard Webhooks (specification 1.0.0), and Svix, whose headers are the same under another name.

HMAC-SHA256 over ``id.timestamp.body``, several signatures at a time, at most five minutes old. The
payload is ``{"type", "timestamp", "data"}`` with an item as data, or the item itself; see
``services.ingest.channels.fields`` for its form. Without an id of its own an item has the web hook's,
which stays the same when it is sent again.
"""

from __future__ import annotations

import re
from functools import partial

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
from shared import standard_webhooks
from shared.events import Channel

_DELETED = re.compile(r"(?:^|[._\-])(?:deleted|removed)$", re.IGNORECASE)


class Payload(msgspec.Struct, frozen=True):
    """What the specification recommends."""

    type: str = ""
    timestamp: str | int | float | None = None
    data: msgspec.Raw = msgspec.Raw()


def verify(hook: Hook, credentials: Credentials, _settings: Settings) -> Proof:
    """Check that one of the signatures is ours, and recent."""
    keys = [standard_webhooks.verifying_key(secret) for secret in credentials.secrets]
    standard_webhooks.verify(keys, partial(_header, hook), hook.body, hook.now)
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
    native_id = item.native_id if has_own_id(item) else _header(hook, standard_webhooks.ID)
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
    return hook.header(name) or hook.header(name.replace("webhook-", "svix-", 1))


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
