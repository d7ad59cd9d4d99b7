"""Resident memory of a worker that works off a backlog, sampled each second."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

from deploy.embedded.process import ChildProcess
from tests.bench import procfs
from tests.bench.cluster import Cluster, Reader
from tests.bench.contest import OURS, Arena, child, unique
from tests.bench.hop import Hop

SAMPLE_S = 1.0
READY_S = 60.0
STUCK_S = 60.0


def relay(arena: Arena, cluster: Cluster, count: int) -> list[float]:
    """Return the samples (MiB) of the relay over `count` events, from its first output on."""
    source, target = cluster.filled("backlog", count), cluster.create("out.memory")
    hop = Hop(cluster.bootstrap, source, target, unique("memory"))
    reader = Reader(cluster.bootstrap, [target])
    try:
        with arena.running(OURS, hop) as process:
            return sample(process, reader, count)
    finally:
        reader.close()
        cluster.delete(source, target)


def service(
    arena: Arena, module: str, environ: Mapping[str, str], reader: Reader, count: int
) -> list[float]:
    """Return the samples of `python -m module` until `reader` finds `count` outputs."""
    argv = [sys.executable, "-m", module]
    with child(f"memory-{module}", argv, arena.logs, **environ) as process:
        return sample(process, reader, count)


def sample(process: ChildProcess, reader: Reader, count: int) -> list[float]:
    """Sample from the first output until `count` are there.

    Raises:
        RuntimeError: the process died, or nothing came for a while.
    """
    samples: list[float] = []
    high, changed = 0, time.monotonic()
    while high < count:
        if not process.alive:
            raise RuntimeError(f"{process.name} ended early:\n{process.log_tail(30)}")
        now = reader.high()
        if now != high:
            high, changed = now, time.monotonic()
        elif time.monotonic() - changed > STUCK_S:
            raise RuntimeError(f"{process.name} stands still at {high} of {count}")
        if high:
            samples.append(procfs.rss_mib(process.pid))
        time.sleep(SAMPLE_S)
    return samples
