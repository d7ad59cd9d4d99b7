"""CloudEvents 1.0 over HTTP: structured, batched and binary mode (CloudEvents spec and its HTTP
protocol binding, v1.0.2, sections 3.1 to 3.3).

The data is an item in the product's own form, or any object (see ``services.ingest.channels.fields``),
or plain text. An item is identified by the event's source and, if the data has an id of its own (so
that a later event can be about the same item), that, else the event's id.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

import msgspec

from services.ingest.channels.fields import OPTIONS, Layout, data_item, has_own_id
from services.ingest.channels.gathering import gathered
from services.ingest.channels.hook import Hook
from services.ingest.channels.item import Item
from services.ingest.channels.provider import (
    Capability,
    Credentials,
    Delivery,
    Proof,
    Provider,
    SecretFrom,
    Settings,
)
from services.ingest.channels.reading import read_json
from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.channels.times import stated
from services.ingest.channels.tokens import check_bearer
from shared.events import Channel
from shared.signatures import Unauthentic, unbase64

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
MAX_BATCH = 10_000
_JSON = re.compile(r"(?:application|text)/(?:[\w.+-]*\+)?json|")
_BACKSLASH = re.compile(r"\\(.)", re.DOTALL)
_DELETED = re.compile(r"(?:^|[._\-/:])(?:deleted|removed)(?:[._\-/:]?v\d+)?$", re.IGNORECASE)


class Event(msgspec.Struct, frozen=True):
    """The context attributes that are used, and the data."""

    id: str
    source: str
    type: str
    specversion: str
    subject: str | None = None
    time: str | None = None
    datacontenttype: str | None = None
    data: msgspec.Raw = msgspec.Raw()
    data_base64: str | None = None


def verify(hook: Hook, credentials: Credentials, _settings: Settings) -> Proof:
    """Check the token."""
    return check_bearer(hook, credentials)


def parse(hook: Hook, settings: Settings) -> Delivery:
    """Return the items of one event or of a batch."""
    layout = Layout.of(settings.options)
    if hook.content_type not in {STRUCTURED, BATCH} and "ce-specversion" in hook.headers:
        return Delivery(items=(_item(_binary(hook), layout),))
    if hook.content_type == BATCH or hook.body.lstrip()[:1] == b"[":
        return _batch(hook.body, layout)
    return Delivery(items=(_item(read_json(hook.body, Event), layout),))


def _batch(body: bytes, layout: Layout) -> Delivery:
    events = read_json(body, list[msgspec.Raw])
    if len(events) > MAX_BATCH:
        raise Rejected(Refusal.TOO_LARGE, f"{len(events)} events, at most {MAX_BATCH}")
    return gathered(events, Event, lambda event: _item(event, layout))


def _binary(hook: Hook) -> Event:
    """Return the event whose attributes are headers; a time that is not stated stays unstated."""
    given: Mapping[str, str] = {
        name[3:]: _unescaped(value)
        for name, value in hook.headers.items()
        if name.startswith("ce-")
    }
    for name in ("id", "source", "type"):
        if not given.get(name):
            raise Rejected(Refusal.MISSING_FIELD, f"ce-{name}: the header is missing")
    if not hook.body.strip():
        raise Rejected(Refusal.EMPTY, "the event has no data")
    return Event(
        id=given["id"],
        source=given["source"],
        type=given["type"],
        specversion=given["specversion"],
        subject=given.get("subject"),
        time=given.get("time"),
        datacontenttype=hook.content_type,
        data=msgspec.Raw(_body(hook)),
    )


def _unescaped(value: str) -> str:
    """Return what a header stands for: quotes and percent signs undone once (section 3.1.3.2).

    Old senders put bytes there as they are; what is no UTF-8 is replaced.
    """
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = _BACKSLASH.sub(r"\1", value[1:-1])
    return unquote_to_bytes(value.encode("utf-8", "surrogateescape")).decode("utf-8", "replace")


def _body(hook: Hook) -> bytes:
    """Return the body as JSON; what is not JSON by its type, as a string."""
    if _JSON.fullmatch(hook.content_type):
        return hook.body
    return msgspec.json.encode(hook.body.decode("utf-8", "replace"))


def _item(event: Event, layout: Layout) -> Item:
    if event.specversion != "1.0":
        raise Rejected(Refusal.BAD_VALUE, f"specversion: {event.specversion[:20]!r} is not '1.0'")
    if not event.id or not event.source:
        raise Rejected(Refusal.BAD_VALUE, "id and source must not be empty")
    gone = _DELETED.search(event.type) is not None
    item = data_item(_data(event), layout, gone=gone)
    about = {"ce_type": event.type, "ce_source": event.source, "ce_subject": event.subject}
    time = stated(event.time)
    return msgspec.structs.replace(
        item,
        native_id=f"{event.source}#{item.native_id if has_own_id(item) else event.id}",
        occurred_at=time.at if item.occurred_at is None else item.occurred_at,
        time_quality=time.quality if item.occurred_at is None else item.time_quality,
        attributes=item.attributes | {name: text for name, text in about.items() if text},
    )


def _data(event: Event) -> bytes:
    """Return the data as a JSON object: a string becomes one with that text."""
    kind = (event.datacontenttype or "").partition(";")[0].strip().lower()
    json = _JSON.fullmatch(kind) is not None
    if not json and not kind.startswith("text/"):
        raise Rejected(
            Refusal.BAD_VALUE, f"datacontenttype: {kind[:80]!r} is neither JSON nor text"
        )
    if event.data_base64 is not None:
        data = _unbase64(event.data_base64)
        return data if json else _object(data)
    data = bytes(event.data)
    if not data:
        raise Rejected(Refusal.EMPTY, "data: the event has none")
    return _object(read_json(data, str).encode()) if data.startswith(b'"') else data


def _object(text: bytes) -> bytes:
    return msgspec.json.encode({"text": text.decode("utf-8", "replace")})


def _unbase64(text: str) -> bytes:
    try:
        return unbase64(text)
    except Unauthentic as error:
        raise Rejected(Refusal.BAD_VALUE, "data_base64: no base64") from error


PROVIDER = Provider(
    name="cloudevents",
    title="CloudEvents 1.0",
    channel=Channel.OTHER,
    capability=Capability(),
    secret="the bearer token that senders put into Authorization",
    secret_from=SecretFrom.TOKEN,
    max_body=8_000_000,
    verify=verify,
    parse=parse,
    options=OPTIONS,
)
