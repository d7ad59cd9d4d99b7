"""Token buckets: how many items a source may bring per second."""

from __future__ import annotations

from collections.abc import Callable

from services.ingest.registry import Source


class _Bucket:
    __slots__ = ("at", "tokens")

    def __init__(self, tokens: float, at: float) -> None:
        self.tokens = tokens
        self.at = at


class Limits:
    """One bucket a source and process.

    A request is let in while there are tokens left and then charged for all of its items, so the
    balance may become negative: how many there are is known only when they are in memory anyway.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._buckets: dict[str, _Bucket] = {}

    def wait_s(self, name: str, source: Source) -> float:
        """Return 0 if ``name`` may send now, else the seconds until it may."""
        tokens = self._level(name, source).tokens
        return 0.0 if tokens > 0 else (1.0 - tokens) / source.rate

    def charge(self, name: str, source: Source, items: int) -> None:
        """Take ``items`` tokens."""
        self._level(name, source).tokens -= items

    def _level(self, name: str, source: Source) -> _Bucket:
        now = self._monotonic()
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket(source.burst, now)
        bucket.tokens = min(source.burst, bucket.tokens + (now - bucket.at) * source.rate)
        bucket.at = now
        return bucket
