"""An installation with some history on a real broker, and the command line on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from shared import codec, events, ids, topics
from shared.config import as_environ
from shared.events import CaseEvent, FeedbackClassified, SeverityCorrected
from shared.topics import Topic
from tests.services import Installation

PARTITIONS = 3


@dataclass(frozen=True)
class Record:
    """Writes the events of a test, and asks the commands about them."""

    installation: Installation
    cache: Path

    def produce(self, *given: events.Struct, at: int = 0, aborted: bool = False) -> None:
        """Write events to their topics, in one transaction; ``at`` is the time of the records."""
        producer = Producer({
            "bootstrap.servers": self.installation.bootstrap,
            "transactional.id": self.installation.name,
        })  # fmt: skip
        producer.init_transactions(30)
        producer.begin_transaction()
        for event in given:
            topic, key, owner = home(event)
            self._put(producer, topic, key, owner, codec.encode(event), at)
        if aborted:
            producer.abort_transaction(30)
        else:
            producer.commit_transaction(30)

    def raw(self, topic: Topic, key: str, owner: str, value: bytes | None) -> None:
        """Write a value as it is."""
        producer = Producer({"bootstrap.servers": self.installation.bootstrap})
        self._put(producer, topic, key, owner, value, 0)
        assert producer.flush(30) == 0

    def _put(
        self, producer: Producer, topic: Topic, key: str, owner: str, value: bytes | None, at: int
    ) -> None:
        name, number = self.installation.names.of(topic), ids.partition_of(owner, PARTITIONS)
        producer.produce(name, value, key, number, timestamp=at)

    def call(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command of ``tocsin`` until the two are wired: the modules are commands themselves."""
        program = (
            "import sys, importlib; from services import cli; "
            "cli.COMMANDS |= {n: (f'services.commands.{n}', '') for n in ('export', 'search')}; "
            "cli.main()"
        )
        settings = self.installation.settings(kafka__partitions=PARTITIONS)
        return subprocess.run(
            [sys.executable, "-c", program, *words],
            env=os.environ | as_environ(settings) | {"TOCSIN_CACHE_DIR": str(self.cache)} | environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def lines(self, *words: str) -> list[Any]:
        """Return the JSON lines that a command prints."""
        done = self.call(*words)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


def home(event: events.Struct) -> tuple[Topic, str, str]:
    """Return topic, key and record key of an event."""
    if isinstance(event, FeedbackClassified):
        return topics.FEEDBACK_CLASSIFIED, event.feedback.record_key, event.feedback.record_key
    if isinstance(event, CaseEvent):
        owner = ids.record_key_of_case(event.case_id)
        return topics.CASE_EVENTS, owner, owner
    if isinstance(event, SeverityCorrected):
        return topics.FEEDBACK_CORRECTIONS, event.correction_id, event.record_key
    if isinstance(event, events.Case):
        return topics.CASE_STATE, event.case_id, event.record_key
    assert isinstance(event, events.CustomerErased)
    return topics.CASE_STATE, event.record_key, event.record_key


@pytest.fixture
def record(installation: Installation, tmp_path: Path) -> Record:
    """An installation with its topics, nothing in them."""
    installation.create_topics(PARTITIONS)
    dated_by_tests(installation)
    return Record(installation, tmp_path / "cache")


def dated_by_tests(installation: Installation) -> None:
    """Let the records of ``case.events`` be as old as a test says: the broker dates them otherwise."""
    topic = installation.names.of(topics.CASE_EVENTS)
    by_producer = {"message.timestamp.type": "CreateTime"}
    admin = KafkaAdminClient(bootstrap_servers=installation.bootstrap)
    try:
        admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, topic, by_producer)], incremental=True
        )
    finally:
        admin.close()


def summary(done: subprocess.CompletedProcess[str]) -> Mapping[str, Any]:
    """Return the summary of an export."""
    assert done.returncode == 0, done.stderr
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found
