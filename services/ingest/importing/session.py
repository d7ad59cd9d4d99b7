"""Composition root of the import: the same path as behind every door, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from prometheus_client import CollectorRegistry

from services.ingest.core import Core, compose_core
from shared.config import Config
from shared.errors import Transient
from shared.metrics import Metrics

_POLL_S = 0.05


@asynccontextmanager
async def opened(settings: Config, patience_s: float) -> AsyncIterator[Core]:
    """Yield the connected core; what it took is written and remembered when this ends.

    Raises:
        Transient: Kafka is not there within ``patience_s`` seconds (an attempt that is under way is not
            cut short, which takes some seconds more).
        Misconfigured: no waiting would help.
    """
    core = compose_core(settings, Metrics(CollectorRegistry()))
    links = asyncio.create_task(core.links.run())
    try:
        await _ready(core, patience_s)
        yield core
    finally:
        await core.log.close(min(patience_s, settings.worker.drain_timeout_s))
        with suppress(TimeoutError):
            await asyncio.wait_for(core.intake.settle(), 1.0)
        links.cancel()
        await asyncio.gather(links, return_exceptions=True)
        await core.dedupe.close()


async def _ready(core: Core, patience_s: float) -> None:
    try:
        async with asyncio.timeout(patience_s):
            await core.log.connect()
            await _cleared(core.links.problem)
    except TimeoutError as error:
        problem = core.log.problem() or core.links.problem() or "kafka: no answer"
        raise Transient(problem) from error


async def _cleared(problem: Callable[[], str | None]) -> None:
    while problem() is not None:  # noqa: ASYNC110 (a thread clears it)
        await asyncio.sleep(_POLL_S)
