"""The Faust transport that carries chunks instead of records.

Faust keeps what it is good at: app, agents, life cycle, supervision. What would lose records is
replaced: its commit of whatever an agent has taken (only the transaction commits), its buffers that
are cleared on rebalances, its read offsets that silently drop a message. One Faust message is one
:class:`Chunk`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar, cast

import faust
from faust.app.base import BootStrategy
from faust.tables.manager import TableManager
from faust.transport import base
from faust.types import TP, ConsumerMessage, Message, StreamT
from faust.types.transports import ConsumerT, ProducerT
from mode.services import Service
from mode.types import ServiceT
from yarl import URL

from shared.metrics import Metrics
from shared.streams.poller import Poller
from shared.streams.records import Chunk, Partition
from shared.streams.transaction import Transactor

CLOSE_S = 30.0


class ChunkConsumer(base.Consumer):
    """Hands chunks from the poller's thread to the agents, and never commits."""

    app: ChunkApp

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._polled: asyncio.Queue[Sequence[Chunk]] = asyncio.Queue()
        self._sequence = 0
        self._running_loop: asyncio.AbstractEventLoop | None = None
        self._poller = Poller(
            self.app.consumer_settings,
            self.app.transactor,
            self._emit,
            self._on_rebalanced,
            self.app.failed,
            self.app.worker_metrics,
            self.app.max_poll_records,
        )

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Join the group; called once by the conductor when the agents are up."""
        self._running_loop = asyncio.get_running_loop()
        self._poller.start(topics)

    async def on_stop(self) -> None:
        """Leave the group; the poller's revocation waits for the running transaction."""
        await asyncio.to_thread(self._poller.stop, CLOSE_S)

    def silent_for_s(self) -> float:
        """Seconds since the poller last went round."""
        return self._poller.silent_for_s()

    # ---- from the poller's thread

    def _emit(self, chunks: Sequence[Chunk]) -> None:
        self.app.transactor.expect(sum(chunk.size for chunk in chunks))
        if self._running_loop is not None and not self._running_loop.is_closed():
            self._running_loop.call_soon_threadsafe(self._polled.put_nowait, chunks)

    def _on_rebalanced(self, assigned: frozenset[Partition]) -> None:
        if self._running_loop is not None:
            done = asyncio.run_coroutine_threadsafe(self._index(assigned), self._running_loop)
            done.result(CLOSE_S)

    async def _index(self, assigned: frozenset[Partition]) -> None:
        """Tell the conductor which partitions there are, and see that the fetcher runs."""
        await self.app.topics.on_partitions_assigned({TP(at.topic, at.number) for at in assigned})
        self.app.flow_control.resume()
        self.resume_flow()
        await self.app._fetcher.maybe_start()

    # ---- on the loop

    async def _drain_messages(self, fetcher: ServiceT) -> None:
        unblock = asyncio.create_task(self._unblock_when_stopped(cast("Service", fetcher)))
        try:
            while not (self.should_stop or fetcher.should_stop):
                for chunk in await self._polled.get():
                    self._sequence += 1
                    source = TP(chunk.source.topic, chunk.source.number)
                    await self.callback(self._to_message(source, chunk))
        finally:
            unblock.cancel()

    async def _unblock_when_stopped(self, fetcher: Service) -> None:
        await fetcher._stopped.wait()
        self._polled.put_nowait(())

    def _to_message(self, tp: TP, record: Chunk) -> ConsumerMessage:
        """Wrap a chunk with a running number and Faust's present generation, for it drops silently
        what it takes for old; the transactor checks the real offsets and the real generation."""
        return ConsumerMessage(
            tp.topic, tp.partition, self._sequence, 0.0, 0, None, None,
            record,  # type: ignore[arg-type]  # Faust only passes it on, see ChunkSchema
            None, 0, 0, tp,
            generation_id=self.app.consumer_generation_id,
        )  # fmt: skip

    def ack(self, message: object) -> bool:
        """Forget the message: what counts is the transaction."""
        self._unacked_messages.discard(message)  # type: ignore[arg-type]
        return True

    async def commit(self, topics: object = None, start_new_transaction: bool = True) -> bool:
        """Do nothing: only the transaction commits."""
        return False

    async def force_commit(self, topics: object = None, start_new_transaction: bool = True) -> bool:
        """Do nothing: only the transaction commits."""
        return False

    async def wait_empty(self) -> None:
        """Do nothing: the poller's revocation waits for the transaction."""

    def assignment(self) -> set[TP]:
        """Return the partitions assigned now."""
        return {TP(at.topic, at.number) for at in self._poller.assigned}

    async def verify_all_partitions_active(self) -> None:
        """Do nothing: the worker's own watchdog looks at lag and progress."""

    # ---- what Faust's interface asks for and this transport never needs

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        return False

    async def _getmany(
        self, active_partitions: set[TP] | None, timeout: float
    ) -> dict[TP, list[Chunk]]:
        return {}

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Return nothing: positions come with the assignment."""
        return {}

    async def _seek(self, partition: TP, offset: int) -> None:
        return None

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)

    async def create_topic(self, topic: str, *args: object, **kwargs: object) -> None:
        """Create nothing: ``tocsin topics apply`` does."""

    async def position(self, tp: TP) -> int | None:
        """Return what the last transaction committed."""
        return self.app.transactor.position(Partition(tp.topic, tp.partition))

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """Return nothing: only Faust's tables would ask."""
        return {}

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """Return nothing: only Faust's tables would ask."""
        return {}

    def highwater(self, tp: TP) -> int:
        """Return 0: the poller exports the lag itself."""
        return 0

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Do nothing: positions come with the assignment."""

    def topic_partitions(self, topic: str) -> int | None:
        """Return None: outputs name their partition."""
        return None

    def key_partition(
        self, topic: str, key: bytes | None, partition: int | None = None
    ) -> int | None:
        """Return the given partition: outputs name theirs."""
        return partition


class SilentProducer(base.Producer):
    """Faust is given nothing to produce with: outputs belong into the transaction."""

    async def on_start(self) -> None:
        """Start nothing."""

    async def flush(self) -> None:
        """Flush nothing."""


class ChunkTransport(base.Transport):
    """Faust's seam for drivers."""

    Consumer: ClassVar[type[ConsumerT]] = ChunkConsumer
    Producer: ClassVar[type[ProducerT]] = SilentProducer
    driver_version = "librdkafka chunks"


class _Boot(BootStrategy):
    """Only what a chunk worker needs: no leader election, no replies, no producer, no web."""

    enable_kafka_producer = False
    enable_web = False

    def kafka_consumer(self) -> Iterable[ServiceT]:
        return [self.app.consumer]

    def tables(self) -> Iterable[ServiceT]:
        return []


class ChunkApp(faust.App):
    """A Faust app whose agents receive chunks and put them before the transactor.

    Args:
        app_id: consumer group.
        consumer_settings: librdkafka configuration, see :func:`poller.consumer_settings`.
        transactor: where the chunks go.
        failed: told about an error that must end the process.
    """

    BootStrategy = _Boot

    def __init__(
        self,
        app_id: str,
        consumer_settings: Mapping[str, str | int | float | bool],
        transactor: Transactor,
        failed: Callable[[BaseException], None],
        metrics: Metrics,
        max_poll_records: int,
    ) -> None:
        self.consumer_settings = consumer_settings
        self.transactor = transactor
        self.failed = failed
        self.worker_metrics = metrics
        self.max_poll_records = max_poll_records
        super().__init__(
            app_id,
            broker="kafka://",
            store="memory://",
            web_enabled=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            stream_wait_empty=False,
            stream_buffer_maxsize=64,
            autodiscover=False,
        )

    def poller_silent_for_s(self) -> float:
        """Seconds since the poller last went round; 0 before it started."""
        return self.consumer.silent_for_s() if isinstance(self.consumer, ChunkConsumer) else 0.0

    def _new_transport(self) -> ChunkTransport:
        return ChunkTransport([URL("kafka://")], self, self.loop)

    def _new_producer_transport(self) -> ChunkTransport:
        return self._new_transport()

    async def on_start(self) -> None:
        """Tell the conductor not to wait for tables: there are none."""
        await super().on_start()
        # What TableManager.on_start would do.
        cast("TableManager", self.tables)._tables_registered.set()

    def _create_directories(self) -> None:
        """Create nothing: without tables there is no data of Faust's own."""

    async def _wait_for_table_recovery_completed(self) -> bool:
        return False

    async def _stop_consumer(self) -> None:
        await self._stop_fetcher()


class ChunkSchema(faust.Schema[None, Chunk]):
    """Passes the chunk through: records are decoded in the handler, where a bad one has a home."""

    def loads_key(self, app: object, message: Message, **kwargs: object) -> None:
        """Return None: keys belong to records."""

    def loads_value(self, app: object, message: Message, **kwargs: object) -> Chunk:
        """Return the chunk as it is."""
        return cast("Chunk", message.value)


def chunk_app(app: ChunkApp, topics: Sequence[str]) -> ChunkApp:
    """Add the one agent: it takes chunks in order and puts them before the transactor."""
    put = app.transactor.put

    async def take(stream: StreamT[Chunk]) -> None:
        async for chunk in stream:
            try:
                put(chunk)
            except RuntimeError as error:
                app.failed(error)  # no exception may leave an agent: Faust would acknowledge
                return

    source = app.topic(*topics, schema=ChunkSchema())
    app.agent(source, name="chunks", concurrency=1)(take)
    return app
