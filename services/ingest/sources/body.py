"""Reading a request's body within limits of size, time and memory."""

from __future__ import annotations

import asyncio

from aiohttp import web

from services.ingest.log import Overloaded
from services.ingest.sources.answers import Refused

BODY_TIMEOUT_S = 10.0


class Bodies:
    """Reads bodies; all that are held at the same time share ``max_bytes`` of memory."""

    def __init__(self, max_bytes: int, timeout_s: float = BODY_TIMEOUT_S) -> None:
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._held = 0

    async def read(self, request: web.Request, limit: int) -> bytes:
        """Return the body, whose memory is accounted for until it is given to ``release``.

        Raises:
            Refused: encoded (415), over ``limit`` (413), too slow (408), or cut off (400).
            Overloaded: too many bytes of other requests are held.
        """
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Refused(415, "encoded", "Content-Encoding is not supported: send it plain")
        if (request.content_length or 0) > limit:
            raise Refused(413, "too_large", f"{request.content_length} bytes, at most {limit}")
        content = request.content
        if content.is_eof() and content.exception() is None:  # it came along with the headers
            return self._complete(content.read_nowait(), limit)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._collect(request, limit)
        except TimeoutError as error:
            text = f"the body did not arrive within {self._timeout_s:g} s"
            raise Refused(408, "too_slow", text) from error
        except (web.RequestPayloadError, ConnectionError) as error:
            raise Refused(400, "cut_off", "the body ended early") from error

    def release(self, body: bytes) -> None:
        """Forget a body that ``read`` returned."""
        self._held -= len(body)

    async def _collect(self, request: web.Request, limit: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        try:
            while part := await request.content.readany():
                parts.append(part)
                size += len(part)
                self._hold(len(part), size, limit)
            return b"".join(parts)
        except BaseException:
            self._held -= size
            raise

    def _complete(self, body: bytes, limit: int) -> bytes:
        try:
            self._hold(len(body), len(body), limit)
        except BaseException:
            self._held -= len(body)
            raise
        return body

    def _hold(self, more: int, size: int, limit: int) -> None:
        self._held += more
        if size > limit:
            raise Refused(413, "too_large", f"more than {limit} bytes")
        if self._held > self._max_bytes:
            raise Overloaded(f"{self._held} bytes of requests in memory")
