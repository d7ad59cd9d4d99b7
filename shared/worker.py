"""The runtime that all Faust workers share: one process, one slot, one ordered shutdown.

Order of a shutdown, under one deadline: stop polling and leave the group (which waits for the running
transaction), and end the companions meanwhile; end the transactor, close the probes. Exit codes:
:class:`shared.errors.Exit`.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
import uvloop
from aiohttp import web

from shared import logs, probes
from shared.clock import Clock, SystemClock
from shared.config import Config, check_exposure
from shared.errors import Exit, Misconfigured, TocsinError, TooManyDeadLetters
from shared.metrics import Metrics, build_version, process_registry
from shared.streams.dead_letters import Limit
from shared.streams.poller import consumer_settings
from shared.streams.producer import Fenced, producer_settings
from shared.streams.records import Handler
from shared.streams.transaction import Transactor
from shared.streams.transport import ChunkApp, chunk_app
from shared.topics import Names

WATCH_S = 1.0
COMPANIONS_SHARE = 0.6
"""Of the time for draining."""
GC_THRESHOLDS = (50_000, 50, 100)
"""Records in a chunk are no cycles; looking for some among them costs a quarter of the throughput."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Context:
    """What a composition root hands to its handler."""

    config: Config
    clock: Clock
    metrics: Metrics
    names: Names


class Companion(Protocol):
    """What lives in the same process and event loop as a worker, from its start to its end."""

    async def start(self, failed: Callable[[BaseException], None]) -> None:
        """Begin; ``failed`` is to be told of what it cannot go on with: the process ends then."""
        ...

    async def stop(self, timeout_s: float) -> None:
        """Finish what is under way within ``timeout_s``, and end."""
        ...

    def silent_for_s(self) -> float:
        """Seconds since it last went round; the process ends when it stands still."""
        ...

    def problem(self) -> str | None:
        """Return what it waits for, None when it is ready."""
        ...


def _alone(_: Context) -> Sequence[Companion]:
    return ()


def exit_code(error: BaseException) -> Exit:
    """Return the exit code that tells a supervisor what happened."""
    if isinstance(error, Fenced):
        return Exit.FENCED
    if isinstance(error, TooManyDeadLetters):
        return Exit.DEAD_LETTERS
    if isinstance(error, Misconfigured):
        return Exit.CONFIG
    return Exit.BUG


def context(config: Config) -> Context:
    """Return the collaborators that every process needs."""
    clock = SystemClock(config.clock.speedup, config.clock.epoch_ms)
    return Context(config, clock, Metrics(process_registry()), Names(config.kafka.topic_prefix))


def run(
    service: str,
    config: Config,
    build: Callable[[Context], Handler],
    companions: Callable[[Context], Sequence[Companion]] = _alone,
) -> int:
    """Run a worker until it is told to stop or cannot go on; return the exit code.

    Args:
        companions: makes what runs beside it, in the event loop.
    """
    try:
        logs.configure(config.log, service)
        check_exposure(config)
        _require_compiled_faust()
        made = context(config)
        made.metrics.build_info.labels(build_version(), service).set(1)
        handler = build(made)
    except TocsinError as error:
        log.error("cannot start", error=str(error))
        return exit_code(error)
    tune_garbage_collection()
    return uvloop.run(_run(service, made, handler, companions))


def tune_garbage_collection() -> None:
    """Collect rarely, and never what is there at the start; called once, before the loop runs."""
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


async def _run(
    service: str,
    made: Context,
    handler: Handler,
    companions: Callable[[Context], Sequence[Companion]],
) -> int:
    # Faust binds to the loop that it is made in: here, not before the loop runs.
    return await _Runtime(service, made, handler, companions(made)).run()


def _require_compiled_faust() -> None:
    """Faust falls back to pure Python without a word when its extensions do not load."""
    for module in ("faust._cython.streams", "faust.transport._cython.conductor"):
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise Misconfigured(f"{module} did not load: reinstall faust-streaming") from error


class _Runtime:
    def __init__(
        self, service: str, made: Context, handler: Handler, companions: Sequence[Companion]
    ) -> None:
        config = made.config
        self._companions = companions
        self._service = service
        self._config = config
        self._metrics = made.metrics
        self._stop = asyncio.Event()
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        group = made.names.group(service)
        streams = config.streams
        self._transactor = Transactor(
            handler,
            producer_settings(
                config.kafka.client(),
                f"{group}-{config.worker.slot}",
                config.kafka.transaction_timeout_ms,
            ),
            made.metrics,
            Limit(streams.dead_letter_run, streams.dead_letter_ratio, streams.dead_letter_window),
            self._failed,
            max_records=streams.max_records,
            max_bytes=streams.max_bytes,
            queue_bytes=streams.queue_bytes,
        )
        self._app = chunk_app(
            ChunkApp(
                group,
                consumer_settings(config.kafka.client(), group, config.kafka.session_timeout_ms),
                self._transactor,
                self._failed,
                made.metrics,
                streams.max_records,
            ),
            handler.inputs,
        )

    def _failed(self, error: BaseException) -> None:
        """Called from any thread, once or more; the first error decides."""
        if self._error is None:
            self._error = error
        log.error("failed", error=f"{type(error).__name__}: {error}", exc_info=error)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)

    async def run(self) -> int:
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stop.set)
        runner, port = await self._serve()
        log.info("listening", metrics_port=port)
        self._transactor.start()
        await self._app.start()
        try:
            for companion in self._companions:
                await companion.start(self._failed)
        except TocsinError as error:
            self._failed(error)
        watch = asyncio.create_task(self._watch())
        await self._stop.wait()
        watch.cancel()
        if self._error is not None:
            # Nothing of a failed worker may linger: the group would wait for it.
            os._exit(exit_code(self._error))
        return await self._drain(runner)

    async def _serve(self) -> tuple[web.AppRunner, int]:
        app = web.Application()
        probes.add_routes(app, self._metrics.registry, self._live, [self._ready])
        worker = self._config.worker
        return await probes.serve(app, worker.host, worker.metrics_port)

    async def _drain(self, runner: web.AppRunner) -> int:
        deadline = self._config.worker.drain_timeout_s
        log.info("draining", deadline_s=deadline)
        # Not asyncio.timeout: Faust's services swallow the cancellation.
        overdue = threading.Timer(deadline, os._exit, (Exit.DRAIN_TIMEOUT,))
        overdue.daemon = True
        overdue.start()
        # A companion needs a moment to leave after what was under way has ended.
        ending = [one.stop(deadline * COMPANIONS_SHARE) for one in self._companions]
        await asyncio.gather(self._app.stop(), *ending)
        await asyncio.to_thread(self._transactor.stop, deadline)
        await runner.cleanup()
        overdue.cancel()
        log.info("stopped")
        return Exit.OK

    def _live(self) -> str | None:
        silent = max(
            self._transactor.silent_for_s(),
            self._app.poller_silent_for_s(),
            *(one.silent_for_s() for one in self._companions),
        )
        if silent > self._config.worker.stuck_after_s:
            return f"no progress for {silent:.0f} s"
        return None

    def _ready(self) -> str | None:
        if self._stop.is_set():
            return "draining"
        if not self._transactor.assigned:
            return "waiting for partitions"
        if not self._transactor.ready:
            return "bringing the state of the partitions up to date"
        return next((wait for one in self._companions if (wait := one.problem())), None)

    async def _watch(self) -> None:
        """End the process when its loops stand still: a fresh start cures what a wait does not."""
        while True:
            await asyncio.sleep(WATCH_S)
            problem = self._live()
            if self._app.crashed:
                self._failed(RuntimeError(f"Faust crashed: {self._app.crash_reason!r}"))
            elif problem:
                log.critical("stuck", problem=problem)
                os._exit(Exit.STUCK)
