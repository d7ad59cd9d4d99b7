"""The parts of the client that need no broker: policy, book, reading, dedupe, settings, imports."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import codec
from shared.client import (
    AsyncEscalations,
    Escalations,
    Latest,
    MemoryIds,
    Misconfigured,
    OnError,
    Park,
    Retry,
    Seen,
    Then,
)
from shared.client.book import Book
from shared.client.kafka import connection, consumer_settings
from shared.client.policy import Again, Aside, Raised
from shared.client.reading import Reader, Unknown
from shared.client.records import Partition, Record
from shared.client.testing import FakeAsyncEscalations, FakeEscalations
from shared.client.transport import Direct, run
from shared.errors import Poison
from shared.events import CaseEvent
from shared.topics import ESCALATIONS, FOLLOWUPS
from tests.contract.client_beds import escalation

# --------------------------------------------------------------------------- what it imports


@pytest.mark.parametrize(
    "module", ["shared.client", "shared.client.testing", "shared.client.kafka"]
)
def test_importing_the_client_pulls_in_nothing_of_the_product(module: str) -> None:
    code = (
        f"import {module}, sys; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    foreign = {"faust", "mode", "aiohttp", "redis", "kafka", "aiokafka", "structlog", "services"}
    assert loaded & foreign == set()
    assert "msgspec" in loaded
    assert ("confluent_kafka" in loaded) == (module == "shared.client.kafka")


def test_the_client_uses_no_other_module_of_the_product() -> None:
    code = "import shared.client.kafka, sys; print(*[n for n in sys.modules if n.startswith('shared.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    others = {name for name in done.stdout.split() if not name.startswith("shared.client")}
    assert others <= {f"shared.{name}" for name in ("events", "codec", "topics", "errors", "ids")}


# --------------------------------------------------------------------------- policy


def test_waits_double_up_to_the_longest() -> None:
    policy = OnError(retries=6, first_s=1.0, most_s=10.0)
    waits = [policy.judge(ValueError(), attempt) for attempt in range(1, 8)]
    assert waits[:6] == [Again(1), Again(2), Again(4), Again(8), Again(10), Again(10)]
    assert waits[6] == Aside("failed", "ValueError: ")


def test_a_body_is_obeyed_whatever_the_policy_says() -> None:
    policy = OnError(retries=0, then=Then.STOP)
    assert policy.judge(Retry(7.0), 99) == Again(7.0)
    assert policy.judge(Park("not ours"), 1) == Aside("parked", "not ours")
    assert policy.judge(ValueError(), 1) == Raised()


@given(st.integers(1, 10_000), st.floats(0.001, 1e3), st.floats(0.001, 1e6))
def test_a_wait_never_overflows(attempt: int, first_s: float, most_s: float) -> None:
    assert 0 < OnError(first_s=first_s, most_s=most_s).wait_s(attempt) <= most_s


# --------------------------------------------------------------------------- book

PLACES = [Partition("t", number) for number in range(3)]
steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "take", "finish", "again", "revoke", "assign", "commit", "tick"]),
        st.integers(0, 2),
    ),
    max_size=60,
)


@given(steps)
def test_each_partition_is_worked_off_in_order_and_only_what_ended_is_committed(
    plan: list[tuple[str, int]],
) -> None:
    book, now = Book(), 0.0
    written = dict.fromkeys(PLACES, 0)
    ended: dict[Partition, int] = {}
    owned: set[Partition] = set()
    taken = None
    for word, number in plan:
        at = PLACES[number]
        if word == "assign" and at not in owned:
            written[at] = ended.get(at, 0)  # it begins where it was committed
            owned.add(at)
            book.assign([at])
        elif word == "revoke":
            book.committed(book.uncommitted([at]))
            owned.discard(at)
            book.revoke([at])
        elif word == "add" and at in owned:
            book.add(Record(at, written[at], b""))
            written[at] += 1
        elif word == "take" and taken is None:
            taken = book.take(now)
            if taken is not None:
                assert taken.at in owned
                assert taken.due <= now
                assert taken.head.offset == ended.get(taken.at, 0)
        elif word in {"finish", "again"} and taken is not None:
            if not book.holds(taken):
                pass  # its partition went away: it is refused
            elif word == "finish":
                book.finish(taken)
                ended[taken.at] = ended.get(taken.at, 0) + 1
            else:
                book.again(taken, now + 1)
            taken = None
        elif word == "commit":
            offsets = book.uncommitted()
            assert all(offset == ended[place] for place, offset in offsets.items())
            book.committed(offsets)
            assert not book.uncommitted()
        elif word == "tick":
            now += 1
        assert 0.0 <= book.wait_s(now, 0.2) <= 0.2


# --------------------------------------------------------------------------- reading


WORDS = st.sampled_from(["legal", "outage", "recall", "sabotage", "praise"])


@given(st.lists(WORDS, max_size=8))
def test_known_words_are_kept_in_order_and_the_others_are_left_out(words: list[str]) -> None:
    raw = msgspec.json.decode(codec.encode(escalation("c0")))
    raw["case"]["reasons"] = words
    reader: Reader[CaseEvent] = Reader((ESCALATIONS,))
    read = reader.read(msgspec.json.encode(raw))
    assert read.event.case is not None
    strange = {"recall", "sabotage"}
    assert list(read.event.case.reasons) == [word for word in words if word not in strange]
    assert len(read.left_out) == len(strange & set(words))


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_unknown_or_poison(raw: bytes) -> None:
    reader: Reader[CaseEvent] = Reader((ESCALATIONS, FOLLOWUPS))
    with pytest.raises((Unknown, Poison)):
        reader.read(raw)


# --------------------------------------------------------------------------- dedupe


def test_latest_forgets_the_case_that_was_longest_quiet() -> None:
    latest = Latest(cases=2)
    for customer in ("a", "b", "a", "c"):
        latest.remember("t", escalation(customer, 5))
    assert latest.known("t", escalation("a", 5))
    assert latest.known("t", escalation("c", 4))
    assert not latest.known("t", escalation("b", 5))
    assert not latest.known("t", escalation("a", 6))
    assert not latest.known("another", escalation("a", 5))


def test_seen_goes_by_the_id() -> None:
    seen = Seen(MemoryIds(most=2))
    for seq in (1, 2, 3):
        seen.remember("t", escalation("a", seq))
    assert [seen.known("t", escalation("a", seq)) for seq in (1, 2, 3, 4)] == [
        False,
        True,
        True,
        False,
    ]


# --------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"bootstrap": ""}, "bootstrap"),
        ({"group": ""}, "group"),
        ({"topics": ()}, "topics"),
        ({"since": datetime(2026, 1, 1)}, "time zone"),  # noqa: DTZ001
        ({"body_s": 1.0}, "body_s"),
    ],
)
def test_what_cannot_work_is_refused_at_once(wrong: dict[str, object], says: str) -> None:
    given = {"bootstrap": "localhost:9092", "group": "g"} | wrong
    with pytest.raises(Misconfigured, match=says):
        Escalations(**given)  # type: ignore[arg-type]


def test_tls_and_sasl_go_by_the_names_of_the_products_own_settings() -> None:
    stream = Escalations(
        bootstrap="kafka:9093",
        group="crm",
        session_s=12.0,
        kafka={
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_username": "crm",
            "sasl_password": "secret",
            "ssl_ca_location": "/etc/ca.pem",
        },
    )
    assert connection(stream) == {
        "bootstrap.servers": "kafka:9093",
        "client.id": "crm",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "crm",
        "sasl.password": "secret",
        "ssl.ca.location": "/etc/ca.pem",
    }
    assert "secret" not in repr(stream)
    wanted = consumer_settings(stream)
    assert wanted["isolation.level"] == "read_committed"
    assert wanted["enable.auto.commit"] is False
    assert wanted["session.timeout.ms"] == 12_000
    with pytest.raises(Misconfigured, match="sasl_pasword"):
        connection(Escalations(bootstrap="x", group="g", kafka={"sasl_pasword": "s"}))


# --------------------------------------------------------------------------- misuse


def test_a_delivery_that_is_never_ended_is_told() -> None:
    with (
        FakeEscalations([escalation("a"), escalation("b")]) as stream,
        pytest.raises(RuntimeError, match="with delivery"),
    ):
        list(stream)


def test_a_stream_opens_and_closes_by_itself_in_a_loop() -> None:
    stream = FakeEscalations([escalation("a")])
    for delivery in stream:
        with delivery:
            pass
    assert stream.acknowledged == [escalation("a")]
    with pytest.raises(RuntimeError, match="opened once"):
        stream.__enter__()


def test_the_fake_records_what_became_of_its_events() -> None:
    good, slow, bad = (escalation(customer) for customer in ("a", "b", "c"))
    stream = FakeEscalations([good, slow, bad], on_error=OnError(retries=0))
    for delivery in stream:
        with delivery:
            if delivery.event == slow and delivery.attempt == 1:
                raise Retry(3_600.0)
            if delivery.event == bad:
                raise Park("not ours")
    assert stream.acknowledged == [good, slow]
    assert stream.retried == [slow]
    assert [(parked.reason, parked.detail) for parked in stream.parked] == [("parked", "not ours")]
    assert stream.broker.now_s >= 3_600


def test_the_async_fake_awaits_what_has_to_be() -> None:
    class Store:
        """Ids behind an await."""

        def __init__(self) -> None:
            self.ids: set[str] = set()

        async def known(self, event: str) -> bool:
            return event in self.ids

        async def remember(self, event: str) -> None:
            self.ids.add(event)

    event = escalation("a")
    stream = FakeAsyncEscalations([event, event], dedupe=Seen(Store()))
    assert isinstance(stream, AsyncEscalations)

    async def consume() -> None:
        async with stream:
            async for delivery in stream:
                async with delivery:
                    assert delivery.event == event

    asyncio.run(consume())
    assert stream.acknowledged == [event]


def test_something_async_in_a_stream_that_is_not_is_told() -> None:
    async def suspends() -> None:
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="AsyncStream"):
        run(suspends())
    assert run(Direct()(lambda: 3)) == 3
