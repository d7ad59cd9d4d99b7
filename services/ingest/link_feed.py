"""Keeps the links between identifiers up to date from their topic: all of them, in every process."""

from __future__ import annotations

import threading

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from services.ingest.links import Links
from shared import codec, topics
from shared.config import Kafka
from shared.daemon import in_daemon
from shared.errors import Misconfigured, Poison, Transient
from shared.events import IdentityLink
from shared.streams.reader import BATCH, Cluster, reader_settings
from shared.streams.records import Partition

RETRY_S = 2.0
_log = structlog.get_logger(__name__)


class LinkFeed:
    """Follows the topic in a thread. Not ready before it has been read to its end once."""

    def __init__(self, kafka: Kafka, names: topics.Names, links: Links) -> None:
        self._kafka = kafka
        self._topic = names.of(topics.IDENTITY_LINKS)
        self._links = links
        self._decoder = codec.Decoder[IdentityLink](topics.IDENTITY_LINKS.carries)
        self._ended = threading.Event()
        self._caught_up = threading.Event()

    def problem(self) -> str | None:
        """Return why items would be filed under the wrong customer, None if they would not."""
        return None if self._caught_up.is_set() else "identity links are not read yet"

    async def run(self) -> None:
        """Follow until cancelled."""
        try:
            await in_daemon(self._follow, "identity-links")
        finally:
            self._ended.set()

    def _follow(self) -> None:
        while not self._ended.is_set():
            try:
                self._read()
            except (KafkaException, Transient, Misconfigured) as error:
                _log.warning("identity links wait for kafka", problem=str(error))
                self._ended.wait(RETRY_S)

    def _read(self) -> None:
        cluster = Cluster(self._kafka.client())
        sources = cluster.sources(self._topic)
        open_ends = {at: end for at, end in cluster.ends(sources).items() if end > 0}
        consumer = Consumer(reader_settings(self._kafka.client()))
        try:
            consumer.assign([TopicPartition(at.topic, at.number, 0) for at in sources])
            while not self._ended.is_set():
                if not open_ends:
                    self._caught_up.set()
                for message in consumer.consume(BATCH, 0.5):
                    error = message.error()
                    if error is not None and error.code() != KafkaError._PARTITION_EOF:
                        raise Transient(f"reading {self._topic}: {error.str()}")
                    if error is None:
                        self._take(message)
                    at = Partition(message.topic() or "", message.partition() or 0)
                    reached = (message.offset() or 0) + (error is None)
                    if reached >= open_ends.get(at, reached + 1):
                        del open_ends[at]
        finally:
            consumer.close()

    def _take(self, message: Message) -> None:
        value = message.value()
        if value is None:
            self._links.remove((message.key() or b"").decode())
            return
        try:
            link = self._decoder.decode(value)
        except Poison as poison:
            _log.error("an identity link cannot be read", detail=poison.detail)
            return
        self._links.add(link.alias, link.customer_key)
