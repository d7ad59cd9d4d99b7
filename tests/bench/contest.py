"""Who takes part, and how one contestant is run against one topic."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.embedded.process import ChildProcess, Command
from tests.bench.hop import Hop, to_argv

ROOT = Path(__file__).resolve().parents[2]
STOP_S = 10.0


@dataclass(frozen=True)
class Contestant:
    """`module` runs in this interpreter's environment, or (`peer`) in that of the peers."""

    key: str
    title: str
    short: str
    guarantee: str
    module: str
    peer: bool = False
    slow: bool = False


OURS = Contestant("ours", "Tocsin (Faust chunks, transactions)", "Tocsin", "exactly-once", "ours")
HAND = Contestant("hand", "hand-written confluent-kafka loop", "by hand", "exactly-once", "hand")
QUIX = Contestant("quix", "Quix Streams", "Quix", "exactly-once", "quix", peer=True)
FAUST = Contestant(
    "faust", "idiomatic Faust agent", "Faust", "at-least-once", "faust_agent", peer=True, slow=True
)
ALL = (OURS, HAND, QUIX, FAUST)


@dataclass(frozen=True)
class Arena:
    """Where contestants run: the peers' interpreter and a directory for logs."""

    bootstrap: str
    peer_python: Path
    logs: Path

    @contextmanager
    def running(self, who: Contestant, hop: Hop) -> Iterator[ChildProcess]:
        """Run `who` on `hop` for the length of the block; raises RuntimeError when it died."""
        python = str(self.peer_python) if who.peer else sys.executable
        with child(
            f"{who.key}-{hop.target}",
            [python, "-m", f"tests.bench.contestants.{who.module}", to_argv(hop)],
            self.logs,
        ) as process:
            yield process
            if not process.alive:
                raise RuntimeError(f"{who.title} ended early:\n{process.log_tail(30)}")

    def first_line(self, who: Contestant, hop: Hop) -> str:
        """Return the first line that `who` wrote."""
        text = (self.logs / f"{who.key}-{hop.target}.log").read_text("utf-8")
        return text.partition("\n")[0]


@contextmanager
def child(name: str, argv: list[str], logs: Path, **env: str) -> Iterator[ChildProcess]:
    """Run a child process of the bench for the length of the block; what it drops lands in `logs`."""
    environ = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **env}
    process = ChildProcess(
        name, Command(argv=argv, log=logs / f"{name}.log", env=environ, cwd=logs)
    )
    process.start()
    try:
        yield process
    finally:
        process.terminate(STOP_S)


def unique(prefix: str) -> str:
    """Return a group name of its own."""
    return f"{prefix}-{os.getpid()}-{time.monotonic_ns()}"
