"""What came out: an independent reader of the topics that sees committed records only."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

TIMEOUT_S = 30.0


class Event(msgspec.Struct, frozen=True):
    """The fields of an event that are counted."""

    feedback_id: str
    source: str
    native_id: str
    text: str
    op: str = "create"
    origin: str = "human"


class Letter(msgspec.Struct, frozen=True):
    """The fields of a dead letter that are counted."""

    reason: str
    detail: str = ""


def read(bootstrap: str, topic: str) -> Iterator[bytes]:
    """Yield the values of all records of ``topic``, from its beginning to its end as of now."""
    consumer = Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": "doors",
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        "enable.auto.commit": False,
        "fetch.wait.max.ms": 20,
    })  # fmt: skip
    try:
        found = consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic]
        parts = [TopicPartition(topic, number, OFFSET_BEGINNING) for number in found.partitions]
        consumer.assign(parts)
        ended: set[int] = set()
        while len(ended) < len(parts):
            message = consumer.poll(TIMEOUT_S)
            if message is None:
                raise TimeoutError(f"{topic}: no more records, and no end either")
            error = message.error()
            if error is None:
                yield message.value() or b""
            elif error.code() == KafkaError._PARTITION_EOF:
                ended.add(message.partition() or 0)
            else:
                raise KafkaException(error)
    finally:
        consumer.close()
