"""What stands before an attempt: what was told before, the circuit, and whether a page is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from services.notifier.domain import breaker
from services.notifier.metering import Meter
from services.notifier.ports import Now, Result, Standing, Told
from shared.errors import Transient
from shared.events import Notification

ASK_S: Final = 1.0
"""So long an answer about how cases stand is waited for."""
HOLD_OFF_S: Final = 5.0
"""So long nobody is asked again who did not answer."""

log = structlog.get_logger(__name__)


class Circuit:
    """The circuit breaker of one sink. ``now``: a monotonic clock, s."""

    def __init__(self, sink: str, meter: Meter, now: Callable[[], float]) -> None:
        self._sink = sink
        self._meter = meter
        self._now = now
        self._state = breaker.Breaker()

    @property
    def closed(self) -> bool:
        """Tell whether everything passes; else each attempt is a probe."""
        return self._state.closed

    @property
    def opens_at(self) -> float | None:
        """From when on something may pass; None: the probe has to end first."""
        return None if self._state.probing else self._state.until or 0.0

    def may_pass(self) -> bool:
        """Tell whether an attempt may begin."""
        return breaker.may_pass(self._state, self._now())

    def begin(self) -> bool:
        """Begin an attempt that may pass; return whether it is the probe."""
        probe = not self._state.closed
        self._state = breaker.begun(self._state)
        return probe

    def end(self, result: Result, probe: bool) -> bool:
        """Take note of how an attempt ended; return whether the target is back."""
        before = self._state
        self._state = breaker.ended(before, result.fault, self._now(), probe=probe)
        if before.closed == self._state.closed:
            return False
        self._meter.circuit(is_open=before.closed)
        log.warning("circuit", sink=self._sink, open=before.closed, detail=result.detail)
        return self._state.closed


class ToldBefore:
    """Asks what was told before. Without an answer nothing was: better told twice than not at all."""

    def __init__(self, sink: str, told: Told) -> None:
        self._sink = sink
        self._told = told

    async def known(self, ids: Sequence[str]) -> frozenset[str]:
        """Return those of ``ids`` that were told."""
        try:
            return await self._told.known(ids)
        except Transient as error:
            log.warning("what was told before is not known", sink=self._sink, error=str(error))
            return frozenset()


class StillWanted:
    """Asks how cases stand. Who gets no answer pages: better for nothing than not at all."""

    def __init__(self, sink: str, standing: Standing, now: Callable[[], float]) -> None:
        self._sink = sink
        self._standing = standing
        self._now = now
        self._silent_until = 0.0

    async def stale(self, pages: Sequence[Notification]) -> frozenset[str]:
        """Return the ids of those pages that nobody wants any more."""
        if self._now() < self._silent_until:
            return frozenset()
        try:
            cases = {page.case_id for page in pages}
            found = await asyncio.wait_for(self._standing.of(cases), ASK_S)
        except (Transient, TimeoutError) as error:
            self._silent_until = self._now() + HOLD_OFF_S
            log.warning("how cases stand is not known", sink=self._sink, error=repr(error))
            return frozenset()
        return frozenset(
            page.notification_id
            for page in pages
            if (now := found.get(page.case_id)) is not None and _is_stale(page, now)
        )


def _is_stale(page: Notification, now: Now) -> bool:
    """Tell whether a page is not wanted any more; a view that is behind knows less than the page."""
    epoch = now.epoch if page.epoch is None else page.epoch
    return now.epoch > epoch or (now.epoch == epoch and not (now.awaits or now.owes))
