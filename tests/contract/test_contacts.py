"""What every store of contacts and nonces must do: the one in memory and a real Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from deploy.embedded.redis import EmbeddedRedis
from shared.errors import Transient
from shared.ports import Contacts, Nonces
from shared.stores.memory_contacts import MemoryContacts, MemoryNonces
from shared.stores.redis_contacts import RedisContacts, RedisNonces
from shared.stores.redis_dedupe import connect
from shared.stores.redis_rounds import CHUNK, HOLD_OFF_S

TTL_S = 1.0
Scenario = Callable[[Contacts, Nonces], Awaitable[None]]
Play = Callable[[Scenario], None]


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.integration)])
def play(request: pytest.FixtureRequest) -> Play:
    """Return a function that runs a scenario against fresh stores."""

    def run(scenario: Scenario) -> None:
        async def main() -> None:
            if request.param == "memory":
                clock = time.monotonic
                await scenario(MemoryContacts(TTL_S, clock), MemoryNonces(TTL_S, clock))
                return
            server: EmbeddedRedis = request.getfixturevalue("redis_server")
            client, prefix = connect(server.url, 2.0), f"test:{time.monotonic_ns()}:"
            try:
                await scenario(
                    RedisContacts(client, prefix + "c:", TTL_S),
                    RedisNonces(client, prefix + "n:", TTL_S),
                )
            finally:
                await client.aclose()

        asyncio.run(main())

    return run


def test_what_was_said_last_replaces_what_was_said_before(play: Play) -> None:
    async def scenario(contacts: Contacts, _: Nonces) -> None:
        assert list(await contacts.recent(["a", "b"])) == [None, None]
        await contacts.remember({"a": b"1"})
        await contacts.remember({"a": b"2", "c": b"3"})
        assert list(await contacts.recent(["a", "b", "c", "a"])) == [b"2", None, b"3", b"2"]
        assert list(await contacts.recent([])) == []

    play(scenario)


def test_many_at_once(play: Play) -> None:
    async def scenario(contacts: Contacts, _: Nonces) -> None:
        said = {str(number): str(number).encode() for number in range(CHUNK * 2 + 1)}
        await contacts.remember(said)
        assert list(await contacts.recent(list(said))) == list(said.values())

    play(scenario)


def test_a_nonce_belongs_to_the_first_body(play: Play) -> None:
    async def scenario(_: Contacts, nonces: Nonces) -> None:
        assert await nonces.claim("n", "one")
        assert await nonces.claim("n", "one")
        assert not await nonces.claim("n", "two")
        assert await nonces.claim("m", "two")

    play(scenario)


def test_all_of_it_is_forgotten_in_time(play: Play) -> None:
    async def scenario(contacts: Contacts, nonces: Nonces) -> None:
        await contacts.remember({"a": b"1"})
        assert await nonces.claim("n", "one")
        deadline = time.monotonic() + 10 * TTL_S
        while (await contacts.recent(["a"]))[0] is not None:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        while not await nonces.claim("n", "two"):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)

    play(scenario)


def test_nobody_waits_long_for_a_redis_that_is_away() -> None:
    async def main() -> None:
        client = connect("redis://127.0.0.1:1/0", 0.2)
        contacts = RedisContacts(client, "c:", TTL_S)
        with pytest.raises(Transient):
            await contacts.recent(["a"])
        started = time.monotonic()
        for _ in range(100):
            with pytest.raises(Transient, match="a moment ago"):
                await contacts.remember({"a": b"1"})
        assert time.monotonic() - started < HOLD_OFF_S
        await client.aclose()

    asyncio.run(main())
