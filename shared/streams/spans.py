"""The records of a topic from a time on, and whom the record must not speak of any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from shared import codec, topics
from shared.config import Scalar
from shared.errors import Transient
from shared.events import CustomerErased
from shared.streams.reader import ADMIN_S, Cluster, read_to_end, reader_settings
from shared.streams.records import Partition

Client = Mapping[str, Scalar]
"""What a librdkafka client needs to connect."""

Moved = Callable[[int], None]
"""Is told how many offsets further a reader is."""

MARKER: Final = codec.type_tag(CustomerErased).encode()

_marker = msgspec.json.Decoder(CustomerErased)


def _quiet(_: int) -> None:
    return None


@dataclass(frozen=True)
class Span:
    """A part of a topic: from ``starts`` to ``ends``, which were taken at one moment."""

    client: Client
    starts: Mapping[Partition, int]
    ends: Mapping[Partition, int]

    @property
    def size(self) -> int:
        """Return how many offsets it covers; not all of them are records that can be read."""
        return sum(max(0, end - self.starts[at]) for at, end in self.ends.items())

    def read(self, moved: Moved = _quiet) -> Iterator[list[Message]]:
        """Yield its committed records, in order within each partition, in bounded batches.

        Raises:
            Transient: Kafka does not answer.
        """
        reached = dict(self.starts)
        for batch in read_to_end(self.client, self.starts, self.ends):
            before = sum(reached.values())
            for message in batch:
                reached[place(message)] = position(message) + 1
            moved(sum(reached.values()) - before)
            yield batch


def span_of(client: Client, topic: str, since_ms: int = 0, only: int | None = None) -> Span:
    """Return what ``topic`` holds from the record time ``since_ms`` (ms since the epoch) to its end.

    Args:
        client: where it is.
        topic: its name on the broker.
        since_ms: 0 and before is its beginning.
        only: one partition; None is all.

    Raises:
        Transient: Kafka does not answer.
        Misconfigured: there is no such topic.
    """
    cluster = Cluster(client)
    sources = [at for at in cluster.sources(topic) if only is None or at.number == only]
    ends = cluster.ends(sources)
    # Kafka takes times before 1970 for its words for the beginning and the end.
    later = since_ms > 0
    starts = _offsets_at(client, sources, since_ms) if later else dict.fromkeys(sources, 0)
    return Span(client, {at: starts.get(at, ends[at]) for at in sources}, ends)


def first_offsets(client: Client, topic: str) -> dict[Partition, int]:
    """Return where each partition of ``topic`` begins by now: what was before is gone.

    Raises:
        Transient: Kafka does not answer.
        Misconfigured: there is no such topic.
    """
    sources = Cluster(client).sources(topic)
    consumer = Consumer(reader_settings(client))
    try:
        return {
            at: consumer.get_watermark_offsets(TopicPartition(at.topic, at.number), ADMIN_S)[0]
            for at in sources
        }
    except KafkaException as error:
        raise Transient(f"Kafka does not tell where {topic} begins: {error}") from error
    finally:
        consumer.close()


def _offsets_at(client: Client, sources: list[Partition], at_ms: int) -> dict[Partition, int]:
    """Return the first offset at or after a time; a partition that has none is left out."""
    consumer = Consumer(reader_settings(client))
    try:
        wanted = [TopicPartition(at.topic, at.number, at_ms) for at in sources]
        found = consumer.offsets_for_times(wanted, timeout=ADMIN_S)
    except KafkaException as error:
        raise Transient(f"Kafka does not tell the offsets of a time: {error}") from error
    finally:
        consumer.close()
    for one in found:
        if one.error is not None:
            raise Transient(f"Kafka does not tell the offsets of a time: {one.error}")
    return {Partition(one.topic, one.partition): one.offset for one in found if one.offset >= 0}


class Erasures:
    """Who was erased, and when: what a customer said or had up to then must not be shown."""

    def __init__(self, known: Mapping[str, int] | None = None) -> None:
        self._at = dict(known or {})

    def learn(self, raw: bytes | None) -> CustomerErased | None:
        """Take note of a value of ``case.state``; return it if it is the mark of an erasure."""
        if raw is None or MARKER not in raw:
            return None
        try:
            found = _marker.decode(raw)
        except msgspec.MsgspecError:  # a case whose texts speak of it
            return None
        self._at[found.record_key] = max(found.erased_at, self._at.get(found.record_key, 0))
        return found

    def cover(self, owner: str, born_ms: int) -> bool:
        """Return whether what ``owner`` (a record key) has from ``born_ms`` was erased."""
        return born_ms <= self._at.get(owner, -1)


def erasures(client: Client, names: topics.Names, only: int | None = None) -> Erasures:
    """Return who was erased, from ``case.state`` (same errors as :func:`span_of`)."""
    found = Erasures()
    for batch in span_of(client, names.of(topics.CASE_STATE), only=only).read():
        for message in batch:
            found.learn(message.value())
    return found


def place(message: Message) -> Partition:
    """Return the partition of a record."""
    return Partition(message.topic() or "", message.partition() or 0)


def position(message: Message) -> int:
    """Return the offset of a record."""
    return message.offset() or 0
