"""The only source of time. Domain code is handed ``now``; it never asks.

Policy time may run faster than real time (``tocsin demo --speedup``). The scale applies to the wall
and the monotonic clock alike, so the clock-jump guard stays quiet. All processes of one run share
``epoch_ms``, so their policy times agree.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What the edges need to know about time."""

    def now_ms(self) -> int:
        """Policy time, milliseconds since the Unix epoch, UTC."""
        ...

    def monotonic(self) -> float:
        """Policy seconds on a clock that never goes back."""
        ...

    def real_seconds(self, policy_ms: int) -> float:
        """Return how many real seconds a span of policy milliseconds lasts."""
        ...


class SystemClock:
    """The machine's clock, optionally sped up from ``epoch_ms`` on."""

    def __init__(self, speedup: float = 1.0, epoch_ms: int = 0) -> None:
        self._speedup = speedup
        self._epoch_ms = epoch_ms

    def now_ms(self) -> int:
        """Return the policy time in milliseconds since the Unix epoch."""
        real = time.time_ns() // 1_000_000
        if self._speedup == 1.0:
            return real
        return self._epoch_ms + int((real - self._epoch_ms) * self._speedup)

    def monotonic(self) -> float:
        """Return policy seconds on a clock that never goes back."""
        return time.monotonic() * self._speedup

    def real_seconds(self, policy_ms: int) -> float:
        """Return how many real seconds ``policy_ms`` of policy time last."""
        return policy_ms / 1000.0 / self._speedup


class ManualClock:
    """A clock that tests move by hand."""

    def __init__(self, now_ms: int = 1_750_000_000_000) -> None:
        self._now_ms = now_ms
        self._monotonic = 0.0

    def now_ms(self) -> int:
        """Return the time it was last set to."""
        return self._now_ms

    def monotonic(self) -> float:
        """Return the seconds advanced so far."""
        return self._monotonic

    def real_seconds(self, policy_ms: int) -> float:
        """Return the span in seconds: manual time is real time."""
        return policy_ms / 1000.0

    def advance(self, seconds: float) -> None:
        """Move wall and monotonic time forward together."""
        self._now_ms += int(seconds * 1000)
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Move only the wall clock, as a bad NTP step would."""
        self._now_ms += int(seconds * 1000)
