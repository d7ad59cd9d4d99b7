"""Real Kafka and Redis, and the ingest service as its own process.

To be replaced by the shared session fixtures: only ``kafka`` and ``redis_server`` start servers.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from deploy.embedded.kafka import EmbeddedKafka
from deploy.embedded.ports import free_port
from deploy.embedded.redis import EmbeddedRedis
from shared import topics

PARTITIONS = 4


def _started(service: Any) -> Any:
    try:
        return service.start()
    except Exception as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"{service.name} cannot be started here: {error}")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    broker = _started(EmbeddedKafka(tmp_path_factory.mktemp("kafka")))
    yield broker
    broker.stop()


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    server = _started(EmbeddedRedis(tmp_path / "redis"))
    yield server
    server.resume()
    server.stop()


class Answer:
    """Status, headers and JSON of an answer."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.json: Any = json.loads(body) if body.startswith(b"{") else None
        self.text = body.decode()


class Service:
    """One running ingest process and its view of the topics."""

    def __init__(self, process: subprocess.Popen[bytes], env: dict[str, str], log: Path) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{env['TOCSIN_INGEST__PORT']}"
        self.probes = f"http://127.0.0.1:{env['TOCSIN_WORKER__METRICS_PORT']}"
        self.bootstrap = env["KAFKA_BOOTSTRAP_SERVERS"]
        self.names = topics.Names(env["TOCSIN_KAFKA__TOPIC_PREFIX"])
        self.log = log

    def post(self, path: str, body: bytes, **headers: str) -> Answer:
        request = urllib.request.Request(self.url + path, body, headers)  # noqa: S310
        return self._answer(request)

    def get(self, path: str) -> Answer:
        return self._answer(urllib.request.Request(self.probes + path))  # noqa: S310

    def metric(self, line: str) -> float:
        for row in self.get("/metrics").text.splitlines():
            if row.startswith(line + " "):
                return float(row.rsplit(" ", 1)[1])
        return 0.0

    def wait_ready(self, deadline_s: float = 30.0) -> None:
        self.wait_for(lambda: self.get("/readyz").status == 200, deadline_s)

    def wait_for(self, condition: Callable[[], bool], deadline_s: float = 10.0) -> None:
        deadline = time.monotonic() + deadline_s
        while time.monotonic() < deadline:
            try:
                if condition():
                    return
            except OSError:
                if self.process.poll() is not None:
                    break
            time.sleep(0.05)
        raise AssertionError(f"not within {deadline_s} s\n{self.log.read_text()}")

    def stop(self, deadline_s: float = 25.0) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(deadline_s)

    def records(self, topic: topics.Topic) -> list[Any]:
        """Return all messages of ``topic``."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "reader"})
        name = self.names.of(topic)
        count = PARTITIONS
        parts = [TopicPartition(name, number, 0) for number in range(count)]
        # More may come meanwhile, so each partition is read to its own end, and not their sum.
        left = {part.partition: _end(consumer, part) for part in parts}
        consumer.assign(parts)
        messages: list[Any] = []
        while any(left.values()):
            for message in consumer.consume(500, timeout=0.1):
                if message.error() is not None:
                    continue
                partition, offset = message.partition() or 0, message.offset() or 0
                if offset < left[partition]:
                    messages.append(message)
                if offset + 1 >= left[partition]:
                    left[partition] = 0
        consumer.close()
        return messages

    @staticmethod
    def _answer(request: urllib.request.Request) -> Answer:
        try:
            with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
                return Answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())


def _end(consumer: Consumer, part: TopicPartition) -> int:
    """Return the end of ``part``; a broker that was frozen has to elect its leaders again."""
    deadline = time.monotonic() + 30.0
    while time.monotonic() < deadline:
        try:
            return int(consumer.get_watermark_offsets(part, timeout=10)[1])
        except KafkaException:
            time.sleep(0.2)
            with suppress(
                KafkaException
            ):  # an answer during the election would be kept for minutes
                consumer.list_topics(part.topic, timeout=10)
    raise AssertionError(f"{part} has no leader")


Launch = Callable[..., Service]


@pytest.fixture
def launch(kafka: EmbeddedKafka, redis_server: EmbeddedRedis, tmp_path: Path) -> Iterator[Launch]:
    """Return a function that starts the service; settings are given as ``ingest__keys="…"``."""
    services: list[Service] = []
    prefix = uuid.uuid4().hex[:8] + "."

    def start(*, topics_exist: bool = True, ready: bool = True, **settings: Any) -> Service:
        if topics_exist:
            create_topics(kafka.bootstrap, prefix)
        env = {
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
            "REDIS_URL": redis_server.url,
            "TOCSIN_KAFKA__TOPIC_PREFIX": prefix,
            "TOCSIN_INGEST__PORT": str(free_port()),
            "TOCSIN_WORKER__METRICS_PORT": str(free_port()),
            "TOCSIN_LOG__FORMAT": "json",
        } | {f"TOCSIN_{name.upper()}": str(value) for name, value in settings.items()}
        log = tmp_path / "ingest.log"
        with log.open("ab") as sink:
            process = subprocess.Popen(
                [sys.executable, "-m", "services.ingest"],
                env=os.environ | env,
                stdout=sink,
                stderr=sink,
            )
        service = Service(process, env, log)
        services.append(service)
        if ready:
            service.wait_ready()
        return service

    yield start
    for service in services:
        if service.process.poll() is None:
            service.process.kill()
            service.process.wait()


def create_topics(bootstrap: str, prefix: str) -> None:
    """Create what ingest writes to."""
    names = topics.Names(prefix)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    wanted = [
        NewTopic(names.of(topic), PARTITIONS, 1, config=topic.settings())
        for topic in (
            topics.FEEDBACK_RECEIVED,
            topics.DEAD_LETTERS,
            topics.FEEDBACK_ORIGINALS,
            topics.IDENTITY_LINKS,
            topics.REPLY_ROUTES,
            topics.WATERMARKS,
        )
    ]
    for created in admin.create_topics(wanted).values():
        created.result()
