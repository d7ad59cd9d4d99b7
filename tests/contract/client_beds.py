"""What the contract of the client runs against: memory and Kafka, with and without asyncio."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from shared import codec
from shared.client import AsyncStream, OnError, Stream, What
from shared.client.delivery import Received
from shared.client.records import Headers, Partition, Record
from shared.client.testing import MemoryBroker
from shared.events import Case, CaseEvent, CaseEventKind, Cause, Channel, Kind, Severity
from shared.events import CaseState as State
from shared.ids import case_event_id, case_id, partition_of, record_key
from shared.topics import ESCALATIONS, Topic
from tests.services import Installation, wait_for

NUMBER = 4
TENANT = "acme"
QUICK = OnError(retries=2, first_s=0.05, most_s=0.1)
Body = Callable[[Received[CaseEvent]], object]


def escalation(
    customer: str,
    seq: int = 1,
    kind: CaseEventKind = CaseEventKind.ESCALATION_TRIGGERED,
    **more: Any,
) -> CaseEvent:
    """Return the ``seq``-th event of a customer's case, with the case as it is then."""
    case = case_id(TENANT, customer, "f1")
    snapshot = Case(
        case_id=case,
        tenant=TENANT,
        record_key=record_key(TENANT, customer),
        customer_key=customer,
        channel=Channel.EMAIL,
        source="support",
        severity=Severity.HIGH,
        kind=Kind.COMPLAINT,
        state=State.OPEN,
        opened_at=1_000,
        case_seq=seq,
    )
    fields: dict[str, Any] = {
        "event_id": case_event_id(TENANT, case, seq),
        "kind": kind,
        "case_id": case,
        "case_seq": seq,
        "tenant": TENANT,
        "at": 1_000 + seq,
        "recorded_at": 1_000 + seq,
        "cause": Cause.FEEDBACK,
        "case": snapshot,
        "epoch": 1,
        "step": 1,
    }
    return CaseEvent(**fields | more)


def customers(count: int, partition: int | None = None) -> list[str]:
    """Return customers, of different partitions or all of one."""
    found: dict[str, int] = {}
    number = 0
    while len(found) < count:
        name, number = f"c{number}", number + 1
        at = partition_of(record_key(TENANT, name), NUMBER)
        if at == partition or (partition is None and at not in found.values()):
            found[name] = at
    return list(found)


class Bed(Protocol):
    """Something to publish into, and a stream on it."""

    def publish(self, event: CaseEvent, headers: Headers = ()) -> None:
        """Write an event as the product does."""
        ...

    def publish_raw(self, value: bytes | None, customer: str) -> None:
        """Write any bytes into the partition of a customer."""
        ...

    def consume(self, body: Body, count: int | None = None, **options: Any) -> Counter[What]:
        """Run ``body`` in the ``with`` of each delivery until nothing is left; return what happened.

        Args:
            count: stop the stream in the body of this one.
        """
        ...

    def parked(self) -> list[Record]:
        """Return the records of the topic of what is set aside."""
        ...


class MemoryBed:
    """The broker in memory."""

    def __init__(self) -> None:
        self.broker = MemoryBroker(partitions=NUMBER)

    def publish(self, event: CaseEvent, headers: Headers = ()) -> None:
        self.broker.publish(ESCALATIONS.name, event, headers)

    def publish_raw(self, value: bytes | None, customer: str) -> None:
        self.broker.publish_raw(ESCALATIONS.name, value, record_key(TENANT, customer))

    def consume(self, body: Body, count: int | None = None, **options: Any) -> Counter[What]:
        wanted: dict[str, Any] = {"on_error": QUICK, "idle_s": 0.0} | options
        stream: Stream[CaseEvent] = Stream(
            bootstrap=self.broker, group="g", topics=(ESCALATIONS,), **wanted
        )
        return run(stream, body, count)

    def parked(self) -> list[Record]:
        return self.broker.records.get(Partition("g.parked", 0), []) + [
            record
            for number in range(1, NUMBER)
            for record in self.broker.records.get(Partition("g.parked", number), [])
        ]


class KafkaBed:
    """Kafka, and the stream that waits."""

    def __init__(
        self, installation: Installation, topics: tuple[Topic, ...] = (ESCALATIONS,)
    ) -> None:
        self.installation = installation
        self.group = f"{installation.prefix}g"
        self.names = [installation.names.of(topic) for topic in topics]
        admin = AdminClient({"bootstrap.servers": installation.bootstrap})
        wanted = [NewTopic(name, NUMBER, 1) for name in self.names]
        for future in admin.create_topics(wanted).values():
            future.result(30)
        self.producer = Producer(
            {
                "bootstrap.servers": installation.bootstrap,
                "compression.type": "lz4",
                "log_level": 0,  # it outlives the broker of the run
            }
        )

    def publish(self, event: CaseEvent, headers: Headers = ()) -> None:
        named = codec.headers(event, event.event_id, "tocsin/test")
        key = record_key(TENANT, event.case_id.split(":")[1])
        self._write(codec.encode(event), key, (*named, *headers))

    def publish_raw(self, value: bytes | None, customer: str) -> None:
        self._write(value, record_key(TENANT, customer), ())

    def _write(self, value: bytes | None, key: str, headers: Headers) -> None:
        for name in self.names:
            self.producer.produce(
                name, value, key, partition=partition_of(key, NUMBER), headers=list(headers)
            )
        assert self.producer.flush(30) == 0

    def options(self, **options: Any) -> dict[str, Any]:
        """Return what a stream on this installation is told."""
        return {
            "bootstrap": self.installation.bootstrap,
            "group": self.group,
            "prefix": self.installation.prefix,
            "topics": (ESCALATIONS,),
            "on_error": QUICK,
            "idle_s": 0.5,
        } | options

    def consume(self, body: Body, count: int | None = None, **options: Any) -> Counter[What]:
        return run(Stream(**self.options(**options)), body, count)

    def parked(self) -> list[Record]:
        return [
            Record(Partition("", 0), 0, value, None, headers) for value, headers in self._read()
        ]

    def _read(self) -> list[tuple[bytes | None, Headers]]:
        reader = Consumer({"bootstrap.servers": self.installation.bootstrap, "group.id": "none"})
        found: list[tuple[bytes | None, Headers]] = []
        try:
            at = TopicPartition(f"{self.group}.parked", 0, 0)
            _, end = reader.get_watermark_offsets(at, timeout=10)
            reader.assign([at])
            while len(found) < end:
                (message,) = wait_for(lambda: reader.consume(1, 0.2), "the next parked record")
                headers = message.headers() or []
                found.append((message.value(), tuple(headers)))  # type: ignore[arg-type]
        finally:
            reader.close()
        return found


class AsyncKafkaBed(KafkaBed):
    """Kafka, and the stream of asyncio."""

    def consume(self, body: Body, count: int | None = None, **options: Any) -> Counter[What]:
        return asyncio.run(run_async(AsyncStream(**self.options(**options)), body, count))


class AsyncMemoryBed(MemoryBed):
    """The broker in memory, and the stream of asyncio."""

    def consume(self, body: Body, count: int | None = None, **options: Any) -> Counter[What]:
        wanted: dict[str, Any] = {"on_error": QUICK, "idle_s": 0.0} | options
        stream: AsyncStream[CaseEvent] = AsyncStream(
            bootstrap=self.broker, group="g", topics=(ESCALATIONS,), **wanted
        )
        return asyncio.run(run_async(stream, body, count))


def run(stream: Stream[CaseEvent], body: Body, count: int | None) -> Counter[What]:
    """Consume to the end."""
    handed = 0
    with stream:
        for delivery in stream:
            with delivery:
                handed += 1
                if handed == count:
                    stream.stop()
                body(delivery)
    return stream.counts


async def run_async(stream: AsyncStream[CaseEvent], body: Body, count: int | None) -> Counter[What]:
    """Consume to the end."""
    handed = 0
    async with stream:
        async for delivery in stream:
            async with delivery:
                handed += 1
                if handed == count:
                    stream.stop()
                body(delivery)
    return stream.counts
