"""The notifier's HTTP door: signed call-backs of PagerDuty and Slack."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple, Protocol

import msgspec
import structlog
from aiohttp import web

from services.notifier.callbacks import pagerduty, slack
from services.notifier.callbacks.acting import Acting, Outcome, Told
from services.notifier.callbacks.heard import Door, Heard, Ignored, Malformed
from services.notifier.sinks.slack import escaped
from shared.clock import Clock
from shared.errors import Transient
from shared.limits import Limits
from shared.metrics import Metrics
from shared.server import Drain
from shared.signatures import Unauthentic

MAX_BODY: Final = 256 * 1024
BODY_S: Final = 5.0
AT_ONCE: Final = 64
"""So many requests are held in memory; strangers get no further than that."""

RETRY_S: Final = 5
MAX_NAME: Final = 200

_log = structlog.get_logger(__name__)

Doors = Callable[[str], Door | None]
"""Finds the sink of a name, if there is one now."""


class Replies(Protocol):
    """Changes a message at the platform."""

    async def post(self, door: Door, url: str, body: bytes) -> None:
        """Post JSON to where a proven request says; a failure is logged."""
        ...


class Pace(NamedTuple):
    """How many proven requests a sink may send."""

    rate: float = 20.0
    burst: float = 200.0


class Kind(NamedTuple):
    """How a platform proves itself, and what it says."""

    verify: Callable[[Door, Mapping[str, str], bytes, int], None]
    parse: Callable[[bytes], Heard | Ignored]


KINDS: Final[Mapping[str, Kind]] = {
    "pagerduty": Kind(pagerduty.verify, pagerduty.parse),
    "slack": Kind(slack.verify, slack.parse),
}


class Refused(Exception):
    """Ends a request with a status and a reason; ``retry_after`` in seconds."""

    def __init__(
        self, status: int, reason: str, detail: str, retry_after: int | None = None
    ) -> None:
        super().__init__(detail)
        self._status = status
        self._told = {"status": "refused", "reason": reason, "detail": detail}
        self._headers = {} if retry_after is None else {"Retry-After": str(retry_after)}

    def response(self) -> web.Response:
        """Return it as an answer."""
        return _json(self._told, self._status, self._headers)


class Hooks(Drain):
    """Takes call-backs.

    Args:
        doors: the sinks, by name.
        limits: the buckets of the sinks.
        clock: the real time, which signatures are dated by.
    """

    def __init__(
        self,
        doors: Doors,
        acting: Acting,
        replies: Replies,
        limits: Limits,
        clock: Clock,
        metrics: Metrics,
        pace: Pace = Pace(),  # noqa: B008 (immutable)
    ) -> None:
        super().__init__()
        self._doors = doors
        self._acting = acting
        self._replies = replies
        self._limits = limits
        self._clock = clock
        self._pace = pace
        self._unauthentic = metrics.unauthentic
        self._duration = metrics.http_duration
        self._changing: set[asyncio.Task[None]] = set()

    async def take(self, request: web.Request) -> web.Response:
        """Answer a call-back of ``/hooks/{kind}/{sink}``."""
        kind, name = request.match_info["kind"], request.match_info["sink"]
        if self.draining or self.in_progress > AT_ONCE:
            raise Refused(503, "busy", "try again", RETRY_S)
        platform, door = KINDS.get(kind), self._doors(name)
        if platform is None or door is None or door.kind != kind:
            raise Refused(404, "unknown_sink", f"there is no sink {name!r} of kind {kind!r}")
        body = await _read(request)
        try:
            platform.verify(door, request.headers, body, self._clock.now_ms())
        except Unauthentic as unproven:
            self._unauthentic.labels(kind).inc()
            _log.warning("a call-back is not proven", sink=name, detail=unproven.detail)
            raise Refused(401, "unauthentic", unproven.detail) from unproven
        self._admit(name)
        try:
            heard = platform.parse(body)
        except Malformed as error:
            raise Refused(400, "malformed", str(error)) from error
        if isinstance(heard, Ignored):
            return _json({"status": "ignored", "reason": heard})
        told = await self._acting.acknowledge(door, heard)
        _log.info("call-back", sink=name, case_id=heard.page.case_id, outcome=told.outcome)
        return self._answer(door, heard, told)

    async def close(self) -> None:
        """Let the changes of messages that are under way end."""
        await asyncio.gather(*self._changing, return_exceptions=True)

    def _admit(self, name: str) -> None:
        wait_s = self._limits.wait_s(name, self._pace)
        if wait_s > 0:
            raise Refused(429, "rate_limited", "too many call-backs", math.ceil(wait_s))
        self._limits.charge(name, self._pace, 1)

    def _answer(self, door: Door, heard: Heard, told: Told) -> web.Response:
        if door.kind != "slack":
            return _json({"status": told.outcome, "case_id": heard.page.case_id})
        if heard.reply_to:
            change = self._replies.post(door, heard.reply_to, _message(heard, told))
            task = asyncio.get_running_loop().create_task(change)
            self._changing.add(task)
            task.add_done_callback(self._changing.discard)
        return web.Response()  # what else Slack gets as an answer it does not show

    @web.middleware
    async def through(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Count, time and answer every request, whatever becomes of it."""
        clock = asyncio.get_running_loop().time
        started = clock()
        with self.counting(request):
            response = await _answered(request, handler)
        self.ended(response)
        response.headers["Cache-Control"] = "no-store"
        kind = request.match_info.get("kind", "")
        label = f"hooks_{kind}" if kind in KINDS else "unknown"
        self._duration.labels(label, f"{response.status // 100}xx").observe(clock() - started)
        return response


def make_app(hooks: Hooks) -> web.Application:
    """Return the application: ``POST /hooks/pagerduty/{sink}`` and ``POST /hooks/slack/{sink}``."""
    app = web.Application(client_max_size=MAX_BODY, middlewares=[hooks.through])
    app.router.add_post("/hooks/{kind}/{sink}", hooks.take)

    async def close(_: web.Application) -> None:
        await hooks.close()

    app.on_cleanup.append(close)
    return app


def _message(heard: Heard, told: Told) -> bytes:
    who = told.actor if not told.actor.startswith("integration:") else heard.name or told.actor
    match told.outcome:
        case Outcome.SENT:
            return slack.changed(heard, f"Acknowledged by {escaped(who, MAX_NAME)}.")
        case Outcome.ALREADY:
            return slack.changed(heard, "Somebody has acknowledged this already.")
        case Outcome.STALE:
            return slack.aside("This page is out of date: the case was escalated again since.")
        case Outcome.UNKNOWN:
            return slack.aside("There is no such case any more.")


async def _read(request: web.Request) -> bytes:
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused(415, "encoded", "send it plain")
    try:
        async with asyncio.timeout(BODY_S):
            return await request.read()
    except TimeoutError as error:
        raise Refused(408, "too_slow", f"not within {BODY_S:g} s") from error
    except (web.RequestPayloadError, ConnectionError) as error:
        raise Refused(400, "cut_off", "the body ended early") from error


async def _answered(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refused as refused:
        return refused.response()
    except Transient as error:
        return Refused(503, "unavailable", str(error), RETRY_S).response()
    except web.HTTPException as error:
        return Refused(error.status, "refused", error.reason).response()
    except Exception:  # noqa: BLE001 (logged; others go on)
        _log.exception("a call-back failed")
        return Refused(500, "failed", "see the log").response()


def _json(
    told: Mapping[str, str], status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(told),
        status=status,
        headers=headers,
        content_type="application/json",
    )
