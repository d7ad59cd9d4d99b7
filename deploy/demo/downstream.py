"""Who is told in the demonstration: a system with a web hook, and a customer with a mailbox.

Both are real servers on this machine. The web hook verifies each request as its owner would, by the
secret alone; what it cannot verify it refuses and counts.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.embedded.ports import free_port
from shared import standard_webhooks
from shared.events import CaseEvent, Insight, ReplyDue
from shared.server import Server
from shared.signatures import Unauthentic

MAX_BODY: Final = 1_000_000
START_S: Final = 10.0
HOUSE: Final = "Tocsin Demo"
FROM: Final = "help@demo.example"


class Told(msgspec.Struct, frozen=True):
    """What was told: the event, and which sort of notification it was."""

    type: str
    data: CaseEvent | ReplyDue | Insight


Take = Callable[[Told | None], None]
"""Is told of every web hook; None: one that could not be verified."""


class Downstream:
    """The receivers of one run.

    Args:
        take: called in a thread of the receivers.
        mailed: called for each mail that reaches the customers' mailbox.
    """

    def __init__(self, take: Take, mailed: Callable[[], None]) -> None:
        self._take = take
        self._secret = standard_webhooks.secret(secrets.token_bytes(32))
        self._keys = [standard_webhooks.verifying_key(self._secret.encode())]
        self._mailbox = Controller(_Mailbox(mailed), hostname="127.0.0.1", port=free_port())
        self._loop = asyncio.new_event_loop()
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_post("/hook", self._hook)
        self._server = Server(app, "127.0.0.1", 0, set())
        self._thread = threading.Thread(target=self._loop.run_forever, name="hook", daemon=True)

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result(START_S)
        self._mailbox.start()

    def stop(self) -> None:
        """Let go of the ports."""
        self._mailbox.stop()
        asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result(START_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_S)

    def write_sinks(self, folder: Path) -> Path:
        """Write a file of sinks that leads here, readable by its owner, and return where it is."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "sinks.toml"
        path.touch(mode=0o600)
        path.write_text(
            f"""\
# Written by `tocsin demo`: everybody is told by a web hook, customers by mail, both on this machine.
[sinks.default]
kind = "webhook"
url = "http://127.0.0.1:{self._server.port}/hook"
secrets = ["{self._secret}"]
allow_private = true

[writers.email]
kind = "smtp"
url = "smtp://127.0.0.1:{self._mailbox.port}"
options = {{ from = "{HOUSE} <{FROM}>", thread_secret = "{secrets.token_urlsafe(32)}" }}
""",
            "utf-8",
        )
        return path

    async def _hook(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            standard_webhooks.verify(
                self._keys,
                lambda name: request.headers.get(name, ""),
                body,
                time.time_ns() // 1_000_000,
            )
            told = msgspec.json.decode(body, type=Told)
        except (Unauthentic, msgspec.DecodeError):
            self._take(None)
            return web.Response(status=401)
        self._take(told)
        return web.Response(status=204)


class _Mailbox:
    """The customers' mailbox: takes everything and counts it."""

    def __init__(self, mailed: Callable[[], None]) -> None:
        self._mailed = mailed

    async def handle_DATA(self, _: SMTP, __: Session, ___: Envelope) -> str:  # noqa: N802 (its name in aiosmtpd)
        self._mailed()
        return "250 taken"
