"""What keeps a paid, remote service from costing too much or being asked in vain."""

from __future__ import annotations

from typing import Final

FAILURES: Final = 5
"""Failures in a row after which nobody asks for a while."""
PAUSE_S: Final = 30.0
DAY_S: Final = 86_400


class DailyCap:
    """Counts requests in stretches of 24 hours.

    Args:
        most: requests that are allowed in each stretch, by this process.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._day = -1
        self._used = 0

    def take(self, now: float) -> bool:
        """Return whether one more request may be sent; ``now`` in seconds of one clock."""
        day = int(now // DAY_S)
        if day != self._day:
            self._day, self._used = day, 0
        if self._used >= self._most:
            return False
        self._used += 1
        return True


class Breaker:
    """Open (nobody asks) after some failures in a row; after a pause a single request tries again."""

    def __init__(self, failures: int = FAILURES, pause_s: float = PAUSE_S) -> None:
        self._most = failures
        self._pause_s = pause_s
        self._failures = 0
        self._shut_until = 0.0

    def allows(self, now: float) -> bool:
        """Return whether a request may be sent; ``now`` in seconds of a clock that never goes back."""
        if self._failures < self._most:
            return True
        if now < self._shut_until:
            return False
        self._shut_until = now + self._pause_s  # this one tries, the others wait for what it finds
        return True

    def succeeded(self) -> None:
        """Note an answer."""
        self._failures = 0

    def failed(self, now: float) -> bool:
        """Note a failure; return whether the breaker has just opened."""
        self._failures += 1
        if self._failures < self._most:
            return False
        self._shut_until = now + self._pause_s
        return self._failures == self._most
