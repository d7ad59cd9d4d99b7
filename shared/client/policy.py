"""What becomes of a delivery whose body failed: tried again, set aside, or the end of the stream."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Retry(Exception):
    """Raised in a body: give me the same delivery again, in ``after_s`` seconds at the earliest.

    It is obeyed each time; ``delivery.attempt`` tells the body when to raise something else.
    """

    def __init__(self, after_s: float, reason: str = "") -> None:
        super().__init__(reason or f"again in {after_s:g} s")
        self.after_s = after_s


class Park(Exception):
    """Raised in a body: set the delivery aside at once and go on; ``reason`` goes with it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Then(enum.StrEnum):
    """What follows the last try: ``park`` goes on with the next event, ``stop`` raises the error."""

    PARK = "park"
    STOP = "stop"


@dataclass(frozen=True)
class Again:
    """The same delivery is handed over again in ``after_s`` seconds."""

    after_s: float


@dataclass(frozen=True)
class Aside:
    """The delivery is parked."""

    reason: str
    detail: str


@dataclass(frozen=True)
class Raised:
    """The error leaves the body; the delivery is not acknowledged, and comes again after a restart."""


@dataclass(frozen=True)
class OnError:
    """How often and when a failed body is tried again.

    Args:
        retries: further tries after the first; 0 is none.
        first_s: seconds before the first retry; each further one waits twice as long.
        most_s: the longest wait between two tries.
        then: what follows the last one.
    """

    retries: int = 5
    first_s: float = 1.0
    most_s: float = 60.0
    then: Then = Then.PARK

    def judge(self, error: Exception, attempt: int) -> Again | Aside | Raised:
        """Return what becomes of a delivery whose ``attempt``-th body (from 1) raised ``error``."""
        if isinstance(error, Retry):
            return Again(max(0.0, error.after_s))
        if isinstance(error, Park):
            return Aside("parked", error.reason)
        if attempt <= self.retries:
            return Again(self.wait_s(attempt))
        if self.then is Then.STOP:
            return Raised()
        return Aside("failed", f"{type(error).__name__}: {error}")

    def wait_s(self, attempt: int) -> float:
        """Return the seconds after the ``attempt``-th failure (from 1)."""
        doublings = min(attempt - 1, 60)  # beyond, a float has no room
        return float(min(self.most_s, self.first_s * 2**doublings))
