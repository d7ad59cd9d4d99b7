"""Follows the public stream of Bluesky.

Source: bluesky-social/jetstream, version 1, ``/subscribe``. The cursor is ``time_us``; the public
servers keep more than a day. Servers differ by a little in time, so after a drop the stream is taken up
a few seconds earlier, and what comes twice is recognised.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Literal, NamedTuple, cast

import aiohttp
import structlog

from services.ingest.channels.item import Item
from services.ingest.channels.provider import Delivery, Unfit
from services.ingest.channels.providers import bluesky
from services.ingest.channels.rejection import Rejected
from services.ingest.collectors import options
from services.ingest.collectors.calls import check, faults, retry_after
from services.ingest.collectors.pace import Pace
from services.ingest.collectors.page import Page, Surroundings
from services.ingest.collectors.taken import Taken
from services.ingest.registry import Configured
from shared.errors import Transient

SERVER = "https://jetstream2.us-east.bsky.network"
OVERLAP_US = 5_000_000
BATCH = 200
BATCH_S = 0.2
SILENCE_S = 30.0
"""The whole network is never silent for so long: the connection is dead."""

GAP_S = 5.0
PING_S = 20.0
CLOSE_S = 2.0
MAX_FRAME = 1_000_000
_KEPT_US = 86_400 * 1_000_000
_log = structlog.get_logger(__name__)
Socket = aiohttp.ClientWebSocketResponse[Literal[False]]


class Batch(NamedTuple):
    """What is in some frames: what concerns us, what may, and how far the stream has come."""

    certain: Delivery
    doubtful: Sequence[Item]
    cursors: Sequence[int]


def collector(source: Configured, surroundings: Surroundings) -> Jetstream:
    """Return what follows the stream for ``source``.

    Raises:
        Misconfigured: an option will not do.
    """
    return Jetstream(source, surroundings, options.address(source, "base_url", SERVER))


class Jetstream:
    """Reads frames in batches; the cursor is the ``time_us`` of the last one."""

    def __init__(self, source: Configured, surroundings: Surroundings, base: str) -> None:
        self._source = source
        self._around = surroundings
        self._url = f"{base}/subscribe"
        self._authors = source.settings.listed("authors")
        self._pace = Pace(GAP_S, surroundings.sleep)
        self._taken = Taken(source.name, surroundings.ids)

    async def pages(self, cursor: str | None) -> AsyncGenerator[Page, None]:
        """Yield what concerns us, from a little before ``cursor`` on; None: from now on."""
        start = int(cursor) if cursor and cursor.isascii() and cursor.isdecimal() else None
        reached = start or 0
        await self._pace.wait()
        with faults():
            async with await self._connect(start) as socket:
                now_us = self._around.clock.now_ms() * 1000
                yield Page(cursor=str(now_us) if start is None else None)
                while True:
                    batch = self._batch(await self._frames(socket))
                    # One of the future would make the server skip to the present.
                    now_us = self._around.clock.now_ms() * 1000
                    reached = max([reached, *(min(at, now_us) for at in batch.cursors)])
                    told = str(reached) if reached else None
                    yield await self._taken.page(batch.certain, batch.doubtful, told)

    def _batch(self, frames: Sequence[bytes]) -> Batch:
        items: list[Item] = []
        unfit: list[Unfit] = []
        doubtful: list[Item] = []
        cursors: list[int] = []
        asked: list[str] = []

        def known(uri: str) -> bool:
            asked.append(uri)  # no words tell, as of a deletion: it is looked up later
            return True

        for frame in frames:
            asked.clear()
            try:
                delivery, cursor = bluesky.read_event(frame, self._source.settings, known)
            except Rejected as rejected:
                unfit.append(Unfit.of(rejected, frame))
                continue
            (doubtful if asked else items).extend(delivery.items)
            if cursor is not None:
                cursors.append(cursor)
        return Batch(Delivery(items=tuple(items), unfit=tuple(unfit)), doubtful, cursors)

    async def _connect(self, start: int | None) -> Socket:
        query = [
            ("wantedCollections", bluesky.POSTS),
            ("maxMessageSizeBytes", str(MAX_FRAME)),
            *(("wantedDids", author) for author in self._authors),
        ]
        if start is not None:
            query.append(("cursor", str(max(0, start - OVERLAP_US))))
            if self._around.clock.now_ms() * 1000 - start > _KEPT_US:
                name = self._source.name
                _log.error("items may have been missed", source=name, since=start, why="too old")
        try:
            return await self._around.http.ws_connect(
                self._url,
                params=query,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
                heartbeat=PING_S,
                max_msg_size=MAX_FRAME,
                decode_text=False,
            )
        except aiohttp.WSServerHandshakeError as error:
            stated = error.headers.get("Retry-After", "") if error.headers else ""
            wait = retry_after(stated, self._around.clock.now_ms())
            check(error.status, wait, frozenset())  # it asks for no token: nothing lasts for ever
            raise Transient(f"no WebSocket: status {error.status}") from error

    async def _frames(self, socket: Socket) -> Sequence[bytes]:
        """Return the frames that come within a moment of the first one."""
        clock = asyncio.get_running_loop().time
        try:
            frames = [await _receive(socket, SILENCE_S)]
        except TimeoutError:
            if self._authors:  # a few people may well be silent; the pings were answered
                return []
            raise Transient(f"nothing came for {SILENCE_S:g} s") from None
        until = clock() + BATCH_S
        while len(frames) < BATCH and (left := until - clock()) > 0:
            try:
                frames.append(await _receive(socket, left))
            except (TimeoutError, Transient):  # that it has ended is told again by the next call
                break
        return frames


async def _receive(socket: Socket, timeout_s: float) -> bytes:
    """Return the content of the next frame.

    Raises:
        TimeoutError: none comes in time.
        Transient: the stream has ended; the message says how.
    """
    message = await socket.receive(timeout_s)
    if message.type in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}:
        return cast("bytes", message.data)
    raise Transient(f"the stream has ended ({message.type.name.lower()})")
