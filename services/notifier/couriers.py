"""The couriers of all sinks: each by itself, started and stopped as the file of sinks changes.

What waits for a sink that is removed or disabled stays in Kafka: it goes on when the sink comes back
within the retention. Messages to customers always have a courier: without a writer they become tasks
for people.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final, NamedTuple

import structlog

from services.notifier.courier import Courier
from services.notifier.ports import Result, Sink, Verdict
from services.notifier.registry import WRITERS, Registry
from services.notifier.settings import Sinks, SinkSettings
from shared.errors import Misconfigured
from shared.events import NoReply, Notification

CUSTOMERS: Final = "customer."
SWAP_S: Final = 10.0
"""What is under way when a sink changes may take so long to end."""

Failed = Callable[[BaseException], None]
log = structlog.get_logger(__name__)


Addresses = Mapping[str, Mapping[str, str]]
"""Person or team → kind of address → address."""


class Wanted(NamedTuple):
    """What a courier is made of; it is made anew when any of it changes."""

    name: str
    settings: SinkSettings | None
    people: Addresses

    @property
    def is_writer(self) -> bool:
        """Tell whether it writes to customers."""
        return self.name.startswith(CUSTOMERS)

    @property
    def kind(self) -> str:
        """The metric label: the kind of the sink, or the name of a customers' sink."""
        return self.name if self.is_writer or self.settings is None else self.settings.kind


class NoWriter:
    """Stands in for a writer that is not configured: a person has to write."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def deliver(self, notification: Notification) -> Result:
        """Pass it on."""
        return Result(
            Verdict.UNSUITABLE, f"no writer for {self.name} is configured", why=NoReply.NO_WRITER
        )

    async def close(self) -> None:
        """Nothing to let go of."""


def wanted(sinks: Sinks) -> dict[str, Wanted]:
    """Return which couriers there should be, by the name of their sink."""
    found = {
        name: Wanted(name, one, sinks.people)
        for name, one in sinks.sinks.items()
        if not one.disabled
    }
    for channel in WRITERS:
        name, writer = CUSTOMERS + channel, sinks.writers.get(channel)
        settings = None if writer is None or writer.disabled else writer
        found[name] = Wanted(name, settings, {})
    return found


class Couriers:
    """Keeps the couriers as the registry wants them.

    Args:
        make_sink: makes the sink of what is wanted (else ``Misconfigured``).
        make_courier: makes its courier.
    """

    def __init__(
        self,
        registry: Registry,
        make_sink: Callable[[Wanted], Sink],
        make_courier: Callable[[Wanted, Sink], Courier],
    ) -> None:
        self._registry = registry
        self._make_sink = make_sink
        self._make_courier = make_courier
        self._running: dict[str, tuple[Wanted, Courier]] = {}
        self._changing = asyncio.Lock()
        self._changes: set[asyncio.Task[None]] = set()
        self._stopped = False
        self._failed: Failed = lambda _: None

    async def start(self, failed: Failed) -> None:
        """Start the couriers, and follow the registry."""
        self._failed = failed
        loop = asyncio.get_running_loop()

        def changed(_: Sinks) -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._change)

        self._registry.listen(changed)
        await self._reconcile()

    async def stop(self, timeout_s: float) -> None:
        """Let everything that is under way end, and stop for good."""
        self._stopped = True
        async with self._changing:
            await asyncio.gather(
                *(courier.stop(timeout_s) for _, courier in self._running.values())
            )
            self._running.clear()

    def silent_for_s(self) -> float:
        """Seconds since the most silent courier last went round."""
        return max((one.silent_for_s() for _, one in self._running.values()), default=0.0)

    def problem(self) -> str | None:
        """Return which couriers wait for partitions, None when none does."""
        waiting = sorted(name for name, (_, one) in self._running.items() if not one.ready)
        return f"sinks wait for partitions: {', '.join(waiting)}" if waiting else None

    def _change(self) -> None:
        task = asyncio.get_running_loop().create_task(self._follow())
        self._changes.add(task)
        task.add_done_callback(self._changes.discard)

    async def _follow(self) -> None:
        try:
            await self._reconcile()
        except Exception as error:  # noqa: BLE001  nobody would serve the sinks that are left
            self._failed(error)

    async def _reconcile(self) -> None:
        async with self._changing:
            if self._stopped:
                return
            target = wanted(self._registry.sinks)
            stale = [
                name for name, (made_of, _) in self._running.items() if target.get(name) != made_of
            ]
            leaving = [self._running.pop(name)[1] for name in stale]
            await asyncio.gather(*(courier.stop(SWAP_S) for courier in leaving))
            for name, one in target.items():
                if name not in self._running:
                    self._begin(one)

    def _begin(self, one: Wanted) -> None:
        try:
            sink = NoWriter(one.name) if one.settings is None else self._make_sink(one)
        except Misconfigured as error:  # the registry checks; this is what it cannot see
            log.error("a sink cannot be used", sink=one.name, error=str(error))
            return
        courier = self._make_courier(one, sink)
        self._running[one.name] = (one, courier)
        courier.start(self._failed)
        log.info("sink", name=one.name, kind=one.kind)
