"""What kafka-python itself can do: the records that intake wrote, sent again with its settings."""

from __future__ import annotations

import sys
import time
from collections import deque
from itertools import cycle
from pathlib import Path
from typing import Any

import msgspec
from kafka import KafkaProducer

from services.ingest.kafka_settings import producer_settings
from shared.config import Kafka

IN_FLIGHT = 20_000

Sent = tuple[bytes, bytes, list[tuple[str, bytes]]]
"""Key, value, headers."""


class Bare(msgspec.Struct, frozen=True):
    """Send the records in the file ``records`` to ``topic`` over and over for ``seconds``."""

    bootstrap: str
    topic: str
    records: str
    seconds: float
    warm_s: float = 1.0


def main(bare: Bare) -> float:
    """Return how many records a second were acknowledged."""
    records = msgspec.msgpack.decode(Path(bare.records).read_bytes(), type=list[Sent])
    settings = producer_settings(Kafka(bootstrap_servers=bare.bootstrap), "bench-bare")
    settings["max_block_ms"] = 10_000  # nothing else has to go on here
    producer: Any = KafkaProducer(**settings)
    producer.partitions_for(bare.topic)
    open_: deque[Any] = deque()
    sent = at_start = 0
    began = time.monotonic()
    started = 0.0
    for key, value, headers in cycle(records):
        open_.append(producer.send(bare.topic, value=value, key=key, headers=headers))
        sent += 1
        if len(open_) > IN_FLIGHT:
            open_.popleft().get(30)
        if sent % 1_000 == 0:
            now = time.monotonic()
            if not started and now - began > bare.warm_s:
                started, at_start = now, sent - len(open_)
            elif now - began > bare.warm_s + bare.seconds:
                break
    producer.flush()
    return (sent - at_start) / (time.monotonic() - started)


if __name__ == "__main__":
    print(main(msgspec.json.decode(sys.argv[1], type=Bare)))
