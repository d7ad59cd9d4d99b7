"""Which items of a source were taken: of a public stream, only their deletions are of interest."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import suppress

import msgspec

from services.ingest.channels.item import Item
from services.ingest.channels.provider import Delivery
from services.ingest.collectors.page import Page
from shared.errors import Transient
from shared.ports import Dedupe

CAPACITY = 50_000
MAX_WAITING = 50_000


class Taken:
    """Remembers native ids in Redis, and the latest ones in memory too, should Redis be away.

    What is in doubt (deletions, edits: they have no words to tell by whether they concern us) is let
    through if an item with that id was. While Redis cannot tell, it waits, and the position with it.
    """

    def __init__(self, source: str, store: Dedupe) -> None:
        self._prefix = f"native:{source}:"
        self._store = store
        self._latest: OrderedDict[str, None] = OrderedDict()
        self._waiting: dict[tuple[str, str | None], Item] = {}

    async def page(self, certain: Delivery, doubtful: Iterable[Item], cursor: str | None) -> Page:
        """Return the page of ``certain`` and of those of ``doubtful`` that concern us.

        Raises:
            Transient: too many wait for Redis.
        """
        for item in doubtful:
            self._waiting[item.native_id, item.revision] = item
        items = certain.items
        try:
            items += await self._settled(items)
        except Transient:
            cursor = None
            if len(self._waiting) > MAX_WAITING:
                raise
        if not items:
            return Page(delivery=certain, cursor=cursor)
        native_ids = tuple(dict.fromkeys(item.native_id for item in items))
        return Page(
            delivery=msgspec.structs.replace(certain, items=items),
            cursor=cursor,
            confirm=lambda: self._remember(native_ids),
        )

    async def _settled(self, fresh: Sequence[Item]) -> tuple[Item, ...]:
        if not self._waiting:
            return ()
        known = await self._known({item.native_id for item in self._waiting.values()})
        known |= {item.native_id for item in fresh}
        found = tuple(item for item in self._waiting.values() if item.native_id in known)
        self._waiting.clear()
        return found

    async def _known(self, native_ids: Iterable[str]) -> set[str]:
        found, keys = set[str](), list[str]()
        for native_id in native_ids:
            if native_id in self._latest:
                found.add(native_id)
            else:
                keys.append(self._prefix + native_id)
        if keys:
            known = await self._store.known(keys)
            found.update(key.removeprefix(self._prefix) for key in known)
        return found

    async def _remember(self, native_ids: Sequence[str]) -> None:
        """Remember what is in Kafka now."""
        for native_id in native_ids:
            self._latest[native_id] = None
            self._latest.move_to_end(native_id)
        while len(self._latest) > CAPACITY:
            self._latest.popitem(last=False)
        with suppress(Transient):  # the memory has them
            await self._store.remember([self._prefix + native_id for native_id in native_ids])
