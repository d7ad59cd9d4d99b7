"""A courier by itself: its feed, sink, ledger and memories are in the hands of a test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from prometheus_client import CollectorRegistry

from services.notifier.courier import Courier
from services.notifier.feed import Feed, Taken
from services.notifier.metering import Meter
from services.notifier.ports import Now, Result, Verdict
from shared.clock import ManualClock
from shared.config import Notifier
from shared.errors import Transient
from shared.events import (
    CaseCommand,
    Delivery,
    DeliveryStatus,
    Notification,
    NotificationKind,
    ReplyDue,
)
from shared.metrics import Metrics
from shared.streams.records import Partition
from tests.unit.notifier.world import SINK

P0 = Partition("notifications", 0)
PAGE, ACK, EVENT = NotificationKind.PAGE, NotificationKind.ACKNOWLEDGE, NotificationKind.EVENT
OK = Result(Verdict.DELIVERED, reference="r")
AWAY = Result(Verdict.RETRYABLE, "away", fault=True)


class FakeFeed:
    """Stands for Kafka: what was released and may be committed."""

    def __init__(self) -> None:
        self.open = 0
        self.low: Mapping[Partition, int] = {}
        self.generation = 0
        self.stopped = False
        self.assigned = True

    def start(self) -> None: ...

    def close(self) -> None: ...

    def stop(self, timeout_s: float) -> None:
        self.stopped = True

    def release(self, count: int, generation: int, ended: Mapping[Partition, int]) -> None:
        self.open -= count
        self.generation, self.low = generation, dict(ended)

    def silent_for_s(self) -> float:
        return 0.0


class FakeSink:
    """Answers by the notification id, at once or when the test lets it."""

    name = SINK

    def __init__(self, story: list[str]) -> None:
        self.story = story
        self.answers: dict[str, list[Result]] = {}
        self.tried: list[str] = []
        self.held: asyncio.Event | None = None
        self.most = self.now = 0

    async def deliver(self, notification: Notification) -> Result:
        name = notification.notification_id
        self.tried.append(name)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await (self.held.wait() if self.held else asyncio.sleep(0))
        finally:
            self.now -= 1
        self.story.append(f"sent {name}")
        answers = self.answers.get(name, [OK])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def close(self) -> None:
        self.story.append("closed")


class FakeLedger:
    """Writes down; ``away``: so many calls fail first."""

    def __init__(self, story: list[str]) -> None:
        self.story = story
        self.away = 0
        self.records: list[Delivery] = []
        self.parked: list[tuple[str, str]] = []

    async def deliveries(self, ended: Sequence[Delivery]) -> None:
        self._may_fail()
        self.records += ended
        self.story += [f"recorded {one.notification_id}" for one in ended]

    async def commands(self, commands: Sequence[CaseCommand]) -> None:
        self._may_fail()
        self.story += [f"command {one.command_id}" for one in commands]

    async def reply_due(self, due: Sequence[ReplyDue]) -> None:
        self._may_fail()

    async def park(self, notification: Notification, detail: str) -> None:
        self._may_fail()
        self.parked.append((notification.notification_id, detail))

    async def bury(self, *_: object) -> None: ...

    def _may_fail(self) -> None:
        if self.away:
            self.away -= 1
            raise Transient("Kafka is away")


class FakeTold:
    """Remembers; ``away``: it fails."""

    def __init__(self, story: list[str]) -> None:
        self.story = story
        self.kept: set[str] = set()
        self.away = False

    async def known(self, notification_ids: Sequence[str]) -> frozenset[str]:
        if self.away:
            raise Transient("Redis is away")
        return frozenset(self.kept.intersection(notification_ids))

    async def remember(self, notification_ids: Sequence[str]) -> None:
        if self.away:
            raise Transient("Redis is away")
        self.kept.update(notification_ids)
        self.story += [f"remembered {one}" for one in notification_ids]


@dataclass
class FakeStanding:
    """How cases stand; ``away``: nobody knows."""

    cases: dict[str, Now] = field(default_factory=dict)
    away: bool = False
    asked: int = 0

    async def of(self, case_ids: Collection[str]) -> Mapping[str, Now]:
        self.asked += 1
        if self.away:
            raise Transient("Redis is away")
        return {one: self.cases[one] for one in case_ids if one in self.cases}


class Rig:
    """A courier with everything around it."""

    def __init__(self, **limits: Any) -> None:
        self.story: list[str] = []
        self.feed, self.sink = FakeFeed(), FakeSink(self.story)
        self.ledger, self.told = FakeLedger(self.story), FakeTold(self.story)
        self.standing, self.clock = FakeStanding(), ManualClock()
        self.metrics = Metrics(CollectorRegistry())
        self.failures: list[BaseException] = []
        self.courier = Courier(
            self.sink,
            lambda *_: cast("Feed", self.feed),
            Notifier(**limits),
            self.told,
            self.standing,
            self.ledger,
            self.clock,
            Meter(self.metrics, "webhook"),
            lambda: 0.0,
        )
        self._offset = 0

    def use(self, sink: FakeSink) -> None:
        """Have another sink from now on."""
        self.sink = self.courier._attempts._sink = sink

    def hears(self, *notifications: Notification, generation: int = 1) -> None:
        records = [(self._offset + at, one) for at, one in enumerate(notifications)]
        self._offset += len(records)
        self.feed.open += len(records)
        self.courier._hear(Taken(generation, P0, self._offset, records))

    def assigned(self, generation: int, offset: int = 0) -> None:
        self._offset = offset
        self.courier._hear(generation)

    async def until(self, condition: Callable[[], object], what: str = "") -> None:
        async with asyncio.timeout(5.0):
            while not condition():
                assert not self.failures, self.failures
                await asyncio.sleep(0.001)

    def ended(self) -> dict[str, DeliveryStatus]:
        return {one.notification_id: one.status for one in self.ledger.records}

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, {"sink": "webhook", **labels}) or 0.0


def play(scenario: Callable[[Rig], Awaitable[None]], **limits: Any) -> Rig:
    """Run a scenario with a courier that has partitions, and stop it."""

    async def main() -> Rig:
        rig = Rig(**limits)
        rig.courier.start(rig.failures.append)
        rig.assigned(1)
        await scenario(rig)
        await rig.courier.stop(1.0)
        assert not rig.failures
        assert rig.feed.stopped
        return rig

    return asyncio.run(main())
