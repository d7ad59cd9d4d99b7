"""What was told before is told once more: dead letters, or all of a time range.

A replay is written to ``notifications`` under the ids of old, so that receivers know them again, and
names itself (``Notification.replay``), so that the courier does not take it for done. What became
stale meanwhile the courier drops as ever.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final, NamedTuple

import msgspec
from confluent_kafka import KafkaError, Message, Producer

from services.notifier.feed import HEADER
from services.notifier.ledger import SOURCE, stage_of
from shared import codec, ids, topics
from shared.errors import Misconfigured, Poison, Transient
from shared.events import CaseEvent, DeadLetter, Delivery, DeliveryStatus, Notification
from shared.streams.dead_letters import header
from shared.streams.spans import Client, Erasures, Moved, erasures, span_of

CUSTOMERS: Final = "customer."
FLUSH_S: Final = 30.0

Headers = list[tuple[str, str | bytes | None]]

Started = Callable[[str, int], Moved]
"""Is told what is read and how many offsets that is; returns who is told of the progress."""


class Wanted(NamedTuple):
    """What is to be told again: of ``sink``, by record time in ms, ``until`` excluded (None: all).

    ``parked``: only what is a dead letter and was not told since.
    """

    sink: str
    since: int
    until: int | None = None
    parked: bool = False


class Again(NamedTuple):
    """A notification and where it belongs."""

    key: bytes
    partition: int
    notification: Notification


class Replaying:
    """Chooses what is told again; ``skipped`` counts the rest by reason.

    Raises:
        Misconfigured: customers are asked to be written to twice.
    """

    def __init__(
        self, client: Client, names: topics.Names, partitions: int, wanted: Wanted, started: Started
    ) -> None:
        if wanted.sink.startswith(CUSTOMERS) and not wanted.parked:
            raise Misconfigured("customers are not written to twice: use --parked")
        self._client = client
        self._names = names
        self._partitions = partitions
        self._wanted = wanted
        self._started = started
        self.skipped: Counter[str] = Counter()

    def chosen(self) -> Iterator[Again]:
        """Yield what is told again, each id once, in order within its partition.

        Raises:
            Transient: Kafka does not answer.
        """
        gone = erasures(self._client, self._names)
        seen: set[str] = set()
        for one in self._parked() if self._wanted.parked else self._planned():
            name = one.notification.notification_id
            if name in seen:
                continue
            seen.add(name)
            if _speaks_of_erased(one, gone):
                self.skipped["erased"] += 1
            else:
                yield one

    def _planned(self) -> Iterator[Again]:
        """Yield all that was planned for the sink in the time range."""
        sink = self._wanted.sink.encode()
        for message in self._records(topics.NOTIFICATIONS):
            if header(message, HEADER) == sink:
                yield from self._read(message.value(), message.key(), message.partition() or 0)

    def _parked(self) -> Iterator[Again]:
        """Yield the dead letters of the sink that nothing became of since."""
        told = self._told()
        decoder = codec.Decoder[DeadLetter](topics.DEAD_LETTERS.carries)
        stage = stage_of(self._wanted.sink)
        for message in self._records(topics.DEAD_LETTERS):
            if message.value() is None or stage.encode() not in (message.value() or b""):
                continue
            letter = decoder.decode(message.value())
            if letter.stage != stage or letter.key is None:
                continue
            partition = ids.partition_of(letter.key.decode(), self._partitions)
            for one in self._read(letter.value, letter.key, partition):
                if told.get(one.notification.notification_id) in {None, DeliveryStatus.PARKED}:
                    yield one
                else:
                    self.skipped["told_since"] += 1

    def _told(self) -> dict[str, DeliveryStatus]:
        """Return how the notifications of the sink ended last."""
        decoder = codec.Decoder[Delivery](topics.DELIVERIES.carries)
        found: dict[str, DeliveryStatus] = {}
        for message in self._records(topics.DELIVERIES, all_since=True):
            one = decoder.decode(message.value())
            if one.sink == self._wanted.sink:
                found[one.notification_id] = one.status
        return found

    def _read(self, raw: bytes | None, key: bytes | None, partition: int) -> Iterator[Again]:
        decoder = codec.Decoder[Notification](topics.NOTIFICATIONS.carries)
        try:
            yield Again(key or b"", partition, decoder.decode(raw))
        except Poison:  # it never was one
            self.skipped["unreadable"] += 1

    def _records(self, topic: topics.Topic, *, all_since: bool = False) -> Iterator[Message]:
        name = self._names.of(topic)
        span = span_of(self._client, name, self._wanted.since)
        until = None if all_since else self._wanted.until
        for batch in span.read(self._started(name, span.size)):
            for message in batch:
                if until is None or message.timestamp()[1] < until:
                    yield message


def write(
    client: Client, names: topics.Names, chosen: Iterator[Again], replay: str, now: int
) -> int:
    """Write notifications once more; return how many.

    Args:
        replay: names this replay; carried out again under the same name, nothing is told twice.
        now: ms since the epoch: from when on they are tried.

    Raises:
        Transient: Kafka has not acknowledged all; some may be told.
    """
    producer = Producer({**client, "enable.idempotence": True, "acks": "all", "log_level": 2})
    failed: list[str] = []

    def told(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error.str())

    topic, count = names.of(topics.NOTIFICATIONS), 0
    for one in chosen:
        count += 1
        event = msgspec.structs.replace(one.notification, replay=replay, planned_at=now)
        known = codec.headers(event, event.notification_id, SOURCE)
        headers: Headers = [*known, (HEADER, event.sink.encode())]
        value = codec.encode(event)
        while True:
            with suppress(BufferError):  # Kafka is slower than we are
                producer.produce(topic, value, one.key, one.partition, told, headers=headers)
                break
            producer.poll(0.1)
        producer.poll(0)
    left = producer.flush(FLUSH_S)
    if left or failed:
        raise Transient(f"{left} notifications not acknowledged by Kafka; {'; '.join(failed[:3])}")
    return count


def _speaks_of_erased(one: Again, gone: Erasures) -> bool:
    cause = one.notification.cause
    born = cause.at
    if isinstance(cause, CaseEvent):
        born = cause.recorded_at if cause.case is None else cause.case.opened_at
    return gone.cover(one.key.decode("utf-8", "replace"), born)
