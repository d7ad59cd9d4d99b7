"""Topics of the bench: made, filled, watched, read back and removed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.bench.hop import PARTITIONS, encode, events

ADMIN_S = 30.0
_APPEND_TIME = {"message.timestamp.type": "LogAppendTime"}


class Cluster:
    """The broker at `bootstrap`. Topics carry the broker's time, not the contestants'."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        self._number = 0

    def create(self, name: str, partitions: int = PARTITIONS) -> str:
        """Create a topic with a name of its own that starts with `name`; return it."""
        self._number += 1
        topic = f"bench.{name}.{self._number}"
        made = self._admin.create_topics([NewTopic(topic, partitions, 1, config=_APPEND_TIME)])
        made[topic].result(ADMIN_S)
        self._await_leaders(topic, partitions)
        return topic

    def _await_leaders(self, topic: str, partitions: int) -> None:
        """A topic is created a moment before its leader knows that it leads."""
        reader = Reader(self.bootstrap, [topic], partitions)
        deadline = time.monotonic() + ADMIN_S
        try:
            while True:
                try:
                    reader.high()
                except KafkaException:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)
                else:
                    return
        finally:
            reader.close()

    def delete(self, *topics: str) -> None:
        """Delete topics and what they hold."""
        for done in self._admin.delete_topics(list(topics)).values():
            done.result(ADMIN_S)

    def filled(self, name: str, count: int) -> str:
        """Create a topic that holds the events 0 … `count` - 1."""
        topic = self.create(name)
        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "linger.ms": 20,
                "compression.type": "lz4",
                "batch.size": 1_000_000,
                "queue.buffering.max.messages": 2_000_000,
            }
        )
        for event in events(count):
            event.sent_ns = time.time_ns()
            number = event.id % PARTITIONS
            producer.produce(topic, encode(event), event.customer.encode(), number)
            if event.id % 5_000 == 0:
                producer.poll(0)
        left = producer.flush(60)
        if left:
            raise RuntimeError(f"{left} events of {topic} were not taken")
        return topic


class Reader:
    """Reads whole topics, read-committed, from `start` offsets or the beginning."""

    def __init__(self, bootstrap: str, topics: Iterable[str], partitions: int = PARTITIONS) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "bench-reader",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 100,
                "queued.max.messages.kbytes": 65_536,
            }
        )
        self._parts = [
            TopicPartition(topic, number, 0) for topic in topics for number in range(partitions)
        ]

    def high(self) -> int:
        """Return the sum of the end offsets: records, and markers of transactions."""
        ends = (self._consumer.get_watermark_offsets(part, ADMIN_S) for part in self._parts)
        return sum(end for _, end in ends)

    def live(self) -> Iterator[Sequence[Message]]:
        """Yield records as they come, for ever; an empty batch when there was none for 100 ms."""
        self._consumer.assign(self._parts)
        while True:
            first = self._consumer.poll(0.1)
            if first is None:
                yield ()
                continue
            batch = [first, *self._consumer.consume(1_000, 0.0)]
            yield [message for message in batch if _is_record(message)]

    def to_end(self) -> Iterator[Message]:
        """Yield every committed record there is now."""
        self._consumer.assign(self._parts)
        open_parts = len(self._parts)
        while open_parts:
            for message in self._consumer.consume(10_000, 0.5):
                if _is_record(message):
                    yield message
                else:
                    open_parts -= 1

    def close(self) -> None:
        """Let go."""
        self._consumer.close()


def _is_record(message: Message) -> bool:
    error = message.error()
    if error is None:
        return True
    if error.code() != KafkaError._PARTITION_EOF:
        raise KafkaException(error)
    return False
