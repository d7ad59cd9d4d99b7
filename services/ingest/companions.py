"""The records that go beside feedback: dead letters, sealed originals, links, routes for answers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import msgspec

from services.ingest.channels.provider import Unfit
from services.ingest.flight import Fate, Record
from services.ingest.links import Links, Resolution
from shared import codec, ids, routes, topics
from shared.events import (
    Channel,
    DeadLetter,
    FeedbackReceived,
    IdentityLink,
    Original,
    RawReference,
    ReplyRoute,
)
from shared.sealing import MAX_BYTES, Sealer

ORIGIN = "tocsin/ingest"
STAGE = "ingest"
CONFLICT = "identity_conflict"
MAX_LETTER_BYTES = MAX_BYTES
"""Of a rejected item so much is kept: base64 makes it a third longer."""

_DIGEST_BYTES = 16


class Companions:
    """Makes them, bound to an installation. Their ids are deterministic: twice is harmless.

    Args:
        key: of the digests of originals; without it, what was redacted could be found by guessing.
    """

    def __init__(
        self, tenant: str, names: topics.Names, key: bytes, links: Links, sealer: Sealer | None
    ) -> None:
        self._tenant = tenant
        self._key = key
        self._links = links
        self._sealer = sealer
        self._letters = names.of(topics.DEAD_LETTERS)
        self._originals = names.of(topics.FEEDBACK_ORIGINALS)
        self._linked = names.of(topics.IDENTITY_LINKS)
        self._routes = names.of(topics.REPLY_ROUTES)

    @property
    def topics(self) -> list[str]:
        """Names of the topics that are written."""
        always = [self._letters, self._originals, self._linked]
        return always if self._sealer is None else [*always, self._routes]

    def rejected(self, unfit: Unfit, channel: Channel | None, source: str, now: int) -> Record:
        """Return the letter of what can never be an item; a sender that repeats itself leaves one."""
        payload, detail = unfit.payload, unfit.detail
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
        return self._letter(letter, ids.digest(self._tenant, "rejected", source, text))

    def original(
        self, original: bytes | None, now: int
    ) -> tuple[RawReference | None, list[Record]]:
        """Return the reference to an untouched message, and the record that keeps it if we may."""
        if original is None:
            return None, []
        size = len(original)
        digest = hashlib.blake2b(original, digest_size=_DIGEST_BYTES, key=self._key).hexdigest()
        if self._sealer is None:
            return RawReference(digest=digest, size=size), []
        kept = Original(
            digest=digest,
            sealed=self._sealer.seal(original[:MAX_BYTES]),
            size=size,
            at=now,
            truncated=size > MAX_BYTES,
        )
        original_id = ids.digest(self._tenant, "original", digest)
        headers = codec.headers(kept, original_id, ORIGIN)
        record = Record(original_id, self._originals, digest.encode(), codec.encode(kept), headers)
        return RawReference(digest=digest, size=size, topic=self._originals), [record]

    def routes(self, route: routes.Route | None, event: FeedbackReceived) -> list[Record]:
        """Return the records by which an item can be answered: in its thread, and at its source at all.

        Without a key nothing is sealed, so nothing is written.
        """
        if route is None or self._sealer is None:
            return []
        kept = routes.seal(route, event.record_key, event.thread_id, self._sealer)
        records = [self._route(kept, event)]
        if event.thread_id is not None:
            latest = routes.route_id(event.record_key, route.source, None)
            kept = msgspec.structs.replace(kept, route_id=latest, thread_id=None)
            records.append(self._route(kept, event))
        return records

    def _route(self, kept: ReplyRoute, event: FeedbackReceived) -> Record:
        record_id = ids.digest(self._tenant, "route", kept.route_id, event.feedback_id)
        headers = codec.headers(kept, record_id, ORIGIN)
        key, owner = kept.route_id.encode(), kept.record_key.encode()
        return Record(record_id, self._routes, key, codec.encode(kept), headers, owner)

    def identity(self, event: FeedbackReceived, found: Resolution) -> list[Record]:
        """Return the links that an item proves, or the letter about what does not fit."""
        records = [self._link(event, alias, found.customer_key) for alias in found.aliases]
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
            letter_id = ids.digest(self._tenant, CONFLICT, event.feedback_id)
            records.append(self._letter(letter, letter_id))
        return records

    def _link(self, event: FeedbackReceived, alias: str, customer_key: str) -> Record:
        link = IdentityLink(
            alias=alias,
            customer_key=customer_key,
            at=event.received_at,
            feedback_id=event.feedback_id,
        )
        link_id = ids.digest(self._tenant, "link", alias)
        headers = codec.headers(link, link_id, ORIGIN)
        record = Record(link_id, self._linked, alias.encode(), codec.encode(link), headers)
        record.on_settled = self._when_written(alias, customer_key)
        return record

    def _when_written(self, alias: str, customer_key: str) -> Callable[[Record], None]:
        """A link counts once Kafka has it: one that others never learn of would split a customer."""

        def settled(record: Record) -> None:
            if record.fate is Fate.WRITTEN:
                self._links.add(alias, customer_key)

        return settled

    def _letter(self, letter: DeadLetter, letter_id: str) -> Record:
        headers = codec.headers(letter, letter_id, ORIGIN)
        return Record(letter_id, self._letters, letter_id.encode(), codec.encode(letter), headers)
