"""What the ledger writes, read back from a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from confluent_kafka import Message
from prometheus_client import CollectorRegistry

from services.notifier.ledger import KafkaLedger, Writer
from shared import codec, ids, topics
from shared.clock import ManualClock
from shared.errors import Transient
from shared.events import (
    CaseCommand,
    Channel,
    CommandKind,
    DeadLetter,
    Delivery,
    DeliveryStatus,
    MessageKind,
    NoReply,
    Notification,
    NotificationKind,
    ReplyDue,
    Severity,
    Struct,
)
from shared.metrics import Metrics
from shared.streams.reader import Cluster, read_to_end
from shared.streams.records import Partition
from shared.topics import Topic
from tests.services import Installation, wait_for
from tests.unit.notifier.world import SINK, case_id, notification

pytestmark = pytest.mark.integration

PARTITIONS = 2
KEY = ids.record_key_of_case(case_id(1))


def write(
    installation: Installation, scenario: Callable[[KafkaLedger], Awaitable[None]]
) -> KafkaLedger:
    """Run a scenario with a ledger on fresh topics."""
    installation.create_topics(PARTITIONS)
    client = installation.loaded().config.kafka.client()
    metrics = Metrics(CollectorRegistry())
    writer = Writer(client)
    ledger = KafkaLedger(writer, SINK, installation.names, PARTITIONS, ManualClock(), metrics)
    writer.start()
    try:
        asyncio.run(_run(scenario, ledger))
    finally:
        writer.stop()
    return ledger


async def _run(scenario: Callable[[KafkaLedger], Awaitable[None]], ledger: KafkaLedger) -> None:
    await scenario(ledger)


def written(installation: Installation, topic: Topic) -> list[Message]:
    """Return the records of a topic."""
    client, name = installation.loaded().config.kafka.client(), installation.names.of(topic)
    cluster = Cluster(client)
    sources = cluster.sources(name)

    def led() -> dict[Partition, int] | None:
        with suppress(Transient):  # a topic just made may have no leader yet
            return cluster.ends(sources)
        return None

    ends = wait_for(led, f"the ends of {name}")
    return [one for batch in read_to_end(client, dict.fromkeys(ends, 0), ends) for one in batch]


def ended(number: int, case: int) -> Delivery:
    return Delivery(
        notification_id=f"n{number}",
        sink=SINK,
        target="",
        kind=NotificationKind.EVENT,
        status=DeliveryStatus.DELIVERED,
        tenant="acme",
        cause_id="e",
        at=1,
        case_id=case_id(case),
    )


def test_deliveries_stand_in_order_in_the_partition_of_their_customer(
    installation: Installation,
) -> None:
    told = [ended(number, number % 5) for number in range(100)]
    write(installation, lambda ledger: ledger.deliveries(told))
    records = written(installation, topics.DELIVERIES)
    decoder = codec.Decoder[Delivery](topics.DELIVERIES.carries)
    assert len(records) == len(told)
    for case in range(5):
        key = ids.record_key_of_case(case_id(case))
        mine = [one for one in records if one.key() == key.encode()]
        assert {one.partition() for one in mine} == {ids.partition_of(key, PARTITIONS)}
        found = [decoder.decode(one.value()) for one in mine]
        assert found == [one for one in told if one.case_id == case_id(case)]


def test_what_follows_goes_to_the_customer(installation: Installation) -> None:
    command = CaseCommand(
        command_id="c1",
        tenant="acme",
        case_id=case_id(1),
        kind=CommandKind.RECEIPT,
        actor="notifier",
        at=1,
    )
    due = ReplyDue(
        reply_id="r1",
        tenant="acme",
        case_id=case_id(1),
        record_key=KEY,
        kind=MessageKind.RECEIPT,
        why=NoReply.NO_WRITER,
        channel=Channel.EMAIL,
        severity=Severity.HIGH,
        at=1,
    )

    async def scenario(ledger: KafkaLedger) -> None:
        await ledger.commands([command])
        await ledger.reply_due([due])

    write(installation, scenario)
    for topic, event, name in (
        (topics.CASE_COMMANDS, command, "c1"),
        (topics.FOLLOWUPS, due, "r1"),
    ):
        (record,) = written(installation, topic)
        assert codec.Decoder[Struct](topic.carries).decode(record.value()) == event
        assert (record.key(), record.partition()) == (
            KEY.encode(),
            ids.partition_of(KEY, PARTITIONS),
        )
        assert ("ce_id", name.encode()) in (record.headers() or [])


def test_a_dead_letter_holds_the_notification_whole_and_is_one(installation: Installation) -> None:
    parked = notification(1, 1)

    async def scenario(ledger: KafkaLedger) -> None:
        await ledger.park(parked, "HTTP 400")
        await ledger.park(parked, "HTTP 404")

    write(installation, scenario)
    records = written(installation, topics.DEAD_LETTERS)
    assert len({one.key() for one in records}) == 1  # compaction leaves the last
    letter = codec.Decoder[DeadLetter](topics.DEAD_LETTERS.carries).decode(records[-1].value())
    assert (letter.stage, letter.detail) == (f"notifier:{SINK}", "HTTP 404")
    assert letter.topic == installation.names.of(topics.NOTIFICATIONS)
    assert (letter.key, letter.partition) == (KEY.encode(), ids.partition_of(KEY, PARTITIONS))
    assert codec.Decoder[Notification]([Notification]).decode(letter.value) == parked
    assert ("sink", SINK.encode()) in letter.headers


def test_before_it_is_started_nothing_is_taken() -> None:
    writer = Writer({"bootstrap.servers": "127.0.0.1:1"})
    ledger = KafkaLedger(
        writer, SINK, topics.Names(), PARTITIONS, ManualClock(), Metrics(CollectorRegistry())
    )
    with pytest.raises(Transient):
        asyncio.run(_run(lambda one: one.deliveries([ended(1, 1)]), ledger))
