"""Amazon Connect: contact records, and the transcripts of its analytics ("Contact Lens").

Contact records (formerly CTR) leave through a Kinesis stream, transcripts as files in S3 or through
another stream; an EventBridge pipe or rule with an API destination posts them here, one or an array of
them, bare, in EventBridge's envelope (``detail``) or as a Kinesis record (``data`` in base64). The
connection of the API destination sends the secret as ``X-Api-Key`` or ``Authorization: Bearer``.

Source: Amazon Connect Administrator Guide, "Data model for contact records". A contact is one leg: a
transfer makes another one with the same ``InitialContactId``, which is the thread.
"""

from __future__ import annotations

import msgspec

from services.ingest.channels.gathering import delivered, gathered
from services.ingest.channels.hook import Hook
from services.ingest.channels.item import Item
from services.ingest.channels.phone import contact_lens
from services.ingest.channels.phone.calls import call_item
from services.ingest.channels.phone.transcript import bounded
from services.ingest.channels.provider import (
    DAY_S,
    Capability,
    Credentials,
    Delivery,
    Ignored,
    Proof,
    Provider,
    SecretFrom,
    Settings,
)
from services.ingest.channels.reading import read_json
from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.channels.times import stated
from services.ingest.channels.tokens import check_bearer
from shared.events import CallOutcome, Channel
from shared.signatures import Unauthentic, unbase64

_FROM_CUSTOMER = frozenset({"INBOUND", "TRANSFER", "QUEUE_TRANSFER", "CALLBACK", "WEBRTC_API"})
_MAX_ENVELOPES = 3
_ABSENT, _NULL = msgspec.Raw(), msgspec.Raw(b"null")


class _Pascal(msgspec.Struct, frozen=True, rename="pascal"):
    """Names as Amazon writes them."""


class _Metadata(_Pascal, frozen=True):
    contact_id: str | None = None


class _Head(_Pascal, frozen=True):
    """What tells the kinds apart."""

    contact_id: str | None = None
    channel: str | None = None
    event_type: str | None = None
    streaming_event_type: str | None = None
    job_status: str | None = None
    customer_metadata: _Metadata | None = None
    detail_type: str | None = msgspec.field(name="detail-type", default=None)
    detail: msgspec.Raw = msgspec.field(name="detail", default=_ABSENT)
    data: str | None = msgspec.field(name="data", default=None)


class _Endpoint(_Pascal, frozen=True):
    address: str | None = None


class _Queue(_Pascal, frozen=True):
    name: str | None = None


class _Agent(_Pascal, frozen=True):
    username: str | None = None


class _Recording(_Pascal, frozen=True):
    location: str | None = None


class _Record(_Pascal, frozen=True):
    contact_id: str | None = None
    initial_contact_id: str | None = None
    next_contact_id: str | None = None
    initiation_method: str | None = None
    initiation_timestamp: str | None = None
    connected_to_system_timestamp: str | None = None
    disconnect_timestamp: str | None = None
    disconnect_reason: str | None = None
    last_update_timestamp: str | None = None
    customer_endpoint: _Endpoint | None = None
    queue: _Queue | None = None
    agent: _Agent | None = None
    recording: _Recording | None = None


def verify(hook: Hook, credentials: Credentials, settings: Settings) -> Proof:  # noqa: ARG001
    """Check the token that the connection of the API destination sends."""
    return check_bearer(hook, credentials)


def parse(hook: Hook, settings: Settings) -> Delivery:  # noqa: ARG001
    """Return the calls in one record or an array of them."""
    if hook.body.lstrip()[:1] != b"[":
        return delivered((_read(hook.body),))
    records = read_json(hook.body, list[msgspec.Raw])
    return gathered(records, msgspec.Raw, lambda raw: _read(bytes(raw)))


def _read(raw: bytes) -> Item | Ignored:
    raw, head = _unwrapped(raw)
    if head.streaming_event_type or (head.channel or "VOICE").upper() != "VOICE":
        return Ignored.UNSUPPORTED
    if head.event_type:
        return contact_lens.live(raw)
    if head.job_status or head.customer_metadata is not None:
        return contact_lens.finished(raw)
    if head.detail_type:
        return Ignored.STATUS  # another event of Connect's: it only says that something happened
    return _contact(read_json(raw, _Record))


def _unwrapped(raw: bytes) -> tuple[bytes, _Head]:
    """Return what is in the envelopes; an event with nothing for us in it stays in its envelope."""
    head = read_json(raw, _Head)
    for _ in range(_MAX_ENVELOPES):
        if head.detail not in (_ABSENT, _NULL):
            inner = bytes(head.detail)
        elif head.data is not None:
            inner = _decoded(head.data)
        else:
            break
        found = read_json(inner, _Head)
        if head.detail_type and found.contact_id is None and found.customer_metadata is None:
            break
        raw, head = inner, found
    return raw, head


def _decoded(data: str) -> bytes:
    try:
        return unbase64(data)
    except Unauthentic as error:
        raise Rejected(Refusal.BAD_VALUE, "data: not base64") from error


def _contact(record: _Record) -> Item | Ignored:
    outcome = _outcome(record)
    if isinstance(outcome, Ignored):
        return outcome
    begun = stated(record.initiation_timestamp)
    connected, ended = (
        stated(record.connected_to_system_timestamp),
        stated(record.disconnect_timestamp),
    )
    start = begun.at if connected.at is None else connected.at
    length = None if start is None or ended.at is None else ended.at - start
    return call_item(
        record.contact_id,
        of=record.initial_contact_id,
        outcome=outcome,
        by=record.customer_endpoint.address if record.customer_endpoint else None,
        at=begun,
        direction="inbound" if record.initiation_method in _FROM_CUSTOMER else "outbound",
        duration_ms=bounded(length),
        queue=record.queue.name if record.queue else None,
        recording_url=record.recording.location if record.recording else None,
        revision=record.last_update_timestamp,
        attributes={"agent": record.agent.username if record.agent else None},
    )


def _outcome(record: _Record) -> CallOutcome | Ignored:
    """Return what became of a call.

    Abandoned is who hung up while waiting in a queue ("How to identify abandoned contacts"). Who never
    waited for a person (a menu, a recorded message) was not let down; whoever was passed on before
    anybody answered has another record. A call-back that reached nobody was promised and missed.
    """
    if record.contact_id is None:
        raise Rejected(Refusal.MISSING_FIELD, "ContactId")
    if record.disconnect_timestamp is None:
        return Ignored.STATUS
    if record.agent is not None:
        return CallOutcome.ANSWERED
    if record.initiation_method not in _FROM_CUSTOMER or record.next_contact_id:
        return Ignored.STATUS
    if record.initiation_method == "CALLBACK":
        return CallOutcome.MISSED
    if record.queue is None:
        return Ignored.STATUS
    customer_left = record.disconnect_reason in {None, "CUSTOMER_DISCONNECT"}
    return CallOutcome.ABANDONED if customer_left else CallOutcome.MISSED


PROVIDER = Provider(
    name="amazon_connect",
    title="Amazon Connect",
    channel=Channel.PHONE,
    # EventBridge tries for a day; later copies of a record have another LastUpdateTimestamp.
    capability=Capability(redelivery_s=2 * DAY_S),
    secret="the API key (or bearer token) of the EventBridge connection",
    secret_from=SecretFrom.TOKEN,
    max_body=16_000_000,
    verify=verify,
    parse=parse,
)
