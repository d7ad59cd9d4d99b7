"""Bursts in kafka-python's own accumulator, and the bytes that come of them."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import TopicPartition
from kafka.producer.record_accumulator import RecordAccumulator
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords

from services.ingest.flight import Record
from services.ingest.record_batches import MAGIC, Builder, Burst
from shared import ids

NOW = 1_771_000_000_000


class Rig:
    """A burst on a real accumulator without a sender."""

    def __init__(self, batch_size: int = 500, partitions: int = 1) -> None:
        self.told: list[tuple[str, Exception | None]] = []
        self.woken = 0
        self.accumulator = RecordAccumulator(batch_size=batch_size)
        cluster = SimpleNamespace(partitions_for_topic=lambda _: set(range(partitions)))
        self.burst = Burst(
            SimpleNamespace(
                _accumulator=self.accumulator,
                _metadata=cluster,
                _sender=SimpleNamespace(wakeup=self._wake),
            ),
            self._tell,
        )

    def _wake(self) -> None:
        self.woken += 1

    def _tell(self, records: Sequence[Record], error: Exception | None) -> None:
        self.told += [(record.id, error) for record in records]

    def send(self, *names: str) -> None:
        for name in names:
            self.burst.add(_record(name))
        self.burst.flush()

    def batches(self, partition: int = 0) -> list[Any]:
        return list(self.accumulator._batches[TopicPartition("t", partition)])


def _record(name: str, size: int = 100, headers: Any = (("ce_id", b"1"),)) -> Record:
    return Record(name, "t", name.encode(), b"v" * size, list(headers))


def _keys(batch: Any) -> list[str]:
    batch.records.close()
    found = MemoryRecords(bytes(batch.records.buffer()))
    return [record.key.decode() for inner in found for record in inner]


def test_a_burst_shares_batches_in_order_and_wakes_the_sender_once() -> None:
    rig = Rig()
    rig.send("a", "b")
    rig.send("c", "d", "e", "f")
    assert rig.woken == 2
    assert [_keys(batch) for batch in rig.batches()] == [["a", "b", "c"], ["d", "e", "f"]]


def test_records_go_to_the_partition_of_their_key() -> None:
    rig = Rig(partitions=4)
    names = [f"customer{number}" for number in range(40)]
    rig.send(*names)
    found = {
        name: place for place in range(4) for batch in rig.batches(place) for name in _keys(batch)
    }
    assert found == {name: ids.partition_of(name, 4) for name in names}


def test_what_became_of_a_batch_is_told_for_each_record_once() -> None:
    rig = Rig()
    rig.send("a", "b", "c", "d")
    first, second = rig.batches()
    first.done(base_offset=7, timestamp_ms=NOW)
    assert rig.told == [("a", None), ("b", None), ("c", None)]
    errors = [KeyError("d")]
    second.complete_exceptionally(errors[0], errors.__getitem__)
    assert rig.told[3:] == [("d", errors[0])]
    assert not second.done(base_offset=7, timestamp_ms=NOW)
    assert len(rig.told) == 4


def test_a_batch_on_its_way_is_not_added_to() -> None:
    rig = Rig()
    rig.send("a")
    rig.batches()[0].records.close()
    rig.send("b")
    assert [_keys(batch) for batch in rig.batches()] == [["a"], ["b"]]


def test_records_follow_the_halves_of_a_batch_that_was_too_large() -> None:
    rig = Rig()
    rig.send("a", "b", "c")
    batch = rig.batches()[0]
    batch.records.close()
    rig.accumulator._batches[TopicPartition("t", 0)].clear()
    rig.accumulator.split_and_reenqueue(batch)
    rig.send("d")  # not into a half
    left, right, last = rig.batches()
    assert _keys(last) == ["d"]
    left.done(base_offset=0, timestamp_ms=NOW)
    assert rig.told == [("a", None), ("b", None)]
    error = ValueError("too large")
    right.complete_exceptionally(error, lambda _: error)
    assert rig.told[2:] == [("c", error)]


def test_a_half_may_be_split_again() -> None:
    rig = Rig()
    rig.send("a", "b", "c")
    [batch] = rig.batches()
    for _ in range(2):
        rig.accumulator._batches[TopicPartition("t", 0)].clear()
        batch.records.close()
        rig.accumulator.split_and_reenqueue(batch)
        batch = rig.batches()[0]
    batch.done(base_offset=0, timestamp_ms=NOW)
    assert rig.told == [("a", None)]


def test_another_kafka_python_is_noticed() -> None:
    assert not Burst.fits(SimpleNamespace())
    old = RecordAccumulator(message_version=1)
    sender = SimpleNamespace(wakeup=None)
    assert not Burst.fits(SimpleNamespace(_accumulator=old, _metadata=None, _sender=sender))
    new = RecordAccumulator()
    assert Burst.fits(SimpleNamespace(_accumulator=new, _metadata=None, _sender=sender))


records = st.builds(
    Record,
    st.just("id"),
    st.just("t"),
    st.binary(max_size=80),
    st.binary(max_size=300) | st.binary(min_size=1, max_size=20).map(lambda some: some * 1_000),
    st.lists(st.tuples(st.text(max_size=12), st.binary(max_size=40)), max_size=6),
)
bursts = st.lists(
    st.tuples(st.lists(records, max_size=8), st.integers(-5_000, 10_000_000)), max_size=4
)


@given(bursts, st.sampled_from((0, 1, 3)), st.sampled_from((1, 400, 100_000)))
def test_the_bytes_are_those_of_kafka_python(
    given_: list[tuple[list[Record], int]], codec: int, size: int
) -> None:
    ours = Builder(MAGIC, codec, False, -1, -1, -1, size)
    theirs = DefaultRecordBatchBuilder(MAGIC, codec, False, -1, -1, -1, size)
    offset = 0
    for some, later in given_:
        end = ours.extend(some, 0, offset, NOW + later) if some else 0
        for record in some[:end]:
            assert theirs.append(offset, NOW + later, record.key, record.value, record.headers)
            offset += 1
        if end < len(some):
            refused = some[end]
            assert not theirs.append(
                offset, NOW + later, refused.key, refused.value, refused.headers
            )
            break
    for builder in (ours, theirs):
        builder.set_producer_state(7, 1, 42, False)
    assert ours.size() == theirs.size()
    assert bytes(ours.build()) == bytes(theirs.build())


@pytest.mark.parametrize("number", [0, 63, 64, 8_191, 8_192, 900_000, -1, -65, -8_193])
def test_varints(number: int) -> None:
    from kafka.record.util import decode_varint

    from services.ingest.record_batches import _varint

    assert decode_varint(_varint(number), 0) == (number, len(_varint(number)))
