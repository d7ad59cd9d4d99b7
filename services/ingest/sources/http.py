"""The HTTP door: ``POST /v1/feedback`` and ``POST /v1/feedback:batch``."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from prometheus_client import Histogram

from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.intake import Intake
from services.ingest.log import Overloaded
from services.ingest.prepare import Door, Raw
from services.ingest.sources import answers
from services.ingest.sources.answers import Refused
from services.ingest.sources.batch import split
from services.ingest.sources.body import Bodies
from services.ingest.sources.keys import Keys
from shared import config
from shared.metrics import Metrics

BODY_TIMEOUT_S = 10.0
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

Handler = Callable[[web.Request, Door], Awaitable[web.Response]]


class HttpDoor:
    """Routes, authentication and limits; what an item means is intake's business."""

    def __init__(
        self,
        intake: Intake,
        keys: Keys,
        limits: config.Ingest,
        metrics: Metrics,
        body_timeout_s: float = BODY_TIMEOUT_S,
    ) -> None:
        self._intake = intake
        self._keys = keys
        self._limits = limits
        self._bodies = Bodies(limits.max_in_flight_bytes, body_timeout_s)
        self._duration = metrics.http_duration
        self._children: dict[tuple[str, int], Histogram] = {}
        self.draining = False
        self.in_progress = 0
        self._idle = asyncio.Event()
        self.connections: set[RequestHandler] = set()

    def add_routes(self, app: web.Application) -> None:
        """Mount both routes on ``app``."""
        app.router.add_post("/v1/feedback", self._guarded("feedback", self._single))
        app.router.add_post("/v1/feedback:batch", self._guarded("batch", self._batch))

    def problem(self) -> str | None:
        """Return why no requests should be sent here, None if they should."""
        return "draining" if self.draining else None

    async def drain(self, timeout_s: float) -> None:
        """Turn new requests away; return when those in progress are done, or after ``timeout_s``."""
        self.draining = True
        if self.in_progress:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), timeout_s)

    def _guarded(
        self, route: str, handler: Handler
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Wrap ``handler`` with what comes before and after every request."""

        async def guarded(request: web.Request) -> web.Response:
            clock = asyncio.get_running_loop().time
            started = clock()
            self.in_progress += 1
            self.connections.add(request.protocol)
            try:
                response = await handler(request, self._admit(request))
            except Refused as refused:
                response = refused.response()
            except Overloaded as overloaded:
                response = Refused(503, "overloaded", str(overloaded)).response()
            finally:
                self.in_progress -= 1
            if self.draining:
                if not self.in_progress:
                    self._idle.set()
                response.force_close()
            self._observe(route, response.status, clock() - started)
            return response

        return guarded

    def _admit(self, request: web.Request) -> Door:
        if self.draining:
            raise Refused(503, "draining", "this process is about to stop; another takes over")
        source = self._keys.source_of(request.headers.get("Authorization"))
        if source is None:
            raise Refused(401, "unauthorized", "a valid key is needed: Authorization: Bearer <key>")
        trace = request.headers.get("traceparent", "")
        return Door(source, trace.encode() if _TRACEPARENT.fullmatch(trace) else b"")

    async def _single(self, request: web.Request, door: Door) -> web.Response:
        body = await self._bodies.read(request, self._limits.max_body_bytes)
        try:
            results = await self._intake.take([Raw(body)], door)
        finally:
            self._bodies.release(body)
        return answers.single(results[0])

    async def _batch(self, request: web.Request, door: Door) -> web.Response:
        body = await self._bodies.read(request, self._limits.max_batch_bytes)
        try:
            raws = split(body, request.content_type, self._limits.max_batch_items)
            results = await self._intake.take(raws, door)
        except Rejected as rejected:
            status = 413 if rejected.reason is Refusal.TOO_LARGE else 400
            raise Refused(status, rejected.reason, rejected.detail) from rejected
        finally:
            self._bodies.release(body)
        return answers.batch(results)

    def _observe(self, route: str, status: int, seconds: float) -> None:
        child = self._children.get((route, status))
        if child is None:
            child = self._children[route, status] = self._duration.labels(route, status)
        child.observe(seconds)
