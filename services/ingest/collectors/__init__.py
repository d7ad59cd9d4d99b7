"""Collectors: sources that have to be asked. Each runs by itself, owned by exactly one process."""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp

from services.ingest.collectors import kinds
from services.ingest.collectors.ownership import Ownership
from services.ingest.collectors.page import Collector, Surroundings
from services.ingest.collectors.run import Outlet
from services.ingest.collectors.supervisor import Supervisor
from services.ingest.collectors.watermarks import Watermarks
from services.ingest.core import Core
from services.ingest.registry import Configured, Registry
from shared.config import Config
from shared.limits import Limits
from shared.metrics import Metrics


class Collectors:
    """All of it as one service of the process."""

    def __init__(
        self, settings: Config, registry: Registry, core: Core, limits: Limits, metrics: Metrics
    ) -> None:
        self._core = core
        watermarks = Watermarks(core.log, core.names, core.clock)
        outlet = Outlet(core.intake, watermarks, limits, core.metering, metrics, core.clock)
        self._supervisor = Supervisor(registry, self._make, outlet)
        self._ownership = Ownership(settings.kafka, core.names, self._supervisor)
        self._http: aiohttp.ClientSession | None = None
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Join the group of those who read sources."""
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
        self._following = asyncio.create_task(self._ownership.run())

    async def drain(self, timeout_s: float) -> None:
        """Stop reading; positions are stored while Kafka is still there."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._supervisor.stop(), timeout_s)

    async def stop(self) -> None:
        """Leave the group, so that another takes over at once."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait([self._following])
        if self._http is not None:
            await self._http.close()

    def _make(self, source: Configured) -> Collector:
        assert self._http is not None  # noqa: S101 (start)
        surroundings = Surroundings(self._http, self._core.clock, asyncio.sleep, self._core.dedupe)
        return kinds.make(source, surroundings)
