"""What the notifier writes to Kafka, by one idempotent producer; a write is acknowledged as a whole."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from shared import codec, ids, topics
from shared.clock import Clock
from shared.config import Scalar
from shared.errors import Poison, Transient
from shared.events import CaseCommand, DeadLetter, Delivery, Notification, ReplyDue, Struct
from shared.metrics import Metrics
from shared.streams.dead_letters import MAX_KEPT, letter, output
from shared.streams.records import Output

SOURCE: Final = "tocsin/notifier"
REASON: Final = "undeliverable"
"""Why a notification is parked; the dead letter's detail is what the sink said last."""
TIMEOUT_MS: Final = 30_000
POLL_S: Final = 0.1
FLUSH_S: Final = 5.0


def stage_of(sink: str) -> str:
    """Return the stage of the dead letters of a sink."""
    return f"notifier:{sink}"


class Writer:
    """Writes records from an event loop; a thread of its own listens to Kafka."""

    def __init__(self, client: Mapping[str, Scalar]) -> None:
        settings = {"enable.idempotence": True, "acks": "all", "linger.ms": 2, "log_level": 2}
        self._settings = {**client, **settings, "message.timeout.ms": TIMEOUT_MS}
        self._producer: Producer | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="ledger", daemon=True)

    def start(self) -> None:
        """Connect and begin to listen to the answers of Kafka."""
        self._producer = Producer(self._settings)
        self._thread.start()

    def stop(self) -> None:
        """End when nobody writes any more. Blocks for a few seconds at most."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(FLUSH_S)

    async def write(self, records: Sequence[Output]) -> None:
        """Return when Kafka has all ``records``.

        Raises:
            Transient: it has not; some of them may be there.
            RuntimeError: this producer never will again.
        """
        if self._producer is None:
            raise Transient("nothing is written yet")
        if not records:
            return
        loop = asyncio.get_running_loop()
        done: asyncio.Future[str] = loop.create_future()
        pending = _Pending(len(records), lambda fault: _tell(loop, done, fault))
        produce = self._producer.produce
        for number, (topic, partition, key, value, headers) in enumerate(records):
            try:
                produce(topic, value, key, partition, pending.delivered, headers=list(headers))
            except (BufferError, KafkaException) as error:
                if _is_fatal(error):
                    raise RuntimeError(f"the producer is lost: {error}") from error
                pending.gave_up(len(records) - number, str(error))
                break
        if fault := await done:
            raise Transient(f"Kafka has not taken {len(records)} records: {fault}")

    def _listen(self) -> None:
        while not self._ended.is_set():
            if self._producer is not None:
                self._producer.poll(POLL_S)


def _is_fatal(error: Exception) -> bool:
    """Tell whether librdkafka takes nothing any more; its own error for that has a code, but no flag."""
    cause = error.args[0] if isinstance(error, KafkaException) else None
    return isinstance(cause, KafkaError) and (cause.fatal() or cause.code() == KafkaError._FATAL)


class _Pending:
    """Counts the answers to one write; they come in another thread than what cannot be produced."""

    def __init__(self, count: int, done: Callable[[str], None]) -> None:
        self._left = count
        self._done = done
        self._fault = ""
        self._lock = threading.Lock()

    def delivered(self, error: KafkaError | None, _: Message) -> None:
        self._count(1, "" if error is None else error.str())

    def gave_up(self, count: int, fault: str) -> None:
        self._count(count, fault)

    def _count(self, count: int, fault: str) -> None:
        with self._lock:
            self._fault = fault or self._fault
            self._left -= count
            if self._left:
                return
        self._done(self._fault)


def _tell(loop: asyncio.AbstractEventLoop, done: asyncio.Future[str], fault: str) -> None:
    def settle() -> None:
        if not done.done():
            done.set_result(fault)

    with suppress(RuntimeError):  # the loop has ended, and nobody waits any more
        loop.call_soon_threadsafe(settle)


class KafkaLedger:
    """See ``services.notifier.ports.Ledger``; this one is for one sink, as dead letters name it."""

    def __init__(
        self,
        writer: Writer,
        sink: str,
        names: topics.Names,
        partitions: int,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._writer = writer
        self._stage = stage_of(sink)
        self._names = names
        self._partitions = partitions
        self._clock = clock
        self._buried = metrics.dead_letters

    async def deliveries(self, ended: Sequence[Delivery]) -> None:
        """Write what was told to whom."""
        records = []
        for one in ended:
            key = _key_of(one.case_id, one.tenant)
            event_id = ids.digest(one.tenant, "delivery", one.notification_id, one.status)
            records.append(self._output(topics.DELIVERIES, one, key, event_id))
        await self._writer.write(records)

    async def commands(self, commands: Sequence[CaseCommand]) -> None:
        """Send commands that follow from deliveries."""
        await self._writer.write(
            [
                self._output(
                    topics.CASE_COMMANDS,
                    one,
                    ids.record_key_of_case(one.case_id),
                    one.command_id,
                    f"tocsin/{one.actor}",
                )
                for one in commands
            ]
        )

    async def reply_due(self, due: Sequence[ReplyDue]) -> None:
        """Say that a person has to write."""
        await self._writer.write(
            [self._output(topics.FOLLOWUPS, one, one.record_key, one.reply_id) for one in due]
        )

    async def park(self, notification: Notification, detail: str) -> None:
        """Write a notification to the dead letters, from where it can be replayed."""
        key = _key_of(notification.case_id, notification.tenant)
        name = notification.told_as
        headers = codec.headers(notification, name, SOURCE)
        dead = DeadLetter(
            stage=self._stage,
            reason=REASON,
            detail=detail,
            at=self._clock.now_ms(),
            topic=self._names.of(topics.NOTIFICATIONS),
            partition=ids.partition_of(key, self._partitions),
            key=key.encode(),
            value=codec.encode(notification)[:MAX_KEPT],  # one that is larger cannot be replayed
            headers=(*headers, ("sink", notification.sink.encode())),
        )
        # Parked twice, it is one dead letter.
        event_id = ids.digest(notification.tenant, "dead-letter", self._stage, name)
        await self._writer.write([self._output(topics.DEAD_LETTERS, dead, key, event_id, own=True)])
        self._buried.labels("notifier", REASON).inc()

    async def bury(self, message: Message, poison: Poison) -> None:
        """Write a record that cannot be read to the dead letters, as it is."""
        dead = letter(self._stage, message, poison, self._clock.now_ms())
        topic = self._names.of(topics.DEAD_LETTERS)
        await self._writer.write([output(topic, message.partition() or 0, dead)])
        self._buried.labels("notifier", poison.reason).inc()

    def _output(
        self,
        topic: topics.Topic,
        event: Struct,
        of: str,
        event_id: str,
        source: str = SOURCE,
        *,
        own: bool = False,
    ) -> Output:
        """Return a record in the partition of the record key ``of``; ``own``: its id is its key."""
        partition = ids.partition_of(of, self._partitions)
        key = (event_id if own else of).encode()
        headers = codec.headers(event, event_id, source)
        return Output(self._names.of(topic), partition, key, codec.encode(event), headers)


def _key_of(case_id: str, tenant: str) -> str:
    """Return the record key of a case; what is of no case has the key of the tenant."""
    try:
        return ids.record_key_of_case(case_id)
    except ValueError:
        return tenant
