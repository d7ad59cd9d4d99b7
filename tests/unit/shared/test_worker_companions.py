"""What runs beside a worker starts, is watched and ends with it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import cast

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from shared import probes, worker
from shared.clock import ManualClock
from shared.config import Config, Worker
from shared.errors import Exit, Misconfigured
from shared.metrics import Metrics
from shared.streams.records import Assignment, Chunk, Handler, Interrupted, Work
from shared.topics import Names


class Nothing:
    """A handler without work."""

    stage = "t"
    inputs: Sequence[str] = ("in",)
    tracked: frozenset[str] = frozenset()
    tick_s: float | None = None

    def assigned(self, assignment: Assignment, interrupted: Interrupted) -> None: ...

    def process(self, chunks: Sequence[Chunk], interrupted: Interrupted) -> Work:
        return Work()


class Beside:
    """A companion that writes down what it is asked."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.silent = 0.0
        self.waits: str | None = None
        self.stopped_within: float | None = None
        self.failed: Callable[[BaseException], None] | None = None

    async def start(self, failed: Callable[[BaseException], None]) -> None:
        self.failed = failed
        if self.fault is not None:
            raise self.fault

    async def stop(self, timeout_s: float) -> None:
        self.stopped_within = timeout_s

    def silent_for_s(self) -> float:
        return self.silent

    def problem(self) -> str | None:
        return self.waits


class App:
    """Stands for Faust."""

    crashed = False

    def __init__(self, story: list[str]) -> None:
        self._story = story

    async def start(self) -> None:
        self._story.append("start")

    async def stop(self) -> None:
        self._story.append("stop")

    def poller_silent_for_s(self) -> float:
        return 0.0


class Transactor:
    """Stands for the transactor."""

    assigned = ready = True

    def __init__(self, *_: object, **__: object) -> None: ...

    def start(self) -> None: ...

    def stop(self, deadline: float) -> None: ...

    def silent_for_s(self) -> float:
        return 0.0


class Runner:
    """Stands for the probes."""

    async def cleanup(self) -> None: ...


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []

    async def serve(*_: object) -> tuple[web.AppRunner, int]:
        return cast("web.AppRunner", Runner()), 1

    def end(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(worker, "Transactor", Transactor)
    monkeypatch.setattr(worker, "chunk_app", lambda *_: App(told))
    monkeypatch.setattr(probes, "serve", serve)
    monkeypatch.setattr(os, "_exit", end)
    return told


def runtime(*companions: Beside) -> worker._Runtime:
    config = Config(worker=Worker(drain_timeout_s=10.0, stuck_after_s=5.0))
    made = worker.Context(config, ManualClock(), Metrics(CollectorRegistry()), Names())
    return worker._Runtime("t", made, cast("Handler", Nothing()), companions)


def test_they_start_and_end_with_the_worker_and_within_its_deadline(story: list[str]) -> None:
    one, other = Beside(), Beside()

    async def main() -> int:
        run = runtime(one, other)
        asyncio.get_running_loop().call_later(0.05, run._stop.set)
        return await run.run()

    assert asyncio.run(main()) == Exit.OK
    assert story == ["start", "stop"]
    for each in (one, other):
        assert each.failed is not None
        assert each.stopped_within is not None
        assert 0 < each.stopped_within < 10.0


def test_one_that_cannot_start_ends_the_process(story: list[str]) -> None:
    async def main() -> int:
        return await runtime(Beside(Misconfigured("the port is taken"))).run()

    with pytest.raises(SystemExit) as ended:
        asyncio.run(main())
    assert ended.value.code == Exit.CONFIG


def test_one_that_fails_later_ends_the_process(story: list[str]) -> None:
    one = Beside()

    async def main() -> int:
        run = runtime(one)
        loop = asyncio.get_running_loop()
        loop.call_later(0.05, lambda: one.failed and one.failed(RuntimeError("lost")))
        return await run.run()

    with pytest.raises(SystemExit) as ended:
        asyncio.run(main())
    assert ended.value.code == Exit.BUG


def test_the_probes_ask_them(story: list[str]) -> None:
    async def main() -> None:
        one, other = Beside(), Beside()
        run = runtime(one, other)
        assert (run._live(), run._ready()) == (None, None)
        other.waits = "sinks wait"
        assert run._ready() == "sinks wait"
        one.silent = 6.0
        assert run._live() == "no progress for 6 s"

    asyncio.run(main())
