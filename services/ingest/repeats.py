"""Marks what a customer has said before: in other words, on another channel, in the same batch.

Nothing is dropped for it. The mark goes on as repeated contact, which is a reason to hurry.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from services.ingest.channels.normalise import Fingerprint, fingerprint
from services.ingest.channels.normalise.near import NEAR, similarity
from services.ingest.prepare import Prepared, Preparer, Said
from shared import ids
from shared.errors import Transient
from shared.events import FeedbackReceived, Operation, Origin, Repeat, Role
from shared.ports import Contacts

WINDOW_MS = 72 * 3_600_000
MAX_ENTRIES = 5
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
            (item, event, print_)
            for item in items
            if (event := item.event) is not None
            and item.identified
            and _may_repeat(event)
            and (print_ := fingerprint(event.text)) is not None
        ]
        if not asked:
            return
        customers = list(dict.fromkeys(event.customer_key for _, event, _ in asked))
        try:
            found = await self._contacts.recent(customers)
        except Transient:
            return  # unmarked is better than late
        said = {customer: _decoded(raw) for customer, raw in zip(customers, found, strict=True)}
        for item, event, print_ in asked:
            entry = self._marked(item, event, print_, said[event.customer_key], preparer)
            recent = (entry, *said[event.customer_key])[:MAX_ENTRIES]
            said[event.customer_key] = recent
            item.said = recent

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
        self,
        item: Prepared,
        event: FeedbackReceived,
        print_: Fingerprint,
        said: tuple[Said, ...],
        preparer: Preparer,
    ) -> Said:
        own = ids.digest(event.tenant, "item", event.source, event.native_id)[:_ITEM_DIGITS]
        before = next((entry for entry in said if _is_near(entry, print_, own, event)), None)
        count = 1
        if before is not None:
            count = before.count + 1
            exact = before.exact == print_.exact
            preparer.repeated(item, Repeat(of=before.feedback_id, count=count, exact=exact))
        return Said(event.feedback_id, own, event.received_at, count, print_.exact, print_.sketch)


def _may_repeat(event: FeedbackReceived) -> bool:
    return (
        event.op is Operation.CREATE
        and event.origin is Origin.HUMAN
        and (event.author is None or event.author.role == Role.CUSTOMER)
    )


def _is_near(entry: Said, print_: Fingerprint, own: str, event: FeedbackReceived) -> bool:
    if entry.item == own or not 0 <= event.received_at - entry.at <= WINDOW_MS:
        return False
    return entry.exact == print_.exact or similarity(entry.sketch, print_.sketch) >= NEAR


def _decoded(raw: bytes | None) -> tuple[Said, ...]:
    if raw is None:
        return ()
    try:
        return _decoder.decode(raw)
    except msgspec.DecodeError:
        return ()  # written by another version: a hint that is not understood
