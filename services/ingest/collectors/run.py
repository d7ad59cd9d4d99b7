"""One source, read for ever: pages into Kafka, positions after them, faults waited out or reported."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import cast

import structlog

from services.ingest.channels.provider import Delivery
from services.ingest.collectors.page import Busy, Collector, Page, Refused
from services.ingest.collectors.watermarks import Watermarks
from services.ingest.intake import Intake
from services.ingest.metering import Metering
from services.ingest.outcome import Status
from services.ingest.prepare import Door, Entry
from services.ingest.registry import Configured
from shared.clock import Clock
from shared.errors import Transient
from shared.limits import Limits
from shared.metrics import Metrics

FIRST_BACKOFF_S = 1.0
MAX_BACKOFF_S = 300.0
STORE_EVERY_S = 1.0
LAST_STORE_S = 2.0
SLICE = 500
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Outlet:
    """Where pages go; shared by all sources of a process."""

    intake: Intake
    watermarks: Watermarks
    limits: Limits
    metering: Metering
    metrics: Metrics
    clock: Clock
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Run:
    """Reads one source until it is cancelled or the source refuses."""

    def __init__(
        self, source: Configured, door: Door, collector: Collector, outlet: Outlet
    ) -> None:
        self._source = source
        self._door = door
        self._collector = collector
        self._outlet = outlet
        self._cursor: str | None = None
        self._stored: str | None = None
        self._items = 0
        self._store_at = 0.0
        self._backoff_s = FIRST_BACKOFF_S

    async def forever(self, cursor: str | None, items: int) -> None:
        """Read from ``cursor`` on; return only when the source refuses us."""
        self._cursor = self._stored = cursor
        self._items = items
        up = self._outlet.metrics.source_up.labels(self._source.name)
        try:
            while True:
                try:
                    await self._read()
                    fault, wait = Transient("the source ended its stream"), self._next_backoff()
                except Refused as refused:
                    self._failed("refused", refused)
                    return
                except Transient as error:
                    fault, wait = error, self._next_backoff()
                    if isinstance(error, Busy):
                        wait = max(0.0, error.retry_after_s)
                except Exception as error:  # noqa: BLE001 (a bug in one collector stops no other)
                    _log.exception("collector failed", source=self._source.name)
                    fault, wait = Transient(f"bug: {type(error).__name__}"), MAX_BACKOFF_S
                self._failed("busy" if isinstance(fault, Busy) else "transient", fault)
                await self._outlet.sleep(wait)
        finally:
            up.set(0)
            await self._store_last()

    def position(self) -> tuple[str | None, int]:
        """Return the cursor and the number of items up to which everything is in Kafka."""
        return self._cursor, self._items

    async def _read(self) -> None:
        pages = cast("AsyncGenerator[Page, None]", self._collector.pages(self._cursor))
        async with aclosing(pages):
            async for page in pages:
                await self._take(page)
                self._heard()

    async def _take(self, page: Page) -> None:
        await self._deliver(page.delivery)
        for reason in page.delivery.ignored:
            self._outlet.metering.ignored(self._source.provider.channel, reason)
        moved = page.cursor is not None and page.cursor != self._cursor
        if page.cursor is not None:
            self._cursor = page.cursor  # what is in Kafka is read, whatever comes of confirming it
        await page.confirm()
        if not moved:
            return
        now = asyncio.get_running_loop().time()
        if now >= self._store_at:
            self._store_at = now + STORE_EVERY_S
            await self._store_moved()

    async def _deliver(self, delivery: Delivery) -> None:
        """Return once all of it is durable: a collector has nobody who would send it again."""
        entries: list[Entry] = [*delivery.items, *delivery.unfit]
        backoff_s = FIRST_BACKOFF_S
        while entries:
            name, source = self._source.name, self._source.source
            while (wait := self._outlet.limits.wait_s(name, source)) > 0:
                await self._outlet.sleep(wait)
            now, later = entries[:SLICE], entries[SLICE:]
            results = await self._outlet.intake.take(now, self._door)
            missed = [
                entry
                for entry, result in zip(now, results, strict=True)
                if result.status is Status.UNAVAILABLE
            ]
            self._outlet.limits.charge(name, source, len(now) - len(missed))
            self._items += len(now) - len(missed)
            entries = missed + later
            if missed:
                await self._outlet.sleep(backoff_s * random.uniform(0.5, 1.0))  # noqa: S311
                backoff_s = min(MAX_BACKOFF_S, backoff_s * 2)

    async def _store_moved(self) -> None:
        """Store the position; the first one before more is read, or a death would begin anew.

        A later one that fails is covered by the next: no reason to leave the stream.
        """
        while True:
            try:
                await self._store()
            except Transient as fault:
                if self._stored is not None:
                    return
                self._failed("transient", fault)
                await self._outlet.sleep(STORE_EVERY_S)  # it is Kafka that is away, no platform
            else:
                return

    async def _store(self) -> None:
        if self._cursor is not None and self._cursor != self._stored:
            await self._outlet.watermarks.store(self._source.name, self._cursor, self._items)
            self._stored = self._cursor

    async def _store_last(self) -> None:
        # What lies behind the stored position is read again and recognised.
        with suppress(Transient, TimeoutError):
            await asyncio.shield(asyncio.wait_for(self._store(), LAST_STORE_S))

    def _heard(self) -> None:
        self._backoff_s = FIRST_BACKOFF_S
        self._outlet.metrics.source_up.labels(self._source.name).set(1)
        self._outlet.metering.source_heard(self._source.name, self._outlet.clock.now_ms())

    def _next_backoff(self) -> float:
        """Full jitter on an exponential: many sources of one platform must not return in step."""
        wait = self._backoff_s * random.uniform(0.5, 1.0)  # noqa: S311
        self._backoff_s = min(MAX_BACKOFF_S, self._backoff_s * 2)
        return wait

    def _failed(self, reason: str, fault: Exception) -> None:
        self._outlet.metrics.source_up.labels(self._source.name).set(0)
        self._outlet.metrics.source_errors.labels(self._source.name, reason).inc()
        log = _log.error if reason == "refused" else _log.warning
        log("source cannot be read", source=self._source.name, reason=reason, fault=str(fault))
