"""One ingest process from its first request to its last: start, serve, drain, end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from aiohttp import web

from services.ingest.intake import Intake
from services.ingest.producer import KafkaLog
from services.ingest.sources.gate import Gate
from shared import config, probes
from shared.errors import Transient
from shared.ports import Dedupe
from shared.server import Server

_REDIS_CHECK_S = 5.0
_log = structlog.get_logger(__name__)


class Service(Protocol):
    """Another door, or what asks sources by itself: it lives from ``start`` to ``stop``."""

    async def start(self) -> None:
        """Begin; a fault that no retry helps against is raised."""
        ...

    async def drain(self, timeout_s: float) -> None:
        """Take nothing new; return when what was begun is done, or after ``timeout_s``."""
        ...

    async def stop(self) -> None:
        """Let go of everything."""
        ...


@dataclass(frozen=True)
class Parts:
    """What the composition root has put together."""

    worker: config.Worker
    log: KafkaLog
    dedupe: Dedupe
    intake: Intake
    gate: Gate
    server: Server
    probes: web.Application
    services: tuple[Service, ...] = ()
    background: tuple[Callable[[], Coroutine[Any, Any, None]], ...] = ()


class Lifecycle:
    """Runs ``parts`` until SIGTERM or SIGINT."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._stop = asyncio.Event()
        self._fault: BaseException | None = None

    async def run(self) -> int:
        """Serve until told to stop; return the exit code."""
        worker = self._parts.worker
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self._stop.set)
        probe_runner, metrics_port = await probes.serve(
            self._parts.probes, worker.host, worker.metrics_port
        )
        works = (self._parts.log.connect, self._watch_redis, *self._parts.background)
        background = [self._spawn(work()) for work in works]
        try:
            for service in self._parts.services:
                await service.start()
            await self._parts.server.start()
            _log.info(
                "listening",
                host=self._parts.server.host,
                port=self._parts.server.port,
                metrics_host=worker.host,
                metrics_port=metrics_port,
            )
            await self._stop.wait()
            code = await self._drain()
            if self._fault is not None:
                raise self._fault
            return code
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await self._parts.server.stop()
            for service in self._parts.services:
                await service.stop()
            await probe_runner.cleanup()
            await self._parts.dedupe.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run ``work`` beside the server; should it fail, the process drains and ends."""

        def done(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (fault := task.exception()) is not None:
                self._fault = fault
                self._stop.set()

        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(done)
        return task

    async def _drain(self) -> int:
        """Stop listening, finish requests, write what is in flight; all before one deadline."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._parts.worker.drain_timeout_s
        _log.info("draining", requests=self._parts.gate.in_progress)
        await self._parts.server.stop_listening()
        drained = await asyncio.gather(
            self._parts.gate.drain(deadline - clock()),
            *(service.drain(deadline - clock()) for service in self._parts.services),
            return_exceptions=True,
        )
        for fault in drained:
            if isinstance(fault, Exception):  # what is in flight is written all the same
                _log.error("draining failed", fault=f"{type(fault).__name__}: {fault}")
        written = await self._parts.log.close(max(0.0, deadline - clock()))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._parts.intake.settle(), 1.0)
        _log.info("stopped", written=written, requests=self._parts.gate.in_progress)
        return 0 if written else 1

    async def _watch_redis(self) -> None:
        """Keep ``tocsin_redis_up`` true when nothing comes in."""
        while True:
            with contextlib.suppress(Transient):
                await self._parts.dedupe.known(["health"])
            await asyncio.sleep(_REDIS_CHECK_S)
