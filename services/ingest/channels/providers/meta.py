"""Meta: Facebook pages, Instagram, Messenger and WhatsApp (Meta, "Graph API: Webhooks").

``{object page|instagram|whatsapp_business_account, entry[{id, time, changes[{field, value}] |
messaging[] | standby[]}]}``, up to 1,000 changes at once. ``X-Hub-Signature-256: sha256=<hex HMAC>`` is
over the body as it came: Meta escapes what others would not, so a body that was parsed and written
again does not verify. The address is proven by ``GET ?hub.mode=subscribe&hub.verify_token=…``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import msgspec

from services.ingest.channels.gathering import delivered
from services.ingest.channels.hook import Hook
from services.ingest.channels.provider import (
    DAY_S,
    Capability,
    Credentials,
    Delivery,
    Ignored,
    Proof,
    Provider,
    Reply,
    Settings,
)
from services.ingest.channels.reading import read_json
from services.ingest.channels.social import meta_feed, meta_messaging, whatsapp
from services.ingest.channels.social.parts import Id, Part, Raws, Time, each, optional
from services.ingest.channels.social.whatsapp_payloads import Value
from shared.events import Channel
from shared.signatures import check_hmac, check_token

_COMMENTS = frozenset({"comments", "live_comments", "mentions"})
_MESSAGES = frozenset({"messages", "message_echoes", "smb_message_echoes"})


class Envelope(msgspec.Struct, frozen=True):
    """A request."""

    object: str
    entry: list[msgspec.Raw]


class Entry(msgspec.Struct, frozen=True):
    """What happened at one page, account or business: ``id``, at ``time`` in s."""

    id: Id | None = None
    time: Time = None
    messaging: Raws = None
    standby: Raws = None
    changes: Raws = None


class Change(msgspec.Struct, frozen=True):
    """A change of a field that we subscribe to."""

    field: str
    value: msgspec.Raw


def verify(hook: Hook, credentials: Credentials, _settings: Settings) -> Proof:
    """Check the signature over the body."""
    given = hook.header("x-hub-signature-256")
    check_hmac(credentials.secrets, hook.body, given, encoding=_prefixed)
    return Proof("meta-sha256")


def _prefixed(digest: bytes) -> bytes:
    return b"sha256=" + digest.hex().encode()


def challenge(hook: Hook, credentials: Credentials, settings: Settings) -> Reply | None:
    """Return ``hub.challenge`` to who knows the verify token: a secret or the option."""
    if hook.method != "GET" or hook.query.get("hub.mode") != "subscribe":
        return None
    token = settings.option("verify_token").encode()
    known = (*credentials.secrets, *([token] if token else []))
    check_token(known, hook.query.get("hub.verify_token", ""), what="verify token")
    return Reply(body=hook.query.get("hub.challenge", "").encode("utf-8", "replace"))


def parse(hook: Hook, _settings: Settings) -> Delivery:
    """Return all that is in all entries."""
    envelope = read_json(hook.body, Envelope)
    return delivered(each(envelope.entry, Entry, partial(_entry, envelope.object)))


def _entry(kind: str, entry: Entry) -> Iterator[Part]:
    own = optional(entry.id)
    for events in (entry.messaging, entry.standby):
        yield from each(events, meta_messaging.Event, partial(meta_messaging.read, own))
    yield from each(entry.changes, Change, partial(_change, kind, own, entry.time))


def _change(kind: str, own: str | None, time: Time, change: Change) -> Iterator[Part]:
    value = [change.value]
    if kind == "whatsapp_business_account":
        if change.field in _MESSAGES:
            yield from each(value, Value, whatsapp.read)
        else:  # calls, templates, account: nothing that a customer writes
            yield Ignored.STATUS
    elif change.field in _MESSAGES:  # Instagram's, and those of the test button
        yield from each(value, meta_messaging.Event, partial(meta_messaging.read, own))
    elif kind == "instagram" and change.field in _COMMENTS:
        yield from each(value, meta_feed.Comment, partial(meta_feed.instagram, own, time))
    elif kind == "page" and change.field in {"feed", "mention"}:
        yield from each(value, meta_feed.FeedValue, partial(meta_feed.page, own))
    else:
        yield Ignored.UNSUPPORTED


PROVIDER = Provider(
    name="meta",
    title="Meta: Facebook, Instagram, Messenger, WhatsApp",
    channel=Channel.SOCIAL,
    capability=Capability(
        redelivery_s=3 * DAY_S,  # it retries for 36 hours
        reply_max_chars=1_000,  # Instagram; Messenger 2,000, WhatsApp 4,096
        reply_window_s=DAY_S,  # direct messages; comments can be answered for ever
        public=True,
    ),
    secret="the app secret (App settings, Basic); one more may be the verify token",
    verify=verify,
    parse=parse,
    challenge=challenge,
    reply=Reply(),
    options={"verify_token": "what you enter as verify token when you subscribe the address"},
)
