"""What came in → the record to write: the feedback, or a dead letter that says why not."""

from __future__ import annotations

import hashlib
import re

import msgspec
import structlog

from services.ingest.channels import generic, wire
from services.ingest.channels.build import Binding, build, content_hash
from services.ingest.channels.identity import Identifiers, identifiers
from services.ingest.channels.item import DERIVED, Item
from services.ingest.channels.normalise import normalise
from services.ingest.channels.normalise.limits import bounded_id
from services.ingest.channels.provider import Settings, Unfit
from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.channels.replying import route_of
from services.ingest.companions import ORIGIN, Companions
from services.ingest.flight import Record
from services.ingest.links import Links, Resolution
from shared import codec, ids, topics
from shared.clock import Clock
from shared.errors import Poison
from shared.events import Channel, FeedbackReceived, Flag, Origin, Repeat, Role
from shared.sealing import Sealer

DEFAULT_SOURCE = "api"
ANY_SOURCE = "*"
GENERIC = "generic"

_CUSTOMERS = frozenset({Role.CUSTOMER, Role.UNKNOWN})
_PEOPLE = frozenset({Origin.HUMAN, Origin.BULK})
_ADDRESS = re.compile(r"[^\s@]@[^\s@]+\.|^(?:tel:|mailto:|\+[0-9])")
_log = structlog.get_logger(__name__)


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
    text: str


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
        self._accepted = names.of(topics.FEEDBACK_RECEIVED)
        self._companions = Companions(tenant, names, self._content_key, self._links, sealer)

    @property
    def topics(self) -> list[str]:
        """Names of the topics that are written."""
        return [self._accepted, *self._companions.topics]

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
            try:
                return self._feedback(item, door, line, now, customer)
            except UnicodeEncodeError:  # half a surrogate pair: no text, and nowhere to be written
                return self._feedback(mended(item), door, line, now, customer)
        except Rejected as rejected:
            unfit = Unfit.of(rejected, _payload(entry))
        except Poison as poison:
            unfit = Unfit(Refusal.TOO_LARGE, poison.detail, _payload(entry))
        except Exception as error:  # noqa: BLE001 (one item costs neither its neighbours nor itself)
            _log.exception("intake failed on an item", source=door.source)
            unfit = Unfit(Refusal.FAILED, f"intake failed: {type(error).__name__}", _payload(entry))
        return self._dead_letter(unfit, door, line, now)

    def known_by(self, item: Item) -> str:
        """Return the native id that the event of ``item`` will have."""
        native_id = self._public(item.native_id, item.channel)
        return bounded_id(native_id) or "gen:" + self._keyed(item.text)

    def thread_of(self, item: Item) -> str | None:
        """Return the thread id that the event of ``item`` will have."""
        if item.thread_id is None:
            return None
        return bounded_id(self._public(item.thread_id, item.channel)) or None

    def repeated(self, prepared: Prepared, repeat: Repeat) -> None:
        """Mark ``prepared``, which is not written yet, as a repetition."""
        if prepared.event is not None:
            prepared.event = msgspec.structs.replace(prepared.event, repeat=repeat)
            prepared.record.rewrite(codec.encode(prepared.event))

    def _feedback(
        self, item: Item, door: Door, line: int | None, now: int, customer: str | None
    ) -> Prepared:
        source = _source(item.source, door.source)
        item = self._with_public_ids(item)
        who = identifiers(item, source, door.settings.region)
        own = ids.customer_key(self._secret, who.primary)
        resolution = self._resolve(own, who) if customer is None else Resolution(customer)
        found = normalise(item, door.settings)
        flags = door.flags if not resolution.conflict else (*door.flags, Flag.IDENTITY_CONFLICT)
        raw, original = self._companions.original(item.original, now)
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
            extra=(
                *original,
                *self._companions.routes(route_of(item, event, who.primary), event),
                *self._companions.identity(event, resolution),
            ),
            dedupe_s=door.dedupe_s,
        )

    def _with_public_ids(self, item: Item) -> Item:
        native_id, thread_id, revision = self.known_by(item), self.thread_of(item), item.revision
        if revision is not None and revision.startswith(DERIVED):
            revision = self._keyed(revision)
        if item.call is not None:
            call_id = self._public(item.call.call_id, item.channel)
            if call_id != item.call.call_id:
                call = msgspec.structs.replace(item.call, call_id=call_id)
                item = msgspec.structs.replace(item, call=call)
        if (native_id, thread_id, revision) == (item.native_id, item.thread_id, item.revision):
            return item
        return msgspec.structs.replace(
            item, native_id=native_id, thread_id=thread_id, revision=revision
        )

    def _public(self, value: str, channel: Channel) -> str:
        """Return an id as it may go everywhere.

        One that was derived from unredacted words, or is an address or a number itself, is hashed
        under our key: it could be found by trying. The ids of mails only look like addresses.
        """
        if value.startswith(DERIVED) or (channel is not Channel.EMAIL and _ADDRESS.search(value)):
            return self._keyed(value)
        return value

    def _resolve(self, own: str, who: Identifiers) -> Resolution:
        if not self._links and len(who.verified) < 2:
            return Resolution(own)
        keys = [ids.customer_key(self._secret, verified) for verified in who.verified]
        return self._links.resolve(own, keys)

    def _dead_letter(self, unfit: Unfit, door: Door, line: int | None, now: int) -> Prepared:
        native_id, channel = wire.peek(unfit.payload)
        record = self._companions.rejected(unfit, channel, door.source, now)
        _traced(record.headers, door)
        rejected = Rejected(unfit.reason, unfit.detail)
        return Prepared(record, native_id, channel, line, rejected=rejected, dedupe_s=door.dedupe_s)

    def _keyed(self, value: str) -> str:
        return hashlib.blake2b(
            value.encode("utf-8", "surrogatepass"), digest_size=16, key=self._content_key
        ).hexdigest()


def is_customer(item: Item) -> bool:
    """Tell whether a customer wrote ``item``: neither our own side nor a machine."""
    return item.role in _CUSTOMERS and item.origin in _PEOPLE


def mended(item: Item) -> Item:
    """Return ``item`` without halves of surrogate pairs, which no encoding can hold."""
    return msgspec.convert(_mended(msgspec.to_builtins(item)), Item, strict=False)


def _mended(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list | tuple):
        return [_mended(element) for element in value]
    if isinstance(value, dict):
        return {_mended(name): _mended(element) for name, element in value.items()}
    return value


def _payload(entry: Raw | Item) -> bytes:
    """Return the bytes to keep of what was rejected."""
    if isinstance(entry, Raw):
        return entry.payload
    return entry.original or msgspec.json.encode(mended(entry))


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
