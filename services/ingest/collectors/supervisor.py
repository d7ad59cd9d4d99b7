"""Starts and stops the runs of those sources that this process owns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple

import structlog

from services.ingest.collectors.page import Collector
from services.ingest.collectors.run import Outlet, Run
from services.ingest.registry import Configured, Registry, Sources, door
from shared import ids
from shared.events import Watermark

END_S = 5.0
_log = structlog.get_logger(__name__)


class _Running(NamedTuple):
    source: Configured
    run: Run
    task: asyncio.Task[None]


class Supervisor:
    """Keeps one task for every source that is configured, not paused, and owned here.

    Sources are isolated: a run that fails, waits or is refused concerns no other.
    """

    def __init__(
        self, registry: Registry, make: Callable[[Configured], Collector], outlet: Outlet
    ) -> None:
        self._registry = registry
        self._make = make
        self._outlet = outlet
        self._partitions: frozenset[int] = frozenset()
        self._count = 0
        self._positions: dict[str, tuple[str | None, int]] = {}
        self._running: dict[str, _Running] = {}
        self._changing = asyncio.Lock()
        self._stopped = False
        self._tasks: set[asyncio.Task[None]] = set()
        registry.listen(self._changed)

    async def own(
        self, partitions: frozenset[int], count: int, marks: Mapping[str, Watermark]
    ) -> None:
        """Own ``partitions`` out of ``count`` from now on, with the positions stored in them."""
        async with self._changing:
            self._partitions, self._count = partitions, count
            self._positions = {name: (mark.cursor, mark.items) for name, mark in marks.items()}
            await self._reconcile(self._registry.sources)

    async def disown(self) -> None:
        """Stop everything: another process takes over, from the positions that were stored."""
        async with self._changing:
            self._partitions = frozenset()
            await self._reconcile(self._registry.sources)

    async def stop(self) -> None:
        """Stop everything for good."""
        self._stopped = True
        await self.disown()
        for task in self._tasks:
            task.cancel()

    def running(self) -> frozenset[str]:
        """Return the names of the sources that are being read."""
        return frozenset(name for name, run in self._running.items() if not run.task.done())

    def _changed(self, sources: Sources) -> None:
        async def reconcile() -> None:
            async with self._changing:
                await self._reconcile(sources)

        task = asyncio.get_running_loop().create_task(reconcile())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reconcile(self, sources: Sources) -> None:
        wanted = {name: source for name, source in sources.items() if self._wants(source)}
        stale = [name for name, run in self._running.items() if wanted.get(name) != run.source]
        await asyncio.gather(*(self._end(name) for name in stale))
        for name, source in wanted.items():
            if name not in self._running:
                self._begin(name, source)

    def _wants(self, source: Configured) -> bool:
        return (
            not self._stopped
            and source.provider.pull
            and not source.source.paused
            and self._count > 0
            and ids.partition_of(source.name, self._count) in self._partitions
        )

    def _begin(self, name: str, source: Configured) -> None:
        cursor, items = self._positions.get(name, (None, 0))
        try:
            collector = self._make(source)
        except Exception as error:  # noqa: BLE001 (whatever it is, it stops this source and no other)
            self._outlet.metrics.source_up.labels(name).set(0)
            self._outlet.metrics.source_errors.labels(name, "refused").inc()
            _log.error(
                "source cannot be read", source=name, reason="misconfigured", fault=str(error)
            )
            return
        run = Run(source, door(source), collector, self._outlet)
        task = asyncio.get_running_loop().create_task(run.forever(cursor, items))
        self._running[name] = _Running(source, run, task)
        _log.info("source is read", source=name, provider=source.provider.name, cursor=cursor)

    async def _end(self, name: str) -> None:
        ended = self._running.pop(name)
        ended.task.cancel()
        _, late = await asyncio.wait([ended.task], timeout=END_S)
        if late:
            _log.error("a collector does not end", source=name)
        self._positions[name] = ended.run.position()
        _log.info("source is not read any more", source=name)
