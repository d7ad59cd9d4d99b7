"""The limit: a loop written by hand on confluent-kafka, exactly-once, as well tuned as ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from tests.bench.hop import Hop, from_argv, relay

MAX_RECORDS = 10_000
TIMEOUT_S = 30.0

Settings = dict[str, str | int | float | bool]
Output = tuple[str, bytes | None, bytes, int]
"""Topic, key, value, partition."""


def consumer(bootstrap: str, group: str, topics: Sequence[str]) -> Consumer:
    """Return a subscribed read-committed member of `group`."""
    settings: Settings = {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "session.timeout.ms": 6_000,
        "fetch.wait.max.ms": 100,
        "fetch.queue.backoff.ms": 5,
        "queued.min.messages": 20_000,
        "queued.max.messages.kbytes": 16_384,
    }
    member = Consumer(settings)
    member.subscribe(list(topics))
    return member


def producer(bootstrap: str, transactional_id: str) -> Producer:
    """Return a transactional producer that has fenced its predecessor."""
    settings: Settings = {
        "bootstrap.servers": bootstrap,
        "transactional.id": transactional_id,
        "transaction.timeout.ms": 10_000,
        "linger.ms": 1,
        "compression.type": "lz4",
        "batch.num.messages": 10_000,
        "batch.size": 1_000_000,
        "queue.buffering.max.messages": 1_000_000,
        "queue.buffering.max.kbytes": 262_144,
        "partitioner": "murmur2_random",
        "retry.backoff.ms": 2,
        "retry.backoff.max.ms": 5,
    }
    made = Producer(settings)
    made.init_transactions(TIMEOUT_S)
    return made


def take(member: Consumer) -> list[Message]:
    """Return what is there, up to `MAX_RECORDS`; wait for the first record only."""
    first = member.poll(0.1)
    if first is None:
        return []
    messages = [first, *member.consume(MAX_RECORDS - 1, 0.0)]
    for message in messages:
        if error := message.error():
            raise KafkaException(error)
    return messages


def next_offsets(messages: Iterable[Message]) -> list[TopicPartition]:
    """Return the positions after `messages`, which are in order by partition."""
    last: Mapping[tuple[str, int], int] = {
        (message.topic() or "", message.partition() or 0): message.offset() or 0
        for message in messages
    }
    return [TopicPartition(*where, offset + 1) for where, offset in last.items()]


def transact(
    member: Consumer, out: Producer, messages: Sequence[Message], outputs: Iterable[Output]
) -> None:
    """Commit `outputs` and the offsets of `messages` together."""
    out.begin_transaction()
    for number, (topic, key, value, partition) in enumerate(outputs):
        out.produce(topic, value, key, partition)
        if number % 500 == 499:
            out.poll(0)
    out.send_offsets_to_transaction(
        next_offsets(messages), member.consumer_group_metadata(), TIMEOUT_S
    )
    out.commit_transaction(TIMEOUT_S)


def main(hop: Hop) -> None:
    """Relay until killed."""
    member = consumer(hop.bootstrap, hop.group, [hop.source])
    out = producer(hop.bootstrap, hop.group)
    target = hop.target
    while True:
        if messages := take(member):
            outputs = (
                (target, message.key(), relay(message.value() or b""), message.partition() or 0)
                for message in messages
            )
            transact(member, out, messages, outputs)


if __name__ == "__main__":
    main(from_argv())
