"""A receiver of webhooks that costs next to nothing: it counts them, and tells the count on ``GET``.

Started with ``PORT hang`` it takes connections and never answers.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

_OK = b"HTTP/1.1 204 No Content\r\n\r\n"


class _Counting(asyncio.Protocol):
    """Reads requests one after another; bodies are skipped by their length."""

    count = 0

    def __init__(self, hang: bool) -> None:
        self._hang = hang
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        if self._hang or self._transport is None:
            return
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            if head.startswith(b"get "):
                body = str(_Counting.count).encode()
                answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
                self._transport.write(answer)
                self._buffer = self._buffer[end + 4 :]
                continue
            length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            if len(self._buffer) < end + 4 + length:
                return
            self._buffer = self._buffer[end + 4 + length :]
            _Counting.count += 1
            self._transport.write(_OK)


async def _serve(port: int, hang: bool) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Counting(hang), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), sys.argv[2:] == ["hang"]))
