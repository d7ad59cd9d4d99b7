"""The parts of the bench, each of which fills in its share of the results."""

from __future__ import annotations

from dataclasses import dataclass

from tests.bench import (
    backlog,
    classify,
    deliver,
    escalate,
    installations,
    intake,
    latency,
    memory,
    normalising,
    overload,
    pipeline,
    throughput,
)
from tests.bench.cluster import Cluster, Reader
from tests.bench.contest import ALL, FAUST, HAND, OURS, QUIX, Arena
from tests.bench.report import Results, bar
from tests.bench.stats import median

INTAKE = ("http", "batch", "smtp", "overload")
ALONE = ("normalise", "classify")
"""Parts that need neither broker nor Redis."""
TITLES = {who.key: f"{who.title}, {who.guarantee}" for who in ALL}
PARTS = ("relay", "latency", "cpu", "pipeline", "memory", "escalate", "deliver", *INTAKE, *ALONE)
RATES = (200.0, 2_000.0)
BARS = {
    "http": ("intake, single items", 5_000.0),
    "batch": ("intake, batches of 500", 20_000.0),
    "smtp": ("intake, mails", 1_000.0),
}


@dataclass(frozen=True)
class Plan:
    """How much of everything; `memory_workers` are "relay", "classifier", "escalation"."""

    rounds: int = 3
    warm_up_s: float = 45.0
    fast_events: int = 600_000
    slow_events: int = 20_000
    latency_s: float = 20.0
    backlog: int = 1_000_000
    memory_workers: tuple[str, ...] = ("relay",)
    intake_s: float = 15.0
    overload_s: float = 60.0
    classify_passes: int = 5
    decisions: int = 100_000
    cases: int = 1_000_000
    idle_s: float = 20.0
    late_s: int = 30
    deliveries: int = 100_000


QUICK = Plan(
    rounds=1,
    warm_up_s=5.0,
    fast_events=200_000,
    slow_events=6_000,
    latency_s=8.0,
    backlog=200_000,
    intake_s=5.0,
    overload_s=20.0,
    classify_passes=2,
    decisions=20_000,
    cases=100_000,
    idle_s=10.0,
    late_s=10,
    deliveries=20_000,
)


@dataclass(frozen=True)
class Alone:
    """The parts that need nothing beside them."""

    plan: Plan
    results: Results

    def normalise(self) -> None:
        """Measure the pure part of intake."""
        found = normalising.measure(self.plan.intake_s)
        self.results.bars.append(bar("parse and normalise a text of 1 kB", found, "≤", 250, " µs"))

    def classify(self) -> None:
        """Measure the classifier beside its peers."""
        found = classify.measure(self.plan.classify_passes)
        self.results.classify = found
        ours = found.found["ours"]
        single_ms = ours.single_p50_us / 1e3
        for what, value, sense, bound, unit in (
            ("classifier, batches of 256", ours.rate, "≥", 10_000.0, "/s"),
            ("classifier, a single text, median", single_ms, "≤", 0.3, " ms"),
            ("classifier, start-up", median(found.starts_s), "≤", 1.5, " s"),
            ("classifier, memory after all texts", ours.rss_mib, "≤", 250.0, " MiB"),
        ):
            self.results.bars.append(bar(what, value, sense, bound, unit))
        if ours.growth is not None:
            longest = ours.growth.longest_ms
            slowest = max(longest, key=longest.__getitem__)
            for language in dict.fromkeys(("en", slowest)):
                what = f"classifier, a text of 32k characters, {language}"
                self.results.bars.append(bar(what, longest[language], "≤", 10.0, " ms"))


@dataclass(frozen=True)
class Bench:
    """All that the parts need."""

    arena: Arena
    cluster: Cluster
    redis_url: str
    plan: Plan
    results: Results

    def warm_up(self) -> None:
        """Let the broker compile itself before anything is measured."""
        latency.warm_up_broker(self.arena, self.cluster, self.plan.warm_up_s)

    def relay(self, *, peers: bool) -> None:
        """Measure throughput and CPU; without peers only what the CPU figure needs."""
        fast = self.cluster.filled("fast", self.plan.fast_events)
        slow = self.cluster.filled("slow", self.plan.slow_events)
        sources = {False: (fast, self.plan.fast_events), True: (slow, self.plan.slow_events)}
        who = ALL if peers else (OURS, HAND)
        runs = throughput.rounds(self.arena, self.cluster, who, sources, self.plan.rounds)
        self.cluster.delete(fast, slow)
        self.results.relay = runs
        rates = {key: median(run.rate for run in found) for key, found in runs.items()}
        for other, bound in ((FAUST, 40.0), (QUIX, 2.0), (HAND, 0.9)):
            if rates.get(other.key):
                ratio = rates[OURS.key] / rates[other.key]
                self.results.bars.append(
                    bar(f"Tocsin : {other.short}, throughput", ratio, "≥", bound, " ×")
                )

    def cpu(self) -> None:
        """Judge what the runtime adds to the pure function, from the relay's runs."""
        ours = self.results.relay[OURS.key]
        pure = median(run.pure_us for run in ours)
        added = median(run.cpu_us - run.pure_us for run in ours)
        python = median(run.python_cpu_us - run.pure_us for run in ours)
        self.results.notes.append(f"the pure function takes {pure:.2f} µs of CPU an event")
        for what, value in (("whole process", added), ("Python threads", python)):
            title = f"CPU added to the pure function, {what}"
            self.results.bars.append(bar(title, value, "≤", 10.0, " µs"))

    def latency(self) -> None:
        """Measure the hop at both rates, the hand-written loop beside it."""
        for _ in range(self.plan.rounds):
            for rate in RATES:
                for who in (OURS, HAND):
                    found = latency.measure(
                        self.arena, self.cluster, who, rate, self.plan.latency_s
                    )
                    title = f"{who.short} at {rate:,.0f}/s"
                    print(f"  {title}: p50 {found.p50:.1f} p99 {found.p99:.1f} ms", flush=True)
                    self.results.latency.setdefault(title, []).append(found)
        for rate in RATES:
            rounds = self.results.latency[f"{OURS.short} at {rate:,.0f}/s"]
            p50, p99 = median(one.p50 for one in rounds), median(one.p99 for one in rounds)
            self.results.bars.append(bar(f"hop p50 at {rate:,.0f}/s", p50, "≤", 20.0, " ms"))
            self.results.bars.append(bar(f"hop p99 at {rate:,.0f}/s", p99, "≤", 100.0, " ms"))

    def pipeline(self) -> None:
        """Measure HTTP request → escalation at 200/s."""
        sides = {
            OURS.short: installations.product,
            HAND.short: installations.by_hand,
        }
        for _ in range(self.plan.rounds):
            for title, installation in sides.items():
                with installation(self.arena, self.cluster, self.redis_url) as (port, topic):
                    found = pipeline.measure(self.arena, port, topic, RATES[0], self.plan.latency_s)
                print(f"  {title}: p50 {found.p50:.1f} p99 {found.p99:.1f} ms", flush=True)
                self.results.pipeline.setdefault(title, []).append(found)

    def escalate(self) -> None:
        """Measure decisions, the view and its rebuild, timers that are due at once and one by one."""
        plan = self.plan
        self.results.escalate = found = escalate.measure(
            self.arena,
            self.cluster,
            self.redis_url,
            escalate.Size(plan.decisions, plan.cases, plan.idle_s, plan.late_s),
        )
        ratio = found.draining.beside.p99 / found.draining.idle.p99
        for what, value, sense, bound, unit in (
            ("decisions, one core", found.deciding.rate, "≥", 50_000.0, "/s"),
            ("view: a pending timer", found.rebuilding.timer_bytes, "≤", 250.0, " B"),
            ("view: rebuild", found.rebuilding.rate, "≥", 20_000.0, " cases/s"),
            ("timers due at once", found.draining.rate, "≥", 10_000.0, "/s"),
            ("timers due at once: missed", found.draining.missed, "≤", 0, ""),
            ("timers due at once: doubled", found.draining.doubled, "≤", 0, ""),
            ("feedback beside due timers : idle, p99", ratio, "≤", 2.0, " ×"),
            ("lateness of timers, p99", found.late.p99, "≤", 1_000.0, " ms"),
        ):
            self.results.bars.append(bar(what, value, sense, bound, unit))

    def deliver(self) -> None:
        """Measure the notifier: webhooks to one sink, alone and beside another."""
        self.results.deliver = found = deliver.measure(
            self.arena, self.cluster, self.redis_url, self.plan.deliveries
        )
        for what, value, sense, bound, unit in (
            ("webhooks delivered, one core", found.alone, "≥", 2_000.0, "/s"),
            ("a dead sink costs the others", found.cost, "≤", 5.0, " %"),
            ("a dead sink, against none at all", found.cost_of_one_more, "≤", 5.0, " %"),
        ):
            self.results.bars.append(bar(what, value, sense, bound, unit))

    def intake(self, kind: str) -> None:
        """Measure one door of a single ingest process; batches beside kafka-python alone."""
        bare: list[float] = []
        runs = self.results.intake.setdefault(kind, [])
        for _ in range(self.plan.rounds):
            if kind == "batch":
                ours, alone = intake.against_bare(
                    self.arena, self.cluster, self.redis_url, self.plan.intake_s
                )
                bare.append(alone)
            else:
                make = intake.singles if kind == "http" else intake.mails
                load = make(self.plan.intake_s)
                ours = intake.run(self.arena, self.cluster, self.redis_url, load)
            print(f"  {kind}: {ours.rate:,.0f}/s {bare[-1:] or ''}", flush=True)
            runs.append(ours)
        what, bound = BARS[kind]
        rate = median(run.rate for run in runs)
        self.results.bars.append(bar(what, rate, "≥", bound, "/s"))
        if bare:
            ratio = median(run.rate / alone for run, alone in zip(runs, bare, strict=True))
            self.results.notes.append(
                f"kafka-python alone: {' '.join(f'{alone:,.0f}/s' for alone in bare)}"
            )
            self.results.bars.append(
                bar("batches : kafka-python alone, same records", ratio, "≥", 0.8, " ×")
            )

    def overload(self) -> None:
        """Offer three times as much as is possible."""
        found = overload.run(self.arena, self.cluster, self.redis_url, self.plan.overload_s)
        self.results.overload = found
        for what, value, sense, bound in (
            ("overload: acknowledged and not in the log", found.lost, "≤", 0),
            ("overload: answers but consent, 503 and 451", found.wrong, "≤", 0),
            ("overload: memory at the end : near the begin", found.growth, "≤", 1.1),
        ):
            self.results.bars.append(bar(what, value, sense, bound))

    def memory(self) -> None:
        """Sample each worker over its backlog."""
        for worker in self.plan.memory_workers:
            if worker == "relay":
                samples = memory.relay(self.arena, self.cluster, self.plan.backlog)
            else:
                samples = self._service_memory(worker)
            self.results.memory[worker] = samples

    def _service_memory(self, worker: str) -> list[float]:
        bootstrap, prefix = self.cluster.bootstrap, f"memory-{worker}."
        names = installations.create_topics(bootstrap, prefix)
        _, target = backlog.fill(bootstrap, names, worker, self.plan.backlog)
        environ = installations.settings_of(bootstrap, self.redis_url, prefix)
        reader = Reader(bootstrap, [target])
        try:
            module = f"services.{worker}"
            return memory.service(self.arena, module, environ, reader, self.plan.backlog)
        finally:
            reader.close()
