"""Our partitioner, shared.ids and kafka-python agree on where a customer lives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner import DefaultPartitioner

from services.ingest.kafka_settings import ByRecordKey
from shared import ids


class Cluster:
    """The part of kafka-python's metadata that partitioners ask."""

    def __init__(self, count: int) -> None:
        self._partitions = set(range(count))

    def topics(self) -> set[str]:
        return {"t"}

    def partitions_for_topic(self, _: str) -> set[int]:
        return self._partitions

    def available_partitions_for_topic(self, _: str) -> set[int]:
        return self._partitions


@given(st.text(min_size=1), st.integers(1, 200))
def test_one_partition_per_key(key: str, count: int) -> None:
    key = key.encode("utf-8", "replace").decode()
    raw, cluster = key.encode(), Cluster(count)
    expected = DefaultPartitioner().partition("t", None, raw, None, None, cluster)
    assert ByRecordKey().partition("t", None, raw, None, None, cluster) == expected
    assert ids.partition_of(key, count) == expected
