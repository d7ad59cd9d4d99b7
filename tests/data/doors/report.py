"""The tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from tests.data.doors.audit import Line
from tests.data.doors.payloads import Outcome

RECOGNISED = 0.97
"""So many bounces have to be recognised as such."""


class Result(msgspec.Struct):
    """All that a run found. ``seconds`` and ``rates`` (items/s) are by file."""

    lines: list[Line]
    payloads: list[Outcome]
    letters: dict[str, int]
    resent: int
    recognised: int
    repeats: int
    seconds: dict[str, float]
    clean: bool = False


def judge(result: Result) -> bool:
    """Tell whether all rows came out once, no payload without a trace, and bounces as what they are."""
    public = all(line.clean for line in result.lines)
    payloads = all(not outcome.silent for outcome in result.payloads)
    bounces = all(
        outcome.bounces >= RECOGNISED * outcome.events
        for outcome in result.payloads
        if outcome.group.startswith("bounces")
    )
    return public and payloads and bounces and result.resent == result.recognised


def markdown(result: Result) -> str:
    """Return the tables of a run."""
    parts = []
    if result.lines:
        parts += [_by_file(result), _by_door(result.lines), _summary(result)]
    if result.payloads:
        parts.append(_payloads(result.payloads))
    letters = ", ".join(f"{reason} {count}" for reason, count in sorted(result.letters.items()))
    parts.append(f"Dead letters in the log: {letters or 'none'}.")
    parts.append(f"In = out: {'yes' if result.clean else 'NO'}.")
    return "\n\n".join(parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    align = ["---"] + ["---:"] * (len(head) - 1)
    lines = [head, align, *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


_HEAD = (
    "rows",
    "requests",
    "refused",
    "acknowledged",
    "in the log",
    "missing",
    "doubled",
    "strange",
    "shortened",
)


def _sums(lines: Sequence[Line]) -> list[object]:
    return [
        sum(line.rows for line in lines),
        sum(line.requests for line in lines),
        sum(sum(line.refused.values()) for line in lines),
        sum(line.acknowledged for line in lines),
        sum(line.events for line in lines),
        sum(line.missing for line in lines),
        sum(line.doubled for line in lines),
        sum(line.strange for line in lines),
        sum(line.shortened for line in lines),
    ]


def _grouped(lines: Iterable[Line], by: str) -> Mapping[str, list[Line]]:
    groups: dict[str, list[Line]] = {}
    for line in lines:
        groups.setdefault(getattr(line, by), []).append(line)
    return groups


def _by_file(result: Result) -> str:
    rows = []
    for file, lines in _grouped(result.lines, "file").items():
        seconds = result.seconds[file]
        acknowledged = sum(line.acknowledged for line in lines)
        doors = ", ".join(line.door for line in lines)
        rows.append([file, doors, *_sums(lines), f"{acknowledged / seconds:.0f}"])
    total = sum(line.acknowledged for line in result.lines) / sum(result.seconds.values())
    rows.append(["**all**", "", *_sums(result.lines), f"{total:.0f}"])
    return _table(("file", "doors", *_HEAD, "items/s"), rows)


def _by_door(lines: Sequence[Line]) -> str:
    rows = []
    for door, some in _grouped(lines, "door").items():
        middle = sorted(line.p50_ms for line in some)[len(some) // 2]
        worst = max(line.p99_ms for line in some)
        resent = sum(line.resent for line in some)
        rows.append([door, *_sums(some), resent, f"{middle:.1f}", f"{worst:.1f}"])
    return _table(("door", *_HEAD, "sent again", "p50 ms", "worst p99 ms"), rows)


def _summary(result: Result) -> str:
    return (
        f"Sent again: {result.resent} items, of which {result.recognised} were recognised as "
        f"duplicates. Marked as repetitions of what the same customer said before: {result.repeats}."
    )


def _payloads(outcomes: Iterable[Outcome]) -> str:
    rows = []
    for one in outcomes:
        share = f"{one.bounces} ({100 * one.bounces / one.events:.1f} %)" if one.bounces else "-"
        rows.append([
            one.group,
            one.door,
            one.sent,
            one.events,
            one.outcomes.get("duplicate:exact", 0),
            _reasons(one.outcomes, "ignored"),
            _reasons(one.outcomes, "rejected"),
            _reasons({f"refused:{why}": count for why, count in one.refused.items()}, "refused"),
            one.outcomes.get("skipped", 0),
            len(one.silent),
            share,
        ])  # fmt: skip
    head = ("group", "door", "sent", "events", "duplicates", "ignored", "dead letters", "refused")
    return _table((*head, "not ours", "without a trace", "bounces"), rows)


def _reasons(counts: Mapping[str, int], kind: str) -> str:
    found = {
        name.partition(":")[2]: count
        for name, count in counts.items()
        if name.startswith(f"{kind}:")
    }
    total = sum(found.values())
    if not total:
        return "0"
    return f"{total} ({', '.join(f'{name} {count}' for name, count in sorted(found.items()))})"
