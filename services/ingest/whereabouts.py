"""Finds the customer of what does not name one: a recording of a known call, a deletion by id alone,
a bounce, an answer of our own side.

Platforms name the author once and later only the item or its thread. Without this the second half of
a call would be another customer's, a deletion would find no case, and an answer none to count for.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.ingest.channels.identity import identifiers
from services.ingest.channels.item import Item
from services.ingest.channels.normalise.limits import bounded_id
from services.ingest.prepare import GENERIC, Door, Entry, Prepared, Preparer, is_customer
from shared import ids
from shared.errors import Transient
from shared.ports import Contacts


class Whereabouts:
    """Remembers which customer an item and its thread belong to, for the time of retention.

    Only for sources of providers: who writes the product's own form names the author each time.
    """

    def __init__(self, contacts: Contacts) -> None:
        self._contacts = contacts

    async def find(
        self, entries: Sequence[Entry], door: Door, preparer: Preparer
    ) -> dict[int, str]:
        """Return the customer key of those of ``entries``, by place, that do not name theirs."""
        asked = {
            place: _keys(preparer.known_by(entry), entry.thread_id, door.source)
            for place, entry in enumerate(entries)
            if isinstance(entry, Item) and _is_elsewhere(entry, door)
        }
        if not asked:
            return {}
        keys = [key for places in asked.values() for key in places]
        try:
            answers = dict(zip(keys, await self._contacts.recent(keys), strict=True))
        except Transient:
            return {}  # it stands alone then: splitting a customer is better than losing an item
        found: dict[int, str] = {}
        for place, candidates in asked.items():
            customer = next((raw for key in candidates if (raw := answers[key])), None)
            if customer is not None:
                found[place] = customer.decode()
        return found

    async def remember(self, items: Sequence[Prepared]) -> None:
        """Remember whose ``items`` are, which Kafka has acknowledged.

        Raises:
            Transient: the store does not answer in time.
        """
        known: dict[str, bytes] = {}
        for item in items:
            event = item.event
            if event is None or not item.identified or not event.provider:
                continue
            customer = event.customer_key.encode()
            known[_key(event.source, "item", event.native_id)] = customer
            if event.thread_id is not None:
                known[_key(event.source, "thread", event.thread_id)] = customer
        if not known:
            return
        # Who was there first stays: else whoever answers into a thread would take it over.
        keys = list(known)
        taken = await self._contacts.recent(keys)
        fresh = {key: known[key] for key, owner in zip(keys, taken, strict=True) if owner is None}
        if fresh:
            await self._contacts.remember(fresh)


def _is_elsewhere(item: Item, door: Door) -> bool:
    if door.provider == GENERIC:
        return False
    return not (is_customer(item) and identifiers(item, door.source, door.settings.region).known)


def _keys(native_id: str, thread_id: str | None, source: str) -> list[str]:
    keys = [_key(source, "item", native_id)]
    if thread_id is not None:
        keys.append(_key(source, "thread", bounded_id(thread_id)))
    return keys


def _key(source: str, kind: str, value: str) -> str:
    return ids.digest("", kind, source, value)
