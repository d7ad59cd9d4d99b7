"""Finds the customer of what does not name one: a recording of a known call, a deletion by id alone,
a bounce, an answer of our own side.

Platforms name the author once and later only the item or its thread. Without this the second half of
a call would be another customer's, a deletion would find no case, and an answer none to count for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.ingest.channels.identity import identifiers
from services.ingest.channels.item import Item
from services.ingest.prepare import GENERIC, Door, Entry, Prepared, Preparer, is_customer
from shared import ids
from shared.errors import Transient
from shared.ports import Contacts


class Known:
    """What is known of the customers of a request: from before, and from its own earlier items."""

    def __init__(self, door: Door, preparer: Preparer, before: Mapping[str, str]) -> None:
        self._door = door
        self._preparer = preparer
        self._customers = dict(before)

    def of(self, entry: Entry) -> str | None:
        """Return the customer of an item that does not name its own, None if it does or nobody knows."""
        if not isinstance(entry, Item) or not _is_elsewhere(entry, self._door):
            return None
        keys = _keys(entry, self._door.source, self._preparer)
        return next((found for key in keys if (found := self._customers.get(key))), None)

    def learn(self, item: Prepared) -> None:
        """Take note of an item of the same request."""
        for key, customer in _told(item):
            self._customers.setdefault(key, customer)


class Whereabouts:
    """Remembers which customer an item and its thread belong to, for the time of retention.

    Only for sources of providers: who writes the product's own form names the author each time.
    """

    def __init__(self, contacts: Contacts) -> None:
        self._contacts = contacts

    async def find(self, entries: Sequence[Entry], door: Door, preparer: Preparer) -> Known | None:
        """Return what is known of the customers of ``entries``; None if all name their own."""
        if door.provider == GENERIC:
            return None
        asked = [
            entry for entry in entries if isinstance(entry, Item) and _is_elsewhere(entry, door)
        ]
        if not asked:
            return None
        keys = list(
            dict.fromkeys(key for entry in asked for key in _keys(entry, door.source, preparer))
        )
        try:
            answers = await self._contacts.recent(keys)
        except Transient:
            answers = []  # it stands alone then: splitting a customer is better than losing an item
        before = {key: raw.decode() for key, raw in zip(keys, answers, strict=False) if raw}
        return Known(door, preparer, before)

    async def remember(self, items: Sequence[Prepared]) -> None:
        """Remember whose ``items`` are, which Kafka has acknowledged.

        Raises:
            Transient: the store does not answer in time.
        """
        known = {key: customer.encode() for item in items for key, customer in _told(item)}
        if not known:
            return
        # Who was there first stays: else whoever answers into a thread would take it over.
        keys = list(known)
        taken = await self._contacts.recent(keys)
        fresh = {key: known[key] for key, owner in zip(keys, taken, strict=True) if owner is None}
        if fresh:
            await self._contacts.remember(fresh)


def _told(item: Prepared) -> list[tuple[str, str]]:
    """Return what an item tells about whose it and its thread are."""
    event = item.event
    if event is None or not item.identified or not event.provider:
        return []
    told = [(_key(event.source, "item", event.native_id), event.customer_key)]
    if event.thread_id is not None:
        told.append((_key(event.source, "thread", event.thread_id), event.customer_key))
    return told


def _is_elsewhere(item: Item, door: Door) -> bool:
    return not (is_customer(item) and identifiers(item, door.source, door.settings.region).known)


def _keys(item: Item, source: str, preparer: Preparer) -> list[str]:
    keys = [_key(source, "item", preparer.known_by(item))]
    thread_id = preparer.thread_of(item)
    if thread_id is not None:
        keys.append(_key(source, "thread", thread_id))
    return keys


def _key(source: str, kind: str, value: str) -> str:
    return ids.digest("", kind, source, value)
