"""A platform on this machine, and what a collector needs to read it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

import aiohttp
from aiohttp import web

from services.ingest.channels import providers
from services.ingest.channels.provider import Credentials, Settings
from services.ingest.collectors import kinds
from services.ingest.collectors.page import Collector, Page, Surroundings
from services.ingest.registry import Configured, Source
from shared.clock import ManualClock
from shared.stores.memory_dedupe import MemoryDedupe

DEADLINE_S = 10.0
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Naps:
    """Sleeps that only yield, and are noted."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        await asyncio.sleep(0)


class Platform:
    """Its address, what it was asked, and collectors that read it."""

    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self.base = base
        self.session = session
        self.asked: list[web.Request] = []
        self.naps = Naps()
        self.clock = ManualClock()
        self.taken = MemoryDedupe(3600.0, self.clock.monotonic)

    def surroundings(self) -> Surroundings:
        return Surroundings(self.session, self.clock, self.naps, self.taken)

    def source(self, provider: str, secrets: tuple[str, ...] = (), **options: str) -> Configured:
        found = providers.load()[provider]
        given = {"base_url": self.base} | options
        given = {name: value for name, value in given.items() if name in found.options}
        return Configured(
            "it",
            Source(provider=provider, secrets=secrets, options=given),
            found,
            Settings(name="it", options=given),
            Credentials(secrets=tuple(secret.encode() for secret in secrets)),
        )

    def collector(self, provider: str, secrets: tuple[str, ...] = (), **options: str) -> Collector:
        return kinds.make(self.source(provider, secrets, **options), self.surroundings())

    def paths(self) -> list[str]:
        return [request.path_qs for request in self.asked]


@asynccontextmanager
async def platform(handler: Handler) -> AsyncIterator[Platform]:
    """Run a platform whose every answer is the handler's."""
    asked: list[web.Request] = []

    async def noted(request: web.Request) -> web.StreamResponse:
        asked.append(request)
        return await handler(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", noted)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        # A connector of its own that keeps nothing: what is left open would be a leak.
        async with aiohttp.ClientSession() as session:
            stand = Platform(f"http://127.0.0.1:{port}", session)
            stand.asked = asked
            yield stand
    finally:
        await runner.cleanup()


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run ``scenario``, which is to end by itself."""
    asyncio.run(asyncio.wait_for(cast("Any", scenario()), 4 * DEADLINE_S))


async def read(
    collector: Collector, cursor: str | None, until: Callable[[list[Page]], bool]
) -> list[Page]:
    """Return the pages from ``cursor`` on, until they are enough; then the stream is closed."""
    found: list[Page] = []

    async def reading() -> None:
        pages = cast("AsyncGenerator[Page, None]", collector.pages(cursor))
        async with aclosing(pages):
            async for page in pages:
                found.append(page)
                await page.confirm()
                if until(found):
                    return

    await asyncio.wait_for(reading(), DEADLINE_S)
    return found


def cursors(number: int = 1) -> Callable[[list[Page]], bool]:
    """Return a condition: so many positions were told."""
    return lambda pages: sum(page.cursor is not None for page in pages) >= number


def texts(pages: list[Page]) -> list[str]:
    """Return the texts of all items, in order."""
    return [item.text for page in pages for item in page.delivery.items]


def answer(tree: object, status: int = 200, **headers: str) -> web.Response:
    """Return JSON."""
    return web.Response(
        status=status,
        body=json.dumps(tree).encode(),
        content_type="application/json",
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )
