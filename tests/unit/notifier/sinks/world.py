"""Notifications, and receivers that listen on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ssl import SSLContext
from typing import Any, NamedTuple

from aiohttp import web

from shared import ids
from shared.events import (
    Case,
    CaseEvent,
    CaseEventKind,
    CaseState,
    Cause,
    Channel,
    Clock,
    ClockKind,
    FeedbackRef,
    Insight,
    Kind,
    MessageKind,
    NoReply,
    Notification,
    NotificationKind,
    ReplyDue,
    Severity,
)

T0 = 1_750_000_000_000
TENANT = "acme"
CASE_ID = ids.case_id(TENANT, "c0ffee", "f1")
SECRETS = ("whsec_" + "QUJD" * 8, "whsec_" + "REVG" * 8)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Taken(NamedTuple):
    """A request as a receiver got it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Answers what it is told to, and keeps what came."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.port = 0
        self.taken: list[Taken] = []

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


@asynccontextmanager
async def receiving(
    answer: Handler, host: str = "127.0.0.1", tls: SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """Run a receiver on a free port."""
    receiver = Receiver(host)

    async def take(request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read()
        receiver.taken.append(Taken(request.method, request.path_qs, headers, body))
        return await answer(request)

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", take)
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, 0, ssl_context=tls)
        await site.start()
        receiver.port = runner.addresses[0][1]
        yield receiver
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw(answer: bytes) -> AsyncIterator[Receiver]:
    """Run a server that answers these bytes to whatever comes, and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.write(answer)
        await writer.drain()
        writer.close()

    receiver = Receiver("127.0.0.1")
    server = await asyncio.start_server(serve, receiver.host, 0)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        yield receiver


def saying(status: int, body: str = "", **headers: str) -> Handler:
    """Return a handler that always answers the same; ``_`` in the name of a header is ``-``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=body, headers=named)

    return answer


def case(**fields: Any) -> Case:
    given: dict[str, Any] = {
        "case_id": CASE_ID,
        "tenant": TENANT,
        "record_key": f"{TENANT}:c0ffee",
        "customer_key": "c0ffee",
        "channel": Channel.EMAIL,
        "source": "inbox",
        "severity": Severity.HIGH,
        "kind": Kind.COMPLAINT,
        "state": CaseState.OPEN,
        "opened_at": T0,
        "case_seq": 7,
        "feedback": (said("where is my refund"),),
        "clocks": (
            Clock(
                kind=ClockKind.FIRST_RESPONSE,
                instance="m1",
                target_ms=1,
                started_at=T0,
                due_at=T0 + 3_600_000,
            ),
        ),
    }
    return Case(**(given | fields))


def said(excerpt: str) -> FeedbackRef:
    return FeedbackRef(
        feedback_id="f1",
        channel=Channel.EMAIL,
        severity=Severity.HIGH,
        received_at=T0,
        excerpt=excerpt,
    )


def event(
    of: Case | None = None,
    kind: CaseEventKind = CaseEventKind.ESCALATION_TRIGGERED,
    **fields: Any,
) -> CaseEvent:
    given: dict[str, Any] = {
        "event_id": "e1",
        "kind": kind,
        "case_id": CASE_ID,
        "case_seq": 7,
        "tenant": TENANT,
        "at": T0 + 123,
        "recorded_at": T0 + 124,
        "cause": Cause.FEEDBACK,
        "case": case() if of is None else of,
        "epoch": 2,
        "step": 1,
    }
    return CaseEvent(**(given | fields))


def reply_due(**fields: Any) -> ReplyDue:
    given: dict[str, Any] = {
        "reply_id": "r1",
        "tenant": TENANT,
        "case_id": CASE_ID,
        "record_key": f"{TENANT}:c0ffee",
        "kind": MessageKind.RECEIPT,
        "why": NoReply.NO_WRITER,
        "channel": Channel.OTHER,
        "severity": Severity.CRITICAL,
        "at": T0,
        "due_at": T0 + 900_000,
        "draft": "We are sorry.",
    }
    return ReplyDue(**(given | fields))


def insight(**fields: Any) -> Insight:
    given: dict[str, Any] = {
        "insight_id": "i1",
        "tenant": TENANT,
        "kind": "pattern.confirmed",
        "at": T0,
        "title": "Many speak of one bug",
        "cases": (CASE_ID,),
    }
    return Insight(**(given | fields))


def notification(
    cause: CaseEvent | ReplyDue | Insight | None = None,
    kind: NotificationKind = NotificationKind.PAGE,
    **fields: Any,
) -> Notification:
    of = event() if cause is None else cause
    given: dict[str, Any] = {
        "notification_id": "0123456789abcdef0123456789abcdef",
        "sink": "s1",
        "kind": kind,
        "tenant": TENANT,
        "cause": of,
        "planned_at": T0,
        "case_id": "" if isinstance(of, Insight) else of.case_id,
        "epoch": 2 if kind is NotificationKind.PAGE else None,
    }
    return Notification(**(given | fields))
