"""Relay throughput: each contestant alone over the same prefilled topic, in turns."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deploy.embedded.process import ChildProcess
from tests.bench import procfs
from tests.bench.cluster import Cluster, Reader
from tests.bench.contest import Arena, Contestant, unique
from tests.bench.hop import Hop, decode

POLL_S = 0.1
QUIET_S = 3.0
STUCK_S = 60.0


@dataclass(frozen=True)
class Run:
    """One contestant over one topic. Rates by the broker's clock; CPU in µs an event.

    `rate` is in events a second, and 0 for who lost or doubled any.
    """

    events: int
    seconds: float
    rate: float
    lost: int
    doubled: int
    cpu_us: float
    python_cpu_us: float
    pure_us: float = 0.0


def race(arena: Arena, cluster: Cluster, who: Contestant, source: str, count: int) -> Run:
    """Let `who` relay the `count` events of `source`, then count what a reader finds."""
    target = cluster.create(f"out.{who.key}")
    hop = Hop(cluster.bootstrap, source, target, unique(who.key))
    reader = Reader(cluster.bootstrap, [target])
    try:
        with arena.running(who, hop) as process:
            total, python = _watch(reader, process, count)
        first, last, lost, doubled = _count(reader, count)
    finally:
        reader.close()
    pure = float(arena.first_line(who, hop)) if who.key == "ours" else 0.0
    cluster.delete(target)
    seconds = max(last - first, 1) / 1e3
    rate = 0.0 if lost or doubled else count / seconds
    return Run(count, seconds, rate, lost, doubled, total, python, pure)


def _watch(reader: Reader, process: ChildProcess, count: int) -> tuple[float, float]:
    """Wait until the output stands still; return the CPU of all and of Python threads, in µs."""
    marks: list[tuple[int, procfs.Cpu]] = []
    changed = time.monotonic()
    while process.alive:
        high = reader.high()
        if high and (not marks or high != marks[-1][0]):
            marks.append((high, procfs.cpu(process.pid)))
            changed = time.monotonic()
        silent = time.monotonic() - changed
        if silent > STUCK_S or (marks and marks[-1][0] >= count and silent > QUIET_S):
            break
        time.sleep(POLL_S)
    if len(marks) < 2:
        return 0.0, 0.0
    (start, before), (end, after) = marks[0], marks[-1]
    scale = 1e6 / (end - start)
    return (after.total - before.total) * scale, (after.python - before.python) * scale


def _count(reader: Reader, count: int) -> tuple[int, int, int, int]:
    """Return the first and last append time (ms), and how many were lost and doubled."""
    seen = bytearray(count)
    doubled = 0
    first, last = 0, 0
    for message in reader.to_end():
        number = decode(message.value() or b"").id
        doubled += seen[number]
        seen[number] = 1
        at = message.timestamp()[1]
        first, last = min(first or at, at), max(last, at)
    return first, last, count - sum(seen), doubled


def rounds(
    arena: Arena,
    cluster: Cluster,
    contestants: Sequence[Contestant],
    sources: Mapping[bool, tuple[str, int]],
    times: int,
) -> dict[str, list[Run]]:
    """Run all contestants, `times` over; `sources` is (topic, count) by slowness.

    Each round begins with another one, so that nobody always follows the same.
    """
    runs: dict[str, list[Run]] = {who.key: [] for who in contestants}
    for number in range(times):
        turn = number % len(contestants)
        for who in (*contestants[turn:], *contestants[:turn]):
            run = race(arena, cluster, who, *sources[who.slow])
            print(f"  {who.title}: {run.rate:,.0f}/s", flush=True)
            runs[who.key].append(run)
    return runs
