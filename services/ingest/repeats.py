"""Marks what a customer has said before: in other words, on another channel, in the same batch.

Nothing is dropped for it. The mark goes on as repeated contact, which is a reason to hurry.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from services.ingest.channels.normalise import fingerprint
from services.ingest.channels.normalise.near import NEAR, similarity
from services.ingest.prepare import Prepared, Preparer, Said
from shared import ids
from shared.errors import Transient
from shared.events import FeedbackReceived, Flag, Operation, Origin, Repeat, Role
from shared.ports import Contacts

WINDOW_MS = 72 * 3_600_000
MAX_ENTRIES = 5
MAX_KEPT = 320
"""Code points of each text that are remembered: redacted, and enough to know it again."""

_ITEM_DIGITS = 12


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[Said, ...])


class Repeats:
    """Compares items with what their customers said within the last 72 hours."""

    def __init__(self, contacts: Contacts) -> None:
        self._contacts = contacts

    async def mark(self, items: Sequence[Prepared], preparer: Preparer) -> None:
        """Mark the repetitions among ``items``, which are not written yet."""
        asked = [
            (item, event)
            for item in items
            if (event := item.event) is not None and item.identified and _may_repeat(event)
        ]
        if not asked:
            return
        customers = list(dict.fromkeys(event.customer_key for _, event in asked))
        try:
            found = await self._contacts.recent(customers)
        except Transient:
            return  # unmarked is better than late
        said = {customer: _decoded(raw) for customer, raw in zip(customers, found, strict=True)}
        for item, event in asked:
            before = said[event.customer_key]
            entry = self._marked(item, event, before, preparer)
            said[event.customer_key] = item.said = (entry, *before)[:MAX_ENTRIES]

    async def remember(self, items: Sequence[Prepared]) -> None:
        """Remember what was said in ``items``, which Kafka has acknowledged.

        Raises:
            Transient: the store does not answer in time.
        """
        contacts = {
            item.event.customer_key: _encoder.encode(item.said)
            for item in items
            if item.said and item.event is not None
        }
        if contacts:
            await self._contacts.remember(contacts)

    def _marked(
        self, item: Prepared, event: FeedbackReceived, said: tuple[Said, ...], preparer: Preparer
    ) -> Said:
        own = ids.digest(event.tenant, "item", event.source, event.native_id)[:_ITEM_DIGITS]
        text, at, count = event.text[:MAX_KEPT], _time(event), 1
        if repeat := _repeat(text, at, own, said):
            preparer.repeated(item, repeat)
            count = repeat.count
        return Said(event.feedback_id, own, at, count, text)


def _may_repeat(event: FeedbackReceived) -> bool:
    return (
        event.op is Operation.CREATE
        and event.origin is Origin.HUMAN
        and (event.author is None or event.author.role == Role.CUSTOMER)
        and Flag.BACKFILL not in event.flags
        and bool(event.text)
    )


def _time(event: FeedbackReceived) -> int:
    """When it was said, not when it came: history that is read in an hour was not said in one."""
    return event.received_at if event.occurred_at is None else event.occurred_at


def _repeat(text: str, at: int, own: str, said: tuple[Said, ...]) -> Repeat | None:
    """Return what ``text`` repeats. Nothing is computed for who has said nothing else lately."""
    near = [entry for entry in said if entry.item != own and 0 <= at - entry.at <= WINDOW_MS]
    if not near or (print_ := fingerprint(text)) is None:
        return None
    for entry in near:
        other = fingerprint(entry.text)
        if other is None:
            continue
        exact = other.exact == print_.exact
        if exact or similarity(other.sketch, print_.sketch) >= NEAR:
            return Repeat(of=entry.feedback_id, count=entry.count + 1, exact=exact)
    return None


def _decoded(raw: bytes | None) -> tuple[Said, ...]:
    if raw is None:
        return ()
    try:
        return _decoder.decode(raw)
    except msgspec.DecodeError:
        return ()  # written by another version: a hint that is not understood
