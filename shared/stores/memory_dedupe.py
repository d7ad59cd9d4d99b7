"""Dedupe in the memory of one process: for tests and for installations without Redis."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence


class MemoryDedupe:
    """Forgets after ``ttl_s`` seconds, and the oldest beyond ``capacity``."""

    def __init__(
        self, ttl_s: float, monotonic: Callable[[], float], capacity: int = 1_000_000
    ) -> None:
        self._ttl_s = ttl_s
        self._monotonic = monotonic
        self._capacity = capacity
        self._expiry: OrderedDict[str, float] = OrderedDict()

    async def known(self, ids: Sequence[str]) -> frozenset[str]:
        """Return those of ``ids`` that are remembered."""
        now = self._monotonic()
        return frozenset(key for key in ids if self._expiry.get(key, 0.0) > now)

    async def remember(self, ids: Sequence[str], ttl_s: float | None = None) -> None:
        """Remember ``ids``; repeating extends the time."""
        now = self._monotonic()
        for key in ids:
            self._expiry[key] = now + (self._ttl_s if ttl_s is None else ttl_s)
            self._expiry.move_to_end(key)
        while self._expiry and self._is_stale(now):
            self._expiry.popitem(last=False)

    async def close(self) -> None:
        """Forget everything."""
        self._expiry.clear()

    def _is_stale(self, now: float) -> bool:
        oldest = next(iter(self._expiry.values()))
        return oldest <= now or len(self._expiry) > self._capacity
