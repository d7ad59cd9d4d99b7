"""Platforms on this machine, in a thread of their own: streams like Jetstream, feeds, an instance."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter, defaultdict
from typing import Any

from aiohttp import web

from deploy.embedded.ports import free_port

TOKEN = "token-1"


class Wire:
    """Everything is under ``/<name>/…``; ``readers`` counts who is connected to which stream."""

    def __init__(self) -> None:
        self.port = free_port()
        self.readers: Counter[str] = Counter()
        self.cursors: dict[str, list[int | None]] = defaultdict(list)
        self.token = TOKEN
        self._events: dict[str, list[tuple[int, str]]] = defaultdict(list)
        self._reviews: dict[str, list[str]] = defaultdict(list)
        self._last_us = 0
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        assert self._up.wait(10)

    def stop(self) -> None:
        """Let go of everything."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(10)

    def base(self, name: str) -> str:
        """Return the address of a platform."""
        return f"http://127.0.0.1:{self.port}/{name}"

    def post(self, name: str, *texts: str) -> None:
        """Have posts written, now."""

        def write() -> None:
            for text in texts:
                self._last_us = max(time.time_ns() // 1_000, self._last_us + 1)
                self._events[name].append((self._last_us, _commit(text, self._last_us)))

        self._loop.call_soon_threadsafe(write)

    def review(self, name: str, *texts: str) -> None:
        """Have reviews written, now."""
        self._loop.call_soon_threadsafe(self._reviews[name].extend, texts)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_get("/{name}/subscribe", self._subscribe)
        app.router.add_get("/{name}/de/rss/{rest:.*}", self._feed)
        app.router.add_get("/{name}/api/v1/streaming/user", self._stream)
        app.router.add_get("/{name}/api/v1/{rest:.*}", self._nothing)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        self._up.set()
        await self._ended.wait()
        await runner.cleanup()

    async def _subscribe(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        cursor = int(request.query["cursor"]) if "cursor" in request.query else None
        self.cursors[name].append(cursor)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.readers[name] += 1
        reading = asyncio.create_task(_until_closed(socket))
        events = self._events[name]
        at = len(events)
        if cursor is not None:
            at = next((n for n, (us, _) in enumerate(events) if us >= cursor), at)
        try:
            while not reading.done():
                while at < len(events):
                    await socket.send_str(events[at][1])
                    at += 1
                await asyncio.wait([reading], timeout=0.02)
        except ConnectionError:
            pass
        finally:
            reading.cancel()
            self.readers[name] -= 1
        return socket

    async def _feed(self, request: web.Request) -> web.Response:
        now = int(time.time())
        entries = [
            {
                "id": {"label": text},
                "content": {"label": text},
                "im:rating": {"label": "1"},
                "updated": {"label": str(now)},
            }
            for text in reversed(self._reviews[request.match_info["name"]])
        ]
        return web.json_response({"feed": {"entry": entries}})

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if request.headers["Authorization"] != f"Bearer {self.token}":
            return web.json_response({"error": "The access token was revoked"}, status=401)
        name = request.match_info["name"]
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        self.readers[name] += 1
        at = len(self._events[name])
        try:
            while request.headers["Authorization"] == f"Bearer {self.token}":
                for us, text in self._events[name][at:]:
                    at += 1
                    status = {
                        "id": str(us),
                        "content": json.loads(text)["commit"]["record"]["text"],
                    }
                    await response.write(f"event: update\ndata: {json.dumps(status)}\n\n".encode())
                await response.write(b":thump\n")
                await asyncio.sleep(0.05)
        except ConnectionError:
            pass
        finally:
            self.readers[name] -= 1
        return response

    async def _nothing(self, request: web.Request) -> web.Response:
        return web.json_response([])


async def _until_closed(socket: web.WebSocketResponse) -> None:
    async for _ in socket:
        pass


def _commit(text: str, at_us: int) -> str:
    commit: dict[str, Any] = {
        "rev": str(at_us),
        "operation": "create",
        "collection": "app.bsky.feed.post",
        "rkey": f"k{at_us}",
        "record": {"text": text},
    }
    return json.dumps({"did": "did:plc:a", "time_us": at_us, "kind": "commit", "commit": commit})
