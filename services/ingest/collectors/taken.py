"""Which items of a source were taken: of a public stream, only their deletions are of interest."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress

from shared.errors import Transient
from shared.ports import Dedupe

CAPACITY = 50_000


class Taken:
    """Remembers native ids in Redis, and the latest ones in memory as well, should Redis be away."""

    def __init__(self, source: str, store: Dedupe) -> None:
        self._prefix = f"native:{source}:"
        self._store = store
        self._latest: OrderedDict[str, None] = OrderedDict()

    async def remember(self, native_ids: Sequence[str]) -> None:
        """Remember items that are in Kafka."""
        for native_id in native_ids:
            self._latest[native_id] = None
            self._latest.move_to_end(native_id)
        while len(self._latest) > CAPACITY:
            self._latest.popitem(last=False)
        with suppress(Transient):  # the memory has them
            await self._store.remember([self._prefix + native_id for native_id in native_ids])

    async def known(self, native_ids: Sequence[str]) -> frozenset[str]:
        """Return those of ``native_ids`` that were taken.

        Raises:
            Transient: of some it cannot be told now.
        """
        found = {native_id for native_id in native_ids if native_id in self._latest}
        keys = [self._prefix + each for each in native_ids if each not in found]
        if keys:
            known = await self._store.known(keys)
            found.update(key.removeprefix(self._prefix) for key in known)
        return frozenset(found)
