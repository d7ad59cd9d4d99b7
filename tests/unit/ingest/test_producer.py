"""KafkaLog against a producer whose acknowledgements the test gives, from another thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError
from kafka.future import Future

from services.ingest import kafka_connection, producer
from services.ingest.flight import Fate, Gathering, Record
from services.ingest.kafka_settings import producer_settings
from services.ingest.log import Overloaded
from shared import config
from shared.errors import Transient

SETTINGS = config.Config(
    ingest=config.Ingest(max_in_flight=3, max_in_flight_bytes=100, request_deadline_s=0.1)
)


class Broker:
    """Stands for KafkaProducer."""

    def __init__(self, **_: object) -> None:
        self.sent: list[tuple[str, Future]] = []
        self.refuse: Exception | None = None

    def partitions_for(self, _: str) -> set[int]:
        return {0}

    def send(self, topic: str, **_: object) -> Future:
        if self.refuse is not None:
            raise self.refuse
        future = Future()
        self.sent.append((topic, future))
        return future

    def close(self, timeout: float) -> None:
        pass

    def acknowledge(self) -> None:
        """From another thread, as kafka-python's sender does."""
        futures = [future for _, future in self.sent]
        self.sent.clear()
        thread = threading.Thread(target=lambda: [future.success(None) for future in futures])
        thread.start()
        thread.join()


def _record(name: str = "a", size: int = 10) -> Record:
    return Record(name, "t", b"", b"x" * size, [])


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    broker = Broker()
    monkeypatch.setattr(kafka_connection, "KafkaProducer", lambda **_: broker)
    return broker


def _run(rig: Any, scenario: Any) -> None:
    async def main() -> None:
        log = producer.KafkaLog(SETTINGS, rig.metrics, ["t"])
        await scenario(log)

    work: Coroutine[Any, Any, None] = main()
    asyncio.run(work)


def test_nothing_is_taken_before_kafka_is_there(rig: Any, broker: Broker) -> None:
    async def scenario(log: producer.KafkaLog) -> None:
        with pytest.raises(Transient, match="not connected"):
            log.append(_record())
        assert log.problem()
        await log.connect()
        assert log.problem() is None

    _run(rig, scenario)


def test_acknowledgements_settle_on_the_loop(rig: Any, broker: Broker) -> None:
    async def scenario(log: producer.KafkaLog) -> None:
        await log.connect()
        records = [_record("a"), _record("b")]
        for record in records:
            log.append(record)
        assert rig.metric("tocsin_events_in_progress", stage="ingest") == 2
        broker.acknowledge()
        assert records[0].fate is Fate.PENDING
        await Gathering(records).wait(1.0)
        assert {record.fate for record in records} == {Fate.WRITTEN}
        assert rig.metric("tocsin_events_in_progress", stage="ingest") == 0

    _run(rig, scenario)


def test_bounds_by_count_and_bytes(rig: Any, broker: Broker) -> None:
    async def scenario(log: producer.KafkaLog) -> None:
        await log.connect()
        for name in "abc":
            log.append(_record(name))
        with pytest.raises(Overloaded, match="3 records"):
            log.append(_record("d"))
        broker.acknowledge()
        await asyncio.sleep(0.01)
        log.append(_record("e", 60))
        with pytest.raises(Overloaded, match="60 bytes"):
            log.append(_record("f", 60))

    _run(rig, scenario)


def test_silence_shows_and_stops_the_queue_from_growing(rig: Any, broker: Broker) -> None:
    async def scenario(log: producer.KafkaLog) -> None:
        await log.connect()
        log.append(_record())
        await asyncio.sleep(0.15)
        assert "nothing acknowledged" in str(log.problem())
        assert rig.metric("tocsin_producer_oldest_in_flight_seconds") > 0.1
        with pytest.raises(Overloaded, match="acknowledged nothing"):
            log.append(_record("b"))
        broker.acknowledge()
        await asyncio.sleep(0.01)
        assert log.problem() is None
        log.append(_record("b"))

    _run(rig, scenario)


def test_refusals_are_counted(rig: Any, broker: Broker) -> None:
    async def scenario(log: producer.KafkaLog) -> None:
        await log.connect()
        broker.refuse = KafkaTimeoutError("metadata")
        with pytest.raises(Transient, match="KafkaTimeoutError"):
            log.append(_record())
        broker.refuse = None
        record = _record()
        log.append(record)
        broker.sent.pop()[1].failure(KafkaTimeoutError("late"))
        await asyncio.sleep(0.01)
        assert (record.fate, record.fault) == (Fate.FAILED, "kafka: KafkaTimeoutError")

    _run(rig, scenario)
    assert rig.metric("tocsin_producer_errors_total", topic="t", reason="KafkaTimeoutError") == 2


def test_the_settings_that_keep_records_safe() -> None:
    settings = producer_settings(config.Kafka(), "id")
    assert settings["acks"] == "all"
    assert settings["enable_idempotence"] is True
    assert settings["delivery_timeout_ms"] >= 86_400_000  # see the wedge in kafka_settings
    assert settings["allow_auto_create_topics"] is False
    assert settings["max_block_ms"] <= 50
    secured = producer_settings(
        config.Kafka(security_protocol="SASL_SSL", sasl_mechanism="PLAIN", sasl_username="u"), "id"
    )
    assert secured["sasl_plain_username"] == "u"
