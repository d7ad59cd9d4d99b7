"""An aiohttp server that can stop listening first, and that cuts connections which only sit there.

aiohttp never ends a connection that sends its headers slowly or not at all; the sweep does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

IDLE_S = 30.0
LINGER_S = 2.0
BACKLOG = 1_024
_MAX_HEADER_BYTES = 16_384


class Drain:
    """Counts the requests in progress; a process that is about to stop lets them end.

    ``connections`` are those on which a request arrived, see ``Server``.
    """

    def __init__(self) -> None:
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

    @contextmanager
    def counting(self, request: web.Request) -> Iterator[None]:
        """Count a request while it is in progress."""
        self.in_progress += 1
        self.connections.add(request.protocol)
        try:
            yield
        finally:
            self.in_progress -= 1

    def ended(self, response: web.StreamResponse) -> None:
        """Close the connection behind an answer while draining; the last one ends the wait."""
        if self.draining:
            if not self.in_progress:
                self._idle.set()
            response.force_close()


class Server:
    """Serves ``app``; ``port`` is what it got.

    Args:
        asked: connections on which a request arrived; whoever handles requests adds to it.
    """

    def __init__(
        self,
        app: web.Application,
        host: str,
        port: int,
        asked: set[RequestHandler],
        idle_s: float = IDLE_S,
    ) -> None:
        self._asked = asked
        self.host = host
        self._idle_s = idle_s
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            auto_decompress=False,
            keepalive_timeout=idle_s,
            lingering_time=LINGER_S,
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
            shutdown_timeout=1.0,
        )
        self._site: web.TCPSite | None = None
        self._sweeping: asyncio.Task[None] | None = None
        self.port = port

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address is taken or not ours.
        """
        await self._runner.setup()
        self._site = web.TCPSite(self._runner, self.host, self.port, backlog=BACKLOG)
        await self._site.start()
        self.port = int(self._runner.addresses[0][1])
        self._sweeping = asyncio.create_task(self._sweep())

    async def stop_listening(self) -> None:
        """Accept no more connections; those that are open stay."""
        if self._site is not None:
            await self._site.stop()
            self._site = None

    async def stop(self) -> None:
        """Close everything."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        await self._runner.cleanup()

    async def _sweep(self) -> None:
        """Cut connections that have not brought a single request between two sweeps."""
        silent: set[RequestHandler] = set()
        while True:
            await asyncio.sleep(self._idle_s)
            server = self._runner.server
            connections = set() if server is None else set(server.connections)
            self._asked &= connections
            for connection in (silent & connections) - self._asked:
                if connection.transport is not None:
                    connection.transport.abort()
            silent = connections - self._asked
