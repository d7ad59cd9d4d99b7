"""Reading topics outside a consumer group: to the end once, or following. Always read-committed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from shared.config import Scalar
from shared.errors import Misconfigured, Transient
from shared.streams.records import Partition

BATCH = 2_000
ADMIN_S = 15.0


def reader_settings(client: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return the librdkafka settings of a consumer that belongs to no group and never commits."""
    return {
        **client,
        "group.id": "tocsin-reader",
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "log_level": 2,  # faults surface as errors of the calls
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": 50,
        "fetch.queue.backoff.ms": 5,
        "queued.max.messages.kbytes": 32_768,
    }


class Cluster:
    """Questions about topics that need no consumer."""

    def __init__(self, client: Mapping[str, Scalar]) -> None:
        self._admin = AdminClient(dict(client))

    def topic_ids(self, topics: Sequence[str]) -> dict[str, str]:
        """Return the id of each topic: a topic that was deleted and created anew has another.

        Raises:
            Transient: no answer.
            Misconfigured: a topic does not exist.
        """
        ids: dict[str, str] = {}
        try:
            asked = self._admin.describe_topics(
                TopicCollection(list(topics)), request_timeout=ADMIN_S
            )
            for name, future in asked.items():
                ids[name] = str(future.result(ADMIN_S).topic_id)
        except KafkaException as error:
            raise _explained(error, topics) from error
        except TimeoutError as error:
            raise Transient("Kafka does not describe its topics") from error
        return ids

    def sources(self, topic: str) -> list[Partition]:
        """Return the partitions of a topic (same errors as :meth:`topic_ids`)."""
        try:
            asked = self._admin.describe_topics(TopicCollection([topic]), request_timeout=ADMIN_S)
            count = len(asked[topic].result(ADMIN_S).partitions)
        except KafkaException as error:
            raise _explained(error, [topic]) from error
        except TimeoutError as error:
            raise Transient(f"Kafka does not describe {topic}") from error
        return [Partition(topic, number) for number in range(count)]

    def ends(self, sources: Sequence[Partition]) -> dict[Partition, int]:
        """Return the high watermarks: the end of what was written, open transactions included.

        Raises:
            Transient: no answer.
        """
        if not sources:
            return {}
        latest = {
            TopicPartition(at.topic, at.number): OffsetSpec.latest()  # type: ignore[no-untyped-call]
            for at in sources
        }
        try:
            asked = self._admin.list_offsets(
                latest, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=ADMIN_S
            )
            return {
                Partition(at.topic, at.partition): future.result(ADMIN_S).offset
                for at, future in asked.items()
            }
        except (KafkaException, TimeoutError) as error:
            raise Transient(f"Kafka does not tell the ends of {sources}: {error}") from error


def read_to_end(
    client: Mapping[str, Scalar],
    starts: Mapping[Partition, int],
    ends: Mapping[Partition, int],
    interrupted: Callable[[], bool] = lambda: False,
    stall_s: float = 60.0,
) -> Iterator[list[Message]]:
    """Yield the committed records from ``starts`` to ``ends`` (:meth:`Cluster.ends`).

    An end is a high watermark: an open transaction below it is waited for, so what a worker that
    was just fenced had committed is never missed.

    Raises:
        Transient: no progress for ``stall_s`` seconds.
    """
    open_ends = {at: end for at, end in ends.items() if starts[at] < end}
    if not open_ends:
        return
    consumer = Consumer(reader_settings(client))
    try:
        consumer.assign([TopicPartition(at.topic, at.number, starts[at]) for at in open_ends])
        last = time.monotonic()
        while open_ends and not interrupted():
            records: list[Message] = []
            for message in consumer.consume(BATCH, 0.1):
                last = time.monotonic()
                at = Partition(message.topic() or "", message.partition() or 0)
                error = message.error()
                if error is None:
                    records.append(message)
                    reached = (message.offset() or 0) + 1
                elif error.code() == KafkaError._PARTITION_EOF:
                    reached = message.offset() or 0
                else:
                    raise Transient(f"reading {at}: {error.str()}")
                if at in open_ends and reached >= open_ends[at]:
                    del open_ends[at]
            if records:
                yield records
            if time.monotonic() - last > stall_s:
                raise Transient(f"no progress towards the end of {sorted(open_ends)}")
    finally:
        consumer.close()


def _explained(error: KafkaException, topics: Sequence[str]) -> Exception:
    cause = error.args[0]
    missing = isinstance(cause, KafkaError) and cause.code() in {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
    }
    if missing:
        return Misconfigured(f"no such topic among {list(topics)}: run `tocsin topics apply`")
    return Transient(f"Kafka: {cause}")
