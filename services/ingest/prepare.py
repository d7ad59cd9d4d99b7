"""What came in → the record to write: the feedback, or a dead letter that says why not."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from services.ingest.channels import generic, wire
from services.ingest.channels.build import Binding, build, content_hash
from services.ingest.channels.identity import Identifiers, identifiers
from services.ingest.channels.item import Item
from services.ingest.channels.normalise import normalise
from services.ingest.channels.provider import Settings, Unfit
from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.flight import Record
from services.ingest.links import Links, Resolution
from services.ingest.sealing import MAX_BYTES, Sealer
from shared import codec, ids, topics
from shared.clock import Clock
from shared.errors import Poison
from shared.events import (
    Channel,
    DeadLetter,
    FeedbackReceived,
    Flag,
    IdentityLink,
    Origin,
    Original,
    RawReference,
    Repeat,
    Role,
)

ORIGIN = "tocsin/ingest"
STAGE = "ingest"
DEFAULT_SOURCE = "api"
ANY_SOURCE = "*"
GENERIC = "generic"
CONFLICT = "identity_conflict"
MAX_LETTER_BYTES = MAX_BYTES
"""Of a rejected item so much is kept: base64 makes it a third longer."""

_CUSTOMERS = frozenset({Role.CUSTOMER, Role.UNKNOWN})
_PEOPLE = frozenset({Origin.HUMAN, Origin.BULK})


class Raw(msgspec.Struct, frozen=True):
    """An item as it came in; ``line`` counts from 1 within a batch."""

    payload: bytes
    line: int | None = None


Entry = Raw | Item | Unfit
"""What a door hands over: bytes in the product's own form, or what a channel made of others."""


class Door(msgspec.Struct, frozen=True):
    """What is known about the sender: the source its key may write, and its trace, if any.

    ``dedupe_s`` is how long its ids are remembered (None: the default); ``flags`` go on every item.
    """

    source: str = ANY_SOURCE
    traceparent: bytes = b""
    provider: str = GENERIC
    settings: Settings = Settings(name="")
    flags: tuple[Flag, ...] = ()
    dedupe_s: float | None = None


class Said(msgspec.Struct, frozen=True, array_like=True):
    """One thing that a customer said; ``item`` keeps revisions of it apart from repetitions."""

    feedback_id: str
    item: str
    at: int
    count: int
    exact: str
    sketch: bytes


class Prepared(msgspec.Struct, eq=False):
    """An item ready to be written; ``event`` is None for a rejected one.

    ``extra`` are records that go along: the sealed original, links, a letter about a conflict.
    ``identified``: a customer wrote it, who is somebody and not just this item or thread. ``said`` is
    what to remember of that customer once it is written.
    """

    record: Record
    native_id: str | None
    channel: Channel | None
    line: int | None
    event: FeedbackReceived | None = None
    rejected: Rejected | None = None
    identified: bool = False
    extra: tuple[Record, ...] = ()
    said: tuple[Said, ...] = ()
    dedupe_s: float | None = None


class Preparer:
    """The pure part of intake, bound to an installation."""

    def __init__(
        self,
        tenant: str,
        secret: bytes,
        names: topics.Names,
        clock: Clock,
        links: Links | None = None,
        sealer: Sealer | None = None,
    ) -> None:
        self._tenant = tenant
        self._secret = secret
        self._content_key = hashlib.blake2b(
            secret, digest_size=32, person=b"tocsin-content"
        ).digest()
        self._clock = clock
        self._links = Links() if links is None else links
        self._sealer = sealer
        self._accepted = names.of(topics.FEEDBACK_RECEIVED)
        self._letters = names.of(topics.DEAD_LETTERS)
        self._originals = names.of(topics.FEEDBACK_ORIGINALS)
        self._linked = names.of(topics.IDENTITY_LINKS)

    @property
    def topics(self) -> list[str]:
        """Names of the topics that are written."""
        return [self._accepted, self._letters, self._originals, self._linked]

    def prepare(self, entry: Entry, door: Door, customer: str | None = None) -> Prepared:
        """Return what to write for ``entry``; never raises for what a sender sent.

        ``customer`` is whose it is known to be, though it does not say so itself.
        """
        now = self._clock.now_ms()
        line = entry.line if isinstance(entry, Raw) else None
        if isinstance(entry, Unfit):
            return self._dead_letter(entry, door, line, now)
        try:
            item = generic.parse(entry.payload) if isinstance(entry, Raw) else entry
            return self._feedback(item, door, line, now, customer)
        except Rejected as rejected:
            return self._dead_letter(Unfit.of(rejected, _payload(entry)), door, line, now)
        except Poison as poison:
            unfit = Unfit(Refusal.TOO_LARGE, poison.detail, _payload(entry))
            return self._dead_letter(unfit, door, line, now)

    def repeated(self, prepared: Prepared, repeat: Repeat) -> None:
        """Mark ``prepared``, which is not written yet, as a repetition."""
        if prepared.event is not None:
            prepared.event = msgspec.structs.replace(prepared.event, repeat=repeat)
            prepared.record.rewrite(codec.encode(prepared.event))

    def _feedback(
        self, item: Item, door: Door, line: int | None, now: int, customer: str | None
    ) -> Prepared:
        source = _source(item.source, door.source)
        who = identifiers(item, source, door.settings.region)
        own = ids.customer_key(self._secret, who.primary)
        resolution = self._resolve(own, who) if customer is None else Resolution(customer)
        found = normalise(item, door.settings)
        flags = door.flags if not resolution.conflict else (*door.flags, Flag.IDENTITY_CONFLICT)
        raw, original = self._original(item, now)
        binding = Binding(
            tenant=self._tenant,
            source=source,
            customer_key=resolution.customer_key,
            content=content_hash(item, own, self._content_key),
            now=now,
            provider="" if door.provider == GENERIC else door.provider,
            flags=flags,
            raw=raw,
        )
        event = build(found, binding)
        key = event.record_key.encode()
        headers = codec.headers(event, event.feedback_id, ORIGIN)
        value = codec.encode(event)
        record = Record(event.feedback_id, self._accepted, key, value, _traced(headers, door))
        return Prepared(
            record,
            event.native_id,
            event.channel,
            line,
            event=event,
            identified=who.known and is_customer(item),
            extra=(*original, *self._identity_records(event, resolution)),
            dedupe_s=door.dedupe_s,
        )

    def _resolve(self, own: str, who: Identifiers) -> Resolution:
        if not self._links and len(who.verified) < 2:
            return Resolution(own)
        keys = [ids.customer_key(self._secret, verified) for verified in who.verified]
        return self._links.resolve(own, keys)

    def _identity_records(self, event: FeedbackReceived, found: Resolution) -> list[Record]:
        """Return the links that this item proves, or the letter about what does not fit."""
        records = []
        for alias in found.aliases:
            self._links.add(alias, found.customer_key)
            link = IdentityLink(
                alias=alias,
                customer_key=found.customer_key,
                at=event.received_at,
                feedback_id=event.feedback_id,
            )
            link_id = ids.digest(self._tenant, "link", alias)
            headers = codec.headers(link, link_id, ORIGIN)
            records.append(
                Record(link_id, self._linked, alias.encode(), codec.encode(link), headers)
            )
        if found.conflict:
            others = ", ".join(found.conflict)
            letter = DeadLetter(
                stage=STAGE,
                reason=CONFLICT,
                detail=f"verified identifiers belong to {found.customer_key} and to {others}",
                at=event.received_at,
                channel=event.channel,
                feedback_id=event.feedback_id,
                copy=True,
            )
            records.append(self._letter_record(letter, CONFLICT, event.feedback_id, []))
        return records

    def _original(self, item: Item, now: int) -> tuple[RawReference | None, tuple[Record, ...]]:
        """Return the reference to the untouched message, and the record that keeps it if we may."""
        if item.original is None:
            return None, ()
        digest, size = hashlib.sha256(item.original).hexdigest(), len(item.original)
        if self._sealer is None:
            return RawReference(sha256=digest, size=size), ()
        kept = Original(
            sha256=digest,
            sealed=self._sealer.seal(item.original[:MAX_BYTES]),
            size=size,
            at=now,
            truncated=size > MAX_BYTES,
        )
        original_id = ids.digest(self._tenant, "original", digest)
        headers = codec.headers(kept, original_id, ORIGIN)
        record = Record(original_id, self._originals, digest.encode(), codec.encode(kept), headers)
        return RawReference(sha256=digest, size=size, topic=self._originals), (record,)

    def _dead_letter(self, unfit: Unfit, door: Door, line: int | None, now: int) -> Prepared:
        """Letters have a deterministic id too: a sender that repeats itself leaves one."""
        payload = unfit.payload
        native_id, channel = wire.peek(payload)
        detail = unfit.detail
        if len(payload) > MAX_LETTER_BYTES:
            detail += f" (first {MAX_LETTER_BYTES} of {len(payload)} bytes kept)"
        kept = payload[:MAX_LETTER_BYTES]
        letter = DeadLetter(
            stage=STAGE,
            reason=unfit.reason,
            detail=detail,
            at=now,
            value=kept if self._sealer is None else self._sealer.seal(kept),
            channel=channel,
            sealed=self._sealer is not None,
        )
        text = payload.decode("utf-8", "surrogateescape")
        record = self._letter_record(letter, "rejected", door.source, [text], door)
        rejected = Rejected(unfit.reason, unfit.detail)
        return Prepared(record, native_id, channel, line, rejected=rejected, dedupe_s=door.dedupe_s)

    def _letter_record(
        self,
        letter: DeadLetter,
        kind: str,
        about: str,
        parts: Sequence[str],
        door: Door | None = None,
    ) -> Record:
        letter_id = ids.digest(self._tenant, kind, about, *parts)
        headers = codec.headers(letter, letter_id, ORIGIN)
        key = ids.record_key(self._tenant, letter_id).encode()
        if door is not None:
            headers = _traced(headers, door)
        return Record(letter_id, self._letters, key, codec.encode(letter), headers)


def is_customer(item: Item) -> bool:
    """Tell whether a customer wrote ``item``: neither our own side nor a machine."""
    return item.role in _CUSTOMERS and item.origin in _PEOPLE


def _payload(entry: Raw | Item) -> bytes:
    """Return the bytes to keep of what was rejected."""
    if isinstance(entry, Raw):
        return entry.payload
    return entry.original or msgspec.json.encode(entry)


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
