"""One console process from its first request to its last: start, serve, drain, end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from aiohttp import web

from services.console.api.gate import Gate
from services.console.waiting import Waiting
from shared import config, probes
from shared.daemon import in_daemon
from shared.errors import Exit, Transient
from shared.metrics import Metrics
from shared.sending import KafkaCommands
from shared.server import Server

CHECK_S = 5.0
RETRY_S = 1.0

_log = structlog.get_logger(__name__)


class Health:
    """What the process has learnt of the outside; its checks are those of ``/readyz``."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._topics = False
        self._view = False

    def kafka(self) -> str | None:
        """Return what Kafka is waited for, None once its topics were seen."""
        return None if self._topics else "waiting for Kafka"

    def redis(self) -> str | None:
        """Return None when Redis answered last."""
        return None if self._view else "waiting for Redis"

    async def watch_topics(self, check: Callable[[], None]) -> None:
        """Ask until the topics are there and as the settings say (else ``Misconfigured``)."""
        while not self._topics:
            try:
                await in_daemon(check, "topics")
                self._topics = True
            except Transient as error:
                _log.warning("Kafka is away", error=str(error))
                await asyncio.sleep(RETRY_S)

    async def watch_view(self, check: Callable[[], object]) -> None:
        """Ask Redis every few seconds, for ever."""
        while True:
            try:
                await in_daemon(check, "view")
                self._view = True
            except Transient as error:
                _log.warning("Redis is away", error=str(error))
                self._view = False
            self._metrics.redis_up.set(self._view)
            await asyncio.sleep(CHECK_S if self._view else RETRY_S)


@dataclass(frozen=True)
class Parts:
    """What the composition root has put together; both checks block."""

    worker: config.Worker
    gate: Gate
    server: Server
    probes: web.Application
    commands: KafkaCommands
    waiting: Waiting
    health: Health
    check_topics: Callable[[], None]
    check_view: Callable[[], object]


async def run(parts: Parts) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code.

    Raises:
        Misconfigured: the topics are not as the settings say.
        OSError: an address is taken.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    worker, health = parts.worker, parts.health
    runner, metrics_port = await probes.serve(parts.probes, worker.host, worker.metrics_port)
    topics = loop.create_task(health.watch_topics(parts.check_topics))
    topics.add_done_callback(lambda task: _end_on_fault(task, stop))
    view = loop.create_task(health.watch_view(parts.check_view))
    try:
        parts.commands.start()
        await parts.server.start()
        _log.info(
            "listening",
            host=parts.server.host,
            port=parts.server.port,
            metrics_host=worker.host,
            metrics_port=metrics_port,
        )
        await stop.wait()
        _log.info("draining", requests=parts.gate.in_progress)
        await parts.server.stop_listening()
        await parts.gate.drain(worker.drain_timeout_s)
        if topics.done() and not topics.cancelled():
            topics.result()
        return Exit.OK
    finally:
        for task in (topics, view):
            task.cancel()
        await asyncio.gather(topics, view, return_exceptions=True)
        await parts.waiting.stop()
        await parts.server.stop()
        parts.commands.stop(1.0)
        await runner.cleanup()
        _log.info("stopped", requests=parts.gate.in_progress)


def _end_on_fault(task: asyncio.Task[None], stop: asyncio.Event) -> None:
    if not task.cancelled() and task.exception() is not None:
        stop.set()
