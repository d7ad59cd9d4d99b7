"""What the kernel knows of a process: CPU time by thread, resident memory. Linux only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Cpu(NamedTuple):
    """User and system seconds: of all threads, and of those that are not librdkafka's own."""

    total: float
    python: float


def cpu(pid: int) -> Cpu:
    """Return the CPU time that the process `pid` has used.

    Threads of librdkafka name themselves `rdk:…`; threads that have ended count as Python's.
    """
    root = Path("/proc") / str(pid)
    total = _seconds(root / "stat")[1]
    native = 0.0
    for task in (root / "task").iterdir():
        try:
            name, spent = _seconds(task / "stat")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if name.startswith("rdk:"):
            native += spent
    return Cpu(total, total - native)


def rss_mib(pid: int) -> float:
    """Return the resident memory of `pid` in MiB."""
    pages = int((Path("/proc") / str(pid) / "statm").read_text("ascii").split()[1])
    return pages * _PAGE / 2**20


def _seconds(stat: Path) -> tuple[str, float]:
    text = stat.read_text("utf-8", "replace")
    name = text[text.index("(") + 1 : text.rindex(")")]
    fields = text[text.rindex(")") + 2 :].split()
    return name, (int(fields[11]) + int(fields[12])) / _TICKS
