"""One sink's courier: takes what is meant for it from Kafka, delivers it, and says what became of it.

A notification is *open* from when it is taken until it has ended and that is recorded. The order of
an end: commands that follow, what a person has to do instead, a dead letter, the delivery record (all
in Kafka), then it is remembered in Redis, then its offset may be committed. So whatever is killed when
loses nothing, and repeats only under the same id.

Everything here runs in one event loop, in three tasks: one takes in what Kafka brings, one starts
what may start, one records ends, many at a time. Only deliveries under way have a task of their own.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Final

import structlog

from services.notifier.attempts import Attempts
from services.notifier.domain import ladder
from services.notifier.domain.lanes import Lanes, Waiting
from services.notifier.domain.offsets import Mark, Offsets
from services.notifier.ending import Ending, Recorder, delivery_of, reply_of
from services.notifier.feed import Arrival, Buried, Feed, Taken
from services.notifier.guards import Circuit, StillWanted, ToldBefore
from services.notifier.metering import Meter
from services.notifier.ports import Ledger, Result, Sink, Standing, Told, Verdict
from shared.clock import Clock
from shared.config import Notifier
from shared.daemon import in_daemon
from shared.events import (
    DeliveryStatus,
    Notification,
    NotificationKind,
)
from shared.streams.records import Partition

LEAVE_S: Final = 5.0
_NOTHING: Final = Result(Verdict.DELIVERED)

One = Waiting[Mark[Partition]]
MakeFeed = Callable[[Callable[[Arrival], None], Callable[[BaseException], None]], Feed]
"""Given what to call with what comes, and with the fault that ends it; both from another thread."""

log = structlog.get_logger(__name__)


class Courier:
    """Delivers for one sink.

    Args:
        sink: how it is delivered; the courier closes it.
        make_feed: makes the feed.
        limits: window, concurrency and when to give up.
        jitter: draws 0 ≤ x < 1.
    """

    def __init__(
        self,
        sink: Sink,
        make_feed: MakeFeed,
        limits: Notifier,
        told: Told,
        standing: Standing,
        ledger: Ledger,
        clock: Clock,
        meter: Meter,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.name = sink.name
        self._attempts = Attempts(sink)
        self._make_feed = make_feed
        self._limits = limits
        self._clock = clock
        self._meter = meter
        self._jitter = jitter
        self._loop = asyncio.get_running_loop()
        self._offsets = Offsets[Partition]()
        self._lanes = Lanes[Mark[Partition]]()
        self._open: dict[str, One] = {}
        self._just_ended: set[str] = set()
        self._recorder = Recorder(ledger, told, self._recorded)
        self._circuit = Circuit(self.name, meter, self._loop.time)
        self._before = ToldBefore(self.name, told)
        self._wanted = StillWanted(self.name, standing, self._loop.time)
        self._gone = ""
        self._arrivals = asyncio.Queue[Arrival]()
        self._wake = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._busy = 0
        self._draining = False
        self._tasks: list[asyncio.Task[None]] = []
        self._feed: Feed | None = None

    # ---- life

    def start(self, failed: Callable[[BaseException], None]) -> None:
        """Begin; ``failed`` is told when it cannot go on."""
        for work in (self._take_in(), self._send_out(), self._recorder.run()):
            self._tasks.append(self._loop.create_task(_watched(work, failed)))
        self._feed = self._make_feed(self._hear, failed)
        self._feed.start()

    async def stop(self, timeout_s: float) -> None:
        """Let what is under way end, record it, commit and leave; what does not end is repeated."""
        self._draining = True
        if self._feed is not None:
            self._feed.close()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=timeout_s)
        for task in tuple(self._under_way):
            task.cancel()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._recorder.settled(), LEAVE_S)
        if (feed := self._feed) is not None:
            await in_daemon(lambda: feed.stop(LEAVE_S), f"leave-{self.name}")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._meter.stopped()
        await self._attempts.close()

    def silent_for_s(self) -> float:
        """Seconds since the feed last went round."""
        return 0.0 if self._feed is None else self._feed.silent_for_s()

    @property
    def ready(self) -> bool:
        """Tell whether it has partitions to read."""
        return self._feed is not None and self._feed.assigned

    # ---- taking in

    def _hear(self, arrival: Arrival) -> None:
        """Called in the thread of the feed."""
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._arrivals.put_nowait, arrival)

    async def _take_in(self) -> None:
        while True:
            arrival = await self._arrivals.get()
            if isinstance(arrival, int):
                self._assign(arrival)
            else:
                await self._take(arrival)
            self._wake.set()

    def _assign(self, generation: int) -> None:
        """Begin a generation: what waits is read again by whoever has the partition."""
        dropped = self._lanes.clear()
        for one in dropped:
            del self._open[one.notification.told_as]
        self._meter.closed(len(dropped))
        self._offsets.assign(generation)
        self._release(len(dropped))

    async def _take(self, taken: Taken) -> None:
        ids = [one.told_as for _, one in taken.records if not isinstance(one, Buried)]
        self._just_ended.clear()
        known = await self._before.known(ids) if ids else frozenset[str]()
        known |= self._just_ended  # a moment too late for the answer
        if taken.generation != self._offsets.generation:
            self._release(len(taken.records))
            return
        self._offsets.taken(taken.partition, taken.end, [offset for offset, _ in taken.records])
        for offset, record in taken.records:
            mark = Mark(taken.partition, taken.generation, offset)
            if isinstance(record, Buried):
                self._recorder.add(Ending(mark=mark, buried=record))
            elif record.told_as in known:
                self._recorder.add(Ending(mark=mark))
            else:
                self._admit(record, mark)
        self._release(0)  # what is for others may be committed

    def _admit(self, notification: Notification, mark: Mark[Partition]) -> None:
        again = self._open.get(notification.told_as)
        if again is not None:
            # The same once more, or read anew after a rebalance: whatever ends it ends this record.
            if again.mark.generation == mark.generation:
                self._recorder.add(Ending(mark=again.mark))
            else:
                self._release(1)
            again.mark = mark
            return
        one = self._open[notification.told_as] = Waiting(notification, mark)
        self._meter.opened()
        for stale in self._lanes.add(one):
            self._end(stale, DeliveryStatus.STALE, left=True)

    # ---- sending out

    async def _send_out(self) -> None:
        while True:
            pause = self._pause_s()
            alarm = None if pause is None else self._loop.call_later(pause, self._wake.set)
            await self._wake.wait()
            if alarm is not None:
                alarm.cancel()
            self._wake.clear()
            while not self._draining and (batch := self._startable()):
                pages = [one for one in batch if one.notification.kind is NotificationKind.PAGE]
                for one in batch:
                    if one.notification.kind is not NotificationKind.PAGE:
                        self._launch(one)
                if pages:
                    await self._launch_pages(pages)

    def _pause_s(self) -> float | None:
        """Return after how long something may start by itself; None: something has to happen first."""
        opens_at = self._circuit.opens_at
        if self._busy >= self._limits.concurrency or self._draining or opens_at is None:
            return None
        now = self._loop.time()
        at = now if self._lanes.waits_for_nothing else self._lanes.next_at()
        return None if at is None else max(at, opens_at) - now

    def _startable(self) -> list[One]:
        """Return those that may start now, at most as many as there is room for."""
        now, batch = self._loop.time(), list[One]()
        while len(batch) + self._busy < self._limits.concurrency and self._circuit.may_pass():
            one = self._lanes.start(now)
            if one is None:
                break
            batch.append(one)
            if not self._circuit.closed:
                break
        return batch

    async def _launch_pages(self, pages: Sequence[One]) -> None:
        """Start those pages that are still wanted."""
        stale = await self._wanted.stale([one.notification for one in pages])
        for one in pages:
            if one.stale or one.notification.notification_id in stale:
                self._end(one, DeliveryStatus.STALE)
            else:
                self._launch(one)

    def _launch(self, one: One) -> None:
        if one.mark.generation != self._offsets.generation:  # lost before it began
            self._forget(one)
        elif self._gone:
            self._end(one, DeliveryStatus.PARKED, Result(Verdict.GONE, self._gone))
        elif self._draining or not self._circuit.may_pass():
            self._lanes.put_back(one)
        else:
            self._busy += 1
            task = self._loop.create_task(self._deliver(one, self._circuit.begin()))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _deliver(self, one: One, probe: bool) -> None:
        one.attempts += 1
        result = await self._attempts.make(one.notification, one.attempts)
        self._busy -= 1
        self._wake.set()
        self._meter.attempted(result.verdict)
        if self._circuit.end(result, probe):
            self._lanes.recall()
        self._conclude(one, result)

    def _conclude(self, one: One, result: Result) -> None:
        match result.verdict:
            case Verdict.DELIVERED:
                self._meter.delivered(self._clock.now_ms() - one.notification.planned_at)
                self._end(one, DeliveryStatus.DELIVERED, result)
            case Verdict.UNSUITABLE:
                self._end(one, DeliveryStatus.PASSED_ON, result)
            case Verdict.STALE:
                self._end(one, DeliveryStatus.STALE, result)
            case Verdict.PERMANENT | Verdict.GONE:
                if result.verdict is Verdict.GONE:
                    self._gone = result.detail or "gone"
                    log.error("the sink is gone; change its settings", sink=self.name)
                self._end(one, DeliveryStatus.PARKED, result)
            case Verdict.RETRYABLE:
                self._retry(one, result)

    def _retry(self, one: One, result: Result) -> None:
        if one.mark.generation != self._offsets.generation:
            self._forget(one)
            return
        age_s = self._clock.real_seconds(self._clock.now_ms() - one.notification.planned_at)
        limit_s, jitter = self._limits.give_up_after_s, self._jitter()
        wait = ladder.next_delay(one.attempts, age_s, limit_s, jitter, result.retry_after_s)
        if one.stale or wait is None:
            self._end(one, DeliveryStatus.STALE if one.stale else DeliveryStatus.PARKED, result)
            return
        one.faulted = result.fault
        self._lanes.retry(one, self._loop.time() + wait)

    # ---- ending

    def _end(
        self, one: One, status: DeliveryStatus, result: Result = _NOTHING, *, left: bool = False
    ) -> None:
        """End a notification; ``left``: it is in no lane any more."""
        if not left:
            self._lanes.remove(one)
        now = self._clock.now_ms()
        self._meter.ended(status)
        record = delivery_of(one.notification, status, now, one.attempts, result)
        reply = reply_of(one.notification, result, now)
        self._recorder.add(Ending(one.mark, one, record, result.commands, reply))

    def _recorded(self, batch: Sequence[Ending]) -> None:
        closed = 0
        for ending in batch:
            if ending.one is None:
                self._offsets.ended(ending.mark)
                continue
            self._offsets.ended(ending.one.mark)
            name = ending.one.notification.told_as
            del self._open[name]
            self._just_ended.add(name)
            closed += 1
        self._meter.closed(closed)
        self._release(len(batch))

    def _forget(self, one: One) -> None:
        """Let go of what is read again, here or elsewhere."""
        self._lanes.remove(one)
        del self._open[one.notification.told_as]
        self._meter.closed(1)
        self._release(1)

    def _release(self, count: int) -> None:
        if self._feed is not None:
            self._feed.release(count, self._offsets.generation, self._offsets.next_offsets())


async def _watched(
    work: Coroutine[None, None, None], failed: Callable[[BaseException], None]
) -> None:
    try:
        await work
    except Exception as error:  # noqa: BLE001 (the process ends with it)
        failed(error)
