"""Stand-ins for librdkafka and for a worker's own part, scripted by the tests."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition
from prometheus_client import CollectorRegistry

from shared.metrics import Metrics
from shared.streams.records import Assignment, Chunk, Interrupted, Output, Partition, Work

DEADLINE_S = 10.0
IN = Partition("in", 0)
IN_1 = Partition("in", 1)


def eventually(condition: Callable[[], object], what: str = "") -> None:
    """Wait until ``condition`` holds; fail after a deadline."""
    deadline = time.monotonic() + DEADLINE_S
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, what or "it never happened"
        pause.wait(0.002)


def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


def value_of(made: Metrics, name: str, **labels: str) -> float:
    return made.registry.get_sample_value(name, labels) or 0.0


def record(
    offset: int,
    source: Partition = IN,
    value: bytes | None = b"v",
    key: bytes | None = b"k",
    headers: Sequence[tuple[str, bytes]] = (),
) -> Message:
    return Message(
        topic=source.topic,
        partition=source.number,
        offset=offset,
        key=key,
        value=value,
        headers=[*headers] or None,
    )


def event(code: int, source: Partition = IN, offset: int = 0, *, fatal: bool = False) -> Message:
    """Return what poll gives for an error or the end of a partition."""
    error = KafkaError(code, "told by the test", fatal=fatal)
    return Message(topic=source.topic, partition=source.number, offset=offset, error=error)


def chunk(
    start: int, count: int = 1, source: Partition = IN, generation: int = 1, size: int = 10
) -> Chunk:
    messages = [record(start + number, source) for number in range(count)]
    return Chunk(source, generation, start, start + count, size, messages)


def assignment(generation: int = 1, **positions: int) -> Assignment:
    """Return an assignment of partitions of ``in``: ``p0=7`` means partition 0 from offset 7."""
    return Assignment(
        generation,
        {Partition("in", int(name[1:])): at for name, at in positions.items()},
        f"membership {generation}",
    )


def output(value: bytes = b"out", topic: str = "out", number: int = 0) -> Output:
    return Output(topic, number, b"k", value, [])


def failure(
    code: int = KafkaError._STATE, *, fatal: bool = False, retriable: bool = False
) -> KafkaException:
    return KafkaException(KafkaError(code, "told by the test", fatal=fatal, retriable=retriable))


@dataclass
class Committed:
    """One committed transaction as the broker would have it."""

    values: list[bytes | None]
    offsets: dict[Partition, int]
    membership: object


class FakeProducer:
    """A transactional producer; ``fail`` scripts errors, ``gate`` holds a call until it is opened."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        self.settings = settings or {}
        self.calls: list[str] = []
        self.committed: list[Committed] = []
        self.aborted = 0
        self._failures: dict[str, deque[Exception]] = defaultdict(deque)
        self._gates: dict[str, tuple[threading.Event, threading.Event]] = {}
        self._open: list[tuple[str, int, bytes | None, Any]] | None = None
        self._offsets: dict[Partition, int] = {}
        self._membership: object = None
        self._ends: dict[Partition, int] = defaultdict(int)

    def fail(self, call: str, *errors: Exception) -> None:
        self._failures[call].extend(errors)

    def gate(self, call: str) -> tuple[threading.Event, threading.Event]:
        """Return two events: set when the call was entered, to be set to let it go on."""
        self._gates[call] = (threading.Event(), threading.Event())
        return self._gates[call]

    def _enter(self, call: str) -> None:
        self.calls.append(call)
        if call in self._gates:
            entered, go_on = self._gates.pop(call)
            entered.set()
            assert go_on.wait(DEADLINE_S)
        if self._failures[call]:
            raise self._failures[call].popleft()

    def init_transactions(self, _: float) -> None:
        self._enter("init")

    def begin_transaction(self) -> None:
        self._enter("begin")
        assert self._open is None, "a transaction is open already"
        self._open = []

    def produce(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int,
        callback: Any,
        *_: object,
    ) -> None:
        self._enter("produce")
        assert self._open is not None
        self._open.append((topic, partition, value, callback))

    def poll(self, _: float) -> None:
        self.calls.append("poll")

    def send_offsets_to_transaction(
        self, offsets: Sequence[TopicPartition], membership: object, _: float
    ) -> None:
        self._enter("offsets")
        self._offsets = {Partition(at.topic, at.partition): at.offset for at in offsets}
        self._membership = membership

    def commit_transaction(self, _: float) -> None:
        self._enter("commit")
        assert self._open is not None
        for topic, number, value, callback in self._open:
            where = Partition(topic, number)
            if callback is not None:
                callback(None, record(self._ends[where], where, value))
            self._ends[where] += 1
        values = [value for _, _, value, _ in self._open]
        self.committed.append(Committed(values, self._offsets, self._membership))
        self._open = None

    def abort_transaction(self, _: float) -> None:
        self._enter("abort")
        self._open = None
        self.aborted += 1


@dataclass
class ScriptedHandler:
    """A worker's own part: by default one output per record, its value that of the record."""

    stage: str = "classifier"
    inputs: Sequence[str] = ("in",)
    tracked: frozenset[str] = frozenset({"out"})
    tick_s: float | None = None
    seen: list[list[tuple[Partition, int, int]]] = field(default_factory=list)
    assignments: list[Assignment] = field(default_factory=list)
    delivered: list[Mapping[Partition, int]] = field(default_factory=list)
    catching_up: deque[Callable[[Interrupted], None]] = field(default_factory=deque)
    working: deque[Callable[[Sequence[Chunk], Interrupted], Work]] = field(default_factory=deque)
    interruptions: list[Interrupted] = field(default_factory=list)

    def assigned(self, assignment: Assignment, interrupted: Interrupted) -> None:
        self.assignments.append(assignment)
        if self.catching_up:
            self.catching_up.popleft()(interrupted)

    def process(self, chunks: Sequence[Chunk], interrupted: Interrupted) -> Work:
        self.seen.append([(one.source, one.start, one.end) for one in chunks])
        self.interruptions.append(interrupted)
        if self.working:
            return self.working.popleft()(chunks, interrupted)
        values = [message.value() or b"" for one in chunks for message in one.messages]
        return Work([output(value) for value in values], committed=self.delivered.append)


class FakeConsumer:
    """A group member; ``polls`` holds what each poll returns, or a function that is called in it."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        self.settings = settings or {}
        self.polls: deque[list[Message] | Callable[[], list[Message]]] = deque()
        self.offsets: dict[Partition, int] = {}
        self.watermarks: dict[Partition, tuple[int, int]] = defaultdict(lambda: (0, 0))
        self.assignments: list[dict[Partition, int]] = []
        self.calls: list[str] = []
        self.callbacks: dict[str, Any] = {}
        self._rest: list[Message] = []
        self.consumed: list[tuple[int, float]] = []
        self.idle = threading.Event()

    def subscribe(self, topics: list[str], **callbacks: Any) -> None:
        self.calls.append(f"subscribe {topics}")
        self.callbacks = callbacks

    def poll(self, timeout: float) -> Message | None:
        if not self.polls:
            self.idle.wait(min(timeout, 0.005))
            return None
        step = self.polls.popleft()
        messages = step() if callable(step) else step
        self._rest = messages[1:]
        return messages[0] if messages else None

    def consume(self, count: int, timeout: float) -> list[Message]:
        self.consumed.append((count, timeout))
        rest, self._rest = self._rest[:count], []
        return rest

    def committed(self, partitions: list[TopicPartition], _: float) -> list[TopicPartition]:
        return [
            TopicPartition(
                at.topic, at.partition, self.offsets.get(Partition(at.topic, at.partition), -1001)
            )
            for at in partitions
        ]

    def get_watermark_offsets(
        self, at: TopicPartition, timeout: float = 0, cached: bool = False
    ) -> tuple[int, int]:
        return self.watermarks[Partition(at.topic, at.partition)]

    def assign(self, partitions: list[TopicPartition]) -> None:
        self.assignments.append({Partition(at.topic, at.partition): at.offset for at in partitions})

    def unassign(self) -> None:
        self.calls.append("unassign")

    def pause(self, partitions: list[TopicPartition]) -> None:
        self.calls.append(f"pause {len(partitions)}")

    def resume(self, partitions: list[TopicPartition]) -> None:
        self.calls.append(f"resume {len(partitions)}")

    def consumer_group_metadata(self) -> object:
        return "membership"

    def close(self) -> None:
        self.calls.append("close")
