"""Many records into kafka-python's accumulator at once.

``KafkaProducer.send`` costs 25 µs a record: checks, two locks, a future with its callbacks, a builder
that writes byte by byte. A burst of intake needs one lock and one callback per batch. Connections,
retries, idempotence and compression stay kafka-python's; ``Burst.fits`` says whether this version of it
has the parts that are relied on, and ``KafkaLog`` goes through ``send`` otherwise.
Source: Kafka's record batch format, version 2 (KIP-98): https://kafka.apache.org/documentation/#recordbatch
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, overload

from kafka import TopicPartition
from kafka.producer.producer_batch import ProducerBatch
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecordsBuilder

from services.ingest.flight import Record
from shared import ids

Acknowledged = Callable[[Sequence[Record], Exception | None], None]
"""Told on the sender's thread what became of records."""

MAGIC = 2
_PARTS = ("_batches", "_tp_lock", "_incomplete", "_closed", "config")
_FIRST_LONG = 1 << 13


class Burst:
    """Gathers records by partition until ``flush``. Belongs to the event loop's thread."""

    def __init__(self, producer: Any, acknowledged: Acknowledged) -> None:
        self._accumulator = producer._accumulator
        self._cluster = producer._metadata
        self._wakeup: Callable[[], object] = producer._sender.wakeup
        self._producer = producer
        self._acknowledged = acknowledged
        self._pending: dict[TopicPartition, list[Record]] = {}
        self._partitions: dict[tuple[str, int], TopicPartition] = {}

    @staticmethod
    def fits(producer: Any) -> bool:
        """Tell whether ``producer`` is made of what is relied on here."""
        accumulator: Any = getattr(producer, "_accumulator", None)
        sender: Any = getattr(producer, "_sender", None)
        return (
            all(hasattr(accumulator, part) for part in _PARTS)
            and hasattr(producer, "_metadata")
            and hasattr(sender, "wakeup")
            and accumulator.config.get("message_version") == MAGIC
            and hasattr(ProducerBatch, "_complete_future")
        )

    def add(self, record: Record) -> None:
        """Take ``record`` for the next ``flush``.

        Raises:
            KafkaError: the metadata of its topic got lost, and does not come back at once.
        """
        known = self._cluster.partitions_for_topic(record.topic)
        if known is None:
            known = self._producer.partitions_for(record.topic)
        number = (ids.murmur2(record.owner) & 0x7FFFFFFF) % len(known)
        where = self._partitions.get((record.topic, number))
        if where is None:
            where = TopicPartition(record.topic, number)
            self._partitions[record.topic, number] = where
        pending = self._pending.get(where)
        if pending is None:
            self._pending[where] = [record]
        else:
            pending.append(record)

    def flush(self) -> None:
        """Hand over what was added; never blocks longer than the sender takes for one batch."""
        pending, self._pending = self._pending, {}
        now_ms = time.time_ns() // 1_000_000
        for where, records in pending.items():
            self._append(where, records, now_ms)
        self._wakeup()

    def _append(self, where: TopicPartition, records: list[Record], now_ms: int) -> None:
        accumulator = self._accumulator
        with accumulator._tp_lock(where):
            queue = accumulator._batches[where]
            at = 0
            if queue and isinstance(queue[-1], _Batch):
                at = queue[-1].extend(records, 0, now_ms)
            while at < len(records):
                batch = _Batch(where, accumulator.config, self._acknowledged)
                at = batch.extend(records, at, now_ms)
                queue.append(batch)
                accumulator._incomplete.add(batch)


class _Batch(ProducerBatch):  # type: ignore[misc]  # kafka-python is untyped
    """A batch with one callback for all of its records."""

    def __init__(self, where: TopicPartition, config: dict[str, Any], told: Acknowledged) -> None:
        codec, size = config["compression_attrs"], config["batch_size"]
        builder = MemoryRecordsBuilder(MAGIC, codec, size)
        self._fast = builder._builder = Builder(MAGIC, codec, False, -1, -1, -1, size)
        super().__init__(where, builder)
        self._taken: list[Record] = []
        self._told = told
        self._record_futures = _Tickets(self._taken, told)
        self.produce_future.add_callback(self._settle)

    def extend(self, records: Sequence[Record], at: int, now_ms: int) -> int:
        """Take ``records`` from ``at`` on, as many as there is room for; return the next one."""
        if self.records._closed:
            return at
        end = self._fast.extend(records, at, len(self._taken), now_ms)
        self._taken += records[at:end]
        self.records._next_offset = len(self._taken)
        self.last_append = time.monotonic()
        return end

    def _settle(self, result: tuple[int, int, Callable[[int], Exception] | None]) -> None:
        failures = result[2]
        if failures is None:
            self._told(self._taken, None)
            return
        for index, record in enumerate(self._taken):
            self._told([record], failures(index))


class _Tickets(Sequence["_Ticket"]):
    """What kafka-python looks for when it splits a batch that the broker finds too large."""

    def __init__(self, records: Sequence[Record], told: Acknowledged) -> None:
        self._records = records
        self._told = told

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, index: int) -> _Ticket: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[_Ticket]: ...
    def __getitem__(self, index: int | slice) -> _Ticket | Sequence[_Ticket]:
        if isinstance(index, slice):
            return _Tickets(self._records[index], self._told)
        return _Ticket(self._records[index], self._told)


class _Ticket:
    """One record that moves to the half of a split batch."""

    def __init__(self, record: Record, told: Acknowledged) -> None:
        self._record = record
        self._told = told
        self._future: Any = None

    def rebind(self, future: Any, index: int) -> None:
        """Follow ``future``, in which the record is number ``index``."""
        self._future = future
        future.add_callback(partial(self._settle, future, index))

    def _settle(
        self, future: Any, index: int, result: tuple[int, int, Callable[[int], Exception] | None]
    ) -> None:
        if future is self._future:
            self._told([self._record], None if result[2] is None else result[2](index))


class Builder(DefaultRecordBatchBuilder):  # type: ignore[misc]  # kafka-python is untyped
    """kafka-python's builder, which appends many records in one go and in a third of the time."""

    def extend(self, records: Sequence[Record], at: int, offset: int, now_ms: int) -> int:
        """Append ``records`` from ``at`` on while there is room; the first of a batch always fits.

        Return the next one; ``offset`` is the number of the first within the batch.
        """
        if not self._num_records:
            self._first_timestamp = self._max_timestamp = now_ms
        delta = _varint(now_ms - self._first_timestamp)
        buffer, limit = self._buffer, self._batch_size
        end = at
        for record in records[at:]:
            key, value = record.key, record.value
            parts = [
                b"\0",
                delta,
                _varint(offset),
                _varint(len(key)),
                key,
                _varint(len(value)),
                value,
            ]
            parts.append(_varint(len(record.headers)))
            for name, stated in record.headers:
                parts += (_name(name), _varint(len(stated)), stated)
            body = b"".join(parts)
            size = _varint(len(body))
            if len(buffer) + len(size) + len(body) > limit and self._num_records:
                break
            buffer += size
            buffer += body
            self._last_offset = offset
            self._num_records += 1
            offset += 1
            end += 1
        if end > at:
            self._max_timestamp = max(self._max_timestamp, now_ms)
        return end


def _long(number: int) -> bytes:
    """Return a zigzag varint (Protocol Buffers' encoding of sint64)."""
    rest = number << 1 if number >= 0 else (-number << 1) - 1
    coded = bytearray()
    while rest > 0x7F:
        coded.append(rest & 0x7F | 0x80)
        rest >>= 7
    coded.append(rest)
    return bytes(coded)


_SHORT = tuple(_long(number) for number in range(_FIRST_LONG))
_names: dict[str, bytes] = {}


def _varint(number: int) -> bytes:
    return _SHORT[number] if 0 <= number < _FIRST_LONG else _long(number)


def _name(name: str) -> bytes:
    """Return a header's name with its length; there are only a handful of names."""
    coded = _names.get(name)
    if coded is None:
        raw = name.encode()
        coded = _names[name] = _varint(len(raw)) + raw
    return coded
