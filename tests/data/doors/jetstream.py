"""A stream server on the loopback that tells one listener some frames, once, and stays connected."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from aiohttp import web

from deploy.embedded.ports import HOST

START_S = 10.0


class Stream:
    """Serves in a thread of its own; ``told`` is set when somebody was sent everything."""

    def __init__(self, frames: Sequence[bytes]) -> None:
        self.url = ""
        self.told = threading.Event()
        self._frames = frames
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._enough = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        if not self._ready.wait(START_S):
            raise TimeoutError("the stream server does not start")

    def stop(self) -> None:
        """Close the connections and listen no more."""
        self._loop.call_soon_threadsafe(self._enough.set)
        self._thread.join(START_S)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_get("/subscribe", self._subscribed)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, HOST, 0).start()
        self.url = f"http://{HOST}:{runner.addresses[0][1]}"
        self._ready.set()
        await self._enough.wait()
        await runner.cleanup()

    async def _subscribed(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if not self.told.is_set():
            for frame in self._frames:
                await socket.send_str(frame.decode())
            self.told.set()
        async for _ in socket:
            pass
        return socket


@contextmanager
def streaming(frames: Sequence[bytes]) -> Iterator[Stream]:
    """Lend a server of ``frames`` that is running."""
    stream = Stream(frames)
    stream.start()
    try:
        yield stream
    finally:
        stream.stop()
