"""Routes to customers from a real Kafka into a real Redis: followed, lost, read again, erased."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
import redis
from confluent_kafka import Producer

from services.notifier.customers.route_feed import RouteFeed
from services.notifier.customers.routes import RedisBook, RedisKept, SealedAddresses
from shared import codec, topics
from shared.errors import Transient
from shared.events import Channel
from shared.ids import partition_of
from shared.routes import Route, route_id, seal
from shared.sealing import Sealer
from shared.stores.redis_dedupe import connect
from tests.services import Installation, wait_for

pytestmark = pytest.mark.integration

PARTITIONS = 2
SEALER = Sealer(b"a key")


class Rig:
    """A topic of routes, and processes that follow it into one book."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        installation.create_topics(PARTITIONS)
        config = installation.loaded(kafka__partitions=PARTITIONS).config
        self._kafka = config.kafka
        self.prefix = f"{installation.name}:routes:"
        self.redis = redis.Redis.from_url(installation.redis_url)
        self._producer = Producer({**config.kafka.client(), "acks": "all"})
        self._running: list[tuple[RouteFeed, threading.Thread]] = []

    def follow(self) -> RouteFeed:
        feed = RouteFeed(self._kafka, self._installation.names, RedisBook(self.redis, self.prefix))
        thread = threading.Thread(target=feed.follow)
        thread.start()
        self._running.append((feed, thread))
        return feed

    def stop(self) -> None:
        for feed, _ in self._running:
            feed.end()
        for _, thread in self._running:
            thread.join(30)
            assert not thread.is_alive()
        self._running.clear()

    def put(self, owner: str, address: str | None, at: int = 1, thread: str | None = None) -> None:
        key, value = route_id(owner, "inbox", thread), None
        if address is not None:
            route = Route(Channel.EMAIL, "smtp", "inbox", address, at)
            value = codec.encode(seal(route, owner, thread, SEALER))
        topic = self._installation.names.of(topics.REPLY_ROUTES)
        self._producer.produce(topic, value, key.encode(), partition_of(owner, PARTITIONS))
        assert self._producer.flush(10) == 0

    def address(self, feed: RouteFeed, owner: str, thread: str | None = None) -> str | None:
        """Return what a courier would find: "…" as long as it has to come again."""

        async def find() -> str | None:
            client = connect(self._installation.redis_url, 2.0)
            try:
                kept = RedisKept(client, self.prefix)
                addresses = SealedAddresses(kept, SEALER, PARTITIONS, feed.ready)
                found = await addresses.find(owner, "inbox", thread)
            except Transient:
                return "…"
            else:
                return None if found is None else found.address
            finally:
                await client.aclose()

        return asyncio.run(find())

    def expect(self, feed: RouteFeed, owner: str, address: str | None) -> None:
        wait_for(lambda: self.address(feed, owner) == address, f"{owner} is at {address}")


@pytest.fixture
def rig(installation: Installation) -> Iterator[Rig]:
    made = Rig(installation)
    yield made
    made.stop()
    made.redis.close()


def test_routes_are_followed_lost_and_read_again(rig: Rig) -> None:
    for number in range(20):
        rig.put(f"acme:c{number}", f"{number}@x.example")
    feed = rig.follow()
    rig.expect(feed, "acme:c3", "3@x.example")
    rig.expect(feed, "acme:nobody", None)
    rig.put("acme:c3", "newer@x.example", at=2)
    rig.put("acme:c3", "older@x.example", at=0)
    rig.put("acme:c4", None)
    rig.expect(feed, "acme:c3", "newer@x.example")
    rig.expect(feed, "acme:c4", None)
    for key in rig.redis.scan_iter(f"{rig.prefix}*"):
        for value in rig.redis.hgetall(key).values():
            assert b"x.example" not in value
        rig.redis.delete(key)
    assert rig.address(feed, "acme:c5") == "…"
    rig.expect(feed, "acme:c5", "5@x.example")
    rig.expect(feed, "acme:c4", None)


def test_a_process_that_starts_again_goes_on_where_the_book_is(rig: Rig) -> None:
    rig.put("acme:c1", "1@x.example")
    rig.expect(rig.follow(), "acme:c1", "1@x.example")
    rig.stop()
    key = f"{rig.prefix}{partition_of('acme:c1', PARTITIONS)}"
    rig.redis.hset(key, "kept:x/1", "1 by hand")  # it would go if all was read from the start
    rig.put("acme:c2", "2@x.example")
    rig.put("acme:c1", "new@x.example", at=2)
    feed = rig.follow()
    rig.expect(feed, "acme:c1", "new@x.example")
    rig.expect(feed, "acme:c2", "2@x.example")
    assert rig.redis.hget(key, "kept:x/1") == b"1 by hand"


def test_two_processes_share_a_book(rig: Rig) -> None:
    feeds = [rig.follow(), rig.follow()]
    for number in range(60):
        rig.put(f"acme:c{number}", f"{number}@x.example")
    for feed in feeds:
        rig.expect(feed, "acme:c59", "59@x.example")
        for number in range(60):
            rig.expect(feed, f"acme:c{number}", f"{number}@x.example")
    assert all(feed.ready() for feed in feeds)


def test_an_empty_topic_is_known_to_be_empty(rig: Rig) -> None:
    rig.expect(rig.follow(), "acme:c1", None)
