"""Bytes of one item → the record to write: the feedback, or a dead letter that says why not."""

from __future__ import annotations

import msgspec

from services.ingest.channels import generic, wire
from services.ingest.channels.build import build
from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.flight import Record
from shared import codec, ids, topics
from shared.clock import Clock
from shared.errors import Poison
from shared.events import Channel, DeadLetter, FeedbackReceived

ORIGIN = "tocsin/ingest"
DEFAULT_SOURCE = "api"
ANY_SOURCE = "*"
MAX_LETTER_BYTES = 600_000
"""Of a rejected item so much is kept: base64 makes it a third longer."""


class Raw(msgspec.Struct, frozen=True):
    """An item as it came in; ``line`` counts from 1 within a batch."""

    payload: bytes
    line: int | None = None


class Door(msgspec.Struct, frozen=True):
    """What is known about the sender: the source its key may write, and its trace, if any."""

    source: str = ANY_SOURCE
    traceparent: bytes = b""


class Prepared(msgspec.Struct, frozen=True, eq=False):
    """An item ready to be written; ``event`` is None for a rejected one."""

    record: Record
    native_id: str | None
    channel: Channel | None
    line: int | None
    event: FeedbackReceived | None = None
    rejected: Rejected | None = None


class Preparer:
    """The pure part of intake, bound to an installation."""

    def __init__(self, tenant: str, secret: bytes, names: topics.Names, clock: Clock) -> None:
        self._tenant = tenant
        self._secret = secret
        self._clock = clock
        self._accepted = names.of(topics.FEEDBACK_RECEIVED)
        self._letters = names.of(topics.DEAD_LETTERS)

    @property
    def topics(self) -> list[str]:
        """Names of the topics that are written."""
        return [self._accepted, self._letters]

    def prepare(self, raw: Raw, door: Door) -> Prepared:
        """Return what to write for ``raw``; never raises for what a sender sent."""
        now = self._clock.now_ms()
        try:
            return self._feedback(raw, door, now)
        except Rejected as rejected:
            return self._dead_letter(raw, door, rejected, now)
        except Poison as poison:
            too_large = Rejected(Refusal.TOO_LARGE, poison.detail)
            return self._dead_letter(raw, door, too_large, now)

    def _feedback(self, raw: Raw, door: Door, now: int) -> Prepared:
        item = generic.parse(raw.payload)
        source = _source(item.source, door.source)
        event = build(item, tenant=self._tenant, source=source, secret=self._secret, now=now)
        headers = codec.headers(event, event.feedback_id, ORIGIN)
        record = Record(
            event.feedback_id,
            self._accepted,
            event.record_key.encode(),
            codec.encode(event),
            _traced(headers, door),
        )
        return Prepared(record, event.native_id, event.channel, raw.line, event=event)

    def _dead_letter(self, raw: Raw, door: Door, rejected: Rejected, now: int) -> Prepared:
        """Letters have a deterministic id too: a sender that repeats itself leaves one."""
        native_id, channel = wire.peek(raw.payload)
        detail = rejected.detail
        if len(raw.payload) > MAX_LETTER_BYTES:
            detail += f" (first {MAX_LETTER_BYTES} of {len(raw.payload)} bytes kept)"
        letter = DeadLetter(
            stage="ingest",
            reason=rejected.reason,
            detail=detail,
            at=now,
            value=raw.payload[:MAX_LETTER_BYTES],
            channel=channel,
        )
        text = raw.payload.decode("utf-8", "surrogateescape")
        letter_id = ids.digest(self._tenant, "rejected", door.source, text)
        headers = codec.headers(letter, letter_id, ORIGIN)
        key = ids.record_key(self._tenant, letter_id).encode()
        record = Record(letter_id, self._letters, key, codec.encode(letter), _traced(headers, door))
        return Prepared(record, native_id, channel, raw.line, rejected=rejected)


def _source(stated: str | None, allowed: str) -> str:
    if allowed == ANY_SOURCE:
        return stated or DEFAULT_SOURCE
    if stated in {None, allowed}:
        return allowed
    raise Rejected(Refusal.FOREIGN_SOURCE, f"source: this key may write {allowed!r} only")


def _traced(headers: codec.Headers, door: Door) -> codec.Headers:
    if door.traceparent:
        headers.append(("traceparent", door.traceparent))
    return headers
