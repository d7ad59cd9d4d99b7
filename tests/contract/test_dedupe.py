"""What every dedupe store must do, held against the one in memory and a real Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from deploy.embedded.redis import EmbeddedRedis
from shared.errors import Transient
from shared.ports import Dedupe
from shared.stores.memory_dedupe import MemoryDedupe
from shared.stores.redis_dedupe import RedisDedupe, connect
from shared.stores.redis_rounds import CHUNK, HOLD_OFF_S

TTL_S = 1.0
Scenario = Callable[[Dedupe], Awaitable[None]]
Play = Callable[[Scenario], None]


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.integration)])
def play(request: pytest.FixtureRequest) -> Play:
    """Return a function that runs a scenario against a fresh store."""

    def make() -> Dedupe:
        if request.param == "memory":
            return MemoryDedupe(TTL_S, time.monotonic)
        server: EmbeddedRedis = request.getfixturevalue("redis_server")
        prefix = f"test:{time.monotonic_ns()}:"
        return RedisDedupe(connect(server.url, 2.0), prefix, TTL_S)

    def run(scenario: Scenario) -> None:
        async def main() -> None:
            store = make()
            try:
                await scenario(store)
            finally:
                await store.close()

        asyncio.run(main())

    return run


def test_only_what_was_remembered_is_known(play: Play) -> None:
    async def scenario(store: Dedupe) -> None:
        assert await store.known(["a", "b"]) == frozenset()
        await store.remember(["a"])
        assert await store.known(["a", "b", "a"]) == {"a"}
        assert await store.known(["b"]) == frozenset()

    play(scenario)


def test_nothing_is_fine(play: Play) -> None:
    async def scenario(store: Dedupe) -> None:
        await store.remember([])
        assert await store.known([]) == frozenset()

    play(scenario)


def test_remembering_twice_is_safe(play: Play) -> None:
    async def scenario(store: Dedupe) -> None:
        await store.remember(["a", "a"])
        await store.remember(["a"])
        assert await store.known(["a"]) == {"a"}

    play(scenario)


def test_more_than_one_command_holds(play: Play) -> None:
    async def scenario(store: Dedupe) -> None:
        keys = [str(number) for number in range(CHUNK * 2 + 5)]
        await store.remember(keys[::2])
        assert await store.known(keys) == set(keys[::2])

    play(scenario)


def test_callers_at_the_same_time_get_their_own_answers(play: Play) -> None:
    async def scenario(store: Dedupe) -> None:
        await store.remember([str(number) for number in range(0, 200, 2)])
        asked = [[str(number), "x"] for number in range(200)]
        answers = await asyncio.gather(*(store.known(keys) for keys in asked))
        for number, answer in enumerate(answers):
            assert answer == ({str(number)} if number % 2 == 0 else frozenset())

    play(scenario)


def test_a_caller_that_gives_up_harms_nobody(play: Play) -> None:
    async def scenario(store: Dedupe) -> None:
        await store.remember(["a"])
        impatient = asyncio.create_task(store.known(["a"]))
        patient = asyncio.create_task(store.known(["a"]))
        await asyncio.sleep(0)
        impatient.cancel()
        assert await patient == {"a"}

    play(scenario)


def test_ids_are_forgotten_after_the_retention(play: Play) -> None:
    async def scenario(store: Dedupe) -> None:
        await store.remember(["a"])
        await asyncio.sleep(TTL_S + 0.2)
        assert await store.known(["a"]) == frozenset()
        await store.remember(["a"])
        assert await store.known(["a"]) == {"a"}

    play(scenario)


def test_the_memory_has_bounds() -> None:
    async def scenario() -> None:
        store = MemoryDedupe(60.0, time.monotonic, capacity=2)
        await store.remember(["a", "b", "c"])
        assert await store.known(["a", "b", "c"]) == {"b", "c"}

    asyncio.run(scenario())


@pytest.mark.integration
def test_a_redis_that_is_away_says_so_at_once_and_comes_back(tmp_path: Path) -> None:
    health: list[bool] = []

    async def scenario(server: EmbeddedRedis) -> None:
        store = RedisDedupe(connect(server.url, 0.2), "t:", 60.0, health.append)
        await store.remember(["a"])
        server.pause()
        started = time.monotonic()
        for _ in range(20):
            with pytest.raises(Transient):
                await store.known(["a"])
            with pytest.raises(Transient):
                await store.remember(["b"])
        assert time.monotonic() - started < HOLD_OFF_S
        assert not health.pop()
        server.resume()
        await asyncio.sleep(HOLD_OFF_S + 0.1)
        assert await store.known(["a"]) == {"a"}
        assert health.pop()
        server.restart()  # scripts are loaded again
        assert await store.known(["a"]) == {"a"}
        await store.close()

    with EmbeddedRedis(tmp_path / "redis") as server:
        asyncio.run(scenario(server))
