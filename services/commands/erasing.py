"""What is kept of a customer beside the cases: found, removed where that can be done, named where not.

A compacted topic forgets a key whose value is null, for every reader at once and from the disks when
Kafka has compacted it. Other topics keep what they have until its time is over.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final, cast

import redis
from confluent_kafka import KafkaError, Message, Producer
from redis.exceptions import RedisError

from services.ingest.core import OF, SAID, redis_prefix
from services.ingest.links import Links
from shared import codec, topics
from shared.errors import Poison, Transient
from shared.events import (
    CustomerErased,
    DeadLetter,
    FeedbackClassified,
    FeedbackReceived,
    IdentityLink,
    SeverityCorrected,
    Struct,
)
from shared.ids import partition_of
from shared.streams.admin import TopicAdmin
from shared.streams.records import Partition
from shared.streams.spans import Erasures, place, span_of

if TYPE_CHECKING:
    from shared.config import Config

FLUSH_S: Final = 10.0
CHUNK: Final = 1_000
_KEYED: Final = (
    topics.FEEDBACK_RECEIVED,
    topics.FEEDBACK_CLASSIFIED,
    topics.CASE_COMMANDS,
    topics.CASE_EVENTS,
    topics.ESCALATIONS,
    topics.FOLLOWUPS,
    topics.NOTIFICATIONS,
    topics.DELIVERIES,
)
"""Topics whose records bear the record key of their customer."""


class Remains(Struct, frozen=True, omit_defaults=False):
    """What cannot be removed: ``count`` records of ``topic``, gone by the time ``until`` (ms)."""

    topic: str
    what: str
    count: int
    until: int | None


@dataclass
class Traces:
    """What was found: keys of compacted topics with their partitions, keys of Redis, and the rest."""

    keyed: dict[topics.Topic, dict[bytes, int]] = field(default_factory=lambda: defaultdict(dict))
    said: list[bytes] = field(default_factory=list)
    whereabouts: list[bytes] = field(default_factory=list)
    remains: list[Remains] = field(default_factory=list)

    def count(self, topic: topics.Topic) -> int:
        """Return how many keys of a compacted topic there are."""
        return len(self.keyed[topic])


class Searcher:
    """Looks for the traces of one customer; nothing is changed.

    Raises (all methods):
        Transient: Kafka or Redis does not answer.
        Misconfigured: a topic is missing.
    """

    def __init__(self, settings: Config, client: redis.Redis, record_key: str) -> None:
        self._settings = settings
        self._client = settings.kafka.client()
        self._names = topics.Names(settings.kafka.topic_prefix)
        self._redis = client
        self._owner = record_key.encode()
        self._number = partition_of(record_key, settings.kafka.partitions)
        self._customer = record_key.partition(":")[2]
        self._feedback: set[str] = set()
        self._digests: set[bytes] = set()

    def look(self) -> Traces:
        """Return everything that is found."""
        found = Traces()
        kept_ms = self._kept()
        for topic in _KEYED:
            self._keyed(topic, kept_ms, found)
        self._originals(kept_ms, found)
        self._letters(kept_ms, found)
        self._corrections(found)
        self._links(found)
        self._routes(found)
        self._in_redis(found)
        return found

    def _kept(self) -> dict[str, int]:
        """Return how long the topics keep a record, in ms, as the broker has it."""
        wanted = (*_KEYED, topics.FEEDBACK_ORIGINALS, topics.DEAD_LETTERS)
        with TopicAdmin(self._settings.kafka) as admin:
            existing = admin.existing(self._names.of(topic) for topic in wanted)
        return {
            topic.name: int(
                existing[self._names.of(topic)].settings.get("retention.ms", topic.retention_ms)
            )
            for topic in wanted
        }

    def _keyed(self, topic: topics.Topic, kept_ms: dict[str, int], found: Traces) -> None:
        count, last = 0, 0
        for message in self._records(topic, self._number):
            if message.key() == self._owner and message.value() is not None:
                count, last = count + 1, max(last, message.timestamp()[1])
                self._learn(topic, message)
        found.remains += _remains(topic, "redacted text", count, last, kept_ms)

    def _learn(self, topic: topics.Topic, message: Message) -> None:
        """Take note of the ids of what the customer said, by which other records name it."""
        if topic not in {topics.FEEDBACK_RECEIVED, topics.FEEDBACK_CLASSIFIED}:
            return
        decoder = codec.Decoder[FeedbackReceived | FeedbackClassified](topic.carries)
        try:
            event = decoder.decode(message.value())
        except Poison:
            return  # it is among the dead letters
        item = event.feedback if isinstance(event, FeedbackClassified) else event
        self._feedback.add(item.feedback_id)
        if item.raw is not None and item.raw.topic is not None:
            self._digests.add(item.raw.digest.encode())

    def _originals(self, kept_ms: dict[str, int], found: Traces) -> None:
        topic, count, last = topics.FEEDBACK_ORIGINALS, 0, 0
        for message in self._records(topic) if self._digests else ():
            if message.key() in self._digests:
                count, last = count + 1, max(last, message.timestamp()[1])
        found.remains += _remains(topic, "sealed originals", count, last, kept_ms)

    def _letters(self, kept_ms: dict[str, int], found: Traces) -> None:
        """Letters about the customer can go; whose it is that was refused at the door, nobody knows."""
        topic, count, last = topics.DEAD_LETTERS, 0, 0
        decoder = codec.Decoder[DeadLetter](topic.carries)
        own: dict[Partition, set[bytes]] = defaultdict(set)
        for message in self._records(topic):
            key, value = message.key(), message.value()
            if value is None:
                own[place(message)].discard(key or b"")
                continue
            try:
                letter = decoder.decode(value)
            except Poison:
                continue
            if self._is_about(letter):
                if key is not None:
                    own[place(message)].add(key)
                    continue
            elif letter.topic is not None or letter.feedback_id is not None:
                continue
            count, last = count + 1, max(last, message.timestamp()[1])
        for at, keys in own.items():
            found.keyed[topic] |= dict.fromkeys(keys, at.number)
        what = "refused items, of which nobody knows whose they are"
        found.remains += _remains(topic, what, count, last, kept_ms)

    def _is_about(self, letter: DeadLetter) -> bool:
        return (
            letter.key == self._owner
            or letter.feedback_id in self._feedback
            or any(self._owner + end in (letter.value or b"") for end in (b'"', b":"))
            or self._customer in re.split(r"[\s,]+", letter.detail)
        )

    def _corrections(self, found: Traces) -> None:
        topic = topics.FEEDBACK_CORRECTIONS
        decoder = codec.Decoder[SeverityCorrected](topic.carries)
        for message in self._records(topic, self._number):
            self._take(topic, message, found, self._is_own(message, decoder))

    def _links(self, found: Traces) -> None:
        topic = topics.IDENTITY_LINKS
        decoder = codec.Decoder[IdentityLink](topic.carries)
        for message in self._records(topic):
            self._take(topic, message, found, self._is_own(message, decoder))

    def _routes(self, found: Traces) -> None:
        """Where the customer can be answered; whoever follows the topic forgets it with the removal."""
        topic, prefix = topics.REPLY_ROUTES, self._owner + b"/"
        for message in self._records(topic, self._number):
            own = message.value() is not None and (message.key() or b"").startswith(prefix)
            self._take(topic, message, found, own)

    def _is_own(
        self, message: Message, decoder: codec.Decoder[SeverityCorrected | IdentityLink]
    ) -> bool:
        try:
            event = decoder.decode(message.value())
        except Poison:
            return False  # a removal, or nothing that anybody can read
        if isinstance(event, IdentityLink):
            return event.customer_key == self._customer
        return event.record_key.encode() == self._owner

    def _take(self, topic: topics.Topic, message: Message, found: Traces, own: bool) -> None:
        key = message.key() or b""
        if own:
            found.keyed[topic][key] = message.partition() or 0
        elif message.value() is None:
            found.keyed[topic].pop(key, None)

    def _in_redis(self, found: Traces) -> None:
        """What the customer said lately has a key of its own; items and threads name it as a value."""
        prefix = redis_prefix(self._settings)
        said = f"{prefix}{SAID}{self._customer}".encode()
        try:
            found.said = [said] if self._redis.exists(said) else []
            keys = cast("Iterator[bytes]", self._redis.scan_iter(f"{prefix}{OF}*", CHUNK))
            while chunk := list(islice(keys, CHUNK)):
                values = cast("list[bytes | None]", self._redis.mget(chunk))
                found.whereabouts += [
                    key
                    for key, value in zip(chunk, values, strict=True)
                    if value == self._customer.encode()
                ]
        except RedisError as error:
            raise Transient(f"Redis: {type(error).__name__}: {error}") from error

    def _records(self, topic: topics.Topic, only: int | None = None) -> Iterator[Message]:
        for batch in span_of(self._client, self._names.of(topic), only=only).read():
            yield from batch


def remove(settings: Config, client: redis.Redis, found: Traces) -> None:
    """Remove what can be removed.

    Raises:
        Transient: not all of it was; done again, the rest is.
    """
    names = topics.Names(settings.kafka.topic_prefix)
    failed: list[str] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error.str())

    producer = Producer({
        **settings.kafka.client(),
        "enable.idempotence": True,
        "acks": "all",
        "log_level": 2,
    })  # fmt: skip
    for topic, keys in found.keyed.items():
        for key, number in keys.items():
            producer.produce(names.of(topic), None, key, number, delivered)
            producer.poll(0)
    left = producer.flush(FLUSH_S)
    if left or failed:
        raise Transient(f"{left} removals not acknowledged by Kafka; {'; '.join(failed)}")
    left_over = iter([*found.said, *found.whereabouts])
    try:
        while chunk := list(islice(left_over, CHUNK)):
            client.unlink(*chunk)
    except RedisError as error:
        raise Transient(f"Redis: {type(error).__name__}: {error}") from error


def mark_of(settings: Config, record_key: str) -> tuple[CustomerErased | None, int]:
    """Return the mark of an erased customer, and how many of its cases have a tombstone by now."""
    number = partition_of(record_key, settings.kafka.partitions)
    name = topics.Names(settings.kafka.topic_prefix).of(topics.CASE_STATE)
    erasures, mark = Erasures(), None
    gone: set[str] = set()
    for batch in span_of(settings.kafka.client(), name, only=number).read():
        for message in batch:
            key = (message.key() or b"").decode()
            if key == record_key:
                mark = erasures.learn(message.value()) or mark
            elif message.value() is None:
                gone.add(key)
            else:
                gone.discard(key)
    return mark, 0 if mark is None else len(gone.intersection(mark.cases))


def links_of(settings: Config) -> Links:
    """Return which identifiers belong together, from their topic."""
    links = Links()
    name = topics.Names(settings.kafka.topic_prefix).of(topics.IDENTITY_LINKS)
    decoder = codec.Decoder[IdentityLink](topics.IDENTITY_LINKS.carries)
    for batch in span_of(settings.kafka.client(), name).read():
        for message in batch:
            if message.value() is None:
                links.remove((message.key() or b"").decode())
                continue
            with suppress(Poison):
                link = decoder.decode(message.value())
                links.add(link.alias, link.customer_key)
    return links


def _remains(
    topic: topics.Topic, what: str, count: int, last: int, kept_ms: dict[str, int]
) -> list[Remains]:
    kept = kept_ms[topic.name]
    until = None if kept < 0 else last + kept
    return [Remains(topic=topic.name, what=what, count=count, until=until)] if count else []
