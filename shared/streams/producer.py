"""The Kafka side of the chunk transaction: begin, produce, send the offsets, commit, or abort.

Every fault of a transactional call ends as one of three: :class:`Stale` (the generation is over),
``Transient`` (the same outputs may be tried again) or :class:`Fenced` (this producer cannot go on).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from shared.errors import Transient
from shared.metrics import Metrics
from shared.streams.records import Delivered, Output, Partition

BLOCKING_S = 10.0

_STALE = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.FENCED_INSTANCE_ID,
}

_HOPELESS = {
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
}

LIBRDKAFKA = logging.getLogger("librdkafka")

log = structlog.get_logger(__name__)


class Fenced(RuntimeError):
    """Another worker has taken this one's place: end the process and start clean."""


class Stale(Exception):
    """The generation is over: drop what is queued, the next assignment starts at the committed."""


def producer_settings(
    client: Mapping[str, str | int | float | bool], transactional_id: str, timeout_ms: int
) -> dict[str, str | int | float | bool]:
    """Return the librdkafka settings of the transactional producer of one worker slot."""
    return {
        **client,
        "client.id": transactional_id,
        "transactional.id": transactional_id,
        "transaction.timeout.ms": timeout_ms,
        "enable.idempotence": True,
        "acks": "all",
        "linger.ms": 1,
        "compression.type": "lz4",
        "batch.num.messages": 10_000,
        "batch.size": 1_000_000,
        "queue.buffering.max.messages": 1_000_000,
        "queue.buffering.max.kbytes": 262_144,
        "partitioner": "murmur2_random",
        # The broker answers CONCURRENT_TRANSACTIONS while the markers of the last commit are still
        # being written; the default back-off of 100 ms then costs 100 ms a transaction.
        "retry.backoff.ms": 2,
        "retry.backoff.max.ms": 5,
        "reconnect.backoff.max.ms": 1_000,
        # When all brokers were away, re-bootstrapping throws the group's coordinator away as well,
        # and send_offsets_to_transaction hangs for ever, whatever its time-out (librdkafka 2.16:
        # issues 5511 and 5456).
        "metadata.recovery.strategy": "none",
    }


class TransactionalProducer:
    """One transactional producer, used by one thread.

    Args:
        settings: librdkafka configuration, see :func:`producer_settings`.
        tracked: topics whose next offsets a commit returns.
        stage: the worker's name in the metrics.
        go_on: asked between attempts; also told in this way that the loop is alive.
    """

    def __init__(
        self,
        settings: Mapping[str, str | int | float | bool],
        tracked: frozenset[str],
        stage: str,
        metrics: Metrics,
        go_on: Callable[[], bool],
    ) -> None:
        self._settings = dict(settings)
        self._tracked = tracked
        self._go_on = go_on
        self._commits = metrics.commits
        self._produce_s = metrics.worker_seconds.labels(stage, "produce")
        self._commit_s = metrics.worker_seconds.labels(stage, "commit")
        self._producer: Producer | None = None

    def start(self) -> None:
        """Connect, and fence whoever had the same transactional id before."""
        self._producer = Producer(self._settings, logger=LIBRDKAFKA)
        self._patiently(lambda: self._native.init_transactions(BLOCKING_S))

    def commit(
        self,
        outputs: Sequence[Output],
        next_offsets: Mapping[Partition, int],
        membership: object,
    ) -> Delivered:
        """Produce ``outputs`` and commit them with ``next_offsets``, all or nothing.

        Raises:
            Stale, Transient, Fenced, RuntimeError: nothing was committed, see :meth:`_abort`.
        """
        delivered: dict[Partition, int] = {}
        began = time.monotonic()
        try:
            self._native.begin_transaction()
            self._produce(outputs, delivered)
            produced = time.monotonic()
            self._produce_s.inc(produced - began)
            self._native.send_offsets_to_transaction(
                [
                    TopicPartition(at.topic, at.number, offset)
                    for at, offset in next_offsets.items()
                ],
                membership,
                BLOCKING_S,
            )
            self._patiently(lambda: self._native.commit_transaction(BLOCKING_S))
        except KafkaException as error:
            self._commits.labels("aborted").inc()
            self._abort(error)
        self._commit_s.inc(time.monotonic() - produced)
        self._commits.labels("committed").inc()
        return delivered

    @property
    def _native(self) -> Producer:
        assert self._producer is not None  # noqa: S101  start() comes first
        return self._producer

    def _produce(self, outputs: Sequence[Output], delivered: dict[Partition, int]) -> None:
        produce = self._native.produce

        def on_delivery(error: KafkaError | None, message: Message) -> None:
            if error is None:
                where = Partition(message.topic() or "", message.partition() or 0)
                delivered[where] = max(delivered.get(where, 0), (message.offset() or 0) + 1)

        for number, (topic, partition, key, value, headers) in enumerate(outputs):
            callback = on_delivery if topic in self._tracked else None
            while True:
                try:
                    produce(topic, value, key, partition, callback, None, 0, headers)  # type: ignore[arg-type]
                    break
                except BufferError:
                    self._native.poll(0.05)
            if number % 500 == 499:
                self._native.poll(0)

    def _patiently(self, call: Callable[[], None]) -> None:
        """Repeat a transactional call while its error says that this helps (broker away)."""
        while True:
            try:
                return call()
            except KafkaException as error:
                if not self._go_on() or not _kafka_error(error).retriable():
                    raise
                log.warning("kafka is slow; trying again", error=str(error))

    def _abort(self, error: KafkaException) -> None:
        """Abort, and tell what the failure means.

        Raises:
            Stale: the generation is over.
            Transient: the same chunks may be tried again.
            Fenced: the producer cannot go on.
            RuntimeError: trying again cannot help.
        """
        cause = _kafka_error(error)
        if cause.fatal():
            raise Fenced(f"the transaction failed for good: {cause.str()}") from error
        try:
            self._patiently(lambda: self._native.abort_transaction(BLOCKING_S))
        except KafkaException as second:
            raise Fenced(f"cannot abort: {_kafka_error(second).str()}") from second
        if cause.code() in _STALE:
            raise Stale from error
        if cause.code() in _HOPELESS:  # again and again: a bug of the handler, or the wrong topics
            raise RuntimeError(f"an output cannot be produced: {cause.str()}") from error
        raise Transient(f"transaction aborted: {cause.str()}") from error


def _kafka_error(error: KafkaException) -> KafkaError:
    cause = error.args[0]
    if not isinstance(cause, KafkaError):
        raise error
    return cause
