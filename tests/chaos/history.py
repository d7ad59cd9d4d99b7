"""What the log says, read by a consumer of the tests' own: no product code vouches for itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

STALL_S = 60.0
_json = msgspec.json.Decoder()


class Entry(NamedTuple):
    """One committed record."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: Any
    """Decoded JSON; None for a tombstone."""

    @property
    def where(self) -> str:
        """Position, for messages."""
        return f"{self.topic}/{self.partition}@{self.offset}"


@dataclass
class History:
    """Committed records by topic (without the prefix), in log order within each partition."""

    topics: dict[str, list[Entry]] = field(default_factory=dict)

    def of(self, topic: str) -> list[Entry]:
        """Return the records of a topic."""
        return self.topics.get(topic, [])

    def add(self, topic: str, entry: Entry) -> None:
        """Append a record."""
        self.topics.setdefault(topic, []).append(entry)


def consumer(bootstrap: str, **more: str | int) -> Consumer:
    """Return a read-committed consumer that commits nothing."""
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "tests-history",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 50,
            "reconnect.backoff.max.ms": 500,
            **more,
        }
    )


def partitions(reader: Consumer, topics: Iterable[str]) -> list[TopicPartition]:
    """Return all partitions of ``topics``, from their beginning."""
    found = reader.list_topics(timeout=STALL_S).topics
    return [TopicPartition(name, number, 0) for name in topics for number in found[name].partitions]


def end_of(reader: Consumer, at: TopicPartition) -> int:
    """Return the high watermark; a broker that just came back has to elect its leaders first."""
    deadline = time.monotonic() + STALL_S
    while True:
        try:
            return int(reader.get_watermark_offsets(at, timeout=STALL_S)[1])
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def read(bootstrap: str, prefix: str, topics: Sequence[str]) -> History:
    """Return everything committed in ``topics``, cut through no transaction.

    The ends of partitions are asked for in turn, and a commit may fall between. So once all are
    reached they are asked for anew: nothing has come, or what came is read as well. They are those
    of an uncommitted reader: a record of an open transaction counts, and is waited for.

    Raises:
        TimeoutError: a partition's end is not reached; a transaction was left open, for instance.
    """
    history = History({topic: [] for topic in topics})
    reader = consumer(bootstrap)
    scout = consumer(bootstrap, **{"isolation.level": "read_uncommitted"})
    try:
        where = partitions(reader, [prefix + topic for topic in topics])
        reader.assign(where)
        reached = dict.fromkeys(((at.topic, at.partition) for at in where), 0)
        last = time.monotonic()
        while behind := _behind(scout, where, reached):
            while any(reached[at] < end for at, end in behind.items()):
                for message in reader.consume(5_000, 0.2):
                    last = time.monotonic()
                    at = (message.topic() or "", message.partition() or 0)
                    reached[at] = max(reached[at], _take(message, prefix, history))
                if time.monotonic() - last > STALL_S:
                    raise TimeoutError(f"no end in sight of {behind}; reached {reached}")
    finally:
        reader.close()
        scout.close()
    return history


def _behind(
    scout: Consumer, where: Iterable[TopicPartition], reached: Mapping[tuple[str, int], int]
) -> dict[tuple[str, int], int]:
    """Return the ends of the partitions that are not read to their present end."""
    ends = {(at.topic, at.partition): end_of(scout, at) for at in where}
    return {at: end for at, end in ends.items() if reached[at] < end}


def _take(message: Message, prefix: str, history: History) -> int:
    """Record ``message``; return the position after it (an end of partition is one, too)."""
    offset = message.offset() or 0
    error = message.error()
    if error is not None:
        if error.code() == KafkaError._PARTITION_EOF:
            return offset
        if error.fatal():
            raise KafkaException(error)
        return -1
    entry = entry_of(message, prefix)
    history.add(entry.topic, entry)
    return offset + 1


def entry_of(message: Message, prefix: str) -> Entry:
    """Return a consumed message as an entry."""
    raw = message.value()
    return Entry(
        (message.topic() or "").removeprefix(prefix),
        message.partition() or 0,
        message.offset() or 0,
        message.key(),
        _json.decode(raw) if raw else None,
    )


class LiveReader:
    """Reads committed records while the faults happen; what it saw must be what is there later."""

    def __init__(self, bootstrap: str, prefix: str, topics: Sequence[str]) -> None:
        self.history = History({topic: [] for topic in topics})
        self.answered: set[str] = set()
        """Ids of the commands of which an event was seen."""
        self.cases: dict[str, Any] = {}
        """The last snapshot of each case."""
        self._prefix = prefix
        self._seen: dict[str, float] = {}
        self._stop = threading.Event()
        self._reader = consumer(bootstrap)
        self._reader.assign(partitions(self._reader, [prefix + topic for topic in topics]))
        self._thread = threading.Thread(target=self._run, name="live-reader", daemon=True)
        self._thread.start()

    def settled(self) -> Mapping[str, float]:
        """Return the feedback ids that have an outcome or dead letter, and when that was seen."""
        return self._seen

    def missing(self, ids: Iterable[str]) -> list[str]:
        """Return those of ``ids`` that have neither yet."""
        return [one for one in ids if one not in self._seen]

    def stop(self) -> None:
        """End the thread; records that were not read yet are left."""
        self._stop.set()
        self._thread.join(10.0)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                for message in self._reader.consume(2_000, 0.1):
                    self._one(message)
        finally:
            self._reader.close()

    def _one(self, message: Message) -> None:
        if message.error() is not None:
            return
        entry = entry_of(message, self._prefix)
        self.history.add(entry.topic, entry)
        if entry.topic == "case.events":
            self._case_event(entry.value)
        if entry.topic in {"feedback.outcomes", "dead-letters"} and entry.value:
            feedback = entry.value.get("feedback_id")
            if feedback:
                self._seen.setdefault(feedback, time.monotonic())

    def _case_event(self, event: dict[str, Any]) -> None:
        if "command_id" in event:
            self.answered.add(event["command_id"])
        if "case" in event:
            self.cases[event["case_id"]] = event["case"]
