"""The HTTP door: ``POST /v1/feedback`` and ``POST /v1/feedback:batch``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from aiohttp import web

from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.intake import Intake
from services.ingest.outcome import Result
from services.ingest.prepare import Door, Raw
from services.ingest.registry import Configured, door
from services.ingest.sources import answers
from services.ingest.sources.admission import admit
from services.ingest.sources.answers import Refused
from services.ingest.sources.batch import split
from services.ingest.sources.body import Bodies
from services.ingest.sources.gate import Gate
from services.ingest.sources.keys import Callers
from shared import config
from shared.limits import Limits

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class HttpDoor:
    """The door of the product's own form; what an item means is intake's business."""

    def __init__(
        self,
        intake: Intake,
        callers: Callers,
        rates: Limits,
        limits: config.Ingest,
        bodies: Bodies,
    ) -> None:
        self._intake = intake
        self._callers = callers
        self._rates = rates
        self._limits = limits
        self._bodies = bodies

    def add_routes(self, app: web.Application, gate: Gate) -> None:
        """Mount both routes on ``app``, behind ``gate``."""
        app.router.add_post("/v1/feedback", gate.guarded("feedback", self._single))
        app.router.add_post("/v1/feedback:batch", gate.guarded("batch", self._batch))

    async def _single(self, request: web.Request) -> web.Response:
        caller = self._admit(request)
        body = await self._bodies.read(request, self._limits.max_body_bytes)
        try:
            [result] = await self._take([Raw(body)], caller, request)
        finally:
            self._bodies.release(body)
        return answers.single(result)

    async def _batch(self, request: web.Request) -> web.Response:
        caller = self._admit(request)
        body = await self._bodies.read(request, self._limits.max_batch_bytes)
        try:
            raws = split(body, request.content_type, self._limits.max_batch_items)
            results = await self._take(raws, caller, request)
        except Rejected as rejected:
            status = 413 if rejected.reason is Refusal.TOO_LARGE else 400
            raise Refused(status, rejected.reason, rejected.detail) from rejected
        finally:
            self._bodies.release(body)
        return answers.batch(results)

    def _admit(self, request: web.Request) -> Configured | str:
        caller = self._callers.who(request.headers.get("Authorization"))
        if caller is None:
            raise Refused(401, "unauthorized", "a valid key is needed: Authorization: Bearer <key>")
        if isinstance(caller, Configured):
            admit(caller, self._rates)
        return caller

    async def _take(
        self, raws: Sequence[Raw], caller: Configured | str, request: web.Request
    ) -> list[Result]:
        trace = traceparent(request)
        if isinstance(caller, str):
            return await self._intake.take(raws, Door(caller, trace))
        results = await self._intake.take(raws, door(caller, trace))
        self._rates.charge(caller.name, caller.source, len(raws))
        return results


def traceparent(request: web.Request) -> bytes:
    """Return the W3C trace context of ``request``, empty without a valid one."""
    trace = request.headers.get("traceparent", "")
    return trace.encode() if _TRACEPARENT.fullmatch(trace) else b""
