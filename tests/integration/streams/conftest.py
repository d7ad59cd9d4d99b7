"""Relays as processes on the real broker, with topics of their own per test."""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from deploy.embedded.ports import free_port
from deploy.embedded.process import ChildProcess, Command
from deploy.stack import is_ready
from shared.config import Scalar, as_environ
from tests.chaos.history import consumer, end_of, partitions
from tests.integration.streams.relay_worker import Plan
from tests.services import Installation, wait_for

WORKER = Path(__file__).with_name("relay_worker.py")
SESSION_MS = 6_000


@dataclass(frozen=True)
class Record:
    """A committed record of the output."""

    partition: int
    key: bytes | None
    value: bytes | None
    origin: str = ""


@dataclass
class RelayProcess:
    """One relay."""

    process: ChildProcess
    log: Path
    port: int

    @property
    def ready(self) -> bool:
        """Tell whether it answers its readiness probe."""
        return is_ready(f"http://127.0.0.1:{self.port}")

    def lines(self) -> list[dict[str, Any]]:
        """Return what it logged."""
        lines = self.log.read_text("utf-8", "replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def assignments(self) -> list[tuple[str, list[int]]]:
        """Return the assignments and revocations it logged, in order."""
        return [
            (line["event"], line["partitions"])
            for line in self.lines()
            if line.get("event") in {"assigned", "revoked", "lost", "ready"}
        ]

    def wait_end(self, deadline_s: float) -> int:
        """Return its exit code."""
        assert self.process.wait(deadline_s), f"still runs after {deadline_s} s; {self.log}"
        code = self.process.returncode
        assert code is not None
        return code


@dataclass
class Bench:
    """Topics ``in``, ``in2``, ``out`` and ``dead`` of one test, and the relays on them."""

    installation: Installation
    folder: Path
    number: int = 4
    relays: list[RelayProcess] = field(default_factory=list)

    def name(self, topic: str) -> str:
        """Return a topic's whole name."""
        return self.installation.prefix + topic

    def create(self, *topics: str) -> None:
        """Create topics with ``number`` partitions."""
        admin = AdminClient({"bootstrap.servers": self.installation.bootstrap})
        wanted = [NewTopic(self.name(topic), self.number, 1) for topic in topics]
        for future in admin.create_topics(wanted).values():
            future.result(30)

    def start(
        self,
        slot: str = "0",
        *,
        inputs: Sequence[str] = ("in",),
        settings: Mapping[str, Scalar] | None = None,
        ready: bool = True,
        **plan: Any,
    ) -> RelayProcess:
        """Start a relay in ``slot``; ``plan`` are fields of :class:`Plan`."""
        port = free_port()
        flags = self.installation.settings(
            kafka__partitions=self.number,
            kafka__session_timeout_ms=SESSION_MS,
            worker__slot=slot,
            worker__metrics_port=port,
            log__format="json",
        ) | dict(settings or {})
        made = Plan(
            inputs=tuple(map(self.name, inputs)),
            out=self.name("out"),
            dead=self.name("dead"),
            **plan,
        )
        log = self.folder / f"relay-{slot}-{uuid.uuid4().hex[:6]}.log"
        command = Command(
            argv=[sys.executable, str(WORKER), msgspec.json.encode(made).decode()],
            log=log,
            env=as_environ(flags) | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        process = ChildProcess(f"relay-{slot}", command)
        process.start()
        relay = RelayProcess(process, log, port)
        self.relays.append(relay)
        if ready:
            wait_for(lambda: relay.ready or not process.alive, f"relay ready; {log}", 40.0)
            assert process.alive, process.log_tail()
        return relay

    def produce(
        self, topic: str, count: int, *, keys: int = 20, begin: int = 0, pace: float = 0.0
    ) -> list[tuple[bytes, bytes]]:
        """Write ``count`` records; key ``k`` always goes to the same partition. Return them."""
        producer = Producer(
            {
                "bootstrap.servers": self.installation.bootstrap,
                "linger.ms": 5,
                "enable.idempotence": True,  # else a retry on a young topic may reorder the input
            }
        )
        written = []
        for serial in range(begin, begin + count):
            key, value = b"k%d" % (serial % keys), b"%s-%d" % (topic.encode(), serial)
            producer.produce(self.name(topic), value, key, partition=serial % keys % self.number)
            written.append((key, value))
            if pace and serial % 100 == 99:
                producer.flush(30)
                time.sleep(100 * pace)  # the pause is the point: a steady rate
        assert producer.flush(60) == 0
        return written

    def raw(self, topic: str, values: Sequence[bytes | None], partition: int = 0) -> None:
        """Write these values into one partition."""
        producer = Producer(
            {"bootstrap.servers": self.installation.bootstrap, "message.max.bytes": 2_000_000}
        )
        for number, value in enumerate(values):
            producer.produce(self.name(topic), value, b"k%d" % number, partition=partition)
        assert producer.flush(60) == 0

    def read(self, topic: str = "out", isolation: str = "read_committed") -> list[Record]:
        """Return the committed records of a topic."""
        reader = consumer(self.installation.bootstrap, **{"isolation.level": isolation})
        try:
            where = partitions(reader, [self.name(topic)])
            ends = {at.partition: end_of(reader, at) for at in where}
            reader.assign(where)
            found: list[Record] = []
            deadline = time.monotonic() + 60
            while ends and time.monotonic() < deadline:
                for message in reader.consume(5_000, 0.2):
                    number, at = message.partition() or 0, message.offset() or 0
                    if message.error() is None:
                        headers = dict(message.headers() or ())
                        origin = headers.get("from", b"")
                        found.append(
                            Record(number, message.key(), message.value(), bytes(origin).decode())  # type: ignore[arg-type]
                        )
                        at += 1
                    if at >= ends.get(number, at + 1):
                        del ends[number]
            assert not ends, f"no end of {ends}"
            return found
        finally:
            reader.close()

    def wait_out(self, count: int, deadline_s: float = 60.0, topic: str = "out") -> list[Record]:
        """Wait until at least ``count`` committed records are there; return all."""
        found: list[Record] = []

        def enough() -> bool:
            found[:] = self.read(topic)
            return len(found) >= count

        wait_for(enough, f"{count} records in {topic}", deadline_s, every_s=0.3)
        return found


def assert_exactly(found: Sequence[Record], written: Sequence[tuple[bytes, bytes]]) -> None:
    """Assert that ``found`` is ``written``: each once, in order per key."""
    assert len(found) == len({record.value for record in found}), "doubles"
    by_key: dict[bytes, list[bytes]] = {}
    for key, value in written:
        by_key.setdefault(key, []).append(value)
    got: dict[bytes, list[bytes]] = {}
    for record in found:
        got.setdefault(record.key or b"", []).append(record.value or b"")
    assert {key: sorted(values) for key, values in got.items()} == {
        key: sorted(values) for key, values in by_key.items()
    }, "the sets differ"
    assert got == by_key, "the order per key differs"


Benches = Callable[..., Bench]


@pytest.fixture
def benches(installation: Installation, tmp_path: Path) -> Iterator[Benches]:
    """Return a maker of benches with some number of partitions; relays end with the test."""
    made: list[Bench] = []

    def make(number: int = 4, topics: Sequence[str] = ("in", "out", "dead")) -> Bench:
        bench = Bench(installation, tmp_path, number)
        bench.create(*topics)
        made.append(bench)
        return bench

    yield make
    for bench in made:
        for relay in bench.relays:
            if relay.process.alive:
                relay.process.resume()
                relay.process.kill()


@pytest.fixture
def bench(benches: Benches) -> Bench:
    """Return a bench with four partitions."""
    return benches()
