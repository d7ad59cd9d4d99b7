"""``python -m tests.bench``: start a broker, run the parts, print the tables, write the JSON.

The broker and Redis are left out when no chosen part needs them.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
from rich.console import Console

from deploy.embedded.kafka import EmbeddedKafka
from deploy.embedded.redis import EmbeddedRedis
from tests.bench import peers, report
from tests.bench.cluster import Cluster
from tests.bench.contest import ROOT, Arena
from tests.bench.run import ALONE, BARS, INTAKE, PARTS, QUICK, TITLES, Alone, Bench, Plan

WORKERS = ("relay", "classifier", "escalation")


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Return the command line, checked."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: a smoke test")
    parser.add_argument("--only", type=_choice(PARTS), default=PARTS, metavar=",".join(PARTS))
    parser.add_argument("--rounds", type=int, help="how often everything is repeated")
    parser.add_argument(
        "--memory-workers", type=_choice(WORKERS), default=("relay",), metavar=",".join(WORKERS)
    )
    parser.add_argument("--minutes", type=float, help="how long the overload lasts")
    parser.add_argument("--json", action="store_true", help="print the JSON, not the tables")
    parser.add_argument("--out", type=Path, default=ROOT / "bench-results", help="directory")
    return parser.parse_args(argv)


class _choice:  # noqa: N801  argparse shows its name in messages
    def __init__(self, known: Sequence[str]) -> None:
        self._known = known

    def __call__(self, text: str) -> tuple[str, ...]:
        chosen = tuple(text.split(","))
        if unknown := set(chosen) - set(self._known):
            raise argparse.ArgumentTypeError(f"{unknown} not in {', '.join(self._known)}")
        return chosen


def plan_of(options: argparse.Namespace) -> Plan:
    """Return how much of everything."""
    plan = QUICK if options.quick else Plan()
    if options.rounds:
        plan = replace(plan, rounds=options.rounds)
    if options.minutes:
        plan = replace(plan, overload_s=60.0 * options.minutes)
    return replace(plan, memory_workers=options.memory_workers)


def machine() -> dict[str, str | int | float]:
    """Return what the figures depend on."""
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def run(bench: Bench, parts: Sequence[str]) -> None:
    """Run the chosen parts that need the broker, in their order."""
    bench.warm_up()
    if "relay" in parts or "cpu" in parts:
        bench.relay(peers="relay" in parts)
    if "cpu" in parts:
        bench.cpu()
    if "latency" in parts:
        bench.latency()
    if "pipeline" in parts:
        bench.pipeline()
    if "memory" in parts:
        bench.memory()
    if "escalate" in parts:
        bench.escalate()
    if "deliver" in parts:
        bench.deliver()
    for part in INTAKE:
        if part not in parts:
            continue
        if part in BARS:
            bench.intake(part)
        else:
            bench.overload()


def run_with_broker(
    plan: Plan, results: report.Results, parts: Sequence[str], peer_python: Path
) -> None:
    """Start broker and Redis for the length of the parts that need them."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as scratch:
        home = Path(scratch)
        with EmbeddedKafka(home / "kafka") as kafka, EmbeddedRedis(home / "redis") as redis:
            arena = Arena(kafka.bootstrap, peer_python, home)
            run(Bench(arena, Cluster(kafka.bootstrap), redis.url, plan, results), parts)


def run_alone(plan: Plan, results: report.Results, parts: Sequence[str]) -> None:
    """Run the chosen parts that need no broker."""
    alone = Alone(plan, results)
    if "normalise" in parts:
        alone.normalise()
    if "classify" in parts:
        alone.classify()


def main(argv: Sequence[str]) -> int:
    """Return 0 when every bar was met that was measured, else 1."""
    options = arguments(argv)
    peer_python = peers.interpreter() if "relay" in options.only else Path(sys.executable)
    results = report.Results(
        stamp=dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ"),
        quick=options.quick,
        machine=machine(),
        versions={
            f"{whose} {name}": version
            for whose, python in (("ours", Path(sys.executable)), ("peers", peer_python))
            for name, version in peers.versions(python).items()
        },
        load_before=os.getloadavg()[0],
    )
    plan = plan_of(options)
    if not set(options.only) <= set(ALONE):
        run_with_broker(plan, results, options.only, peer_python)
    run_alone(plan, results, options.only)
    results.load_after = os.getloadavg()[0]
    path = report.write(results, options.out)
    if options.json:
        sys.stdout.buffer.write(msgspec.json.encode(results) + b"\n")
    else:
        console = Console(width=max(110, Console().width))
        report.show(results, console, TITLES)
        console.print(f"written to {path}")
    return 0 if all(bar.met for bar in results.bars) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
