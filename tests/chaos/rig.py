"""The system under test with its load, its reader and its judge; what all chaos scenarios share."""

from __future__ import annotations

import os
import random
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from deploy.embedded.kafka import EmbeddedKafka
from deploy.embedded.redis import EmbeddedRedis
from deploy.stack import Member, Stack, is_ready
from shared.clock import SystemClock
from shared.config import Scalar
from shared.errors import Exit
from tests.chaos import checker, conduct, deadlines
from tests.chaos.checker import Report
from tests.chaos.client import Desk, Load, workload
from tests.chaos.findings import Finding
from tests.chaos.history import History, LiveReader, read
from tests.services import Installation, wait_for

SECONDS_PER_BOUNCE = 8.0
"""The load is paced so that it lasts as long as the faults and the recoveries from them."""

EXPECTED_EXITS = {Exit.OK, Exit.FENCED, -9}
"""How a worker may end under these faults; 70 would be a bug, 75 a drain that hangs."""


@dataclass(frozen=True)
class Size:
    """How much of it: ``CHAOS_EVENTS`` items and ``CHAOS_BOUNCES`` faults per scenario."""

    events: int
    bounces: int
    rate: float

    @classmethod
    def from_environ(cls) -> Size:
        """Return the size that ``make test`` (short) or ``make chaos`` (30,000 / 10) asks for."""
        events = int(os.environ.get("CHAOS_EVENTS", "3000"))
        bounces = int(os.environ.get("CHAOS_BOUNCES", "10" if events >= 10_000 else "2"))
        return cls(events, bounces, rate=events / bounces / SECONDS_PER_BOUNCE)


def seed() -> int:
    """Return ``CHAOS_SEED``, else a new one; every scenario prints its own."""
    return int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(10**6))


More = Callable[[History, int], Iterable[Finding]]
"""Further rules: what was read, and the policy time in ms when the workers were stopped."""


@dataclass
class Recovery:
    """One fault and how long what was accepted around it took to get through."""

    fault: str
    seconds: float


@dataclass
class Rig:
    """A context manager: brokers given, workers started, everything stopped at the end."""

    folder: Path
    kafka: EmbeddedKafka
    redis: EmbeddedRedis
    workers: dict[str, int]
    extra: dict[str, Scalar] = field(default_factory=dict)
    environ: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    partitions: int = 4

    def __post_init__(self) -> None:
        self.seed = seed()
        self.rng = random.Random(self.seed)
        self.installation = Installation(self.kafka.bootstrap, self.redis.url)
        self.recoveries: list[Recovery] = []
        self.exits: list[str] = []
        self.load: Load | None = None
        self.reader: LiveReader | None = None
        self.began = time.monotonic()
        self.say(f"seed {self.seed} (CHAOS_SEED={self.seed} repeats it); logs in {self.folder}")

    def say(self, text: str) -> None:
        """Tell what is going on, with the seconds since the start."""
        print(f"[{time.monotonic() - self.began:6.1f}] {text}", flush=True)

    def __enter__(self) -> Self:
        loaded = self.installation.loaded(kafka__partitions=self.partitions, **self.extra)
        self.clock = SystemClock(loaded.config.clock.speedup, loaded.config.clock.epoch_ms)
        self.stack = Stack(self.folder, loaded, self.workers, self._progress, self.environ)
        try:
            self.stack.start()
            self.desk = Desk(loaded.config, self.clock)
            self.reader = LiveReader(self.kafka.bootstrap, self.installation.prefix, checker.TOPICS)
        except BaseException:
            self.stack.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.load is not None:
            self.load.abandon()
        self.stack.stop()
        if self.reader is not None:
            self.reader.stop()

    def _progress(self, text: str) -> None:
        if " ended with code " in text:
            self.exits.append(text)
        self.say(text)

    # ---- load

    @property
    def doors(self) -> list[str]:
        """Base URLs of all ingest processes."""
        return [
            f"http://127.0.0.1:{member.settings.get('ingest.port', self.stack.config.ingest.port)}"
            for member in self.stack.of("ingest")
        ]

    def send(
        self,
        events: int,
        rate: float,
        *,
        customers: int | None = None,
        copies: int = 1,
        batch: int = 25,
    ) -> Load:
        """Start to send ``events`` items; with ``copies`` each so often, in any order."""
        items = workload(self.rng, events, customers or max(10, events // 10))
        shuffle = random.Random(self.rng.random()) if copies > 1 else None
        load = Load(self.doors, items, rate, batch=batch, copies=copies, shuffle=shuffle)
        self.load = load.start()
        return load

    def wait_progress(self, share: float, deadline_s: float = 300.0) -> None:
        """Wait until this share of the load is acknowledged."""
        load = self._load()
        wanted = int(share * len(load.items))
        wait_for(
            lambda: len(load.promises) >= wanted or not load.running,
            f"{wanted} items acknowledged",
            deadline_s,
        )

    def wait_settled(self, deadline_s: float = 120.0) -> None:
        """Wait until everything that was accepted so far has its outcome."""
        reader, wanted = self._reader(), self._load().accepted()
        wait_for(
            lambda: not reader.missing(wanted),
            f"outcomes of {len(wanted)} accepted items",
            deadline_s,
        )

    def wait_answered(self, deadline_s: float = 60.0) -> None:
        """Wait until every command that was sent so far is carried out or refused."""
        self.desk.flush()
        reader, wanted = self._reader(), list(self.desk.sent)
        wait_for(
            lambda: reader.answered.issuperset(wanted),
            f"answers to {len(wanted)} commands",
            deadline_s,
        )

    def recover(self, fault: str, since: float, deadline_s: float = 90.0) -> float:
        """Wait until what was accepted up to now, and a few more, is through; record the time.

        Args:
            since: monotonic time of the fault.
        """
        load, reader = self._load(), self._reader()
        before = len(load.promises)
        wait_for(
            lambda: len(load.promises) >= before + load.batch or not load.running,
            f"intake goes on after {fault}",
            deadline_s,
        )
        wanted = load.accepted()
        wait_for(lambda: not reader.missing(wanted), f"outcomes after {fault}", deadline_s)
        seconds = time.monotonic() - since
        self.recoveries.append(Recovery(fault, seconds))
        self.say(f"{fault}: recovered after {seconds:.1f} s")
        return seconds

    def _load(self) -> Load:
        assert self.load is not None
        return self.load

    def _reader(self) -> LiveReader:
        assert self.reader is not None
        return self.reader

    # ---- faults

    def kill(self, member: Member) -> float:
        """SIGKILL a worker; the supervisor starts it again. Return the time of the kill."""
        process = member.process
        assert process is not None
        self.say(f"kill -9 {member.name}")
        began = time.monotonic()
        process.kill()
        return began

    def terminate(self, member: Member) -> float:
        """SIGTERM a worker that runs and wait for its end; return the time of the signal."""
        self.wait_ready([member])
        process = member.process
        assert process is not None
        self.say(f"SIGTERM {member.name}")
        began = time.monotonic()
        process.terminate(30.0)
        assert process.returncode == 0, f"{member.name}: {process.returncode}\n{process.log_tail()}"
        return began

    def down(self, member: Member) -> None:
        """SIGKILL a worker and leave it dead until :meth:`up`."""
        member.given_up = True
        self.kill(member)

    def up(self, member: Member) -> None:
        """Start a worker that is down, and wait until it is ready."""
        self.say(f"{member.name} comes back")
        self.stack.launch(member)
        member.given_up = False
        self.wait_ready([member])

    def wait_ready(self, members: Sequence[Member] | None = None, deadline_s: float = 60.0) -> None:
        """Wait until these workers (default: all) are up again and say so."""
        for member in members or self.stack.members:
            wait_for(
                lambda member=member: is_ready(member.metrics_url),  # type: ignore[misc]
                f"{member.name} is ready; its log: {member.log}",
                deadline_s,
            )

    # ---- what can be seen

    @property
    def policy_ms(self) -> int:
        """Policy time by the clock of this process."""
        return self.clock.now_ms()

    def cases(self) -> dict[str, Any]:
        """Return the last snapshot of each case that the reader has seen."""
        return dict(self._reader().cases)

    def firings(self) -> int:
        """Return how many deadlines the reader has seen fire."""
        events = self._reader().history.of("case.events")
        return sum(deadlines.is_firing(entry.value) for entry in events[:])

    def wait_fired(self, more: int, what: str, deadline_s: float = 60.0) -> None:
        """Wait until so many more deadlines have fired."""
        wanted = self.firings() + more
        wait_for(
            lambda: self.firings() >= wanted, f"{more} more timers fire after {what}", deadline_s
        )

    @staticmethod
    def metric(member: Member, name: str, **labels: str) -> float:
        """Return the sum of a worker's series of this name with these labels."""
        with urllib.request.urlopen(f"{member.metrics_url}/metrics", timeout=10.0) as answer:  # noqa: S310
            lines = answer.read().decode().splitlines()
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith((f"{name}{{", f"{name} ")) and all(one in line for one in wanted)
        )

    def log(self) -> History:
        """Return everything that is committed by now."""
        return read(self.kafka.bootstrap, self.installation.prefix, checker.TOPICS)

    # ---- verdict

    def judge(self, *, ordered: bool = True, more: More | None = None) -> Report:
        """Wait for everything, stop the workers, read the log and check all rules."""
        load, reader = self._load(), self._reader()
        load.finish(300.0)
        self.wait_settled()
        self.wait_answered()
        self.stack.stop()
        stopped_ms = self.policy_ms
        history = self.log()
        promises = list(load.promises.values())
        report = checker.check(promises, history, ordered=ordered)
        reader.stop()
        report.findings += checker.same_for_reader(reader.history, history)
        report.findings += conduct.answers(self.desk.sent, history)
        if more is not None:
            report.findings += more(history, stopped_ms)
        for recovery in self.recoveries:
            report.figures[f"ms to recover from {recovery.fault}"] = round(recovery.seconds * 1000)
        self.say(f"seed {self.seed}\n{report}")
        odd = [line for line in self.exits if int(line.rsplit(" ", 1)[1]) not in EXPECTED_EXITS]
        assert not report.findings, f"seed {self.seed}\n{report}"
        assert not odd, f"seed {self.seed}: {odd}; logs in {self.folder}"
        return report
