"""What every web request passes through first and last: counting, draining, time, metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from prometheus_client import Histogram

from services.ingest.log import Overloaded
from services.ingest.sources.answers import Refused
from shared.metrics import Metrics

_log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Gate:
    """Shared by all web doors of a process."""

    def __init__(self, metrics: Metrics) -> None:
        self._duration = metrics.http_duration
        self._children: dict[tuple[str, int], Histogram] = {}
        self._idle = asyncio.Event()
        self.draining = False
        self.in_progress = 0
        self.connections: set[RequestHandler] = set()

    def problem(self) -> str | None:
        """Return why no requests should be sent here, None if they should."""
        return "draining" if self.draining else None

    async def drain(self, timeout_s: float) -> None:
        """Turn new requests away; return when those in progress are done, or after ``timeout_s``."""
        self.draining = True
        if self.in_progress:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), timeout_s)

    def guarded(self, route: str, handler: Handler) -> Handler:
        """Wrap ``handler`` with what comes before and after every request of ``route``."""

        async def pass_through(request: web.Request) -> web.StreamResponse:
            clock = asyncio.get_running_loop().time
            started = clock()
            self.in_progress += 1
            self.connections.add(request.protocol)
            try:
                if self.draining:
                    text = "this process is about to stop; another takes over"
                    raise Refused(503, "draining", text)
                response = await handler(request)
            except Refused as refused:
                response = refused.response()
            except Overloaded as overloaded:
                response = Refused(503, "overloaded", str(overloaded)).response()
            except web.HTTPException:
                raise
            except Exception:  # noqa: BLE001 (logged; others go on)
                _log.exception("a request failed", route=route)
                text = "intake failed; the request was not taken"
                response = Refused(500, "failed", text).response()
            finally:
                self.in_progress -= 1
            if self.draining:
                if not self.in_progress:
                    self._idle.set()
                response.force_close()
            self._observe(route, response.status, clock() - started)
            return response

        return pass_through

    def _observe(self, route: str, status: int, seconds: float) -> None:
        child = self._children.get((route, status))
        if child is None:
            child = self._children[route, status] = self._duration.labels(route, status)
        child.observe(seconds)
