"""One thread that polls librdkafka and hands over chunks, tagged with their generation.

Everything a poll returns leaves through one ordered channel. Calls that may block on librdkafka
(positions, group metadata) are made here and nowhere else: elsewhere they can deadlock with a
rebalance callback, which runs inside ``poll``.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog
from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from shared.metrics import Metrics
from shared.streams.records import Assignment, Chunk, Partition, Sink

POLL_S = 0.1
GATHER_S = 0.02
ROOM_S = 0.5
LAG_EVERY_S = 1.0
COMMIT_EVERY_S = 0.5
COORDINATOR_S = 30.0

LIBRDKAFKA = logging.getLogger("librdkafka")

log = structlog.get_logger(__name__)


def consumer_settings(
    client: Mapping[str, str | int | float | bool], group: str, session_timeout_ms: int
) -> dict[str, str | int | float | bool]:
    """Return the librdkafka settings of a read-committed group member.

    ``range`` with equal subscriptions gives equal partition numbers of co-partitioned topics to the
    same member.
    """
    return {
        **client,
        "group.id": group,
        "client.id": group,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        "partition.assignment.strategy": "range",
        "session.timeout.ms": session_timeout_ms,
        "heartbeat.interval.ms": min(2_000, session_timeout_ms // 3),
        "max.poll.interval.ms": 300_000,
        "fetch.wait.max.ms": 100,
        "fetch.queue.backoff.ms": 5,
        "fetch.error.backoff.ms": 100,
        "queued.min.messages": 20_000,
        "queued.max.messages.kbytes": 16_384,
        "reconnect.backoff.max.ms": 1_000,
        "socket.keepalive.enable": True,
        "topic.metadata.refresh.interval.ms": 60_000,
    }


class Poller:
    """Owns the consumer. ``emit`` is called in this thread with the chunks of each poll.

    Args:
        settings: librdkafka configuration, see :func:`consumer_settings`.
        sink: told about assignments, asked for room.
        emit: takes the chunks of one poll; must not block.
        rebalanced: called with the assigned partitions after each assignment, may block shortly.
        failed: called once with the error that ended the thread.
        max_records: upper bound of one poll.
        done: tells the next offsets to commit, for who has no transaction that carries them. They are
            committed every half a second and before partitions are given back.
    """

    def __init__(
        self,
        settings: Mapping[str, str | int | float | bool],
        sink: Sink,
        emit: Callable[[Sequence[Chunk]], None],
        rebalanced: Callable[[frozenset[Partition]], None],
        failed: Callable[[BaseException], None],
        metrics: Metrics,
        max_records: int,
        done: Callable[[], Mapping[Partition, int]] | None = None,
    ) -> None:
        self._settings = dict(settings)
        self._group = str(settings["group.id"])
        self._sink = sink
        self._emit = emit
        self._rebalanced = rebalanced
        self._failed = failed
        self._metrics = metrics
        self._max_records = max_records
        self._done = done
        self._committed: dict[Partition, int] = {}
        self._last_commit = 0.0
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._generation = 0
        self._positions: dict[Partition, int] = {}
        self._end_seen: dict[Partition, int] = {}
        self._taken_at: dict[Partition, float] = {}
        self._paused = False
        self._last_lag = 0.0
        self._progress = 0.0

    def start(self, topics: Iterable[str]) -> None:
        """Join the group and start polling ``topics``."""
        names = list(topics)
        self._thread = threading.Thread(target=self._run, args=(names,), name="poller", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Leave the group (which revokes) and end the thread."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def silent_for_s(self) -> float:
        """Seconds since the last poll; 0 before the first."""
        return time.monotonic() - self._progress if self._progress else 0.0

    @property
    def assigned(self) -> frozenset[Partition]:
        """Partitions assigned now."""
        return frozenset(self._positions)

    def _run(self, topics: list[str]) -> None:
        try:
            consumer = Consumer(self._settings, logger=LIBRDKAFKA)
            try:
                consumer.subscribe(
                    topics,
                    on_assign=self._on_assign,
                    on_revoke=self._on_revoke,
                    on_lost=self._on_lost,
                )
                while not self._stop.is_set():
                    self._turn(consumer)
            finally:
                consumer.close()
        except:  # noqa: E722  confluent raises a bare KafkaError at times: no BaseException catches it
            error = sys.exc_info()[1]
            self._failed(error if isinstance(error, BaseException) else RuntimeError(str(error)))

    def _turn(self, consumer: Consumer) -> None:
        self._progress = time.monotonic()
        self._keep_pace(consumer)
        before = self._generation
        first = consumer.poll(POLL_S)
        messages: list[Message] = []
        if first is not None:
            messages = [first, *consumer.consume(self._max_records - 1, 0.0)]
            room = self._max_records - len(messages)
            if room and not self._sink.idle:
                # What comes while a transaction runs goes into the next one, all of it.
                self._sink.await_idle(GATHER_S)
                messages += consumer.consume(room, 0.0)
        if self._generation != before:
            self._announce(consumer)
        else:
            chunks = self._chunks(messages)
            if chunks:
                self._emit(chunks)
        if time.monotonic() - self._last_commit >= COMMIT_EVERY_S:
            self._commit(consumer)
        self._export_lag(consumer)

    def _keep_pace(self, consumer: Consumer) -> None:
        """Stop fetching while the queue is full; keep polling, or a rebalance would hang."""
        if self._sink.room(0.0 if self._paused else ROOM_S):
            if self._paused:
                consumer.resume(_native(self._positions))
                self._paused = False
        elif not self._paused and self._positions:
            consumer.pause(_native(self._positions))
            self._paused = True

    def _chunks(self, messages: Sequence[Message]) -> list[Chunk]:
        grouped: dict[tuple[str | None, int | None], list[Message]] = {}
        last: tuple[str | None, int | None] | None = None
        run: list[Message] = []
        for message in messages:  # they come in runs of one partition
            error = message.error()
            if error is not None:
                self._event(message, error)
                continue
            where = (message.topic(), message.partition())
            if where != last:
                last = where
                run = grouped.setdefault(where, [])
            run.append(message)
        batches = {
            Partition(topic or "", -1 if number is None else number): batch
            for (topic, number), batch in grouped.items()
        }
        return [
            self._chunk(source, batch)
            for source, batch in batches.items()
            if source in self._positions
        ]

    def _event(self, message: Message, error: KafkaError) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            source = Partition(message.topic() or "", _number(message))
            self._end_seen[source] = message.offset() or 0
        elif error.fatal():
            raise KafkaException(error)
        else:
            log.warning("poll", error=error.str())

    def _chunk(self, source: Partition, messages: list[Message]) -> Chunk:
        start = self._positions[source]
        first = messages[0].offset() or 0
        if first < start:
            raise RuntimeError(f"{source}: offset {first} came again after {start}")
        end = (messages[-1].offset() or 0) + 1
        self._positions[source] = end
        self._taken_at[source] = messages[-1].timestamp()[1] / 1000
        size = sum(map(len, messages))
        return Chunk(source, self._generation, start, end, size, messages)

    # ---- rebalances: these run inside poll(), in this thread

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        committed = consumer.committed(partitions, COORDINATOR_S)
        for at in committed:
            if at.error:
                raise KafkaException(at.error)
            if at.offset < 0:
                at.offset = consumer.get_watermark_offsets(at, timeout=COORDINATOR_S)[0]
        consumer.assign(committed)
        self._generation += 1
        self._positions = {Partition(at.topic, at.partition): at.offset for at in committed}
        self._committed = dict(self._positions)
        self._end_seen.clear()

    def _announce(self, consumer: Consumer) -> None:
        """Tell the sink, once the callback has returned and the membership can be asked for.

        The poll that ran the callback may have returned records of either side of it: they are
        dropped, and assigning the same positions once more makes librdkafka fetch them again.
        """
        consumer.assign(_offsets(self._positions))
        assignment = Assignment(
            self._generation, dict(self._positions), consumer.consumer_group_metadata()
        )
        self._metrics.rebalances.labels(self._group).inc()
        log.info("assigned", partitions=sorted(assignment.numbers), generation=self._generation)
        self._rebalanced(frozenset(self._positions))
        self._sink.assign(assignment)

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._commit(consumer, last=True)
        self._release(consumer, partitions)

    def _release(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if self._paused:
            # librdkafka keeps a partition paused when it is given back, even if it is assigned again.
            consumer.resume(_native(self._positions))
            self._paused = False
        self._let_go()
        consumer.unassign()
        log.info("revoked", partitions=sorted({at.partition for at in partitions}))

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        log.warning("lost", partitions=sorted({at.partition for at in partitions}))
        self._release(consumer, partitions)

    def _let_go(self) -> None:
        for source in self._positions:
            self._metrics.lag.remove(self._group, source.topic, str(source.number))
            self._metrics.lag_seconds.remove(self._group, source.topic, str(source.number))
        self._positions = {}
        self._sink.revoke()

    def _commit(self, consumer: Consumer, *, last: bool = False) -> None:
        """Commit what has moved; a failure is left to the next commit, or to who reads it again.

        The ``last`` one before partitions are given back waits for the answer and leaves out nothing:
        an earlier one may have failed.
        """
        self._last_commit = time.monotonic()
        if self._done is None:
            return
        news = {
            at: offset
            for at, offset in self._done().items()
            if at in self._positions and offset > self._committed.get(at, 0)
        }
        try:
            if last and self._positions:
                self._committed |= news
                consumer.commit(offsets=_offsets(self._committed), asynchronous=False)
            elif news:
                self._committed |= news
                consumer.commit(offsets=_offsets(news), asynchronous=True)
        except KafkaException as error:
            log.warning("commit", group=self._group, error=str(error))

    def _export_lag(self, consumer: Consumer) -> None:
        now = time.monotonic()
        if now - self._last_lag < LAG_EVERY_S:
            return
        self._last_lag = now
        for source in self._positions:
            native = TopicPartition(source.topic, source.number)
            _, high = consumer.get_watermark_offsets(native, cached=True)
            done = self._sink.position(source)
            if done is None:
                continue
            # Transaction markers take offsets too: only the end of the partition tells "no lag".
            at_end = done >= self._positions[source] and self._end_seen.get(source, -1) >= high
            lag = 0 if at_end else max(0, high - done)
            where = (self._group, source.topic, str(source.number))
            self._metrics.lag.labels(*where).set(lag)
            # The age of the last record taken: the oldest one that waits is hardly younger.
            age = max(0.0, time.time() - self._taken_at.get(source, time.time())) if lag else 0.0
            self._metrics.lag_seconds.labels(*where).set(age)


def _native(sources: Iterable[Partition]) -> list[TopicPartition]:
    return [TopicPartition(source.topic, source.number) for source in sources]


def _offsets(positions: Mapping[Partition, int]) -> list[TopicPartition]:
    return [TopicPartition(at.topic, at.number, offset) for at, offset in positions.items()]


def _number(message: Message) -> int:
    number = message.partition()
    return -1 if number is None else number
