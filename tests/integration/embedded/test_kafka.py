from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from deploy.embedded.kafka import EmbeddedKafka
from deploy.embedded.service import StartError

pytestmark = pytest.mark.integration


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(tmp_path / "kafka") as broker:
        yield broker


def create(broker: EmbeddedKafka, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic(topic, 1)])[topic].result(20)


def produce(broker: EmbeddedKafka, topic: str, *values: bytes, commit: bool = True) -> None:
    """Send `values` in one transaction."""
    settings = {"bootstrap.servers": broker.bootstrap, "transactional.id": "test"}
    producer = Producer(settings)
    producer.init_transactions(20)
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value)
    if commit:
        producer.commit_transaction(20)
    else:
        producer.abort_transaction(20)


def consume(broker: EmbeddedKafka, topic: str, count: int) -> list[bytes | None]:
    settings = {
        "bootstrap.servers": broker.bootstrap,
        "group.id": "test",
        "isolation.level": "read_committed",
    }
    consumer = Consumer(settings)
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        return [message.value() for message in consumer.consume(count, 20)]
    finally:
        consumer.close()


def test_committed_records_come_back_also_after_a_kill(kafka: EmbeddedKafka) -> None:
    create(kafka, "t")
    produce(kafka, "t", b"aborted", commit=False)
    produce(kafka, "t", b"one", b"two")
    assert consume(kafka, "t", 2) == [b"one", b"two"]
    bootstrap, pid = kafka.bootstrap, kafka.pid
    kafka.kill()
    assert not kafka.alive
    kafka.start()
    assert kafka.bootstrap == bootstrap
    assert kafka.pid != pid
    produce(kafka, "t", b"three")
    assert consume(kafka, "t", 3) == [b"one", b"two", b"three"]


def test_a_kept_directory_is_reopened_not_formatted(tmp_path: Path) -> None:
    folder = tmp_path / "kafka"
    with EmbeddedKafka(folder) as broker:
        create(broker, "kept")
        produce(broker, "kept", b"one")
        identity = (folder / "logs" / "meta.properties").read_text()
    with EmbeddedKafka(folder) as broker:
        assert consume(broker, "kept", 1) == [b"one"]
    assert (folder / "logs" / "meta.properties").read_text() == identity


def test_a_frozen_broker_answers_again_when_it_goes_on(kafka: EmbeddedKafka) -> None:
    create(kafka, "t")
    kafka.pause()
    assert kafka.alive
    kafka.resume()
    produce(kafka, "t", b"one")
    assert consume(kafka, "t", 1) == [b"one"]


def test_a_broker_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    broker = EmbeddedKafka(tmp_path / "kafka", overrides={"log.segment.bytes": "many"})
    with pytest.raises(StartError, match=r"log\.segment\.bytes"), broker:
        pytest.fail("started with nonsense")
