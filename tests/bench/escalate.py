"""Escalation: decisions a second, what the view costs, its rebuild, a million timers due at once."""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec
import redis
from confluent_kafka import Producer
from prometheus_client import CollectorRegistry

from deploy.embedded.ports import free_port
from deploy.embedded.process import ChildProcess
from services.escalation.__main__ import view_namespace
from services.escalation.view.rebuild import Rebuilder
from services.escalation.view.redis_view import RedisView, connect
from shared import config, ids, topics
from shared.clock import SystemClock
from shared.events import FeedbackOutcome
from shared.metrics import Metrics
from shared.topics import DAY_MS, Names
from tests.bench import installations
from tests.bench.cluster import Cluster, Reader
from tests.bench.contest import Arena, child, unique
from tests.bench.contestants.casebook import SHARES, Snapshots, mix
from tests.bench.contestants.load_classified import Trickle
from tests.bench.stats import Latency, latency, median

PARTITIONS = 8
READY_S = 300.0
STUCK_S = 60.0
TRICKLE = 200.0
DUE_RATE = 200
"""Timers that fall due each second in the run that measures lateness."""
LEAD_S = 25.0
"""What a worker is given to start and to bring its view up before the first of them."""

_outcome = msgspec.json.Decoder(FeedbackOutcome)


class _Fired(msgspec.Struct, frozen=True):
    """What is read of a case event."""

    event_id: str
    case_id: str
    recorded_at: int


_fired = msgspec.json.Decoder(_Fired)


@dataclass(frozen=True)
class Deciding:
    """Decisions a second on one core: of the mix, and of each kind alone."""

    rate: float
    kinds: dict[str, float]


@dataclass(frozen=True)
class Rebuilding:
    """The view of ``cases``, built from an empty Redis; bytes of Redis for each of them."""

    cases: int
    seconds: float
    case_bytes: float
    timer_bytes: float

    @property
    def rate(self) -> float:
        """Cases a second."""
        return self.cases / self.seconds


@dataclass(frozen=True)
class Draining:
    """Timers due at once. ``missed`` never fired, ``doubled`` events came twice."""

    timers: int
    seconds: float
    missed: int
    doubled: int
    idle: Latency
    beside: Latency

    @property
    def rate(self) -> float:
        """Timers fired a second."""
        return (self.timers - self.missed) / self.seconds


@dataclass(frozen=True)
class Escalating:
    """Everything that was measured; ``late``: how late timers fire when ``DUE_RATE`` a second do."""

    deciding: Deciding
    rebuilding: Rebuilding
    draining: Draining
    late: Latency


@dataclass(frozen=True)
class Size:
    """How many decisions and cases, and how many seconds without due timers and with a few."""

    decisions: int
    cases: int
    idle_s: float
    late_s: int


@dataclass(frozen=True)
class Site:
    """An installation of its own with ``case.state`` filled."""

    names: Names
    prefix: str
    redis_url: str
    bootstrap: str

    @property
    def environ(self) -> dict[str, str]:
        """Return what its services are started with."""
        return installations.settings_of(
            self.bootstrap, self.redis_url, self.prefix, partitions=PARTITIONS
        )


def measure(arena: Arena, cluster: Cluster, redis_url: str, size: Size) -> Escalating:
    """Measure everything, saying how far it is."""
    decided = deciding(size.decisions)
    print(f"  decide: {decided.rate:,.0f}/s", flush=True)
    late = lateness(arena, cluster, redis_url, size.late_s)
    print(f"  timers one by one: late p50 {late.p50:.0f} p99 {late.p99:.0f} ms", flush=True)
    now = time.time_ns() // 1_000_000
    where = site(cluster, redis_url, size.cases, lambda _: now)
    rebuilt = rebuilding(where, size.cases)
    print(f"  rebuild: {rebuilt.rate:,.0f}/s, a timer {rebuilt.timer_bytes:.0f} bytes", flush=True)
    drained = draining(arena, where, size.cases, size.idle_s)
    print(
        f"  due at once: {drained.rate:,.0f}/s, feedback p99 {drained.beside.p99:.0f} ms, "
        f"idle {drained.idle.p99:.0f} ms",
        flush=True,
    )
    return Escalating(decided, rebuilt, drained, late)


def deciding(count: int) -> Deciding:
    """Measure ``decide`` over a shuffled mix, then each kind; the median of five passes."""
    inputs = mix(count, time.time_ns() // 1_000_000)
    every = [call for _, call in inputs]
    return Deciding(
        _rate(every),
        {what: _rate([call for kind, call in inputs if kind == what]) for what in SHARES},
    )


def _rate(calls: Sequence[Callable[[], object]]) -> float:
    rates = []
    for _ in range(5):
        began = time.perf_counter()
        for call in calls:
            call()
        rates.append(len(calls) / (time.perf_counter() - began))
    return median(rates)


def site(cluster: Cluster, redis_url: str, count: int, due_at: Callable[[int], int]) -> Site:
    """Return a new installation with ``count`` cases; ``due_at`` says when each has its timer."""
    prefix = unique("e") + "."
    names = installations.create_topics(cluster.bootstrap, prefix, PARTITIONS)
    producer = Producer(
        {
            "bootstrap.servers": cluster.bootstrap,
            "linger.ms": 20,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 2_000_000,
        }
    )
    topic = names.of(topics.CASE_STATE)
    snapshot = Snapshots(time.time_ns() // 1_000_000)
    for number in range(count):
        key, case_id, raw = snapshot(number, due_at(number))
        producer.produce(topic, raw, case_id.encode(), ids.partition_of(key, PARTITIONS))
        if number % 5_000 == 0:
            producer.poll(0)
    if left := producer.flush(120):
        raise RuntimeError(f"{left} cases were not taken")
    return Site(names, prefix, redis_url, cluster.bootstrap)


def rebuilding(where: Site, count: int) -> Rebuilding:
    """Measure the rebuild of all partitions, and what Redis keeps for it, timers alone as well."""
    client = connect(where.redis_url, 60.0)
    view = RedisView(client, where.prefix + "rebuilt")
    rebuilder = Rebuilder(
        view,
        {"bootstrap.servers": where.bootstrap},
        where.names.of(topics.CASE_STATE),
        where.names.of(topics.FEEDBACK_OUTCOMES),
        SystemClock(),
        Metrics(CollectorRegistry()),
        DAY_MS,
        PARTITIONS,
    )
    before = _used(client)
    began = time.perf_counter()
    checkpoints = [rebuilder.bring_up(number, lambda: False) for number in range(PARTITIONS)]
    seconds = time.perf_counter() - began
    held = sum(
        view.standing(number, found).timers for number, found in enumerate(checkpoints) if found
    )
    if held != count:
        raise RuntimeError(f"{held} timers in the view of {count} cases")
    whole = _used(client)
    for key in client.scan_iter(f"{where.prefix}rebuilt:*:timers", 10_000):
        client.delete(key)
    rest = _used(client)
    for number, found in enumerate(checkpoints):
        if found is not None:
            view.forget(number, found.epoch)
    return Rebuilding(count, seconds, (whole - before) / count, (whole - rest) / count)


def _used(client: redis.Redis) -> int:
    return int(client.info("memory")["used_memory"])


def draining(arena: Arena, where: Site, count: int, idle_s: float) -> Draining:
    """Let one worker drain ``count`` timers that are all due, feedback trickling in; then idle."""
    client = connect(where.redis_url, 60.0)
    with _worker(arena, where) as worker, _trickling(arena, where):
        arrivals = _Arrivals(where)
        try:
            arrivals.collect(lambda: _due(client, where) == 0, worker)
            drained = time.time_ns() // 1_000_000
            settled = drained + 2_000
            ends = settled + int(idle_s * 1_000)
            arrivals.collect(lambda: time.time_ns() // 1_000_000 > ends + 1_000, worker)
        finally:
            arrivals.close()
    seen, doubled = _history(where)
    own = _owned(count)
    first = [seen[case_id] for case_id in own if case_id in seen]
    began = min(first)
    return Draining(
        count,
        (max(first) - began) / 1_000,
        count - len(first),
        doubled,
        arrivals.latency(settled, ends),
        arrivals.latency(began, max(first)),
    )


def lateness(arena: Arena, cluster: Cluster, redis_url: str, seconds: int) -> Latency:
    """Return how late timers fire, ms, when ``DUE_RATE`` of them fall due each second."""
    count = DUE_RATE * seconds
    first = time.time_ns() // 1_000_000 + int(LEAD_S * 1_000)
    due = [first + number * 1_000 // DUE_RATE for number in range(count)]
    where = site(cluster, redis_url, count, due.__getitem__)
    client = connect(redis_url, 60.0)
    with _worker(arena, where) as worker:
        if time.time_ns() // 1_000_000 > first:
            raise RuntimeError(f"the worker took longer than {LEAD_S} s to get ready")
        while time.time_ns() // 1_000_000 < due[-1] or _due(client, where):
            _must_live(worker)
            time.sleep(0.5)
    seen, _ = _history(where)
    own = _owned(count)
    found = (seen[case_id] - at for case_id, at in zip(own, due, strict=True) if case_id in seen)
    return latency(found, count)


def _owned(count: int) -> list[str]:
    snapshot = Snapshots(0)
    return [snapshot(number, 0)[1] for number in range(count)]


@contextmanager
def _worker(arena: Arena, where: Site) -> Iterator[ChildProcess]:
    """Run one escalation worker for the length of the block, from its being ready on."""
    port = free_port()
    environ = where.environ | {"TOCSIN_WORKER__METRICS_PORT": str(port)}
    argv = [sys.executable, "-m", "services.escalation"]
    with child(f"escalation-{where.prefix}", argv, arena.logs, **environ) as process:
        deadline = time.monotonic() + READY_S
        while not _ready(port):
            _must_live(process)
            if time.monotonic() > deadline:
                raise RuntimeError(f"escalation is not ready:\n{process.log_tail(30)}")
            time.sleep(0.05)
        yield process


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def _must_live(process: ChildProcess) -> None:
    if not process.alive:
        raise RuntimeError(f"{process.name} ended early:\n{process.log_tail(30)}")


@contextmanager
def _trickling(arena: Arena, where: Site) -> Iterator[None]:
    topic = where.names.of(topics.FEEDBACK_CLASSIFIED)
    load = msgspec.json.encode(Trickle(where.bootstrap, topic, PARTITIONS, TRICKLE)).decode()
    argv = [sys.executable, "-m", "tests.bench.contestants.load_classified", load]
    with child(f"trickle-{where.prefix}", argv, arena.logs):
        yield


def _due(client: redis.Redis, where: Site) -> int:
    """Return in how many partitions something is due."""
    now = time.time_ns() // 1_000_000
    view = RedisView(client, view_namespace(config.load(where.environ).config))
    found = [(number, view.checkpoint(number)) for number in range(PARTITIONS)]
    return sum(len(view.due(number, at, now, 1)) for number, at in found if at is not None)


class _Arrivals:
    """When each outcome could be read by somebody who reads committed records only."""

    def __init__(self, where: Site) -> None:
        outcomes = where.names.of(topics.FEEDBACK_OUTCOMES)
        self._reader = Reader(where.bootstrap, [outcomes], PARTITIONS)
        self._live = self._reader.live()
        self._came: list[tuple[int, float]] = []

    def collect(self, done: Callable[[], bool], worker: ChildProcess) -> None:
        """Read until ``done``, which is asked each half second."""
        asked = moved = time.monotonic()
        for batch in self._live:
            now = time.time_ns() / 1e6
            for message in batch:
                self._came.append((_outcome.decode(message.value() or b"").received_at, now))
            if batch:
                moved = time.monotonic()
            if time.monotonic() - moved > STUCK_S:
                raise RuntimeError(f"no outcome came for {STUCK_S} s:\n{worker.log_tail(30)}")
            if time.monotonic() - asked > 0.5:
                asked = time.monotonic()
                _must_live(worker)
                if done():
                    return

    def latency(self, begin: int, end: int) -> Latency:
        """Return how long those took that were received between two times, ms."""
        took = [at - received for received, at in self._came if begin <= received < end]
        return latency(took, len(took))

    def close(self) -> None:
        """Let go."""
        self._reader.close()


def _history(where: Site) -> tuple[dict[str, int], int]:
    """Return when the first event of each case was recorded, and how many events came twice."""
    first: dict[str, int] = {}
    known: set[str] = set()
    doubled = 0
    reader = Reader(where.bootstrap, [where.names.of(topics.CASE_EVENTS)], PARTITIONS)
    try:
        for message in reader.to_end():
            event = _fired.decode(message.value() or b"")
            first.setdefault(event.case_id, event.recorded_at)
            doubled += event.event_id in known
            known.add(event.event_id)
    finally:
        reader.close()
    return first, doubled
