"""Follows ``reply.routes`` into a book, from where the book has it; lost, it is read from the start."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from services.notifier.customers.routes import Change, RouteBook, Step
from shared import codec, topics
from shared.config import Kafka
from shared.daemon import in_daemon
from shared.errors import Misconfigured, Poison, Transient
from shared.events import ReplyRoute
from shared.streams.reader import BATCH, Cluster, reader_settings

RETRY_S: Final = 1.0
LOOK_S: Final = 1.0
"""How often the book is looked at when nothing new comes: it may have been lost."""

_POLL_S: Final = 0.2
_log = structlog.get_logger(__name__)


class _Moved(Exception):
    """The book is not where it was left: lost, or of another topic."""


class _Following:
    """One partition: ``position`` is the next offset, ``end`` that of the topic when it began."""

    def __init__(self, topic_id: str, mark: str, end: int) -> None:
        self._topic_id = topic_id
        self.mark = mark
        self.end = end
        known = self._offset(mark)
        self.afresh = known is None or known > end  # Kafka lost what the book has seen
        self.position = 0 if known is None or self.afresh else known
        self.told = False

    def _offset(self, mark: str) -> int | None:
        topic_id, _, offset = mark.rpartition(":")
        return int(offset) if topic_id == self._topic_id and offset.isdigit() else None

    @property
    def whole(self) -> bool:
        return self.position >= self.end

    def step(self, changes: Sequence[Change], to: int) -> Step:
        mark = f"{self._topic_id}:{to}"
        return Step(self.mark, mark, changes, self.afresh, whole=to >= self.end)

    def taken(self, mark: str, to: int) -> None:
        self.mark, self.position, self.afresh = mark, to, False
        self.told = self.whole

    def overtaken(self, mark: str) -> None:
        """Go on from where another process has come to meanwhile."""
        to = self._offset(mark)
        if to is None or to < self.position:
            raise _Moved
        self.mark, self.position, self.afresh = mark, to, False


class RouteFeed:
    """Keeps a book up to date in a thread; a ``shared.worker.Companion``.

    Several processes may do so with one book.
    """

    def __init__(self, kafka: Kafka, names: topics.Names, book: RouteBook) -> None:
        self._kafka = kafka
        self._topic = names.of(topics.REPLY_ROUTES)
        self._book = book
        self._decoder = codec.Decoder[ReplyRoute](topics.REPLY_ROUTES.carries)
        self._ended = threading.Event()
        self._ready = threading.Event()
        self._task: asyncio.Task[None] | None = None

    def ready(self) -> bool:
        """Tell whether the book has all that the topic had when this process, or the book, began."""
        return self._ready.is_set()

    async def start(self, failed: Callable[[BaseException], None]) -> None:
        """Begin to follow, in a thread."""

        def done(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (fault := task.exception()) is not None:
                failed(fault)

        self._task = asyncio.get_running_loop().create_task(in_daemon(self.follow, "reply-routes"))
        self._task.add_done_callback(done)

    async def stop(self, timeout_s: float) -> None:
        """End soon."""
        self.end()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=timeout_s)

    def silent_for_s(self) -> float:
        """Nothing hangs on this going round: until it has, nobody is written to."""
        return 0.0

    def problem(self) -> str | None:
        """Return what is waited for."""
        return None if self.ready() else "the routes to customers are not read yet"

    def end(self) -> None:
        """End :meth:`follow` soon."""
        self._ended.set()

    def follow(self) -> None:
        """Follow until :meth:`end`; blocks."""
        while not self._ended.is_set():
            try:
                self._read()
            except _Moved:
                _log.warning("the routes to customers were lost and are read again")
            except (KafkaException, Transient, Misconfigured) as error:
                _log.warning("the routes to customers are not followed", problem=str(error))
                self._ended.wait(RETRY_S)
            finally:
                self._ready.clear()

    def _read(self) -> None:
        cluster = Cluster(self._kafka.client())
        topic_id = cluster.topic_ids([self._topic])[self._topic]
        ends = cluster.ends(cluster.sources(self._topic))
        parts = {
            at.number: _Following(topic_id, self._book.mark(at.number), end)
            for at, end in ends.items()
        }
        consumer = Consumer(reader_settings(self._kafka.client()))
        try:
            consumer.assign(
                [TopicPartition(self._topic, number, one.position) for number, one in parts.items()]
            )
            self._keep_reading(consumer, parts)
        finally:
            consumer.close()

    def _keep_reading(self, consumer: Consumer, parts: dict[int, _Following]) -> None:
        looked_at = 0.0
        while not self._ended.is_set():
            records: dict[int, list[Message]] = {}
            for message in consumer.consume(BATCH, _POLL_S):
                self._sort(message, records)
            for number, found in records.items():
                self._take(number, parts[number], found)
            if time.monotonic() - looked_at > LOOK_S:
                looked_at = time.monotonic()
                for number, one in parts.items():
                    self._look(number, one)
            if all(one.whole for one in parts.values()):
                self._ready.set()

    def _sort(self, message: Message, records: dict[int, list[Message]]) -> None:
        error = message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise Transient(f"reading {self._topic}: {error.str()}")
        records.setdefault(message.partition() or 0, []).append(message)

    def _take(self, number: int, one: _Following, found: Sequence[Message]) -> None:
        """Write what is new in ``found``; its last may be the end of the partition, no record."""
        last = found[-1]
        to = (last.offset() or 0) + (last.error() is None)
        while to > one.position or (to >= one.end and not one.told):
            fresh = (message for message in found if (message.offset() or 0) >= one.position)
            changes = [change for message in fresh if (change := self._change(message))]
            self._write(number, one, one.step(changes, max(to, one.position)), to)

    def _look(self, number: int, one: _Following) -> None:
        """See whether the book is as it was left; what has nothing to read is whole from the start."""
        if one.whole and not one.told:
            self._write(number, one, one.step((), one.position), one.position)
        elif self._book.mark(number) != one.mark:
            one.overtaken(self._book.mark(number))

    def _write(self, number: int, one: _Following, step: Step, to: int) -> None:
        if self._book.write(number, step):
            one.taken(step.mark, max(to, one.position))
        else:
            one.overtaken(self._book.mark(number))

    def _change(self, message: Message) -> Change | None:
        if message.error() is not None:
            return None
        route_id, value = (message.key() or b"").decode(), message.value()
        if value is None:
            return Change(route_id, 0, None)
        try:
            return Change(route_id, self._decoder.decode(value).at, value)
        except Poison as poison:
            _log.error("a route to a customer cannot be read", detail=poison.detail)
            return None
