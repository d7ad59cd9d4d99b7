"""The results, as JSON and as tables beside the bars."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from tests.bench.classify import TITLES, Classifying, Growth, Measured, Scores
from tests.bench.contestants.casebook import SHARES
from tests.bench.deliver import Delivering
from tests.bench.escalate import Escalating
from tests.bench.intake import Intake
from tests.bench.overload import Overload
from tests.bench.stats import Latency, median
from tests.bench.throughput import Run


@dataclass(frozen=True)
class Bar:
    """What a figure has to reach. `sense` is "≥" or "≤"; `met` is false for NaN."""

    what: str
    value: float
    sense: str
    bound: float
    unit: str
    met: bool


def bar(what: str, value: float, sense: str, bound: float, unit: str = "") -> Bar:
    """Return the figure `value` beside its bound, judged."""
    met = value >= bound if sense == "≥" else value <= bound
    return Bar(what, value, sense, bound, unit, met)


@dataclass
class Results:
    """Everything one run found; a part that did not run stays empty."""

    stamp: str
    quick: bool
    machine: dict[str, str | int | float]
    versions: dict[str, str]
    load_before: float
    load_after: float = 0.0
    relay: dict[str, list[Run]] = field(default_factory=dict)
    latency: dict[str, list[Latency]] = field(default_factory=dict)
    pipeline: dict[str, list[Latency]] = field(default_factory=dict)
    memory: dict[str, list[float]] = field(default_factory=dict)
    intake: dict[str, list[Intake]] = field(default_factory=dict)
    overload: Overload | None = None
    classify: Classifying | None = None
    escalate: Escalating | None = None
    deliver: Delivering | None = None
    bars: list[Bar] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def write(results: Results, directory: Path) -> Path:
    """Write `results` below `directory`; return the file."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{results.stamp}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    return path


def show(results: Results, console: Console, titles: dict[str, str]) -> None:
    """Print what was measured."""
    if results.relay:
        console.print(_relay(results.relay, titles))
    for title, found in (("Hop latency", results.latency), ("Pipeline", results.pipeline)):
        if found:
            console.print(_latency(title, found))
    if results.memory:
        console.print(_memory(results.memory))
    if results.intake:
        console.print(_intake(results.intake))
    if results.overload:
        console.print(_overload(results.overload))
    if results.classify:
        _show_classifying(results.classify, console)
    if results.escalate:
        _show_escalating(results.escalate, console)
    if results.bars:
        console.print(_bars(results.bars))
    for note in results.notes:
        console.print(f"[yellow]{note}[/]")
    console.print(
        f"load average {results.load_before:.2f} before, {results.load_after:.2f} after, "
        f"on {results.machine['cpus']} CPUs"
    )


def _table(title: str, first: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _relay(relay: dict[str, list[Run]], titles: dict[str, str]) -> Table:
    columns = ("events/s (median)", "all rounds", "CPU µs/event", "lost", "doubled")
    table = _table("Relay, one process each", "contestant", columns)
    for key, runs in relay.items():
        rate = median(run.rate for run in runs)
        lost, doubled = sum(run.lost for run in runs), sum(run.doubled for run in runs)
        table.add_row(
            titles[key],
            "[red]disqualified" if lost or doubled else f"{rate:,.0f}",
            " ".join(f"{run.rate / 1e3:.1f}k" for run in runs),
            f"{median(run.cpu_us for run in runs):.1f}",
            str(lost),
            str(doubled),
        )
    return table


def _latency(title: str, found: dict[str, list[Latency]]) -> Table:
    columns = ("p50 ms", "p99 ms", "rounds p50/p99", "worst ms", "lost")
    table = _table(f"{title}, medians of the rounds", "who", columns)
    for who, rounds in found.items():
        table.add_row(
            who,
            f"{median(one.p50 for one in rounds):.1f}",
            f"{median(one.p99 for one in rounds):.1f}",
            " ".join(f"{one.p50:.0f}/{one.p99:.0f}" for one in rounds),
            f"{max(one.worst for one in rounds):.0f}",
            str(sum(one.lost for one in rounds)),
        )
    return table


def _memory(memory: dict[str, list[float]]) -> Table:
    table = _table("Resident memory over a backlog, MiB", "worker", ("start", "median", "max"))
    for who, samples in memory.items():
        figures = (samples[0], median(samples), max(samples))
        table.add_row(who, *(f"{figure:.0f}" for figure in figures))
    return table


def _intake(intake: dict[str, list[Intake]]) -> Table:
    columns = ("items/s (median)", "all rounds", "CPU µs/item", "p50 ms", "p99 ms", "answers")
    table = _table("Intake, one process, everything on the same CPUs", "door", columns)
    for door, runs in intake.items():
        statuses = sum((Counter(run.statuses) for run in runs), Counter[str]())
        table.add_row(
            door,
            f"{median(run.rate for run in runs):,.0f}",
            " ".join(f"{run.rate / 1e3:.1f}k" for run in runs),
            f"{median(run.cpu_us for run in runs):.0f}",
            f"{median(run.p50 for run in runs):.0f}",
            f"{median(run.p99 for run in runs):.0f}",
            _counted(statuses),
        )
    return table


def _overload(found: Overload) -> Table:
    columns = ("offered/s", "taken in all", "in the log", "lost", "MiB start", "MiB max", "answers")
    table = _table(f"Overload for {len(found.rss_mib)} s", "capacity", columns)
    table.add_row(
        f"{found.capacity:,.0f}/s",
        f"{found.offered:,.0f}",
        f"{found.acknowledged:,}",
        f"{found.in_log:,}",
        str(found.lost),
        f"{found.rss_mib[0]:.0f}",
        f"{max(found.rss_mib):.0f}",
        _counted(found.statuses),
    )
    return table


def _show_classifying(part: Classifying, console: Console) -> None:
    console.print(_speeds(part.found))
    if part.found["ours"].growth is not None:
        console.print(_growth(part.found["ours"].growth))
    for name in dict.fromkeys(name for one in part.found.values() for name in one.quality):
        console.print(_qualities(name, part.found))
    starts = " ".join(f"{seconds:.2f}" for seconds in part.starts_s)
    console.print(f"{part.texts}\nstarts, s: {starts}", highlight=False)
    for who, one in part.found.items():
        console.print(f"{TITLES[who]}: {one.about}", highlight=False)
    for reason in part.left_out:
        console.print(f"[yellow]left out: {reason}[/]")


def _speeds(found: dict[str, Measured]) -> Table:
    columns = ("texts", "texts/s", "by CPU", "first pass", "ours :", "single p50 µs", "p99 µs")
    table = _table("Classifier, batches of 256, one core", "who", columns)
    for who, one in found.items():
        table.add_row(
            TITLES[who],
            f"{one.texts:,}",
            f"{one.rate:,.0f}",
            f"{median(each.rate_by_cpu for each in one.later):,.0f}",
            f"{one.cold.rate:,.0f}",
            f"{found['ours'].rate / one.rate:.1f} ×",
            f"{one.single_p50_us:,.0f}",
            f"{one.single_p99_us:,.0f}",
        )
    return table


def _growth(growth: Growth) -> Table:
    columns = [f"{characters // 1000}k" for characters in growth.english_ms]
    table = _table("A single long text, by characters", "what", columns)
    costs = growth.english_ms.items()
    table.add_row("English, ms", *(f"{ms:.2f}" for _, ms in costs))
    table.add_row("ns a character", *(f"{ms * 1e6 / characters:.0f}" for characters, ms in costs))
    ranked = sorted(growth.longest_ms.items(), key=lambda pair: -pair[1])
    table.caption = "32k, ms: " + ", ".join(f"{name} {ms:.1f}" for name, ms in ranked)
    return table


def _qualities(name: str, found: dict[str, Measured]) -> Table:
    columns = ("macro-F1", "within", "escalation recall", "precision", "texts/s")
    texts = next(one.texts for one in found["ours"].quality[name].values())
    table = _table(f"Quality: {name}, {texts} texts", "who", columns)
    for who, one in found.items():
        for way, scores in one.quality[name].items():
            title = TITLES[who] + (f", {way}" if way else "")
            table.add_row(title, *_scored(scores), f"{one.rate:,.0f}")
    return table


def _show_escalating(found: Escalating, console: Console) -> None:
    table = _table("Decisions, one core", "input", ("share", "decisions/s"))
    table.add_row("the mix", "100 %", f"{found.deciding.rate:,.0f}")
    for what, rate in found.deciding.kinds.items():
        table.add_row(what, f"{SHARES[what]} %", f"{rate:,.0f}")
    console.print(table)
    view, timers = found.rebuilding, found.draining
    console.print(
        f"rebuild of {view.cases:,} cases {view.seconds:.1f} s; a case takes {view.case_bytes:,.0f} "
        f"bytes of Redis in all, its timer {view.timer_bytes:,.0f} of them; "
        f"{timers.timers:,} timers due at once fired in {timers.seconds:.1f} s"
    )
    table = _table("Escalation, ms", "what", ("count", "p50", "p99", "worst"))
    for what, one in (
        ("feedback → outcome, no timers due", timers.idle),
        ("feedback → outcome, all timers due", timers.beside),
        ("lateness of timers", found.late),
    ):
        figures = (f"{one.p50:.1f}", f"{one.p99:.1f}", f"{one.worst:.0f}")
        table.add_row(what, f"{one.count:,}", *figures)
    console.print(table)


def _scored(scores: Scores) -> list[str]:
    figures = (scores.macro_f1, scores.within, scores.recall, scores.precision)
    return ["–" if one is None else f"{one:.2f}" for one in figures]


def _counted(statuses: Mapping[str, int]) -> str:
    return " ".join(f"{status}:{count}" for status, count in sorted(statuses.items()))


def _bars(bars: Sequence[Bar]) -> Table:
    table = _table("Bars", "figure", ("measured", "bar", ""))
    for one in bars:
        verdict = "[green]met" if one.met else "[red]missed"
        bound = f"{one.sense} {one.bound:g}{one.unit}"
        table.add_row(one.what, f"{one.value:.2f}{one.unit}", bound, verdict)
    return table
