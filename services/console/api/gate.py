"""What every request passes through: the token, the rate, problems, time, and the drain."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from services.console.api.problems import Problem
from services.console.api.routes import Label, Route
from services.console.tokens import Caller, Role, Tokens
from shared.errors import Transient
from shared.limits import Limits
from shared.metrics import Metrics
from shared.server import Drain

_log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

NOBODY = Caller("", Role.VIEWER)
UNKNOWN = "unknown"
"""Label of requests to no route."""


@dataclass(frozen=True)
class Pace:
    """How many requests a caller may make: per second, and at once."""

    rate: float
    burst: float


class Gate(Drain):
    """Guards the routes of one process.

    Args:
        rates: the buckets of the callers; ``pace`` is what each may take out.
    """

    def __init__(self, tokens: Tokens, rates: Limits, pace: Pace, metrics: Metrics) -> None:
        super().__init__()
        self._tokens = tokens
        self._rates = rates
        self._pace = pace
        self._duration = metrics.http_duration

    def guarded(self, route: Route) -> Handler:
        """Return the handler of ``route`` behind its token and rate."""

        async def handle(request: web.Request) -> web.StreamResponse:
            if self.draining:
                raise Problem("draining", "another process takes over")
            if route.role is None:
                return await route.handler(request, NOBODY)
            caller = self._admit(request)
            if caller.role < route.role:
                text = f"{caller.name} is {caller.role}; this needs {route.role}"
                raise Problem("not_allowed", text)
            return await route.handler(request, caller)

        return handle

    def middleware(self, labels: Mapping[str, Label]) -> Middleware:
        """Return what all requests pass through; ``labels`` are those of the routes by name."""

        @web.middleware
        async def through(request: web.Request, handler: Handler) -> web.StreamResponse:
            clock = asyncio.get_running_loop().time
            started = clock()
            with self.counting(request):
                response = await _answered(request, handler)
            self.ended(response)
            response.headers.setdefault("Cache-Control", "no-store")
            response.headers["X-Content-Type-Options"] = "nosniff"
            label = labels.get(request.match_info.route.name or "", UNKNOWN)
            self._duration.labels(label, f"{response.status // 100}xx").observe(clock() - started)
            return response

        return through

    def _admit(self, request: web.Request) -> Caller:
        caller = self._tokens.who(request.headers.get("Authorization"))
        if caller is None:
            text = "a valid token is needed: Authorization: Bearer <token>"
            if not self._tokens:
                text = "there are no tokens: set console.tokens to name:role:token"
            raise Problem("unauthorized", text)
        wait_s = self._rates.wait_s(caller.name, self._pace)
        if wait_s > 0:
            raise Problem(
                "rate_limited",
                f"more than {self._pace.rate:g} requests a second",
                headers={"Retry-After": str(math.ceil(wait_s))},
            )
        self._rates.charge(caller.name, self._pace, 1)
        return caller


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Handle a request: whatever goes wrong is answered as a problem."""
    try:
        return await handler(request)
    except Problem as problem:
        return problem.response()
    except Transient as error:
        return Problem("unavailable", str(error)).response()
    except web.HTTPException as error:
        return _told(error)
    except Exception:  # noqa: BLE001 (logged; others go on)
        _log.exception("a request failed", route=request.match_info.route.name)
        return Problem("failed", "the console failed; its log says how").response()


def _told(error: web.HTTPException) -> web.Response:
    """Return what aiohttp found wrong by itself as a problem."""
    if error.status == 404:
        return Problem("unknown_path", "see /api/v1/openapi.json").response()
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return Problem("wrong_method", f"use {allowed}", headers={"Allow": allowed}).response()
    if error.status == 413:
        return Problem("too_large", error.text or "the body is too large").response()
    return Problem("unreadable", error.text or error.reason).response()
