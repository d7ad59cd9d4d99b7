"""Three times as much as the intake can take, for minutes: what it acknowledges has to be in the log."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import msgspec

from shared.topics import FEEDBACK_RECEIVED
from tests.bench import intake, procfs
from tests.bench.cluster import Cluster, Reader
from tests.bench.contest import ROOT, Arena
from tests.bench.contestants.load_intake import Answers, Load
from tests.bench.intake import BATCH, BATCH_ITEMS, SINGLE
from tests.bench.stats import median

TIMES = 3.0
CAPACITY_S = 5.0
SAMPLE_S = 1.0
OTHERS = 500.0
"""Single items and mails a second, each, beside the batches."""

RANGE = 1_000_000_000
"""Each sender has numbers of its own from a multiple of this on."""

RIGHT = frozenset({"200", "202", "250", "451", "503"})
_NUMBER = re.compile(rb'"native_id":"<?bench-(\d+)')


@dataclass(frozen=True)
class Overload:
    """What was offered, acknowledged and found; ``lost`` were acknowledged and are not in the log.

    ``refusals`` counts answers by status that are neither consent nor a request to come again;
    ``growth`` is the resident memory of the last fifth over that of the second, medians.
    """

    capacity: float
    offered: float
    acknowledged: int
    in_log: int
    lost: int
    statuses: dict[str, int]
    wrong: int
    rss_mib: list[float]
    growth: float


def run(arena: Arena, cluster: Cluster, redis_url: str, seconds: float) -> Overload:
    """Overload one ingest process for ``seconds``, then compare with what a reader finds."""
    with intake.door(arena, cluster, redis_url) as door:
        first = msgspec.structs.replace(intake.batches(CAPACITY_S), first=9 * RANGE)
        capacity = intake.measured(door, cluster, first).rate
        offered = TIMES * capacity
        loads = [
            Load(door.port, BATCH, 64, seconds, BATCH_ITEMS, offered),
            Load(door.port, SINGLE, 64, seconds, 1, OTHERS),
            Load(door.mail, "", 32, seconds, 1, OTHERS),
        ]
        loads = [
            msgspec.structs.replace(
                load, first=place * RANGE, bits=str(arena.logs / f"bits{place}")
            )
            for place, load in enumerate(loads)
        ]
        rss: list[float] = []
        senders = [_started(load) for load in loads]
        while any(sender.poll() is None for sender in senders):
            rss.append(procfs.rss_mib(door.process.pid))
            time.sleep(SAMPLE_S)
        answers = [_answers(sender) for sender in senders]
        topic = door.names.of(FEEDBACK_RECEIVED)
        time.sleep(2 * SAMPLE_S)  # what was answered 503 may still be on its way
    marks = [Path(load.bits).read_bytes() for load in loads]
    in_log, lost = _compared(cluster, topic, marks)
    statuses = sum((Counter(one.statuses) for one in answers), Counter[str]())
    fifth = max(1, len(rss) // 5)
    return Overload(
        capacity,
        offered + 2 * OTHERS,
        sum(map(sum, marks)),
        in_log,
        lost,
        dict(statuses),
        sum(count for status, count in statuses.items() if status not in RIGHT),
        rss,
        median(rss[-fifth:]) / median(rss[fifth : 2 * fifth]),
    )


def _started(load: Load) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "tests.bench.contestants.load_intake"]
    encoded = msgspec.json.encode(load).decode()
    return subprocess.Popen([*argv, encoded], cwd=ROOT, stdout=subprocess.PIPE)


def _answers(sender: subprocess.Popen[bytes]) -> Answers:
    written, _ = sender.communicate()
    return msgspec.json.decode(written, type=Answers)


def _compared(cluster: Cluster, topic: str, marks: list[bytes]) -> tuple[int, int]:
    """Return how many items are in the log, and how many acknowledged ones are not."""
    seen = [bytearray(len(mark)) for mark in marks]
    in_log = 0
    reader = Reader(cluster.bootstrap, [topic])
    try:
        for message in reader.to_end():
            match = _NUMBER.search(message.value() or b"")
            place, number = divmod(int(match[1]), RANGE) if match else (len(seen), 0)
            if place < len(seen):
                in_log += 1
                if number < len(seen[place]):
                    seen[place][number] = 1
    finally:
        reader.close()
    lost = sum(
        acknowledged > found
        for mark, here in zip(marks, seen, strict=True)
        for acknowledged, found in zip(mark, here, strict=True)
    )
    return in_log, lost
