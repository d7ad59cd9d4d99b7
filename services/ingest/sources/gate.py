"""What every web request passes through first and last: counting, draining, time, metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web
from prometheus_client import Histogram

from services.ingest.log import Overloaded
from services.ingest.sources.answers import Refused
from shared.metrics import Metrics
from shared.server import Drain

_log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Gate(Drain):
    """Shared by all web doors of a process."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__()
        self._duration = metrics.http_duration
        self._children: dict[tuple[str, int], Histogram] = {}

    def guarded(self, route: str, handler: Handler) -> Handler:
        """Wrap ``handler`` with what comes before and after every request of ``route``."""

        async def pass_through(request: web.Request) -> web.StreamResponse:
            clock = asyncio.get_running_loop().time
            started = clock()
            with self.counting(request):
                response = await self._answer(route, handler, request)
            self.ended(response)
            self._observe(route, response.status, clock() - started)
            return response

        return pass_through

    async def _answer(
        self, route: str, handler: Handler, request: web.Request
    ) -> web.StreamResponse:
        try:
            if self.draining:
                text = "this process is about to stop; another takes over"
                raise Refused(503, "draining", text)
            return await handler(request)
        except Refused as refused:
            return refused.response()
        except Overloaded as overloaded:
            return Refused(503, "overloaded", str(overloaded)).response()
        except web.HTTPException:
            raise
        except Exception:  # noqa: BLE001 (logged; others go on)
            _log.exception("a request failed", route=route)
            text = "intake failed; the request was not taken"
            return Refused(500, "failed", text).response()

    def _observe(self, route: str, status: int, seconds: float) -> None:
        child = self._children.get((route, status))
        if child is None:
            child = self._children[route, status] = self._duration.labels(route, status)
        child.observe(seconds)
