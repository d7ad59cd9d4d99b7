"""A separate read-committed consumer that follows all topics and feeds the tally and the agent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from shared import codec, topics
from shared.config import Scalar
from shared.events import Struct
from shared.streams.reader import Cluster, reader_settings

FOLLOWED = (
    topics.FEEDBACK_CLASSIFIED,
    topics.FEEDBACK_OUTCOMES,
    topics.CASE_EVENTS,
    topics.DELIVERIES,
    topics.DEAD_LETTERS,
)
BATCH = 2_000


class Observer:
    """Calls ``take(event, seconds)`` in its own thread for every committed event since the start."""

    def __init__(
        self,
        client: Mapping[str, Scalar],
        names: topics.Names,
        take: Callable[[Struct, float], None],
    ) -> None:
        self._client = client
        self._take = take
        self._names = names
        self._decoders = {
            names.of(topic): codec.Decoder[Struct](topic.carries) for topic in FOLLOWED
        }
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self.error: BaseException | None = None

    def start(self) -> None:
        """Remember where the topics end now, and start reading from there."""
        cluster = Cluster(self._client)
        sources = [
            topics_at for topic in FOLLOWED for topics_at in cluster.sources(self._names.of(topic))
        ]
        ends = cluster.ends(sources)
        self._assignment = [TopicPartition(at.topic, at.number, end) for at, end in ends.items()]
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(10.0)

    def _run(self) -> None:
        try:
            consumer = Consumer(reader_settings(self._client) | {"fetch.wait.max.ms": 20})
            try:
                consumer.assign(self._assignment)
                while not self._stop.is_set():
                    self._read(consumer)
            finally:
                consumer.close()
        except BaseException as error:  # noqa: BLE001  shown by whoever waits for the outcome
            self.error = error

    def _read(self, consumer: Consumer) -> None:
        first = consumer.poll(0.1)
        if first is None:
            return
        for message in (first, *consumer.consume(BATCH, 0.0)):
            error = message.error()
            if error is None:
                if message.value() is not None:  # else it is the removal of a letter
                    decoder = self._decoders[message.topic() or ""]
                    self._take(decoder.decode(message.value()), time.monotonic())
            elif error.code() != KafkaError._PARTITION_EOF and error.fatal():
                raise KafkaException(error)
