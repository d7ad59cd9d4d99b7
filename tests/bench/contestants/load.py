"""The producer of the latency runs: one event each 1/rate seconds, its own clock in the event."""

from __future__ import annotations

import sys
import time

import msgspec
from confluent_kafka import Producer

from tests.bench.hop import PARTITIONS, encode, events


class Load(msgspec.Struct, frozen=True):
    """`seconds` of `rate` events a second for `topic`."""

    bootstrap: str
    topic: str
    rate: float
    seconds: float

    @property
    def count(self) -> int:
        """How many events that makes."""
        return int(self.rate * self.seconds)


def main(load: Load) -> None:
    """Produce in step with the clock; a delayed one is stamped when it was due."""
    producer = Producer({"bootstrap.servers": load.bootstrap, "linger.ms": 0, "acks": "all"})
    producer.list_topics(load.topic, 10)
    began_ns = time.time_ns() + 50_000_000
    for event in events(load.count):
        event.sent_ns = began_ns + int(event.id / load.rate * 1e9)
        ahead_s = (event.sent_ns - time.time_ns()) / 1e9
        if ahead_s > 0:
            time.sleep(ahead_s)
        producer.produce(load.topic, encode(event), event.customer.encode(), event.id % PARTITIONS)
        producer.poll(0)
    sys.exit(producer.flush(30))


if __name__ == "__main__":
    main(msgspec.json.decode(sys.argv[1], type=Load))
