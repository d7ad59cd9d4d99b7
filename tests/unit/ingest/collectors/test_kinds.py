"""Every provider whose items are fetched has a collector, and what a source may be told is known."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from services.ingest.channels import providers
from services.ingest.collectors import kinds
from services.ingest.collectors.taken import Taken
from services.ingest.sources import fetching
from shared.errors import Misconfigured
from shared.stores.memory_dedupe import MemoryDedupe
from tests.unit.ingest.collectors.platform import platform, run


def test_every_provider_that_is_read_has_a_collector() -> None:
    known = providers.load()
    assert {name for name, provider in known.items() if provider.pull} == set(kinds.FACTORIES)
    assert {name for name, provider in known.items() if provider.read} == set(fetching.GETTERS)


def test_a_provider_that_is_not_read() -> None:
    async def scenario() -> None:
        async with platform(_never) as stand:
            with pytest.raises(Misconfigured, match="slack has no collector"):
                stand.collector("slack", ("a-signing-secret",))

    run(scenario)


async def _never(request: web.Request) -> web.StreamResponse:
    raise AssertionError


def test_the_latest_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.ingest.collectors.taken.CAPACITY", 10)

    async def scenario() -> None:
        taken = Taken("one", MemoryDedupe(3600.0, lambda: 0.0))
        await taken._remember([str(number) for number in range(100)])
        assert len(taken._latest) == 10
        assert await taken._known(["1", "99", "100"]) == {"1", "99"}
        other = Taken("two", taken._store)
        assert await other._known(["1"]) == set()

    asyncio.run(scenario())
