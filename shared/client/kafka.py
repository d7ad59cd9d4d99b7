"""A member of a consumer group on Kafka, by librdkafka. Read-committed; nothing is committed by itself.

Rebalances happen inside ``poll`` and ``close`` only, so between two bodies.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import suppress

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from shared.client.records import MAX_PARKED, Parked, Partition, Record
from shared.client.settings import Settings
from shared.client.transport import Listener, Lost
from shared.errors import Misconfigured, Transient

PARK_S = 30.0
ASK_S = 30.0

_NAMES = {
    "security_protocol": "security.protocol",
    "sasl_mechanism": "sasl.mechanism",
    "sasl_username": "sasl.username",
    "sasl_password": "sasl.password",
    "ssl_ca_location": "ssl.ca.location",
}
_LOST = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError._STATE,
    KafkaError._ASSIGNMENT_LOST,
}
_HOPELESS = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
}

log = logging.getLogger("tocsin.client")
_librdkafka = logging.getLogger("librdkafka")


def connection(settings: Settings) -> dict[str, str | int | float | bool]:
    """Return what every librdkafka client needs to connect.

    Raises:
        Misconfigured: a name that there is not, or no address.
    """
    unknown = settings.kafka.keys() - _NAMES.keys()
    if unknown:
        raise Misconfigured(f"kafka: no such setting {sorted(unknown)}; known: {sorted(_NAMES)}")
    found: dict[str, str | int | float | bool] = {
        "bootstrap.servers": str(settings.bootstrap),
        "client.id": settings.group,
    }
    return found | {_NAMES[name]: value for name, value in settings.kafka.items() if value}


def consumer_settings(settings: Settings) -> dict[str, str | int | float | bool]:
    """Return the librdkafka settings of the member.

    ``range`` gives equal partition numbers of co-partitioned topics to the same member: one customer's
    escalations and follow-ups stay together.
    """
    session_ms = int(settings.session_s * 1000)
    return connection(settings) | {
        "group.id": settings.group,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "partition.assignment.strategy": "range",
        "session.timeout.ms": session_ms,
        "heartbeat.interval.ms": min(3_000, session_ms // 3),
        "max.poll.interval.ms": int(settings.body_s * 1000),
        "fetch.wait.max.ms": 100,
    }


class KafkaTransport:
    """Implements ``shared.client.transport.Transport``."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer: Consumer | None = None
        self._producer: Producer | None = None
        self._listener: Listener | None = None
        self._replayed: set[Partition] = set()
        self._fault = ""

    def open(self, listener: Listener) -> None:
        """Find the brokers and topics, and join the group."""
        self._listener = listener
        try:
            self._consumer = Consumer(
                consumer_settings(self._settings),
                logger=_librdkafka,
                error_cb=self._remember_fault,
            )
        except KafkaException as error:
            raise Misconfigured(f"Kafka refuses the settings: {error.args[0]}") from error
        try:
            self._check_topics(self._consumer)
        except Misconfigured:
            self.close()
            raise
        self._consumer.subscribe(
            self._settings.names,
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )

    def poll(self, timeout_s: float) -> Record | None:
        """Return the next record; faults that pass are logged."""
        message = self._member.poll(timeout_s)
        if message is None:
            return None
        error = message.error()
        if error is None:
            return _record(message)
        if error.code() in _HOPELESS:
            raise Misconfigured(f"cannot read {self._settings.names}: {error.str()}")
        if error.fatal():
            raise KafkaException(error)
        log.warning("Kafka: %s", error.str())
        return None

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Commit, and wait for the answer."""
        try:
            done = self._member.commit(offsets=_native(offsets), asynchronous=False)
        except KafkaException as error:
            raise _commit_fault(error.args[0]) from error
        for at in done or ():
            if at.error is not None:
                raise _commit_fault(at.error)

    def pause(self, partition: Partition) -> None:
        """Fetch nothing of a partition; one that is not ours any more needs nothing."""
        with suppress(KafkaException):
            self._member.pause([TopicPartition(*partition)])

    def resume(self, partition: Partition) -> None:
        """Fetch again."""
        with suppress(KafkaException):
            self._member.resume([TopicPartition(*partition)])

    def park(self, parked: Parked) -> None:
        """Write to the topic of what is set aside."""
        if self._producer is None:
            wanted = {
                "acks": "all",
                "enable.idempotence": True,
                "message.timeout.ms": int(PARK_S * 1000),
            }
            self._producer = Producer(connection(self._settings) | wanted, logger=_librdkafka)
        faults: list[KafkaError | None] = []
        value = parked.record.value
        try:
            self._producer.produce(
                str(self._settings.parked_topic),
                None if value is None else value[:MAX_PARKED],
                parked.record.key,
                headers=list(parked.headers()),
                on_delivery=lambda fault, _message: faults.append(fault),
            )
        except (KafkaException, BufferError) as error:
            raise Transient(f"{self._settings.parked_topic}: {error}") from error
        self._producer.flush(PARK_S + 1)
        if not faults or faults[0] is not None:
            raise Transient(f"{self._settings.parked_topic}: {faults or 'no answer'}")

    def now(self) -> float:
        """Return the monotonic clock."""
        return time.monotonic()

    def close(self) -> None:
        """Leave the group; the partitions are revoked first."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    # ---- inside

    @property
    def _member(self) -> Consumer:
        if self._consumer is None:
            raise RuntimeError("the stream is not open")
        return self._consumer

    def _remember_fault(self, error: KafkaError) -> None:
        self._fault = error.str()

    def _check_topics(self, consumer: Consumer) -> None:
        try:
            cluster = consumer.list_topics(timeout=self._settings.connect_s)
        except KafkaException as error:
            consumer.poll(0)  # the reason waits for its call-back
            detail = self._fault or error.args[0].str()
            raise Misconfigured(
                f"no answer from Kafka at {self._settings.bootstrap}: {detail}"
            ) from error
        missing = sorted(set(self._settings.names) - cluster.topics.keys())
        if missing:
            raise Misconfigured(
                f"no such topic {missing} at {self._settings.bootstrap}: is `prefix` right? "
                "`tocsin topics apply` makes those of an installation"
            )
        parked = self._settings.parked_topic
        if parked is not None and parked not in cluster.topics:
            self._make(NewTopic(parked, 1, min(3, len(cluster.brokers))))

    def _make(self, topic: NewTopic) -> None:
        try:
            admin = AdminClient(connection(self._settings), logger=_librdkafka)
            for future in admin.create_topics([topic]).values():
                future.result(ASK_S)
        except (KafkaException, TimeoutError) as error:
            cause = error.args[0] if error.args else error
            if isinstance(cause, KafkaError) and cause.code() == KafkaError.TOPIC_ALREADY_EXISTS:
                return
            raise Misconfigured(
                f"cannot make {topic.topic}, the topic of what is set aside: {cause}; "
                "make it, or give `park`"
            ) from error

    # ---- rebalances: inside poll() and close()

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        ours = [Partition(at.topic, at.partition) for at in partitions]
        since = self._settings.since_ms
        fresh = [at for at in ours if since is not None and at not in self._replayed]
        asked = [TopicPartition(at.topic, at.number, since or 0) for at in fresh]
        found = consumer.offsets_for_times(asked, timeout=ASK_S) if asked else []
        starts = {(at.topic, at.partition): at for at in [*partitions, *found]}
        self._replayed.update(fresh)
        consumer.assign(list(starts.values()))
        consumer.resume(partitions)
        self._told.assigned(ours)

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        offsets = self._told.revoked([Partition(at.topic, at.partition) for at in partitions])
        if offsets:
            try:
                self.commit(offsets)
            except (Lost, Transient) as fault:
                log.warning("acknowledged too late, it comes again elsewhere: %s", fault)
        consumer.unassign()

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._told.revoked([Partition(at.topic, at.partition) for at in partitions])
        consumer.unassign()

    @property
    def _told(self) -> Listener:
        if self._listener is None:
            raise RuntimeError("the stream is not open")
        return self._listener


def _native(offsets: Mapping[Partition, int]) -> list[TopicPartition]:
    return [TopicPartition(at.topic, at.number, offset) for at, offset in offsets.items()]


def _commit_fault(error: object) -> Exception:
    if isinstance(error, KafkaError) and error.code() in _LOST:
        return Lost(error.str())
    return Transient(str(error))


def _record(message: Message) -> Record:
    headers = message.headers() or []
    pairs = headers.items() if isinstance(headers, dict) else headers
    key, value = message.key(), message.value()
    return Record(
        at=Partition(message.topic() or "", message.partition() or 0),
        offset=message.offset() or 0,
        value=_bytes(value),
        key=_bytes(key),
        headers=tuple((name, _bytes(raw) or b"") for name, raw in pairs),
        at_ms=message.timestamp()[1],
    )


def _bytes(raw: str | bytes | None) -> bytes | None:
    return raw.encode() if isinstance(raw, str) else raw
