"""The notifier: webhooks delivered a second on one core, and what a dead sink costs the others."""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Producer

from deploy.embedded.ports import free_port
from deploy.embedded.process import ChildProcess
from shared import codec, ids, topics
from tests.bench import installations
from tests.bench.cluster import Cluster
from tests.bench.contest import Arena, child, unique
from tests.bench.contestants.casebook import openings

PARTITIONS = 8
READY_S = 60.0
STUCK_S = 30.0
MAIN, OTHER = "default", "other"
SECRET = "whsec_dG9jc2luLWJlbmNoLXNlY3JldC0zMi1ieXRlcw=="


@dataclass(frozen=True)
class Delivering:
    """Deliveries a second to one sink: alone, beside one that lives, and beside one that is dead.

    The dead one takes connections and never answers. All follow the same events.
    """

    events: int
    alone: float
    beside_live: float
    beside_dead: float

    @property
    def cost(self) -> float:
        """How much of the rate a dead sink costs, against the same sink alive; per cent."""
        return 100.0 * (1.0 - self.beside_dead / self.beside_live)

    @property
    def cost_of_one_more(self) -> float:
        """How much of the rate a dead sink costs, against there being none; per cent."""
        return 100.0 * (1.0 - self.beside_dead / self.alone)


def measure(arena: Arena, cluster: Cluster, redis_url: str, events: int) -> Delivering:
    """Measure the three, saying how far it is."""
    rates: dict[str, float] = {}
    for who in ("alone", "beside_live", "beside_dead"):
        rates[who] = _rate(arena, cluster, redis_url, events, who)
        print(f"  {who.replace('_', ' ')}: {rates[who]:,.0f} deliveries/s", flush=True)
    return Delivering(events, **rates)


def _rate(arena: Arena, cluster: Cluster, redis_url: str, events: int, who: str) -> float:
    """Return how many a second reach the sink that is measured, of a backlog, from 10 % to the end."""
    prefix = unique("n") + "."
    names = installations.create_topics(cluster.bootstrap, prefix, PARTITIONS)
    _fill(cluster.bootstrap, names.of(topics.ESCALATIONS), events)
    ports = {MAIN: free_port()} | ({} if who == "alone" else {OTHER: free_port()})
    file = arena.logs / f"{prefix}sinks.toml"
    _write(file, ports)
    environ = installations.settings_of(
        cluster.bootstrap, redis_url, prefix, partitions=PARTITIONS
    ) | {
        "TOCSIN_NOTIFIER__SINKS_FILE": str(file),
        "TOCSIN_NOTIFIER__PORT": str(free_port()),
        "TOCSIN_NOTIFIER__ALLOW_PRIVATE": "true",
    }
    with ExitStack() as stack:
        for name, port in ports.items():
            hang = ["hang"] if name == OTHER and who == "beside_dead" else []
            argv = [sys.executable, "-m", "tests.bench.contestants.receiver", str(port), *hang]
            stack.enter_context(child(f"{prefix}{name}", argv, arena.logs))
        notifier = stack.enter_context(_notifier(arena, prefix, environ))
        return _drained(ports[MAIN], events, notifier)


def _write(file: Path, ports: Mapping[str, int]) -> None:
    # Somebody is `default`, else every page would be an error in the log of the notifier.
    file.write_text(
        "\n".join(
            f'[sinks.{name}]\nkind = "webhook"\nurl = "http://127.0.0.1:{port}/"\n'
            f'secrets = ["{SECRET}"]\nevents = ["*"]\nallow_private = true\n'
            for name, port in ports.items()
        )
    )


def _fill(bootstrap: str, topic: str, events: int) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20})
    for number, event in enumerate(openings(events, time.time_ns() // 1_000_000)):
        key = ids.record_key_of_case(event.case_id)
        headers = codec.headers(event, event.event_id, "tocsin/bench")
        value, partition = codec.encode(event), ids.partition_of(key, PARTITIONS)
        producer.produce(topic, value, key, partition, headers=dict(headers))
        if number % 1_000 == 0:
            producer.poll(0)
    if left := producer.flush(60):
        raise RuntimeError(f"{left} events were not taken")


@contextmanager
def _notifier(arena: Arena, prefix: str, environ: Mapping[str, str]) -> Iterator[ChildProcess]:
    """Run a notifier on the first core."""
    argv = ["taskset", "-c", "0", sys.executable, "-m", "services.notifier"]
    with child(f"{prefix}notifier", argv, arena.logs, **environ) as process:
        yield process


def _drained(port: int, events: int, notifier: ChildProcess) -> float:
    began: tuple[float, int] | None = None
    last, moved = 0, time.monotonic() + READY_S
    while last < events:
        if not notifier.alive:
            raise RuntimeError(f"the notifier ended early:\n{notifier.log_tail(30)}")
        count = _count(port)
        now = time.monotonic()
        if count != last:
            last, moved = count, now
        if began is None and count >= events // 10:
            began = now, count
        if now - moved > STUCK_S:
            raise RuntimeError(f"{count} of {events}, and no more:\n{notifier.log_tail(30)}")
        time.sleep(0.02)
    if began is None:
        raise RuntimeError("too few events to measure a rate")
    return (last - began[1]) / (time.monotonic() - began[0])


def _count(port: int) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            return int(answer.read())
    except (urllib.error.URLError, OSError):
        return 0
