"""A notifier as a real process, the events that it reads, and the topics that it writes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import redis
from confluent_kafka import Producer

from deploy.embedded.ports import free_port
from deploy.embedded.process import ChildProcess, Command
from deploy.stack import is_ready
from services.escalation.__main__ import view_namespace
from services.escalation.view.model import Changes, Checkpoint
from services.escalation.view.redis_view import RedisView
from shared import codec, ids, topics
from shared.config import Scalar, as_environ
from shared.events import (
    Case,
    CaseEvent,
    CaseEventKind,
    CaseState,
    Cause,
    Channel,
    DeadLetter,
    Delivery,
    Escalation,
    EscalationStatus,
    Kind,
    Severity,
    Struct,
)
from shared.streams.reader import Cluster, read_to_end
from shared.topics import Topic
from tests.services import Installation, wait_for

PARTITIONS = 2
TENANT = "acme"
SECRET = "whsec_dG9jc2luLXRlc3Qtc2VjcmV0LW9mLTMyLWJ5dGVzLiE="
E = TypeVar("E", bound=Struct)


def case(number: int, **fields: object) -> Case:
    """Return the ``number``-th case, each of another customer: paged, and not acknowledged."""
    customer = f"{number:032x}"
    given: dict[str, object] = {
        "case_id": ids.case_id(TENANT, customer, f"f{number}"),
        "tenant": TENANT,
        "record_key": ids.record_key(TENANT, customer),
        "customer_key": customer,
        "channel": Channel.EMAIL,
        "source": "inbox",
        "severity": Severity.HIGH,
        "kind": Kind.COMPLAINT,
        "state": CaseState.OPEN,
        "opened_at": 1,
        "case_seq": 1,
        "escalation": Escalation(status=EscalationStatus.PENDING, epoch=1, step=1),
    }
    return Case(**(given | fields))  # type: ignore[arg-type]


def event(kind: CaseEventKind, of: Case, **fields: object) -> CaseEvent:
    """Return what happened to a case, now."""
    now = time.time_ns() // 1_000_000
    given: dict[str, object] = {
        "event_id": ids.case_event_id(TENANT, of.case_id, of.case_seq),
        "kind": kind,
        "case_id": of.case_id,
        "case_seq": of.case_seq,
        "tenant": TENANT,
        "at": now,
        "recorded_at": now,
        "cause": Cause.COMMAND,
        "case": of,
        "epoch": of.escalation.epoch,
    }
    return CaseEvent(**(given | fields))  # type: ignore[arg-type]


def webhook(url: str, *events: str, secret: str = SECRET, **more: str) -> str:
    """Return the table of a webhook."""
    lines = [f'kind = "webhook"\nurl = "{url}"\nsecrets = ["{secret}"]\nallow_private = true']
    lines += [f"events = {list(events)}"] if events else []
    lines += [f"{name} = {value}" for name, value in more.items()]
    return "\n".join(lines)


class Office:
    """One installation with a notifier; ``close`` ends it.

    Args:
        sinks: name → table, see :func:`webhook`.
    """

    def __init__(
        self,
        installation: Installation,
        folder: Path,
        sinks: Mapping[str, str],
        environ: Mapping[str, str] | None = None,
        **extra: Scalar,
    ) -> None:
        self.installation = installation
        self.names = installation.names
        self._folder = folder
        self._file = folder / "sinks.toml"
        self._port = free_port()
        given: dict[str, Scalar] = {
            "kafka__partitions": PARTITIONS,
            "notifier__sinks_file": str(self._file),
            "notifier__port": free_port(),
            "worker__metrics_port": self._port,
        }
        settings = given | extra
        self.config = installation.loaded(**settings).config
        self._environ = as_environ(installation.settings(**settings)) | dict(environ or {})
        self._client = self.config.kafka.client()
        self._producer = Producer({**self._client, "log_level": 2})
        self._runs = 0
        self.write_sinks(sinks)
        installation.create_topics(PARTITIONS)
        self.process = self._launch()

    # ---- the process

    def _launch(self) -> ChildProcess:
        self._runs += 1
        log = self._folder / f"notifier-{self._runs}.log"
        argv = [sys.executable, "-m", "services.notifier"]
        process = ChildProcess("notifier", Command(argv, log, {**os.environ, **self._environ}))
        process.start()
        return process

    def wait_ready(self) -> None:
        """Wait until it says that it is ready."""
        wait_for(
            lambda: is_ready(f"http://127.0.0.1:{self._port}") or not self.process.alive,
            "the notifier is ready",
            60.0,
        )
        assert self.process.alive, self.process.log_tail(40)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def terminate(self) -> int | None:
        """SIGTERM; return the exit code."""
        self.process.terminate(30.0)
        return self.process.returncode

    def again(self) -> None:
        """Start it again."""
        self.process = self._launch()

    def log_tail(self) -> str:
        """Return the end of its log."""
        return self.process.log_tail(40)

    def close(self) -> None:
        """End it."""
        self.process.terminate(30.0)

    # ---- what it reads

    def write_sinks(self, sinks: Mapping[str, str]) -> None:
        """Write the file of sinks, whole."""
        text = "\n".join(f"[sinks.{name}]\n{table}\n" for name, table in sinks.items())
        fresh = self._file.with_suffix(".new")
        fresh.write_text(text, "utf-8")
        fresh.replace(self._file)

    def happen(self, *happened: CaseEvent) -> None:
        """Write events to ``escalations``."""
        for one in happened:
            key = ids.record_key_of_case(one.case_id)
            self.put(topics.ESCALATIONS, one, one.event_id, key)
        assert self._producer.flush(30) == 0

    def put(self, topic: Topic, value: Struct, event_id: str, key: str, **headers: bytes) -> None:
        """Queue a record."""
        self._producer.produce(
            self.names.of(topic),
            codec.encode(value),
            key,
            ids.partition_of(key, PARTITIONS),
            headers=[*codec.headers(value, event_id, "test"), *headers.items()],
        )
        self._producer.poll(0)

    def put_raw(self, value: bytes, key: str, **headers: bytes) -> None:
        """Write bytes to ``notifications``."""
        self._producer.produce(
            self.names.of(topics.NOTIFICATIONS),
            value,
            key,
            ids.partition_of(key, PARTITIONS),
            headers=list(headers.items()),
        )
        assert self._producer.flush(30) == 0

    def replay(self, letter: DeadLetter) -> None:
        """Write what a dead letter holds to its topic again."""
        assert letter.topic is not None
        self._producer.produce(
            letter.topic,
            letter.value,
            letter.key,
            letter.partition or 0,
            headers=list(letter.headers),
        )
        assert self._producer.flush(30) == 0

    def stand(self, cases: Iterable[Case]) -> None:
        """Write a case view, as the escalation has it, in which these cases are."""
        client = redis.Redis.from_url(self.config.redis.url)
        view = RedisView(client, view_namespace(self.config))
        by_partition: dict[int, list[Case]] = {}
        for one in cases:
            at = ids.partition_of(one.record_key, PARTITIONS)
            by_partition.setdefault(at, []).append(one)
        for partition, here in by_partition.items():
            found = view.checkpoint(partition)
            new = found or Checkpoint(1, "s", 0, "o", 0, 0)
            assert view.apply(partition, found, new, Changes(cases=here))
        client.close()

    # ---- what it writes

    def deliveries(self) -> list[Delivery]:
        """Return all records of what was told to whom."""
        return self.read(topics.DELIVERIES, Delivery)

    def dead_letters(self) -> list[DeadLetter]:
        """Return all dead letters."""
        return self.read(topics.DEAD_LETTERS, DeadLetter)

    def read(self, topic: Topic, kind: type[E]) -> list[E]:
        """Return everything in a topic."""
        return [one for one, _ in self.read_dated(topic, kind)]

    def read_dated(self, topic: Topic, kind: type[E]) -> list[tuple[E, int]]:
        """Return everything in a topic, with the time at which the broker wrote it, ms."""
        cluster, decoder = Cluster(self._client), codec.Decoder[E]([kind])
        ends = cluster.ends(cluster.sources(self.names.of(topic)))
        batches = read_to_end(self._client, dict.fromkeys(ends, 0), ends)
        return [
            (decoder.decode(message.value()), message.timestamp()[1])
            for batch in batches
            for message in batch
        ]

    def wait_delivered(self, count: int, sink: str, deadline_s: float = 60.0) -> list[Delivery]:
        """Wait for the records of so many deliveries of a sink."""

        def enough() -> list[Delivery] | None:
            found = [one for one in self.deliveries() if one.sink == sink]
            return found if len(found) >= count else None

        return wait_for(enough, f"{count} deliveries of {sink}\n{self.log_tail()}", deadline_s)


def opened(number: int) -> CaseEvent:
    """Return the opening of the ``number``-th case."""
    return event(CaseEventKind.OPENED, case(number))
