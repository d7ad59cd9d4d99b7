from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from shared import probes
from shared.metrics import Metrics
from shared.probes import Check

Client = TestClient[web.Request, web.Application]


def well() -> None:
    return None


def ask(
    scenario: Callable[[Client], Awaitable[None]],
    live: Check = well,
    ready: Sequence[Check] = (well,),
) -> None:
    async def main() -> None:
        registry = CollectorRegistry()
        Metrics(registry).commits.labels("committed").inc(3)
        app = web.Application()
        probes.add_routes(app, registry, live, ready)
        async with TestClient(TestServer(app)) as client:
            await scenario(client)

    asyncio.run(main())


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_all_is_well(path: str) -> None:
    async def scenario(client: Client) -> None:
        answer = await client.get(path)
        assert (answer.status, await answer.text()) == (200, "ok\n")

    ask(scenario)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_head_answers_like_get_without_a_body(path: str) -> None:
    async def scenario(client: Client) -> None:
        answer = await client.head(path)
        assert (answer.status, await answer.read()) == (200, b"")
        assert (await client.post(path)).status == 405

    ask(scenario)


def test_a_stuck_loop_is_not_alive_but_says_why() -> None:
    async def scenario(client: Client) -> None:
        answer = await client.get("/livez")
        assert (answer.status, await answer.text()) == (503, "no progress for 61 s\n")
        assert (await client.head("/livez")).status == 503
        assert (await client.get("/readyz")).status == 200

    ask(scenario, live=lambda: "no progress for 61 s")


def test_readiness_names_all_that_is_waited_for() -> None:
    async def scenario(client: Client) -> None:
        answer = await client.get("/readyz")
        assert (answer.status, await answer.text()) == (503, "no partitions\nno redis\n")
        assert (await client.get("/livez")).status == 200

    ask(scenario, ready=[lambda: "no partitions", well, lambda: "no redis"])


def test_readiness_is_asked_anew_each_time() -> None:
    problems: list[str | None] = [None, "draining", None]

    async def scenario(client: Client) -> None:
        statuses = [(await client.get("/readyz")).status for _ in range(3)]
        assert statuses == [200, 503, 200]

    ask(scenario, ready=[lambda: problems.pop(0)])


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/plain", "text/plain"),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text"),
    ],
)
def test_metrics_come_in_the_format_that_is_asked_for(accept: str, kind: str) -> None:
    async def scenario(client: Client) -> None:
        answer = await client.get("/metrics", headers={"Accept": accept})
        assert answer.content_type == kind
        assert 'tocsin_kafka_commit_total{outcome="committed"} 3.0' in await answer.text()

    ask(scenario)


def test_a_free_port_is_told_and_a_taken_one_is_an_error() -> None:
    async def main() -> None:
        app = web.Application()
        probes.add_routes(app, CollectorRegistry(), well, [well])
        runner, port = await probes.serve(app, "127.0.0.1", 0)
        try:
            async with (
                ClientSession() as session,
                session.get(f"http://127.0.0.1:{port}/livez") as answer,
            ):
                assert answer.status == 200
            with pytest.raises(OSError, match="address already in use"):
                await probes.serve(web.Application(), "127.0.0.1", port)
        finally:
            await runner.cleanup()

    asyncio.run(main())
