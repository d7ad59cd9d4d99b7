"""The intake on its own: one ingest process, real Kafka and Redis, the load on the same CPUs."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import msgspec

from deploy.embedded.ports import free_port
from deploy.embedded.process import ChildProcess
from shared.topics import FEEDBACK_RECEIVED, Names
from tests.bench import installations, procfs
from tests.bench.cluster import Cluster, Reader
from tests.bench.contest import ROOT, Arena, child, unique
from tests.bench.contestants.bare import Bare
from tests.bench.contestants.load_intake import Answers, Load
from tests.bench.hop import PARTITIONS
from tests.bench.stats import percentile

SINGLE, BATCH = "/v1/feedback", "/v1/feedback:batch"
BATCH_ITEMS = 500
WARM_S = 3.0
READY_S = 60.0
BARE_RECORDS = 50_000


SOURCES = """
[sources.mail]
provider = "smtp"
rate = 1000000
burst = 1000000
options = {recipients = "help@shop.example"}
"""


def singles(seconds: float) -> Load:
    """Return a load of single items."""
    return Load(0, SINGLE, 64, WARM_S + seconds, warm_s=WARM_S)


def batches(seconds: float) -> Load:
    """Return a load of batches."""
    return Load(0, BATCH, 8, WARM_S + seconds, BATCH_ITEMS, warm_s=WARM_S)


def mails(seconds: float) -> Load:
    """Return a load of mails."""
    return Load(0, "", 32, WARM_S + seconds, warm_s=WARM_S)


@dataclass(frozen=True)
class Door:
    """A running ingest process."""

    process: ChildProcess
    port: int
    mail: int
    names: Names


@dataclass(frozen=True)
class Intake:
    """What one run took in: events a second, CPU µs of the process for one, ms of a request."""

    rate: float
    cpu_us: float
    p50: float
    p99: float
    statuses: dict[str, int]


@contextmanager
def door(arena: Arena, cluster: Cluster, redis_url: str) -> Iterator[Door]:
    """Run one ingest process for the length of the block."""
    prefix = unique("i") + "."
    names = installations.create_topics(cluster.bootstrap, prefix)
    port, mail, probes = free_port(), free_port(), free_port()
    sources = arena.logs / "sources.toml"
    sources.write_text(SOURCES, "utf-8")
    environ = installations.settings_of(cluster.bootstrap, redis_url, prefix, port)
    environ |= {
        "TOCSIN_WORKER__METRICS_PORT": str(probes),
        "TOCSIN_INGEST__SMTP_PORT": str(mail),
        "TOCSIN_INGEST__SOURCES_FILE": str(sources),
    }
    argv = [sys.executable, "-m", "services.ingest"]
    with child(f"ingest-{prefix}", argv, arena.logs, **environ) as process:
        _await_ready(process, probes)
        yield Door(process, port, mail, names)


def _await_ready(process: ChildProcess, port: int) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except (urllib.error.URLError, OSError) as error:
            if time.monotonic() > deadline or not process.alive:
                raise RuntimeError(f"ingest is not ready:\n{process.log_tail(30)}") from error
        time.sleep(0.05)


def sent(load: Load) -> Answers:
    """Run the senders to their end; return what they were told."""
    argv = [sys.executable, "-m", "tests.bench.contestants.load_intake"]
    return msgspec.json.decode(output([*argv, msgspec.json.encode(load).decode()]), type=Answers)


def output(argv: list[str]) -> bytes:
    """Run a child of the bench to its end; return what it wrote."""
    return subprocess.run(argv, check=True, cwd=ROOT, stdout=subprocess.PIPE).stdout


def run(arena: Arena, cluster: Cluster, redis_url: str, load: Load) -> Intake:
    """Measure ``load``, which is given a port, on an ingest process of its own."""
    with door(arena, cluster, redis_url) as ingest:
        return measured(ingest, cluster, load)


def measured(ingest: Door, cluster: Cluster, load: Load) -> Intake:
    """Load ``ingest``; what it says it took has to be in the log."""
    load = msgspec.structs.replace(load, port=ingest.port if load.path else ingest.mail)
    before = procfs.cpu(ingest.process.pid).total
    answers = sent(load)
    spent = procfs.cpu(ingest.process.pid).total - before
    written = _written(cluster, ingest)
    if written < answers.accepted:
        raise RuntimeError(f"{answers.accepted} acknowledged, but {written} in the log")
    return Intake(
        answers.measured / answers.seconds,
        spent / max(1, answers.accepted) * 1e6,
        percentile(answers.milliseconds, 0.5),
        percentile(answers.milliseconds, 0.99),
        answers.statuses,
    )


def _written(cluster: Cluster, ingest: Door) -> int:
    reader = Reader(cluster.bootstrap, [ingest.names.of(FEEDBACK_RECEIVED)])
    try:
        return reader.high()
    finally:
        reader.close()


def against_bare(
    arena: Arena, cluster: Cluster, redis_url: str, seconds: float
) -> tuple[Intake, float]:
    """Measure batches, then kafka-python alone with the records that came of them."""
    with door(arena, cluster, redis_url) as ingest:
        ours = measured(ingest, cluster, batches(seconds))
        topic = ingest.names.of(FEEDBACK_RECEIVED)
    path = arena.logs / "records"
    reader = Reader(cluster.bootstrap, [topic])
    try:
        taken = islice(reader.to_end(), BARE_RECORDS)
        rows = [(one.key(), one.value(), one.headers()) for one in taken]
    finally:
        reader.close()
    path.write_bytes(msgspec.msgpack.encode(rows))
    target = cluster.create("bare", PARTITIONS)
    bare = Bare(cluster.bootstrap, target, str(path), seconds)
    argv = [sys.executable, "-m", "tests.bench.contestants.bare"]
    rate = float(output([*argv, msgspec.json.encode(bare).decode()]))
    cluster.delete(target)
    return ours, rate
