"""What every store of budgets must do: the one in memory and a real Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from deploy.embedded.redis import EmbeddedRedis
from services.notifier.customers.budgets import (
    DAY_MS,
    Budgets,
    Keys,
    Limits,
    MemoryBudgets,
    RedisBudgets,
)
from shared.errors import Transient
from shared.stores.redis_dedupe import connect

NOW = 1_780_000_000_000
KEYS = Keys(b"secret")
Send = Callable[..., Awaitable[str]]
Scenario = Callable[[Send], Awaitable[None]]
Play = Callable[[Scenario], None]


def sender(budgets: Budgets) -> Send:
    """Return a function that claims: id, minutes from now, address, text, once."""

    async def send(
        name: str,
        minutes: float = 0,
        to: str = "ana@x.example",
        text: str | None = None,
        once: str = "",
        limits: Limits = Limits(),  # noqa: B008  it cannot change
    ) -> str:
        at = NOW + int(minutes * 60_000)
        body = f"text of {name}" if text is None else text
        return await budgets.claim(KEYS.claim(name, at, to, body, once), limits)

    return send


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.integration)])
def play(request: pytest.FixtureRequest) -> Play:
    def run(scenario: Scenario) -> None:
        async def main() -> None:
            if request.param == "memory":
                await scenario(sender(MemoryBudgets()))
                return
            server: EmbeddedRedis = request.getfixturevalue("redis_server")
            client = connect(server.url, 2.0)
            try:
                await scenario(sender(RedisBudgets(client, f"test:{time.monotonic_ns()}:")))
            finally:
                await client.aclose()

        asyncio.run(main())

    return run


def test_three_an_hour(play: Play) -> None:
    async def scenario(send: Send) -> None:
        assert [await send(str(n), n) for n in range(3)] == ["", "", ""]
        assert "3 messages within the hour" in await send("3", 3)
        assert await send("other", 3, to="ben@x.example") == ""
        assert "hour" in await send("3", 59.9)
        assert await send("3", 60) == ""
        assert "hour" in await send("4", 60)

    play(scenario)


def test_ten_a_day(play: Play) -> None:
    async def scenario(send: Send) -> None:
        for number in range(10):
            assert await send(str(number), number * 60) == ""
        assert "10 messages within a day" in await send("10", 10 * 60)
        assert "a day" in await send("10", 24 * 60 - 1)
        assert await send("10", 24 * 60) == ""

    play(scenario)


def test_what_was_refused_counts_nothing(play: Play) -> None:
    async def scenario(send: Send) -> None:
        for number in range(3):
            assert await send(str(number)) == ""
        for number in range(3, 20):
            assert await send(str(number))
        assert await send("next", 60) == ""

    play(scenario)


def test_a_retry_costs_nothing_and_is_never_refused(play: Play) -> None:
    async def scenario(send: Send) -> None:
        for _ in range(20):
            assert await send("1", text="same", once="receipt") == ""
        assert await send("2") == ""
        assert await send("3") == ""
        assert await send("1", 1, text="same", once="receipt") == ""
        assert await send("4")

    play(scenario)


def test_the_same_text_goes_out_once_an_hour(play: Play) -> None:
    async def scenario(send: Send) -> None:
        assert await send("1", text="We are sorry.") == ""
        assert "same text" in await send("2", 59, text="We are sorry.")
        assert await send("3", 59, to="ben@x.example", text="We are sorry.") == ""
        assert await send("4", 59, to=" ANA@x.example ") == ""
        assert "same text" in await send("5", 59, to=" ANA@x.example ", text="We are sorry.")

    play(scenario)


def test_what_is_said_once_is_said_once(play: Play) -> None:
    async def scenario(send: Send) -> None:
        assert await send("1", once="receipt of case 1") == ""
        assert "before" in await send("2", 30 * 24 * 60, once="receipt of case 1")
        assert "before" in await send("3", to="other@x.example", once="receipt of case 1")
        assert await send("4", once="receipt of case 2") == ""

    play(scenario)


def test_limits_are_those_of_the_claim(play: Play) -> None:
    async def scenario(send: Send) -> None:
        wide = Limits(per_hour=5, per_day=6)
        found = [await send(str(number), limits=wide) for number in range(6)]
        assert found[:5] == [""] * 5
        assert "5 messages within the hour" in found[5]
        assert await send("x", 60, limits=wide) == ""
        assert "6 messages within a day" in await send("y", 61, limits=wide)

    play(scenario)


def test_at_the_same_time_no_more_get_through(play: Play) -> None:
    async def scenario(send: Send) -> None:
        found = await asyncio.gather(*(send(str(number)) for number in range(50)))
        assert found.count("") == 3

    play(scenario)


def test_nothing_that_names_anybody_is_kept(redis_server: EmbeddedRedis) -> None:
    async def main() -> None:
        client = connect(redis_server.url, 2.0)
        prefix = f"test:{time.monotonic_ns()}:"
        send = sender(RedisBudgets(client, prefix))
        assert await send("n1", once="receipt of acme:c1:123", text="Dear Ana") == ""
        keys = [key async for key in client.scan_iter(f"{prefix}*")]
        assert len(keys) == 3
        for key in keys:
            assert not any(word in key for word in (b"ana", b"acme", b"Dear"))
            assert 0 < await client.pttl(key) <= 45 * DAY_MS
        await client.aclose()

    asyncio.run(main())


def test_without_redis_nothing_is_sent() -> None:
    async def main() -> None:
        client = connect("redis://127.0.0.1:1/0", 0.2)
        with pytest.raises(Transient, match="redis"):
            await sender(RedisBudgets(client, "x:"))("1")
        await client.aclose()

    asyncio.run(main())


def test_another_secret_makes_other_hashes() -> None:
    one = KEYS.claim("n", NOW, "ana@x.example", "text", "once")
    other = Keys(b"other").claim("n", NOW, "ana@x.example", "text", "once")
    assert not set(one[2:]) & set(other[2:])


def test_memory_forgets_what_counts_no_longer() -> None:
    async def main() -> None:
        budgets = MemoryBudgets()
        send = sender(budgets)
        for number in range(50):
            assert await send(f"n{number}", minutes=number * 120, to=f"{number}@x.example") == ""
        assert len(budgets._owners) <= 2
        assert len(budgets._sent) <= 13

    asyncio.run(main())
