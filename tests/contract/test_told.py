"""What every memory of what was told must do, held against the one in memory and a real Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from deploy.embedded.redis import EmbeddedRedis
from services.notifier.ports import Told
from services.notifier.told import TTL_S, MemoryTold, RedisTold, told
from shared.errors import Transient
from shared.metrics import Metrics
from shared.stores.redis_dedupe import connect
from shared.topics import NOTIFICATIONS

Scenario = Callable[[Told], Awaitable[None]]
Play = Callable[[Scenario], None]


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.integration)])
def play(request: pytest.FixtureRequest) -> Play:
    """Return a function that runs a scenario against a fresh memory."""

    def make() -> MemoryTold | RedisTold:
        if request.param == "memory":
            return MemoryTold(TTL_S, time.monotonic)
        server: EmbeddedRedis = request.getfixturevalue("redis_server")
        namespace = f"test{time.monotonic_ns()}"
        return told(connect(server.url, 2.0), namespace, Metrics(CollectorRegistry()))

    def run(scenario: Scenario) -> None:
        async def main() -> None:
            memory = make()
            try:
                await scenario(memory)
            finally:
                await memory.close()

        asyncio.run(main())

    return run


def test_only_what_was_told_is_known(play: Play) -> None:
    async def scenario(memory: Told) -> None:
        assert await memory.known(["a", "b"]) == frozenset()
        await memory.remember(["a"])
        assert await memory.known(["a", "b", "a"]) == {"a"}
        assert await memory.known([]) == frozenset()
        await memory.remember([])

    play(scenario)


def test_a_replay_is_another_thing_than_what_it_replays(play: Play) -> None:
    async def scenario(memory: Told) -> None:
        await memory.remember(["n1"])
        assert await memory.known(["n1/r1", "n1"]) == {"n1"}

    play(scenario)


def test_remembering_twice_is_safe(play: Play) -> None:
    async def scenario(memory: Told) -> None:
        await memory.remember(["a", "a"])
        await memory.remember(["a"])
        assert await memory.known(["a"]) == {"a"}

    play(scenario)


def test_a_whole_poll_is_one_question(play: Play) -> None:
    async def scenario(memory: Told) -> None:
        ids = [str(number) for number in range(3_000)]
        await memory.remember(ids[::3])
        assert await memory.known(ids) == set(ids[::3])

    play(scenario)


def test_it_is_remembered_for_longer_than_kafka_brings_it() -> None:
    assert NOTIFICATIONS.retention_ms / 1000 < TTL_S


@pytest.mark.integration
def test_each_id_expires_by_itself(redis_server: EmbeddedRedis) -> None:
    async def scenario() -> None:
        client = connect(redis_server.url, 2.0)
        memory = told(client, "own", Metrics(CollectorRegistry()))
        await memory.remember(["a"])
        assert TTL_S - 60 < await client.ttl("own:told:a") <= TTL_S
        assert await told(client, "other", Metrics(CollectorRegistry())).known(["a"]) == frozenset()
        await memory.close()

    asyncio.run(scenario())


@pytest.mark.integration
def test_a_redis_that_is_away_is_transient(tmp_path: Path) -> None:
    async def scenario(server: EmbeddedRedis) -> None:
        metrics = Metrics(CollectorRegistry())
        memory = told(connect(server.url, 0.2), "t", metrics)
        await memory.remember(["a"])
        server.pause()
        with pytest.raises(Transient):
            await memory.known(["a"])
        with pytest.raises(Transient):
            await memory.remember(["b"])
        assert metrics.registry.get_sample_value("tocsin_redis_up") == 0
        server.resume()
        await memory.close()

    with EmbeddedRedis(tmp_path / "redis") as server:
        asyncio.run(scenario(server))
