"""A real consumer that was paused when its partitions left, against the mock brokers of librdkafka."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from shared.streams.poller import Poller, consumer_settings
from shared.streams.records import Chunk
from tests.unit.streams.fakes import eventually, metrics
from tests.unit.streams.test_poller import FakeSink

RECORDS = 5


@pytest.fixture
def brokers() -> Iterator[str]:
    """Yield the address of brokers that have a topic with a few records."""
    owner = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    found = owner.list_topics(timeout=10).brokers.values()
    address = ",".join(f"{one.host}:{one.port}" for one in found)
    producer = Producer({"bootstrap.servers": address, "log_level": 0})
    for _ in range(RECORDS):
        producer.produce("in", b"x", partition=0)
    assert producer.flush(10) == 0
    yield address
    del owner


def test_what_was_paused_is_read_again_after_a_rebalance(brokers: str) -> None:
    sink = FakeSink([])
    taken: list[int] = []

    def emit(chunks: Sequence[Chunk]) -> None:
        taken.extend(message.offset() or 0 for chunk in chunks for message in chunk.messages)

    settings = consumer_settings({"bootstrap.servers": brokers, "log_level": 0}, "g", 6_000)
    poller = Poller(
        settings, sink, emit, lambda _: None, lambda e: pytest.fail(str(e)), metrics(), 100
    )
    consumer = Consumer(settings)
    try:
        poller._on_assign(consumer, [TopicPartition("in", 0)])
        poller._announce(consumer)
        sink.full = True
        poller._turn(consumer)
        assert poller._paused
        del taken[:]
        poller._on_revoke(consumer, [TopicPartition("in", 0)])
        sink.full = False
        poller._on_assign(consumer, [TopicPartition("in", 0)])
        poller._announce(consumer)

        def read() -> bool:
            poller._turn(consumer)
            return len(taken) >= RECORDS

        eventually(read)
        assert taken == list(range(RECORDS))
    finally:
        consumer.close()
