"""Hop latency under a steady load: producer's clock → read-committed consumer."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator

import msgspec
from confluent_kafka import Producer

from tests.bench.cluster import Cluster, Reader
from tests.bench.contest import HAND, Arena, Contestant, child, unique
from tests.bench.contestants.load import Load
from tests.bench.hop import PARTITIONS, Event, Hop, decode, encode
from tests.bench.stats import Latency, latency

WARM_UP_S = 3.0
READY_S = 60.0
GRACE_S = 15.0
PROBE = -1
"""Id of the events that find out whether the hop runs."""


def warm_up_broker(arena: Arena, cluster: Cluster, seconds: float) -> None:
    """Send small transactions for a while: a fresh JVM spends its first minute on compiling."""
    measure(arena, cluster, HAND, 1_000.0, seconds)


def measure(
    arena: Arena, cluster: Cluster, who: Contestant, rate: float, seconds: float
) -> Latency:
    """Return the latencies of `seconds` of load; a warm-up before is left out."""
    source, target = cluster.create("in.latency"), cluster.create(f"out.{who.key}")
    hop = Hop(cluster.bootstrap, source, target, unique(who.key))
    reader = Reader(cluster.bootstrap, [target])
    load = Load(cluster.bootstrap, source, rate, WARM_UP_S + seconds)
    try:
        with arena.running(who, hop):
            arrivals = _arrivals(reader)
            _await_hop(cluster, source, arrivals)
            argv = [sys.executable, "-m", "tests.bench.contestants.load"]
            argv.append(msgspec.json.encode(load).decode())
            with child(f"load-{target}", argv, arena.logs):
                took = _collect(arrivals, load.count)
    finally:
        reader.close()
        cluster.delete(source, target)
    first = int(rate * WARM_UP_S)
    kept = [ms for number, ms in took.items() if number >= first]
    return latency(kept, load.count - first)


def _arrivals(reader: Reader) -> Iterator[list[tuple[Event, int]]]:
    """Yield what arrived, with the time of arrival (ns); empty lists while nothing does."""
    for batch in reader.live():
        now = time.time_ns()
        yield [(decode(message.value() or b""), now) for message in batch]


def _await_hop(cluster: Cluster, source: str, arrivals: Iterable[list[tuple[Event, int]]]) -> None:
    """Send probes until one of each partition has come through."""
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "linger.ms": 0})
    waiting = set(range(PARTITIONS))
    deadline = time.monotonic() + READY_S
    last_sent = 0.0
    for batch in arrivals:
        waiting -= {event.rating for event, _ in batch}
        if not waiting:
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"nothing came through {source} within {READY_S} s")
        if time.monotonic() - last_sent > 1.0:
            last_sent = time.monotonic()
            for number in waiting:
                probe = Event(PROBE, 0, "probe", "email", number, 0, "")
                producer.produce(source, encode(probe), b"probe", number)
            producer.flush(10)


def _collect(arrivals: Iterable[list[tuple[Event, int]]], count: int) -> dict[int, float]:
    """Return milliseconds by event id, of `count` events or until none came for a while."""
    took: dict[int, float] = {}
    last = time.monotonic()
    for batch in arrivals:
        for event, now in batch:
            if event.id != PROBE:
                took[event.id] = (now - event.sent_ns) / 1e6
        if batch:
            last = time.monotonic()
        if len(took) >= count or time.monotonic() - last > GRACE_S:
            break
    return took
