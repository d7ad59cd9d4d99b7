"""Reading a request's body within limits of size, time and memory."""

from __future__ import annotations

import asyncio
from collections import Counter

from aiohttp import web

from services.ingest.log import Overloaded
from services.ingest.sources.answers import Refused

BODY_TIMEOUT_S = 10.0


class Bodies:
    """Reads bodies; all that are held at the same time share ``max_bytes`` of memory.

    One ``owner`` may hold half of it: what strangers send to one source before they prove anything
    must not keep the others out.
    """

    def __init__(self, max_bytes: int, timeout_s: float = BODY_TIMEOUT_S) -> None:
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._held: Counter[str] = Counter()

    async def read(self, request: web.Request, limit: int, owner: str = "") -> bytes:
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
            return self._complete(content.read_nowait(), limit, owner)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._collect(request, limit, owner)
        except TimeoutError as error:
            text = f"the body did not arrive within {self._timeout_s:g} s"
            raise Refused(408, "too_slow", text) from error
        except (web.RequestPayloadError, ConnectionError) as error:
            raise Refused(400, "cut_off", "the body ended early") from error

    def release(self, body: bytes, owner: str = "") -> None:
        """Forget a body that ``read`` returned."""
        self._free(len(body), owner)

    def held(self) -> int:
        """Return how many bytes are held."""
        return self._held.total()

    async def _collect(self, request: web.Request, limit: int, owner: str) -> bytes:
        parts: list[bytes] = []
        size = 0
        try:
            while part := await request.content.readany():
                parts.append(part)
                size += len(part)
                self._hold(len(part), size, limit, owner)
            return b"".join(parts)
        except BaseException:
            self._free(size, owner)
            raise

    def _complete(self, body: bytes, limit: int, owner: str) -> bytes:
        try:
            self._hold(len(body), len(body), limit, owner)
        except BaseException:
            self._free(len(body), owner)
            raise
        return body

    def _hold(self, more: int, size: int, limit: int, owner: str) -> None:
        self._held[owner] += more
        if size > limit:
            raise Refused(413, "too_large", f"more than {limit} bytes")
        whole = self._held.total()
        if whole > self._max_bytes or (owner and self._held[owner] > self._max_bytes // 2):
            raise Overloaded(f"{whole} bytes of requests in memory")

    def _free(self, size: int, owner: str) -> None:
        self._held[owner] -= size
        if self._held[owner] <= 0:
            del self._held[owner]
