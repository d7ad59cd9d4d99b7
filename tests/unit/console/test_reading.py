"""Blocking reads: a few at a time, and none for a request that has been answered."""

from __future__ import annotations

import asyncio
import threading

import pytest

from services.console.api.problems import Problem
from services.console.api.reading import Reading


def test_what_has_not_begun_when_its_request_gives_up_is_never_done() -> None:
    go_on, done = threading.Event(), []

    def slow() -> str:
        go_on.wait(30.0)
        return "slow"

    async def scenario() -> None:
        reading = Reading("test", 1, 0.1)
        late = [reading.run(slow), *(reading.run(lambda: done.append(1)) for _ in range(20))]
        found = await asyncio.gather(*late, return_exceptions=True)
        assert all(isinstance(one, Problem) and one.status == 503 for one in found)
        go_on.set()
        assert await _when_free(reading) == "next"
        assert not done

    asyncio.run(scenario())


async def _when_free(reading: Reading) -> str:
    """Return what the next one reads, once the slow one has given its place back."""
    async with asyncio.timeout(30.0):
        while True:
            try:
                return await reading.run(lambda: "next")
            except Problem:
                continue


def test_what_fails_is_told_and_gives_its_place_back() -> None:
    def fail() -> None:
        raise ValueError("broken")

    async def scenario() -> None:
        reading = Reading("test", 1, 30.0)
        for _ in range(3):
            with pytest.raises(ValueError, match="broken"):
                await reading.run(fail)
        assert await reading.run(lambda: 7) == 7

    asyncio.run(scenario())
