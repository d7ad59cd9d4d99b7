"""The HTTP door over a real socket, with intake's outside in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from services.ingest.registry import Registry
from services.ingest.sources.body import Bodies
from services.ingest.sources.gate import Gate
from services.ingest.sources.http import HttpDoor
from services.ingest.sources.keys import Callers, Keys
from shared import config
from shared.limits import Limits
from shared.server import Server

Make = Callable[..., bytes]
SINGLE, BATCH = "/v1/feedback", "/v1/feedback:batch"


class Site:
    """A door that is open."""

    def __init__(
        self, gate: Gate, bodies: Bodies, server: Server, session: aiohttp.ClientSession
    ) -> None:
        self.gate = gate
        self.bodies = bodies
        self.server = server
        self.session = session

    async def post(self, path: str, data: Any, **headers: str) -> tuple[int, dict[str, Any]]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"http://127.0.0.1:{self.server.port}{path}"
        async with self.session.post(url, data=data, headers=named) as answer:
            return answer.status, await answer.json()


@asynccontextmanager
async def _site(
    rig: Any, limits: config.Ingest | None = None, idle_s: float = 30.0, body_s: float = 10.0
) -> AsyncIterator[Site]:
    limits = limits or config.Ingest()
    gate, bodies = Gate(rig.metrics), Bodies(limits.max_in_flight_bytes, body_s)
    app = web.Application()
    callers = Callers(Keys(limits.keys), Registry(Path(limits.sources_file)))
    rates = Limits(rig.clock.monotonic)
    HttpDoor(rig.intake(), callers, rates, limits, bodies).add_routes(app, gate)
    server = Server(app, "127.0.0.1", 0, gate.connections, idle_s)
    await server.start()
    async with aiohttp.ClientSession() as session:
        yield Site(gate, bodies, server, session)
    await server.stop()


def test_single_items(rig: Any, item: Make) -> None:
    async def scenario() -> None:
        async with _site(rig) as site:
            status, answer = await site.post(SINGLE, item())
            assert (status, answer["status"]) == (202, "accepted")
            status, again = await site.post(SINGLE, item())
            assert (status, again["status"]) == (200, "duplicate")
            assert answer["feedback_id"] == again["feedback_id"]
            assert (await site.post(SINGLE, b"{"))[0] == 400
            status, answer = await site.post(SINGLE, item(rating=7))
            assert (status, answer["reason"], answer["id"]) == (422, "bad_value", "1")
            assert answer["detail"] == "rating: 7 is not within 1 to 5"
            assert answer["dead_letter"]

    asyncio.run(scenario())
    assert (
        rig.metric("tocsin_http_request_duration_seconds_count", route="feedback", status="202")
        == 1
    )


def test_a_batch_answers_every_line(rig: Any, item: Make) -> None:
    async def scenario() -> None:
        async with _site(rig) as site:
            lines = [item(id="1"), b"nonsense", item(id="1"), item(id="2")]
            status, answer = await site.post(BATCH, b"\n".join(lines))
            assert status == 202
            words = [result["status"] for result in answer["results"]]
            assert words == ["accepted", "rejected", "duplicate", "accepted"]
            assert answer["results"][1]["line"] == 2
            assert (answer["accepted"], answer["duplicate"], answer["rejected"]) == (2, 1, 1)
            status, answer = await site.post(BATCH, b"[" + b",".join(lines[2:]) + b"]")
            assert (status, answer["duplicate"]) == (200, 2)
            assert (await site.post(BATCH, b"[{}, "))[0] == 400

    asyncio.run(scenario())


def test_keys_guard_the_door(rig: Any, item: Make) -> None:
    async def scenario() -> None:
        limits = config.Ingest(keys="crm:sesame")
        async with _site(rig, limits) as site:
            status, answer = await site.post(SINGLE, item())
            assert (status, answer["reason"]) == (401, "unauthorized")
            assert (await site.post(SINGLE, item(), Authorization="Bearer nope"))[0] == 401
            assert (await site.post(SINGLE, item(), Authorization="Bearer sesame"))[0] == 202
            foreign = await site.post(SINGLE, item(source="x"), Authorization="Bearer sesame")
            assert foreign[0] == 403

    asyncio.run(scenario())
    assert [record.topic for record in rig.log.records] == ["feedback.received", "dead-letters"]


def test_limits_of_size_time_and_encoding(rig: Any, item: Make) -> None:
    async def slowly(parts: list[bytes], pause_s: float) -> AsyncIterator[bytes]:
        for part in parts:
            yield part
            await asyncio.sleep(pause_s)

    async def scenario() -> None:
        limits = config.Ingest(max_body_bytes=1000, max_batch_items=2)
        async with _site(rig, limits, body_s=0.3) as site:
            assert (await site.post(SINGLE, b"x" * 1001))[0] == 413
            assert (await site.post(SINGLE, slowly([b"x" * 600] * 2, 0.0)))[0] == 413
            status, answer = await site.post(BATCH, b"{}\n{}\n{}")
            assert (status, answer["detail"]) == (413, "3 items, at most 2 in one batch")
            for coding in ("gzip", "br", "identity, gzip"):
                assert (await site.post(SINGLE, b"x", Content_Encoding=coding))[0] == 415
            assert (await site.post(SINGLE, slowly([b"x"] * 20, 0.1)))[0] == 408
            assert (await site.post(SINGLE, slowly([item()], 0.0)))[0] == 202
            assert site.bodies.held() == 0

    asyncio.run(scenario())


def test_memory_for_bodies_is_bounded(rig: Any, item: Make) -> None:
    async def scenario() -> None:
        async with _site(rig, config.Ingest(max_in_flight_bytes=200)) as site:
            status, answer = await site.post(SINGLE, item(text="x" * 300))
            assert (status, answer["reason"]) == (503, "overloaded")
            assert (await site.post(SINGLE, item()))[0] == 202

    asyncio.run(scenario())


def test_draining_finishes_what_it_has_and_turns_the_rest_away(rig: Any, item: Make) -> None:
    async def scenario() -> None:
        async with _site(rig) as site:
            rig.log.hold = True
            pending = asyncio.create_task(site.post(SINGLE, item()))
            await asyncio.sleep(0.1)
            assert site.gate.in_progress == 1
            drained = asyncio.create_task(site.gate.drain(5.0))
            await asyncio.sleep(0.05)
            status, answer = await site.post(SINGLE, item(id="2"))
            assert (status, answer["reason"]) == (503, "draining")
            assert not drained.done()
            rig.log.release()
            assert (await pending)[0] == 202
            await drained

    asyncio.run(scenario())


def test_connections_that_ask_nothing_are_cut(rig: Any) -> None:
    async def scenario() -> None:
        async with _site(rig, idle_s=0.1) as site:
            reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
            writer.write(b"POST /v1/feedback HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            await writer.drain()
            with suppress(ConnectionResetError):
                assert await asyncio.wait_for(reader.read(), 2.0) == b""
            writer.close()

    asyncio.run(scenario())


def test_a_configured_source_has_a_key_a_limit_and_a_switch(
    rig: Any, item: Make, tmp_path: Path
) -> None:
    path = tmp_path / "sources.toml"
    path.write_text(
        '[sources.crm]\nprovider = "generic"\nsecrets = ["the-new-key", "the-old-key"]\n'
        'rate = 0.1\nburst = 2\n[sources.off]\nprovider = "generic"\npaused = true\n'
        'secrets = ["another-key"]\n'
    )

    async def scenario() -> None:
        async with _site(rig, config.Ingest(sources_file=str(path))) as site:
            assert (await site.post(SINGLE, item()))[0] == 401
            for key, status in (("the-new-key", 202), ("the-old-key", 200), ("wrong", 401)):
                answer = await site.post(SINGLE, item(), Authorization=f"Bearer {key}")
                assert answer[0] == status, key
            named = {"Authorization": "Bearer the-new-key"}
            assert (await site.post(SINGLE, item(), **named))[0] == 429
            foreign = {"Authorization": "Bearer another-key"}
            assert (await site.post(SINGLE, item(), **foreign))[0] == 503

    asyncio.run(scenario())
    [record] = rig.log.records
    assert b'"source":"crm"' in record.value
