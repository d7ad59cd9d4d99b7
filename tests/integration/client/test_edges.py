"""What a stream meets on a real broker: transactions, missing things, threads, cancelled tasks."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

import pytest
from confluent_kafka import Producer
from redis import Redis

from deploy.embedded.ports import free_port
from shared import codec
from shared.client import AsyncEscalations, Escalations, Misconfigured, Seen, Stream, What
from shared.events import CaseEvent
from shared.topics import ESCALATIONS
from tests.contract.client_beds import KafkaBed, customers, escalation
from tests.services import Installation, wait_for

pytestmark = pytest.mark.integration


@pytest.fixture
def bed(installation: Installation) -> KafkaBed:
    return KafkaBed(installation)


def numbers(stream: Stream[CaseEvent]) -> list[int]:
    found = []
    with stream:
        for delivery in stream:
            with delivery:
                found.append(delivery.event.case_seq)
    return found


def transaction(bed: KafkaBed, seqs: range, *, commit: bool) -> None:
    """Write events in one transaction, as the product does."""
    producer = Producer(
        {
            "bootstrap.servers": bed.installation.bootstrap,
            "transactional.id": f"{bed.group}-{seqs.start}",
            "compression.type": "lz4",
        }
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    for seq in seqs:
        event = escalation("c0", seq)
        producer.produce(
            bed.installation.names.of(ESCALATIONS), codec.encode(event), b"acme:c0", partition=0
        )
    producer.flush(30)
    if commit:
        producer.commit_transaction(30)
    else:
        producer.abort_transaction(30)


def test_what_was_aborted_is_not_seen(bed: KafkaBed) -> None:
    transaction(bed, range(1, 3), commit=True)
    transaction(bed, range(3, 6), commit=False)
    transaction(bed, range(6, 8), commit=True)
    transaction(bed, range(8, 9), commit=False)
    assert numbers(Stream(**bed.options())) == [1, 2, 6, 7]

    async def consume() -> list[int]:
        found = []
        async with AsyncEscalations(**bed.options(group=f"{bed.group}2")) as stream:
            async for delivery in stream:
                async with delivery:
                    found.append(delivery.event.case_seq)
        return found

    assert asyncio.run(consume()) == [1, 2, 6, 7]


def test_no_broker_is_told_with_its_address() -> None:
    where = f"127.0.0.1:{free_port()}"
    stream = Escalations(bootstrap=where, group="g", connect_s=2.0)
    with pytest.raises(Misconfigured, match=where) as caught, stream:
        pass
    assert "refused" in str(caught.value).lower()


def test_a_missing_topic_is_told_with_its_name(bed: KafkaBed) -> None:
    stream = Escalations(**bed.options(prefix="nobody."))
    with pytest.raises(Misconfigured, match=r"nobody\.escalations"), stream:
        pass

    async def open_it() -> None:
        async with AsyncEscalations(**bed.options(prefix="nobody.")):
            pass

    with pytest.raises(Misconfigured, match=r"nobody\.escalations"):
        asyncio.run(open_it())


def test_a_setting_that_there_is_not_is_told(bed: KafkaBed) -> None:
    stream = Escalations(**bed.options(kafka={"security_protocol": "CARRIER_PIGEON"}))
    with pytest.raises(Misconfigured, match=r"security\.protocol"), stream:
        pass


class RedisIds:
    """Ids of events in Redis, as a program might keep them."""

    def __init__(self, url: str, namespace: str) -> None:
        self._redis = Redis.from_url(url)
        self._namespace = namespace

    def known(self, event: str) -> bool:
        return bool(self._redis.exists(f"{self._namespace}:{event}"))

    def remember(self, event: str) -> None:
        self._redis.set(f"{self._namespace}:{event}", b"", ex=60)


def test_what_was_seen_can_be_kept_in_redis(bed: KafkaBed) -> None:
    for seq in (1, 2, 2, 3):
        bed.publish(escalation("c0", seq))
    ids = RedisIds(bed.installation.redis_url, bed.installation.name)
    assert numbers(Stream(**bed.options(dedupe=Seen(ids)))) == [1, 2, 3]
    bed.publish(escalation("c0", 4))
    others = bed.options(group=f"{bed.group}2", dedupe=Seen(ids))
    assert numbers(Stream(**others)) == [4]


def test_a_stream_is_stopped_from_another_thread_while_it_waits(bed: KafkaBed) -> None:
    stream = Escalations(**bed.options(idle_s=None))
    found: list[list[int]] = []
    reader = threading.Thread(target=lambda: found.append(numbers(stream)))
    reader.start()
    bed.publish(escalation("c0", 1))
    wait_for(lambda: stream.counts[What.ACKNOWLEDGED] == 1, "the first event")
    stream.stop()
    reader.join(10)
    assert not reader.is_alive()
    assert found == [[1]]


def test_a_cancelled_wait_loses_nothing(bed: KafkaBed) -> None:
    (name,) = customers(1)
    found: list[int] = []

    async def consume() -> None:
        stream = AsyncEscalations(**bed.options(idle_s=None))

        async def read() -> None:
            async for delivery in stream:
                async with delivery:
                    found.append(delivery.event.case_seq)

        async with stream:
            for seq in range(1, 31):
                bed.publish(escalation(name, seq))
                with suppress(TimeoutError):
                    await asyncio.wait_for(read(), 0.01 * (seq % 7))
            with suppress(TimeoutError):
                await asyncio.wait_for(read(), 6.0)

    asyncio.run(consume())
    assert found == list(range(1, 31))
