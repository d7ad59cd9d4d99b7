"""A broker in memory, for the tests of programs that use the client: same streams, no Kafka, no waiting.

    stream = FakeEscalations([event, later])
    sync_to_crm(stream)
    assert stream.acknowledged == [event, later]

It keeps encoded bytes, as Kafka does. Its clock goes forward by what a stream waits, so that retries
take no time; a stream ends when nothing is left, unless ``idle_s`` says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shared import codec
from shared.client.reading import Reader, event_id
from shared.client.records import Headers, Parked, Partition, Record
from shared.client.settings import Measured, Settings, What
from shared.client.stream import AsyncEscalations, Escalations
from shared.client.transport import Broker, Listener
from shared.events import CaseEvent, ReplyDue, Struct
from shared.ids import partition_of, record_key_of_case

BEGIN_MS = 1_767_225_600_000
"""When the broker takes its first record: 2026-01-01, UTC. Each further one comes a second later."""


@dataclass(eq=False)
class MemoryBroker:
    """Topics, and how far each group is. One member per group at a time.

    Args:
        partitions: of each topic.
    """

    partitions: int = 4
    now_s: float = 0.0
    records: dict[Partition, list[Record]] = field(default_factory=dict)
    committed: dict[tuple[str, Partition], int] = field(default_factory=dict)
    parked: list[Parked] = field(default_factory=list)
    taken: int = 0

    def connect(self, settings: Settings) -> MemoryTransport:
        """Return a member of the group of ``settings``; called by the stream."""
        return MemoryTransport(self, settings)

    def publish(self, topic: str, event: Struct, headers: Headers = ()) -> Record:
        """Append an event with its CloudEvents headers, as the product does."""
        named = codec.headers(event, event_id(event), "tocsin/test")
        return self.publish_raw(topic, codec.encode(event), _key(event), (*named, *headers))

    def publish_raw(
        self, topic: str, value: bytes | None, key: str = "", headers: Headers = ()
    ) -> Record:
        """Append a record of any bytes, to the partition of its key."""
        at = Partition(topic, partition_of(key, self.partitions))
        lane = self.records.setdefault(at, [])
        at_ms = BEGIN_MS + 1000 * self.taken
        record = Record(at, len(lane), value, key.encode(), tuple(headers), at_ms)
        lane.append(record)
        self.taken += 1
        return record

    def acknowledged(self, group: str) -> list[Record]:
        """Return the records that a group has behind it, oldest first, those set aside as well."""
        found = [
            record
            for at, lane in self.records.items()
            for record in lane[: self.committed.get((group, at), 0)]
        ]
        return sorted(found, key=lambda record: record.at_ms)


class MemoryTransport:
    """Implements ``shared.client.transport.Transport`` on a ``MemoryBroker``."""

    def __init__(self, broker: MemoryBroker, settings: Settings) -> None:
        self._broker = broker
        self._settings = settings
        self._listener: Listener | None = None
        self.positions: dict[Partition, int] = {}
        self._paused: set[Partition] = set()

    def open(self, listener: Listener) -> None:
        """Take all partitions of the topics."""
        self._listener = listener
        for name in self._settings.names:
            for number in range(self._broker.partitions):
                at = Partition(name, number)
                self.positions[at] = self._start(at)
        listener.assigned(self.positions)

    def _start(self, at: Partition) -> int:
        since = self._settings.since_ms
        if since is None:
            return self._broker.committed.get((self._settings.group, at), 0)
        lane = self._broker.records.get(at, [])
        return next((record.offset for record in lane if record.at_ms >= since), len(lane))

    def poll(self, timeout_s: float) -> Record | None:
        """Return the oldest record that was not read; without one the clock goes on."""
        waiting = [
            lane[self.positions[at]]
            for at, lane in self._broker.records.items()
            if at in self.positions and at not in self._paused and self.positions[at] < len(lane)
        ]
        if not waiting:
            self._broker.now_s += timeout_s
            return None
        record = min(waiting, key=lambda record: record.at_ms)
        self.positions[record.at] = record.offset + 1
        return record

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Keep the offsets."""
        for at, offset in offsets.items():
            self._broker.committed[self._settings.group, at] = offset

    def pause(self, partition: Partition) -> None:
        """Read nothing of a partition."""
        self._paused.add(partition)

    def resume(self, partition: Partition) -> None:
        """Read again."""
        self._paused.discard(partition)

    def park(self, parked: Parked) -> None:
        """Keep what is set aside, also as a record of the group's topic."""
        self._broker.parked.append(parked)
        key = (parked.record.key or b"").decode()
        topic = str(self._settings.parked_topic)
        self._broker.publish_raw(topic, parked.record.value, key, parked.headers())

    def now(self) -> float:
        """Return the broker's clock."""
        return self._broker.now_s

    def close(self) -> None:
        """Give the partitions back."""
        if self._listener is not None:
            self.commit(self._listener.revoked(list(self.positions)))
            self._listener = None


class _Fake(Settings):
    """What a fake stream adds: its broker, filled with events, and what became of them."""

    broker: MemoryBroker
    happened: list[Measured]

    def _fill(self, events: Iterable[CaseEvent]) -> None:
        self.bootstrap = self.broker
        told = self.metrics

        def keep(measured: Measured) -> None:
            self.happened.append(measured)
            if told is not None:
                told(measured)

        self.metrics = keep
        for event in events:
            self.broker.publish(self.names[0], event)

    @property
    def acknowledged(self) -> list[CaseEvent]:
        """The events whose body ended well, in this order."""
        return self._events(What.ACKNOWLEDGED)

    @property
    def retried(self) -> list[CaseEvent]:
        """The events that were put off, once for each time."""
        return self._events(What.RETRIED)

    @property
    def parked(self) -> list[Parked]:
        """What was set aside."""
        return self.broker.parked

    def _events(self, what: What) -> list[CaseEvent]:
        reader: Reader[CaseEvent] = Reader(self.topics)
        return [
            reader.read(self.broker.records[measured.at][measured.offset].value).event
            for measured in self.happened
            if measured.what is what
        ]


@dataclass(kw_only=True, eq=False)
class FakeEscalations(Escalations, _Fake):
    """``Escalations`` of these events."""

    events: Iterable[CaseEvent] = field(default=(), kw_only=False)
    bootstrap: str | Broker = "memory"
    group: str = "test"
    idle_s: float | None = 0.0
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    happened: list[Measured] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        """Publish the events."""
        super().__post_init__()
        self._fill(self.events)


@dataclass(kw_only=True, eq=False)
class FakeAsyncEscalations(AsyncEscalations, _Fake):
    """``AsyncEscalations`` of these events."""

    events: Iterable[CaseEvent] = field(default=(), kw_only=False)
    bootstrap: str | Broker = "memory"
    group: str = "test"
    idle_s: float | None = 0.0
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    happened: list[Measured] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        """Publish the events."""
        super().__post_init__()
        self._fill(self.events)


def _key(event: Struct) -> str:
    match event:
        case CaseEvent():
            return record_key_of_case(event.case_id)
        case ReplyDue():
            return event.record_key
    return str(getattr(event, "tenant", ""))
