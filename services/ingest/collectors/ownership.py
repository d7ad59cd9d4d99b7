"""Which process reads which source: the consumer group over the topic of positions decides.

The partition of a source is that of its position. Who is assigned the partition reads all positions
in it, then reads the sources; should it die, the group gives them to another. For a moment two may
read the same source: what is read twice is recognised as duplicate.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from services.ingest.collectors.supervisor import Supervisor
from shared import codec, topics
from shared.config import Kafka, Scalar
from shared.daemon import in_daemon
from shared.errors import Misconfigured, Poison, Transient
from shared.events import Watermark
from shared.streams.reader import Cluster, read_to_end
from shared.streams.records import Partition

HANDOVER_S = 10.0
LEAVE_S = 0.5
RETRY_S = 2.0
_log = structlog.get_logger(__name__)


class Ownership:
    """Follows the group in a thread of its own; the supervisor is told on the event loop."""

    def __init__(self, kafka: Kafka, names: topics.Names, supervisor: Supervisor) -> None:
        self._kafka = kafka
        self._topic = names.of(topics.WATERMARKS)
        self._group = names.group("collectors")
        self._supervisor = supervisor
        self._ended = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._decoder = codec.Decoder[Watermark](topics.WATERMARKS.carries)

    async def run(self) -> None:
        """Follow the group until cancelled."""
        self._loop = asyncio.get_running_loop()
        following = asyncio.create_task(in_daemon(self._follow, "collectors"))
        try:
            await asyncio.shield(following)
        finally:
            self._ended.set()
            await asyncio.wait([following], timeout=LEAVE_S)

    def _follow(self) -> None:
        while not self._ended.is_set():
            try:
                self._join()
            except (KafkaException, Transient, Misconfigured, TimeoutError) as error:
                _log.warning("collectors wait for kafka", problem=str(error))
                self._ended.wait(RETRY_S)
            except Exception:  # noqa: BLE001 (logged; others go on)
                _log.exception("following the group failed; joining anew")
                self._ended.wait(RETRY_S)

    def _join(self) -> None:
        count = len(Cluster(self._kafka.client()).sources(self._topic))
        consumer = Consumer(self._settings())

        def assigned(_: Consumer, given: list[TopicPartition]) -> None:
            partitions = frozenset(part.partition for part in given)
            marks = self._marks(partitions)
            self._tell_owned(partitions, count, marks)

        def revoked(_: Consumer, __: list[TopicPartition]) -> None:
            self._tell_disowned()

        consumer.subscribe([self._topic], on_assign=assigned, on_revoke=revoked, on_lost=revoked)
        try:
            while not self._ended.is_set():
                consumer.poll(0.5)  # positions are not needed: the thread only follows the group
        finally:
            try:
                self._tell_disowned()
            finally:
                consumer.close()  # else it would stay in the group and hold its partitions

    def _settings(self) -> dict[str, Scalar]:
        return {
            **self._kafka.client(),
            "group.id": self._group,
            "session.timeout.ms": self._kafka.session_timeout_ms,
            "enable.auto.commit": False,
            "auto.offset.reset": "latest",
            "partition.assignment.strategy": "range",
            "log_level": 2,
        }

    def _marks(self, partitions: frozenset[int]) -> Mapping[str, Watermark]:
        """Return the last position of every source in ``partitions``."""
        sources = [Partition(self._topic, number) for number in sorted(partitions)]
        client = self._kafka.client()
        ends = Cluster(client).ends(sources)
        marks: dict[str, Watermark] = {}
        for batch in read_to_end(client, dict.fromkeys(sources, 0), ends, self._ended.is_set):
            for message in batch:
                try:
                    mark = self._decoder.decode(message.value() or b"")
                except Poison as poison:
                    _log.error("a position cannot be read", detail=poison.detail)
                    continue
                marks[mark.source] = mark
        return marks

    def _tell_owned(
        self, partitions: frozenset[int], count: int, marks: Mapping[str, Watermark]
    ) -> None:
        if self._loop is not None and not self._loop.is_closed():
            told = self._supervisor.own(partitions, count, marks)
            asyncio.run_coroutine_threadsafe(told, self._loop).result(HANDOVER_S)

    def _tell_disowned(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            told = self._supervisor.disown()
            asyncio.run_coroutine_threadsafe(told, self._loop).result(HANDOVER_S)
