"""Kafka frozen, Redis gone: what the sender is told stays true, and everything recovers."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import redis
from prometheus_client import CollectorRegistry

from deploy.embedded.kafka import EmbeddedKafka
from deploy.embedded.redis import EmbeddedRedis
from services.ingest import producer
from services.ingest.flight import Fate, Gathering, Record
from services.ingest.kafka_settings import producer_settings
from shared import config, topics
from shared.metrics import Metrics
from tests.bench import procfs

pytestmark = pytest.mark.integration
Launch = Callable[..., Any]
SINGLE, BATCH = "/v1/feedback", "/v1/feedback:batch"


def _item(number: object) -> bytes:
    return json.dumps({"id": str(number), "channel": "phone", "text": "No power."}).encode()


def test_a_frozen_broker_is_a_503_in_time_and_no_loss_after(
    launch: Launch, kafka: EmbeddedKafka
) -> None:
    service = launch(ingest__request_deadline_s=1.0)
    assert service.post(SINGLE, _item("before")).status == 202
    kafka.pause()
    try:
        started = time.monotonic()
        answer = service.post(SINGLE, _item("frozen"))
        assert answer.status == 503
        assert answer.headers["Retry-After"]
        assert "did not acknowledge within 1 s" in answer.json["detail"]
        assert 0.9 < time.monotonic() - started < 2.0
        started = time.monotonic()
        answer = service.post(BATCH, _item("frozen") + b"\n" + _item("later"))
        assert answer.status == 503
        assert "acknowledged nothing" in answer.json["results"][1]["detail"]
        assert service.post(SINGLE, b"{bad").status == 503  # no letter, so no 400
        assert "nothing acknowledged" in service.get("/readyz").text
        assert service.get("/livez").status == 200
        assert service.metric("tocsin_producer_oldest_in_flight_seconds") > 1.0
    finally:
        kafka.resume()
    service.wait_ready()
    service.wait_for(lambda: service.post(SINGLE, _item("later")).status in {200, 202})
    assert service.post(SINGLE, _item("frozen")).status == 200
    names = [json.loads(message.value())["native_id"] for message in _received(service)]
    assert sorted(names) == ["before", "frozen", "later"]
    assert service.stop() == 0


def _received(service: Any) -> list[Any]:
    records: list[Any] = service.records(topics.FEEDBACK_RECEIVED)
    return records


def test_a_batch_that_was_sent_before_the_freeze_does_not_wedge_the_producer(
    launch: Launch, kafka: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kafka-python 3.0.12 wedges when a batch that was sent once expires; ours never expires."""
    service = launch()
    topic = service.names.of(topics.FEEDBACK_RECEIVED)
    settings = config.Config(kafka=config.Kafka(bootstrap_servers=kafka.bootstrap))
    make = producer_settings
    quick = {"request_timeout_ms": 1_000}  # several requests expire during the freeze
    monkeypatch.setattr(producer, "producer_settings", lambda *args: make(*args) | quick)

    async def scenario() -> None:
        log = producer.KafkaLog(settings, Metrics(CollectorRegistry()), [topic])
        await log.connect()
        records = [Record(str(n), topic, str(n).encode(), b"x" * 500, []) for n in range(3_000)]
        for record in records[:1_000]:
            log.append(record)
        await Gathering(records[:1_000]).wait(10.0)
        for record in records[1_000:2_000]:
            log.append(record)
        await asyncio.sleep(0.002)
        kafka.pause()
        for record in records[2_000:]:
            log.append(record)
        await asyncio.sleep(6.0)
        kafka.resume()
        await Gathering(records).wait(15.0)
        assert {record.fate for record in records} == {Fate.WRITTEN}
        assert await log.close(5.0)

    try:
        asyncio.run(scenario())
    finally:
        kafka.resume()
    assert len(_received(service)) == 3_000


class Load:
    """Senders that go on whatever they are told, each with batches of new items."""

    def __init__(self, service: Any, senders: int = 4, batch: int = 200) -> None:
        self.acknowledged: set[str] = set()
        self.statuses: Counter[int] = Counter()
        self.fresh_at = 0.0
        self._service = service
        self._batch = batch
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(number,)) for number in range(senders)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _send(self, sender: int) -> None:
        number = 0
        while not self._over.is_set():
            names = [f"{sender}-{number + place}" for place in range(self._batch)]
            number += self._batch
            answer = self._service.post(BATCH, b"\n".join(map(_item, names)))
            self.statuses[answer.status] += 1
            self.acknowledged.update(
                result["id"]
                for result in answer.json.get("results", ())
                if result["status"] in {"accepted", "duplicate"}
            )
            if answer.status == 202:
                self.fresh_at = time.monotonic()
            elif answer.status == 503:
                self._over.wait(0.1)


def test_half_a_minute_without_kafka_under_load(launch: Launch, kafka: EmbeddedKafka) -> None:
    """No false consent, nothing that was acknowledged is lost, and it goes on by itself."""
    service = launch(ingest__request_deadline_s=3.0, ingest__max_in_flight=5_000)
    with Load(service) as load:
        service.wait_for(lambda: load.statuses[202] > 20)
        before = procfs.rss_mib(service.process.pid)
        kafka.pause()
        paused = time.monotonic()
        highest = before
        try:
            while time.monotonic() < paused + 30.0:
                highest = max(highest, procfs.rss_mib(service.process.pid))
                time.sleep(0.5)  # the pause is the point
            assert load.fresh_at < paused + 1.0  # answers of what was written before
        finally:
            kafka.resume()
        resumed = time.monotonic()
        service.wait_for(lambda: load.fresh_at > resumed, 15.0)
        service.wait_ready()
    assert set(load.statuses) == {202, 503}
    assert load.statuses[503] > 50
    assert highest < before + 100.0
    in_log = [json.loads(message.value())["native_id"] for message in _received(service)]
    assert load.acknowledged <= set(in_log)
    assert len(in_log) == len(set(in_log))
    assert service.stop() == 0


def test_being_told_to_stop_while_kafka_is_frozen_ends_in_time_and_says_so(
    launch: Launch, kafka: EmbeddedKafka
) -> None:
    service = launch(ingest__request_deadline_s=0.5, worker__drain_timeout_s=2.0)
    kafka.pause()
    try:
        assert service.post(SINGLE, _item(1)).status == 503
        started = time.monotonic()
        assert service.stop() == 1
        assert time.monotonic() - started < 4.0
        assert '"written": false' in service.log.read_text()
        assert "Traceback" not in service.log.read_text()
    finally:
        kafka.resume()


def test_bounds_on_what_is_in_flight(launch: Launch, kafka: EmbeddedKafka) -> None:
    service = launch(ingest__request_deadline_s=1.0, ingest__max_in_flight=50)
    kafka.pause()
    try:
        answer = service.post(BATCH, b"\n".join(_item(number) for number in range(200)))
        assert (answer.status, answer.json["unavailable"]) == (503, 200)
        details = {result["detail"] for result in answer.json["results"]}
        assert "50 records in flight" in details
    finally:
        kafka.resume()
    service.wait_ready()
    answer = service.post(BATCH, b"\n".join(_item(number) for number in range(40)))
    assert answer.json["unavailable"] == 0
    assert len(_received(service)) == 50


def test_without_redis_it_still_accepts(launch: Launch, redis_server: EmbeddedRedis) -> None:
    service = launch()
    assert service.metric("tocsin_redis_up") == 1.0
    assert service.post(SINGLE, _item(1)).status == 202
    remembered = redis.Redis.from_url(redis_server.url)
    service.wait_for(lambda: remembered.dbsize() > 0)  # it is remembered after the answer
    for away in (redis_server.pause, redis_server.kill):
        away()
        started = time.monotonic()
        for number in range(10):
            assert service.post(SINGLE, _item(f"{away.__name__}{number}")).status == 202
        assert time.monotonic() - started < 3.0
        assert service.metric("tocsin_redis_up") == 0.0
        redis_server.resume()
        time.sleep(1.2)  # the pause is the point: Redis is not asked again for a second
    assert service.get("/readyz").status == 200
    assert service.post(SINGLE, _item(1)).status == 202  # a double: dropped further down
    redis_server.start()
    service.wait_for(lambda: service.metric("tocsin_redis_up") == 1.0)
    assert service.post(SINGLE, _item(1)).status == 200
    identifiers = [json.loads(message.value())["feedback_id"] for message in _received(service)]
    assert len(identifiers) == 22
    assert len(set(identifiers)) == 21


def test_a_killed_broker_that_returns(launch: Launch, kafka: EmbeddedKafka) -> None:
    service = launch(ingest__request_deadline_s=1.0)
    assert service.post(SINGLE, _item(0)).status == 202
    kafka.kill()
    assert service.post(SINGLE, _item(1)).status == 503
    kafka.start()
    back = time.monotonic()
    service.wait_for(lambda: service.post(SINGLE, _item(2)).status in {200, 202}, 15.0)
    assert time.monotonic() - back < 10.0
    assert service.post(SINGLE, _item(1)).status == 200
    assert len(_received(service)) == 3
