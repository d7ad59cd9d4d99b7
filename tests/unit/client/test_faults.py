"""What a stream does when the broker is away for a while, or does not want it any more."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping

import pytest

from shared.client import AsyncEscalations, Escalations, Retry, What
from shared.client.delivery import AsyncDelivery
from shared.client.records import Parked, Partition
from shared.client.settings import Settings
from shared.client.testing import MemoryBroker, MemoryTransport
from shared.client.transport import Lost
from shared.errors import Transient
from shared.events import CaseEvent, Struct
from shared.topics import ESCALATIONS
from tests.contract.client_beds import escalation


class Flaky(MemoryTransport):
    """Fails as it is told, one error for each call."""

    commits: list[Exception]
    parks: list[Exception]

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        if self.commits:
            raise self.commits.pop(0)
        super().commit(offsets)

    def park(self, parked: Parked) -> None:
        if self.parks:
            raise self.parks.pop(0)
        super().park(parked)


class FlakyBroker(MemoryBroker):
    """Connects what fails."""

    def __init__(self, commits: list[Exception], parks: list[Exception]) -> None:
        super().__init__(partitions=1)
        self.commits, self.parks = commits, parks

    def connect(self, settings: Settings) -> Flaky:
        made = Flaky(self, settings)
        made.commits, made.parks = self.commits, self.parks
        return made


def opened(broker: MemoryBroker) -> Escalations:
    return Escalations(bootstrap=broker, group="g", idle_s=0.0)


def consume(stream: Escalations) -> list[int]:
    found = []
    for delivery in stream:
        with delivery:
            found.append(delivery.event.case_seq)
    return found


def test_a_commit_that_fails_is_made_up_for_by_the_next() -> None:
    broker = FlakyBroker([Transient("away"), Transient("away")], [])
    for seq in (1, 2, 3):
        broker.publish(ESCALATIONS.name, escalation("a", seq))
    stream = opened(broker)
    assert consume(stream) == [1, 2, 3]
    assert [record.offset for record in broker.acknowledged("g")] == [0, 1, 2]
    assert stream.counts[What.REFUSED] == 0


def test_a_commit_that_comes_too_late_is_counted_and_the_stream_goes_on() -> None:
    broker = FlakyBroker([Lost("unknown member")], [])
    for seq in (1, 2):
        broker.publish(ESCALATIONS.name, escalation("a", seq))
    stream = opened(broker)
    assert consume(stream) == [1, 2]
    assert stream.counts[What.REFUSED] == 1


def test_a_partition_waits_while_nothing_can_be_parked() -> None:
    broker = FlakyBroker([], [Transient("away")] * 3)
    broker.publish_raw(ESCALATIONS.name, b"{", "acme:a")
    broker.publish(ESCALATIONS.name, escalation("a", 1))
    stream = opened(broker)
    assert consume(stream) == [1]
    assert [parked.reason for parked in broker.parked] == ["bad_json"]
    assert broker.now_s >= 1 + 2 + 4


def test_commits_are_gathered_while_records_keep_coming() -> None:
    broker = MemoryBroker(partitions=1)
    for seq in (1, 2, 3):
        broker.publish(ESCALATIONS.name, escalation("a", seq))
    stream = Escalations(bootstrap=broker, group="g", idle_s=0.0, commit_every_s=3_600.0)
    behind = []
    for delivery in stream:
        with delivery:
            behind.append(len(broker.acknowledged("g")))
    assert behind == [0, 0, 0]
    assert len(broker.acknowledged("g")) == 3


def test_a_body_that_outlives_its_stream_is_refused_quietly() -> None:
    broker = MemoryBroker(partitions=1)
    broker.publish(ESCALATIONS.name, escalation("a", 1))
    stream = opened(broker)
    with stream:
        delivery = next(iter(stream))
        delivery.__enter__()
    delivery.__exit__(None, None, None)
    assert stream.counts[What.REFUSED] == 1
    assert stream.counts[What.ACKNOWLEDGED] == 0
    assert broker.acknowledged("g") == []


def test_a_signal_ends_the_stream_after_the_body_and_its_handler_is_put_back() -> None:
    broker = MemoryBroker(partitions=1)
    for seq in (1, 2):
        broker.publish(ESCALATIONS.name, escalation("a", seq))
    before = signal.getsignal(signal.SIGTERM)
    found = []
    for delivery in Escalations(bootstrap=broker, group="g"):
        with delivery:
            signal.raise_signal(signal.SIGTERM)
            found.append(delivery.event.case_seq)
    assert found == [1]
    assert len(broker.acknowledged("g")) == 1
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_open_that_fails_leaves_nothing_behind() -> None:
    closed = []

    class Away(MemoryTransport):
        """Cannot be opened."""

        def open(self, listener: object) -> None:
            raise Transient("away")

        def close(self) -> None:
            closed.append(True)

    class AwayBroker(MemoryBroker):
        """Connects what cannot be opened."""

        def connect(self, settings: Settings) -> Away:
            return Away(self, settings)

    with pytest.raises(Transient), opened(AwayBroker()):
        pass
    assert closed == [True]


class KeptBroker(MemoryBroker):
    """Keeps the members that it connects."""

    def __init__(self) -> None:
        super().__init__(partitions=1)
        self.members: list[MemoryTransport] = []

    def connect(self, settings: Settings) -> MemoryTransport:
        self.members.append(super().connect(settings))
        return self.members[-1]


def test_a_partition_that_waits_is_not_read_on() -> None:
    broker = KeptBroker()
    for seq in range(1, 51):
        broker.publish(ESCALATIONS.name, escalation("a", seq))
    (place,) = broker.records
    for delivery in opened(broker):
        with delivery:
            if delivery.event.case_seq == 1 and delivery.attempt == 1:
                raise Retry(60.0)
            if delivery.event.case_seq == 1:
                assert broker.members[0].positions[place] <= 2
    assert len(broker.acknowledged("g")) == 50
    assert broker.parked == []


def test_a_stream_goes_on_when_what_remembers_was_interrupted() -> None:
    class Slow:
        """Remembers when it is let."""

        def __init__(self) -> None:
            self.waits = asyncio.Event()
            self.count = 0

        def known(self, _topic: str, _event: Struct) -> bool:
            return False

        async def remember(self, _topic: str, _event: Struct) -> None:
            self.count += 1
            if self.count == 1:
                self.waits.set()
                await asyncio.Event().wait()

    async def consume() -> list[int]:
        broker, slow, found = MemoryBroker(partitions=1), Slow(), list[int]()
        broker.publish(ESCALATIONS.name, escalation("a", 1))
        async with AsyncEscalations(bootstrap=broker, group="g", idle_s=0.0, dedupe=slow) as stream:

            async def one(delivery: AsyncDelivery[CaseEvent]) -> None:
                async with delivery:
                    found.append(delivery.event.case_seq)

            async for delivery in stream:
                task = asyncio.create_task(one(delivery))
                if not slow.waits.is_set():
                    await slow.waits.wait()
                    task.cancel()
                await asyncio.wait([task])
        assert len(broker.acknowledged("g")) == 1
        return found

    assert asyncio.run(asyncio.wait_for(consume(), 20)) == [1, 1]
