"""Token buckets: how many items a source may bring, or requests a caller may make, per second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Allowance(Protocol):
    """How much is allowed: ``rate`` per second in the long run, ``burst`` at once."""

    @property
    def rate(self) -> float:
        """Per second."""
        ...

    @property
    def burst(self) -> float:
        """At once."""
        ...


class _Bucket:
    __slots__ = ("at", "tokens")

    def __init__(self, tokens: float, at: float) -> None:
        self.tokens = tokens
        self.at = at


class Limits:
    """One bucket a name and process.

    A request is let in while there are tokens left and then charged for all of its items, so the
    balance may become negative: how many there are is known only when they are in memory anyway.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._buckets: dict[str, _Bucket] = {}

    def wait_s(self, name: str, allowed: Allowance) -> float:
        """Return 0 if ``name`` may send now, else the seconds until it may."""
        tokens = self._level(name, allowed).tokens
        return 0.0 if tokens > 0 else (1.0 - tokens) / allowed.rate

    def charge(self, name: str, allowed: Allowance, items: int) -> None:
        """Take ``items`` tokens."""
        self._level(name, allowed).tokens -= items

    def _level(self, name: str, allowed: Allowance) -> _Bucket:
        now = self._monotonic()
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket(allowed.burst, now)
        bucket.tokens = min(allowed.burst, bucket.tokens + (now - bucket.at) * allowed.rate)
        bucket.at = now
        return bucket
