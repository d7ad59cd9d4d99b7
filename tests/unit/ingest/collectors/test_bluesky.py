"""The stream of Bluesky: batches, positions, drops, deletions; against a server on this machine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType, web
from structlog.testing import capture_logs

from services.ingest.collectors import bluesky
from services.ingest.collectors.page import Busy, Page
from shared.errors import Transient
from shared.events import Operation
from tests.unit.ingest.collectors.platform import Platform, cursors, platform, read, run, texts

NOW_US = 1_750_000_000_000_000
SECOND = 1_000_000


def _event(number: int, text: str = "the rail was late", **fields: Any) -> str:
    """Return an event ``number`` seconds before now."""
    record = {"text": text, "createdAt": "2025-06-15T15:00:00Z"}
    commit = {
        "rev": f"r{number}",
        "operation": "create",
        "collection": "app.bsky.feed.post",
        "rkey": f"k{number}",
        "record": record,
    } | fields
    at = NOW_US - number * SECOND
    return json.dumps({"did": "did:plc:abc", "time_us": at, "kind": "commit", "commit": commit})


def _gone(number: int, rkey: str) -> str:
    return _event(number, operation="delete", rkey=rkey)


class Server:
    """Sends what it holds from the cursor on, then does as told."""

    def __init__(self, *frames: str | bytes, then: str = "wait") -> None:
        self.frames: Sequence[str | bytes] = frames
        self.then = then
        self.status = 101
        self.closed = asyncio.Event()
        self.queries: list[dict[str, list[str]]] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        assert request.path == "/subscribe"
        query = {name: request.query.getall(name) for name in request.query}
        self.queries.append(query)
        if self.status != 101:
            return web.Response(status=self.status, headers={"Retry-After": "9"})
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        start = int(query.get("cursor", ["0"])[0])
        for frame in self.frames:
            if isinstance(frame, bytes):
                await socket.send_bytes(frame)
            elif "time_us" not in frame or json.loads(frame)["time_us"] >= start:
                await socket.send_str(frame)
        if self.then == "drop":
            assert request.transport is not None
            request.transport.abort()
        elif self.then == "close":
            await socket.close(code=1012)
        else:
            async for message in socket:
                assert message.type is not WSMsgType.ERROR
        self.closed.set()
        return socket


def _with(server: Server, scenario: Callable[[Platform], Any]) -> None:
    async def whole() -> None:
        async with platform(server) as stand:
            await scenario(stand)

    run(whole)


def _collector(stand: Platform, **options: str) -> Any:
    given = {"keywords": "rail"} | options
    return stand.collector("bluesky", (), **given)


def test_frames_come_as_pages_and_the_connection_is_let_go() -> None:
    frames = [_event(500 - number, f"rail {number}") for number in range(450)]
    server = Server(*frames)

    async def scenario(stand: Platform) -> None:
        pages = await read(_collector(stand), None, lambda found: len(texts(found)) == 450)
        assert texts(pages) == [f"rail {number}" for number in range(450)]
        assert max(len(page.delivery.items) for page in pages) == bluesky.BATCH
        assert pages[-1].cursor == str(NOW_US - 51 * SECOND)
        assert server.queries == [
            {"wantedCollections": ["app.bsky.feed.post"], "maxMessageSizeBytes": ["1000000"]}
        ]
        await asyncio.wait_for(server.closed.wait(), 5)

    _with(server, scenario)


@pytest.mark.parametrize("how", ["drop", "close"])
def test_after_a_drop_it_goes_on_a_little_earlier_and_nothing_is_missing(how: str) -> None:
    server = Server(*(_event(number) for number in (30, 29, 28)), then=how)

    async def scenario(stand: Platform) -> None:
        collector = _collector(stand)
        found: list[Page] = []

        def note(pages: list[Page]) -> bool:
            found[:] = pages
            return False

        with pytest.raises(Transient, match=r"ended|failed"):
            await read(collector, None, note)
        ids = {item.native_id for page in found for item in page.delivery.items}
        position = found[-1].cursor
        assert position == str(NOW_US - 28 * SECOND)
        server.frames = [_event(number) for number in (30, 29, 28, 27, 26)]
        server.then = "wait"
        again = await read(collector, position, lambda pages: "k26" in _rkeys(pages))
        ids |= {item.native_id for page in again for item in page.delivery.items}
        assert len(ids) == 5
        assert server.queries[1]["cursor"] == [str(NOW_US - 33 * SECOND)]

    _with(server, scenario)


def _rkeys(pages: list[Page]) -> list[str]:
    return [item.native_id.rsplit("/", 1)[1] for page in pages for item in page.delivery.items]


def test_what_is_not_for_us_moves_the_position_only() -> None:
    server = Server(_event(9, "a trailer"), _event(8, collection="app.bsky.feed.like"))

    async def scenario(stand: Platform) -> None:
        pages = await read(_collector(stand), None, cursors(2))
        assert texts(pages) == []
        assert pages[-1].cursor == str(NOW_US - 8 * SECOND)

    _with(server, scenario)


def test_a_frame_that_cannot_be_read_costs_only_itself() -> None:
    frames: list[str | bytes] = [
        "{",
        b"\xff\xfe",
        "[1, 2]",
        _event(5),
        '{"did": 7}',
        _event(-3_600),
        _event(4),
    ]
    server = Server(*frames)

    async def scenario(stand: Platform) -> None:
        pages = await read(_collector(stand), None, lambda found: len(texts(found)) == 3)
        unfit = [part.payload for page in pages for part in page.delivery.unfit]
        assert unfit == [b"{", b"\xff\xfe", b"[1, 2]", b'{"did": 7}']
        assert pages[-1].cursor == str(NOW_US)  # not an hour ahead

    _with(server, scenario)


def test_deletions_of_what_was_taken_are_told_apart_from_all_others() -> None:
    server = Server(_event(20), _gone(19, "k999"), _gone(18, "k20"))

    async def scenario(stand: Platform) -> None:
        pages = await read(_collector(stand), None, lambda found: len(texts(found)) == 2)
        items = [item for page in pages for item in page.delivery.items]
        assert [item.op for item in items] == [Operation.CREATE, Operation.DELETE]
        assert items[0].native_id == items[1].native_id
        # Another process, later: what was taken is remembered outside.
        server.frames = [_gone(10, "k998"), _gone(9, "k20")]
        pages = await read(_collector(stand), None, lambda found: len(texts(found)) == 1)
        assert [item.op for page in pages for item in page.delivery.items] == [Operation.DELETE]

    _with(server, scenario)


def test_while_redis_is_away_deletions_wait_and_the_position_too() -> None:
    server = Server(_event(20))

    async def scenario(stand: Platform) -> None:
        away = True
        real = stand.taken.known

        async def known(ids: Sequence[str]) -> frozenset[str]:
            if away:
                raise Transient("redis")
            return await real(ids)

        await read(_collector(stand), None, cursors(2))
        stand.taken.known = known  # type: ignore[method-assign]
        server.frames = [_event(12, "rail again"), _gone(11, "k20")]
        collector = _collector(stand, authors="did:plc:abc did:plc:def")

        def back(pages: list[Page]) -> bool:
            nonlocal away
            away = len(pages) < 2
            return len(texts(pages)) == 2

        monkey = bluesky.SILENCE_S
        bluesky.SILENCE_S = 0.3
        try:
            pages = await read(collector, None, back)
        finally:
            bluesky.SILENCE_S = monkey
        cursors_told = [page.cursor for page in pages]
        assert cursors_told == [str(NOW_US), None, str(NOW_US - 11 * SECOND)]
        assert server.queries[-1]["wantedDids"] == ["did:plc:abc", "did:plc:def"]

    _with(server, scenario)


def test_silence_of_the_whole_network_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bluesky, "SILENCE_S", 0.1)

    async def scenario(stand: Platform) -> None:
        with pytest.raises(Transient, match="nothing came"):
            await read(_collector(stand), None, cursors(2))
        beats = await read(
            _collector(stand, authors="did:plc:abc"), None, lambda pages: len(pages) == 2
        )
        assert [page.cursor for page in beats] == [str(NOW_US), None]

    _with(Server(), scenario)


def test_a_frame_that_is_too_large_ends_the_connection() -> None:
    async def scenario(stand: Platform) -> None:
        with pytest.raises(Transient, match="ended"):
            await read(_collector(stand), None, cursors(2))

    _with(Server("x" * 1_100_000), scenario)


@pytest.mark.parametrize(("status", "kind"), [(401, Transient), (429, Busy), (500, Transient)])
def test_no_stream(status: int, kind: type[Transient]) -> None:
    server = Server()
    server.status = status

    async def scenario(stand: Platform) -> None:
        with pytest.raises(kind) as caught:
            await read(_collector(stand), None, cursors(2))
        if isinstance(caught.value, Busy):
            assert caught.value.retry_after_s == 9

    _with(server, scenario)


def test_a_gap_is_reported_and_a_strange_position_begins_anew() -> None:
    server = Server(_event(5))

    async def scenario(stand: Platform) -> None:
        with capture_logs() as logs:
            await read(_collector(stand), str(NOW_US - 90_000 * SECOND), cursors())
        assert [entry["event"] for entry in logs] == ["items may have been missed"]
        await read(_collector(stand), "strange", cursors(2))
        assert "cursor" not in server.queries[-1]

    _with(server, scenario)


def test_the_session_time_out_does_not_end_the_stream() -> None:
    server = Server(_event(5))

    async def scenario(stand: Platform) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.5)) as brief:
            stand.session = brief
            collector = _collector(stand, authors="did:plc:abc")
            loop = asyncio.get_running_loop()
            end = loop.time() + 1.5
            original = bluesky.SILENCE_S
            bluesky.SILENCE_S = 0.2
            try:
                await read(collector, None, lambda _: loop.time() > end)
            finally:
                bluesky.SILENCE_S = original

    _with(server, scenario)
