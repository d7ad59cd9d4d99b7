"""The trickle of new feedback beside due timers: classified, at a steady rate, until killed."""

from __future__ import annotations

import itertools
import sys
import time

import msgspec
from confluent_kafka import Producer

from shared import ids
from shared.events import Kind, Severity
from tests.bench.contestants.casebook import classified, customer_key

FIRST = 10**9
"""Customers and items of the trickle have numbers from here on."""

_encode = msgspec.json.Encoder().encode


class Trickle(msgspec.Struct, frozen=True):
    """``rate`` feedbacks a second for ``topic``."""

    bootstrap: str
    topic: str
    partitions: int
    rate: float


def main(load: Trickle) -> None:
    """Produce in step with the clock; what is delayed is stamped when it was due."""
    producer = Producer({"bootstrap.servers": load.bootstrap, "linger.ms": 0, "acks": "all"})
    producer.list_topics(load.topic, 10)
    began = time.time()
    kinds = itertools.cycle([(Severity.LOW, Kind.QUESTION), (Severity.HIGH, Kind.COMPLAINT)])
    for number, (severity, kind) in enumerate(kinds):
        at = began + number / load.rate
        time.sleep(max(0.0, at - time.time()))
        customer = customer_key(FIRST + number)
        event = classified(FIRST + number, customer, severity, kind, int(at * 1000))
        key = event.feedback.record_key
        partition = ids.partition_of(key, load.partitions)
        producer.produce(load.topic, _encode(event), key.encode(), partition)
        producer.poll(0)


if __name__ == "__main__":
    main(msgspec.json.decode(sys.argv[1], type=Trickle))
