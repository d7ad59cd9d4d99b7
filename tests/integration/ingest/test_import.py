"""``tocsin import`` into a real Kafka: late acknowledgement, resumption, dead letters with lines."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from deploy.embedded.kafka import EmbeddedKafka
from deploy.embedded.ports import free_port
from deploy.embedded.redis import EmbeddedRedis
from shared import topics
from tests.services import Installation

pytestmark = pytest.mark.integration

PARTITIONS = 4
DEADLINE_S = 60.0


class Importer:
    """Runs the command on an installation of its own, and reads what it wrote."""

    def __init__(self, place: Installation, folder: Path) -> None:
        self.place = place
        self.folder = folder
        self.state = folder / "state.json"

    def start(self, file: Path, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        values = {name: str(value) for name, value in self.place.settings().items()} | settings
        sets = [word for name, value in values.items() for word in ("--set", f"{name}={value}")]
        call = ["import", str(file), "--source", "history", "--state", str(self.state), "--json"]
        environ = {name: text for name, text in os.environ.items() if not name.startswith("TOCSIN")}
        return subprocess.Popen(
            [sys.executable, "-m", "services.cli", *sets, *call, *arguments],
            cwd=self.folder,
            env=environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, file: Path, *arguments: str, **settings: str) -> tuple[int, Any, str]:
        """Return exit code, the JSON that was printed, and the messages."""
        with self.start(file, *arguments, **settings) as process:
            output, errors = process.communicate(timeout=DEADLINE_S)
        return process.returncode, json.loads(output) if output else None, errors

    def steps(self) -> int:
        """Return how far the state is."""
        try:
            return int(json.loads(self.state.read_bytes())["steps"])
        except FileNotFoundError:
            return 0

    def records(self, topic: topics.Topic) -> list[Any]:
        """Return all values of ``topic``."""
        settings = {"bootstrap.servers": self.place.bootstrap, "group.id": "reader"}
        consumer = Consumer(settings)
        name = self.place.names.of(topic)
        parts = [TopicPartition(name, number, 0) for number in range(PARTITIONS)]
        left = sum(consumer.get_watermark_offsets(part, timeout=10)[1] for part in parts)
        consumer.assign(parts)
        found: list[Any] = []
        while len(found) < left:
            found += consumer.consume(left - len(found), timeout=10)
        consumer.close()
        return [json.loads(message.value()) for message in found]


@pytest.fixture
def importer(kafka: EmbeddedKafka, redis_server: EmbeddedRedis, tmp_path: Path) -> Importer:
    place = Installation(kafka.bootstrap, redis_server.url)
    place.create_topics(PARTITIONS)
    return Importer(place, tmp_path)


def _file(folder: Path, count: int, *bad: bytes) -> Path:
    path = folder / "history.jsonl"
    with path.open("wb") as file:
        for number in range(count):
            item = {"id": f"n{number}", "channel": "email", "author": f"u{number % 50}@example.com"}
            text = f"Rechnung {number} ist falsch und niemand antwortet."
            file.write(json.dumps(item | {"text": text}).encode() + b"\n")
        file.writelines(line + b"\n" for line in bad)
    return path


def _wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def test_history_is_taken_once_and_bad_lines_are_kept(importer: Importer) -> None:
    file = _file(importer.folder, 1_500, b"{oops", b'{"note": "no text"}')
    code, state, errors = importer.run(file, "--backfill")
    assert code == 1, errors
    assert state["finished"]
    assert state["counts"]["accepted"] == 1_500
    assert state["counts"]["rejected"] == 2
    written = importer.records(topics.FEEDBACK_RECEIVED)
    assert Counter(event["native_id"] for event in written) == Counter(
        f"n{number}" for number in range(1_500)
    )
    assert all(event["flags"] == ["backfill"] for event in written)
    assert {event["source"] for event in written} == {"history"}
    letters = importer.records(topics.DEAD_LETTERS)
    assert sorted(letter["detail"].partition(":")[0] for letter in letters) == [
        "line 1501",
        "line 1502",
    ]
    assert importer.run(file, "--backfill")[1] == state  # nothing is left to do
    _, again, _ = importer.run(file, "--backfill", "--restart")
    assert (
        again["counts"]["duplicate"] >= 1_400
    )  # what Redis was told in time; the rest is harmless
    ids = {event["feedback_id"] for event in importer.records(topics.FEEDBACK_RECEIVED)}
    assert len(ids) == 1_500


def test_an_import_that_was_killed_goes_on(importer: Importer) -> None:
    count = 12_000
    file = _file(importer.folder, count)
    with importer.start(file) as process:
        _wait(lambda: importer.steps() > 0 or process.poll() is not None, "the first batch")
        process.send_signal(signal.SIGKILL)
        process.communicate()
    kept = importer.steps()
    assert 0 < kept < count
    code, state, errors = importer.run(file)
    assert code == 0, errors
    assert (state["steps"], state["finished"]) == (count, True)
    found = Counter(event["feedback_id"] for event in importer.records(topics.FEEDBACK_RECEIVED))
    assert len(found) == count
    assert max(found.values()) <= 2  # written, and killed before anybody could be told


def test_without_kafka_the_code_says_come_back(importer: Importer) -> None:
    file = _file(importer.folder, 10)
    away = {"kafka.bootstrap_servers": f"127.0.0.1:{free_port()}"}
    code, state, errors = importer.run(file, "--patience", "1", **away)
    assert code == 3
    assert state is None
    assert "kafka: " in errors
    assert "goes on from here" in errors
    assert importer.run(file)[0] == 0
    assert len(importer.records(topics.FEEDBACK_RECEIVED)) == 10


def test_a_broker_that_freezes_midway_loses_nothing(
    importer: Importer, kafka: EmbeddedKafka
) -> None:
    count = 12_000
    file = _file(importer.folder, count)
    late = {"ingest.request_deadline_s": "1"}
    with importer.start(file, "--patience", "1", **late) as process:
        _wait(lambda: importer.steps() > 0 or process.poll() is not None, "the first batch")
        kafka.pause()
        try:
            _wait(lambda: process.poll() is not None, "the end of its patience")
        finally:
            kafka.resume()
        output, errors = process.communicate()
    assert process.returncode == 3, errors
    state = json.loads(output)
    assert 0 < state["steps"] < count
    assert importer.run(file)[0] == 0
    found = {event["feedback_id"] for event in importer.records(topics.FEEDBACK_RECEIVED)}
    assert len(found) == count


def test_a_dry_run_needs_no_kafka(importer: Importer) -> None:
    file = _file(importer.folder, 20, b"nonsense")
    away = {"kafka.bootstrap_servers": f"127.0.0.1:{free_port()}"}
    code, report, _ = importer.run(file, "--dry-run", **away)
    assert code == 1
    assert report["items"] == 20
    assert report["languages"] == {"de": 20}
    assert report["unfit"]["bad_json"]["lines"] == [21]
    assert not importer.state.exists()
