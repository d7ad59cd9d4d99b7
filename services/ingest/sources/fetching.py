"""Gets items that a request only names. As a service of the process it holds the connections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import aiohttp
import structlog

from services.ingest.channels.provider import Fetch
from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.collectors import google_business
from services.ingest.collectors.calls import Gone
from services.ingest.collectors.page import Busy, Outside, Refused
from services.ingest.registry import Configured
from shared.clock import Clock
from shared.errors import Misconfigured, Transient
from shared.metrics import Metrics

TIMEOUT_S = 9.0
"""For one item, its token included: the provider waits for our answer meanwhile."""

Get = Callable[[str], Awaitable[bytes]]
GETTERS: Mapping[str, Callable[[Configured, Outside], Get]] = {
    "google_business": google_business.getter,
}
_log = structlog.get_logger(__name__)


class Fetcher:
    """Gets items in the name of their sources; whether that works shows in the source's metrics."""

    def __init__(self, clock: Clock, metrics: Metrics) -> None:
        self._clock = clock
        self._metrics = metrics
        self._http: aiohttp.ClientSession | None = None
        self._getters: dict[str, tuple[Configured, Get]] = {}

    async def start(self) -> None:
        """Get ready; nothing connects yet."""
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))

    async def drain(self, timeout_s: float) -> None:
        """Do nothing: requests that wait for an item are drained as requests."""

    async def stop(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.close()

    async def get(self, source: Configured, fetch: Fetch) -> bytes:
        """Return the bytes of the item.

        Raises:
            Rejected: it is not there any more.
            Transient: it cannot be had now. That includes credentials that are turned away: until
                somebody has replaced them, the provider keeps announcing the item.
        """
        try:
            async with asyncio.timeout(TIMEOUT_S):
                body = await self._getter(source)(fetch.url)
        except Gone as gone:
            self._tell(source, up=True)
            raise Rejected(Refusal.MISSING_FIELD, f"the item is gone: {fetch.url}") from gone
        except (Refused, Misconfigured) as error:
            self._tell(source, up=False, reason="refused")
            _log.error("an item cannot be fetched", source=source.name, fault=str(error))
            raise Transient("the source's credentials are turned away") from error
        except (Transient, TimeoutError) as error:
            self._tell(source, up=False, reason="busy" if isinstance(error, Busy) else "transient")
            _log.warning("an item cannot be fetched", source=source.name, fault=str(error))
            raise Transient("the item cannot be fetched now") from error
        self._tell(source, up=True)
        return body

    def _getter(self, source: Configured) -> Get:
        known = self._getters.get(source.name)
        if known is not None and known[0] == source:
            return known[1]
        make = GETTERS.get(source.provider.name)
        if make is None or self._http is None:
            raise Misconfigured(
                f"sources.{source.name}: nothing fetches for {source.provider.name}"
            )
        get = make(source, Outside(self._http, self._clock))
        self._getters[source.name] = (source, get)
        return get

    def _tell(self, source: Configured, *, up: bool, reason: str = "") -> None:
        self._metrics.source_up.labels(source.name).set(up)
        if not up:
            self._metrics.source_errors.labels(source.name, reason).inc()
