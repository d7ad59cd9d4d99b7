"""What every book of routes to customers must do: the one in memory and a real Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
from redis import Redis

from deploy.embedded.redis import EmbeddedRedis
from services.notifier.customers.routes import (
    Change,
    Kept,
    MemoryRoutes,
    RedisBook,
    RedisKept,
    RouteBook,
    SealedAddresses,
    Step,
)
from shared import codec
from shared.errors import Transient
from shared.events import Channel
from shared.ids import partition_of
from shared.routes import Route, route_id, seal
from shared.sealing import Sealer
from shared.stores.redis_dedupe import connect

SEALER = Sealer(b"a key")
KEY = "acme:c1"
PARTITIONS = 4
OWN = partition_of(KEY, PARTITIONS)
Scenario = Callable[[Kept], Awaitable[None]]


class Book:
    """A book to write to, and a way to look things up in it."""

    def __init__(self, book: RouteBook, run: Callable[[Scenario], None]) -> None:
        self.book = book
        self.run = run

    def found(self, *route_ids: str, partition: int = 1) -> list[bytes | None]:
        answers: list[bytes | None] = []

        async def look(kept: Kept) -> None:
            answers.extend(await kept.get(partition, route_ids))

        self.run(look)
        return answers

    def found_by(self, source: str, thread: str | None, sealer: Sealer | None) -> Route | None:
        answers: list[Route | None] = []

        async def look(kept: Kept) -> None:
            addresses = SealedAddresses(kept, sealer, PARTITIONS, lambda: True)
            answers.append(await addresses.find(KEY, source, thread))

        self.run(look)
        return answers[0]


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.integration)])
def book(request: pytest.FixtureRequest) -> Iterator[Book]:
    if request.param == "memory":
        memory = MemoryRoutes()

        async def play(scenario: Scenario) -> None:
            await scenario(memory)

        yield Book(memory, lambda scenario: asyncio.run(play(scenario)))
        return
    server: EmbeddedRedis = request.getfixturevalue("redis_server")
    prefix = f"test:{time.monotonic_ns()}:"

    async def look(scenario: Scenario) -> None:
        client = connect(server.url, 2.0)
        try:
            await scenario(RedisKept(client, prefix))
        finally:
            await client.aclose()

    with Redis.from_url(server.url) as client:
        yield Book(RedisBook(client, prefix), lambda scenario: asyncio.run(look(scenario)))


def step(expected: str, mark: str, *changes: Change, afresh: bool = False) -> Step:
    return Step(expected, mark, changes, afresh, whole=True)


def test_what_is_written_is_found_byte_for_byte(book: Book) -> None:
    value = bytes(range(256)) + b" 1 2"
    assert book.book.mark(1) == ""
    assert book.book.write(1, step("", "t:2", Change("a:b/1", 5, value), Change("a:b/2", 5, b"")))
    assert book.book.mark(1) == "t:2"
    assert book.found("a:b/1", "a:b/2", "a:b/3") == [value, b"", None]


def test_before_the_end_of_the_topic_was_reached_nothing_is_known(book: Book) -> None:
    with pytest.raises(Transient, match="not read yet"):
        book.found("a:b/1")
    assert book.book.write(1, Step("", "t:1", (Change("a:b/1", 5, b"x"),)))
    with pytest.raises(Transient, match="not read yet"):
        book.found("a:b/1")
    assert book.book.write(1, step("t:1", "t:1"))
    assert book.found("a:b/1") == [b"x"]
    with pytest.raises(Transient):
        book.found("a:b/1", partition=2)


def test_whoever_expects_another_mark_writes_nothing(book: Book) -> None:
    assert book.book.write(1, step("", "t:1", Change("a:b/1", 5, b"x")))
    for expected in ("", "t:0", "other:1"):
        assert not book.book.write(1, step(expected, "t:9", Change("a:b/1", 9, b"y"), afresh=True))
    assert book.book.mark(1) == "t:1"
    assert book.found("a:b/1") == [b"x"]


def test_the_newer_route_stays_and_of_equals_the_later_record(book: Book) -> None:
    assert book.book.write(1, step("", "t:1", Change("a:b/1", 1_780_000_000_000, b"new")))
    assert book.book.write(1, step("t:1", "t:2", Change("a:b/1", 1_779_999_999_999, b"old")))
    assert book.found("a:b/1") == [b"new"]
    assert book.book.write(1, step("t:2", "t:3", Change("a:b/1", 1_780_000_000_000, b"again")))
    assert book.found("a:b/1") == [b"again"]


def test_a_tombstone_takes_a_route_out(book: Book) -> None:
    changes = (Change("a:b/1", 5, b"x"), Change("a:b/2", 5, b"y"), Change("a:b/1", 0, None))
    assert book.book.write(1, step("", "t:3", *changes))
    assert book.found("a:b/1", "a:b/2") == [None, b"y"]
    assert book.book.write(1, step("t:3", "t:4", Change("a:b/1", 1, b"z")))
    assert book.found("a:b/1") == [b"z"]


def test_afresh_forgets_what_was_there_and_that_it_was_whole(book: Book) -> None:
    assert book.book.write(1, step("", "t:1", Change("a:b/1", 5, b"x")))
    assert book.book.write(1, Step("t:1", "u:1", (Change("a:b/2", 5, b"y"),), afresh=True))
    with pytest.raises(Transient):
        book.found("a:b/1")
    assert book.book.write(1, step("u:1", "u:1"))
    assert book.found("a:b/1", "a:b/2") == [None, b"y"]


def test_many_changes_at_once(book: Book) -> None:
    changes = [Change(f"a:b/{number}", number, str(number).encode()) for number in range(5_000)]
    assert book.book.write(1, step("", "t:5000", *changes))
    assert book.found("a:b/0", "a:b/4999") == [b"0", b"4999"]


def written(book: Book, *routes: tuple[Route, str | None], sealer: Sealer = SEALER) -> None:
    changes = []
    for route, thread in routes:
        kept = seal(route, KEY, thread, sealer)
        changes.append(Change(kept.route_id, route.at, codec.encode(kept)))
    assert book.book.write(OWN, step(book.book.mark(OWN), f"t:{time.monotonic_ns()}", *changes))


def route(address: str, at: int = 1, source: str = "inbox") -> Route:
    return Route(Channel.EMAIL, "smtp", source, address, at)


def test_the_thread_comes_first_then_the_latest_of_the_customer(book: Book) -> None:
    thread, latest = route("thread@x.example"), route("latest@x.example")
    written(book, (thread, "t1"), (latest, None))
    assert book.found_by("inbox", "t1", SEALER) == thread
    assert book.found_by("inbox", "t2", SEALER) == latest
    assert book.found_by("inbox", None, SEALER) == latest
    assert book.found_by("elsewhere", "t1", SEALER) is None


def test_what_cannot_be_opened_is_passed_over(book: Book) -> None:
    written(book, (route("old@x.example"), "t1"), sealer=Sealer(b"of yesterday"))
    assert book.found_by("inbox", "t1", SEALER) is None
    written(book, (route("new@x.example"), None))
    assert book.found_by("inbox", "t1", SEALER) == route("new@x.example")
    damaged = Change(route_id(KEY, "inbox", "t1"), 9, b"{}")
    assert book.book.write(OWN, step(book.book.mark(OWN), "t:9", damaged))
    assert book.found_by("inbox", "t1", SEALER) == route("new@x.example")


def test_without_a_key_there_is_no_route(book: Book) -> None:
    assert book.found_by("inbox", "t1", None) is None


def test_nothing_is_told_before_this_process_has_caught_up() -> None:
    addresses = SealedAddresses(MemoryRoutes(), SEALER, PARTITIONS, lambda: False)
    with pytest.raises(Transient, match="not read yet"):
        asyncio.run(addresses.find(KEY, "inbox", None))


def test_a_redis_that_is_away_is_said() -> None:
    with Redis.from_url("redis://127.0.0.1:1/0", socket_timeout=0.2) as client:
        gone = RedisBook(client, "x:")
        with pytest.raises(Transient, match="redis"):
            gone.mark(1)
        with pytest.raises(Transient, match="redis"):
            gone.write(1, step("", "t:1"))
