"""The log in Kafka: a bounded, non-blocking adapter around kafka-python's producer thread.

kafka-python buffers without limit, so the bounds are here, by count and by bytes. A record that is
not acknowledged when its request's deadline passes stays in flight and may be written later: the
sender's retry has the same id, joins it while it is in flight, and is recognised afterwards.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

import structlog
from kafka.errors import KafkaError

from services.ingest.flight import Fate, Gathering, Record
from services.ingest.kafka_connection import connected
from services.ingest.kafka_settings import producer_settings
from services.ingest.log import Overloaded
from services.ingest.record_batches import Burst
from shared import ids
from shared.config import Config
from shared.errors import Transient
from shared.metrics import Metrics

_JOIN_S = 1.0
_LOG_EVERY_S = 10.0
_log = structlog.get_logger(__name__)


class KafkaLog:
    """See ``services.ingest.log.Log``. All methods belong to the event loop's thread."""

    def __init__(self, config: Config, metrics: Metrics, topics: list[str]) -> None:
        self._loop = asyncio.get_running_loop()
        self._settings = producer_settings(config.kafka, f"tocsin-ingest-{config.worker.slot}")
        self._limits = config.ingest
        self._stuck_after_s = config.worker.stuck_after_s
        self._metrics = metrics
        self._topics = topics
        self._producer: Any = None
        self._waiting_for = "kafka: not connected yet"
        self._in_flight: dict[Record, float] = {}
        self._bytes = 0
        self._burst: Burst | None = None
        self._flushing = False
        self._acknowledged: deque[tuple[Sequence[Record], Exception | None]] = deque()
        self._handing_over = False
        self._silent_until = 0.0
        metrics.oldest_in_flight.set_function(self.oldest_age_s)
        metrics.in_progress.labels("ingest").set_function(lambda: len(self._in_flight))

    async def connect(self) -> None:
        """Return once the broker answered and all topics are there; retries for ever.

        Raises:
            Misconfigured: no retry would help.
        """
        self._producer = await connected(self._settings, self._topics, self._wait_for)
        if Burst.fits(self._producer):
            self._burst = Burst(self._producer, self._on_acknowledged)
        else:
            _log.warning("kafka-python is not the version that is known: sending record by record")
        self._waiting_for = ""

    def _wait_for(self, problem: str) -> None:
        self._waiting_for = problem

    def append(self, record: Record) -> None:
        """Take ``record``; see ``Log.append``."""
        if self._producer is None:
            raise Transient(self._waiting_for)
        self._check_bounds(record)
        try:
            if self._burst is None:
                self._send(record)
            else:
                self._burst.add(record)
        except (KafkaError, ValueError) as error:  # ValueError: a topic went out of the metadata
            self._count(record, error)
            raise Transient(f"kafka: {type(error).__name__}") from error
        self._in_flight[record] = self._loop.time()
        self._bytes += record.size
        if self._burst is not None and not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush, self._burst)

    def _send(self, record: Record) -> None:
        owner, count = record.owner.decode(), len(self._producer.partitions_for(record.topic))
        self._producer.send(
            record.topic,
            value=record.value,
            key=record.key,
            headers=record.headers,
            partition=ids.partition_of(owner, count),
        ).add_both(self._on_sent, record)

    def _flush(self, burst: Burst) -> None:
        """Hand over all that this turn of the event loop brought: requests share a lock."""
        self._flushing = False
        burst.flush()

    def oldest_age_s(self) -> float:
        """Return the seconds since the oldest record in flight was taken, 0 without any."""
        for taken_at in self._in_flight.values():
            return self._loop.time() - taken_at
        return 0.0

    def problem(self) -> str | None:
        """Return why new records would not get through, None if they would."""
        if self._waiting_for:
            return self._waiting_for
        age = self.oldest_age_s()
        limit = min(self._stuck_after_s, self._limits.request_deadline_s)
        return f"kafka: nothing acknowledged for {age:.0f} s" if age > limit else None

    async def close(self, timeout_s: float) -> bool:
        """Write what is in flight, for ``timeout_s`` seconds at most; return whether all was."""
        producer, self._producer = self._producer, None
        self._waiting_for = self._waiting_for or "kafka: closed"
        if producer is None:
            return True
        await Gathering(list(self._in_flight)).wait(timeout_s)
        written = not self._in_flight
        # Its own flush allows the time-out to each batch anew, and raises before anything is closed.
        producer.flush = lambda _timeout: None
        await asyncio.to_thread(producer.close, timeout=_JOIN_S if written else 0)
        return written

    def _check_bounds(self, record: Record) -> None:
        limits = self._limits
        if len(self._in_flight) >= limits.max_in_flight:
            raise Overloaded(f"{len(self._in_flight)} records in flight")
        if self._bytes + record.size > limits.max_in_flight_bytes:
            raise Overloaded(f"{self._bytes} bytes in flight")
        # Whoever comes now would only wait for the deadline as well.
        if (age := self.oldest_age_s()) > limits.request_deadline_s:
            raise Overloaded(f"kafka has acknowledged nothing for {age:.0f} s")

    def _on_sent(self, record: Record, outcome: object) -> None:
        self._on_acknowledged([record], outcome if isinstance(outcome, Exception) else None)

    def _on_acknowledged(self, records: Sequence[Record], error: Exception | None) -> None:
        """Run in the sender's thread. One hand-over serves a whole burst: each is costly."""
        self._acknowledged.append((records, error))
        if not self._handing_over:
            self._handing_over = True
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._hand_over)

    def _hand_over(self) -> None:
        self._handing_over = False
        while self._acknowledged:
            records, error = self._acknowledged.popleft()
            for record in records:
                if self._in_flight.pop(record, None) is not None:
                    self._bytes -= record.size
                if error is None:
                    record.settle(Fate.WRITTEN)
                else:
                    self._count(record, error)
                    record.settle(Fate.FAILED, f"kafka: {type(error).__name__}")

    def _count(self, record: Record, error: Exception) -> None:
        reason = type(error).__name__
        self._metrics.producer_errors.labels(record.topic, reason).inc()
        if self._loop.time() >= self._silent_until:  # a broken topic would fill the disk
            self._silent_until = self._loop.time() + _LOG_EVERY_S
            _log.warning("kafka refused a record", topic=record.topic, reason=reason, id=record.id)
