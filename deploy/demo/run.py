"""The demonstration: the whole stack, the items through the real door, and what came of them."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live

from deploy.demo import items
from deploy.demo.agent import Agent
from deploy.demo.downstream import Take, Told
from deploy.demo.observer import Observer
from deploy.demo.sender import Sender
from deploy.demo.table import render
from deploy.demo.tally import Tally
from deploy.stack import Stack
from shared.clock import Clock, SystemClock
from shared.commands import CommandSender
from shared.errors import Transient
from shared.events import CaseEvent, Struct
from shared.topics import Names

STALL_S = 60.0
SHOW_S = 180.0
REFRESH_S = 0.25


@dataclass(frozen=True)
class Options:
    """What the command line asked for."""

    once: bool
    source: str | None
    rate: float


class Demo:
    """One run on a started stack.

    Args:
        tally: is fed with what is seen; the receivers of ``Downstream`` may feed it as well.
    """

    def __init__(self, stack: Stack, options: Options, console: Console, tally: Tally) -> None:
        config = stack.config
        names = Names(config.kafka.topic_prefix)
        self.tally = tally
        self._options = options
        self._console = console
        self._commands = CommandSender(config.kafka.client(), names, config.kafka.partitions)
        clock = SystemClock(config.clock.speedup, config.clock.epoch_ms)
        self._agent = Agent(self._commands.send, clock) if options.source is None else None
        self._observer = Observer(config.kafka.client(), names, self._take)
        self._sender = Sender(stack.intake_url, options.rate, self.tally)
        self._addresses = {"intake": stack.intake_url + "/v1/feedback"} | {
            f"{member.service} metrics": member.metrics_url + "/metrics" for member in stack.members
        }
        self._failure: BaseException | None = None

    def _take(self, event: Struct, now: float) -> None:
        self.tally.event(event, now)
        if self._agent is not None:
            self._agent.take(event)

    def run(self) -> bool:
        """Send everything and follow it; return True when nothing was lost and all was shown."""
        self._observer.start()
        lines = items.lines(self._options.source)
        sending = threading.Thread(target=self._send, args=(lines,), name="sender", daemon=True)
        sending.start()
        try:
            self._follow()
        finally:
            self._observer.stop()
        kept = not self.tally.waiting and not self.tally.doubled
        return kept and self.tally.is_told and not self.missing()

    def missing(self) -> list[str]:
        """Return what the bundled sample has to show and did not."""
        return self.tally.missing() if self._agent is not None and self._options.once else []

    def _send(self, lines: Iterable[bytes]) -> None:
        try:
            asyncio.run(self._sender.run(lines))
        except BaseException as error:  # noqa: BLE001  raised by _follow, in the main thread
            self._failure = error

    def _follow(self) -> None:
        """Show progress until all is done (``--once``) or Ctrl-C."""
        with ExitStack() as stack:
            live = None
            if self._console.is_terminal:
                live = stack.enter_context(Live(console=self._console, refresh_per_second=8))
            seen, last = -1, time.monotonic()
            while not (self._options.once and self._finished(last)):
                if live is not None:
                    live.update(render(self.tally, self._addresses))
                self._check()
                if len(self.tally.outcomes) != seen:
                    seen, last = len(self.tally.outcomes), time.monotonic()
                time.sleep(REFRESH_S)
            if live is not None:
                live.update(render(self.tally, self._addresses))

    def _finished(self, last_progress: float) -> bool:
        if not self._sender.done:
            return False
        quiet = time.monotonic() - last_progress
        if self.tally.waiting:
            return quiet > STALL_S
        shown = self.tally.is_told and not self.missing()
        return shown or quiet > SHOW_S

    def _check(self) -> None:
        for error in (self._failure, self._observer.error):
            if error is not None:
                raise Transient(f"the run broke off: {type(error).__name__}: {error}") from error


def hooks_of(tally: Tally, clock: Clock) -> Take:
    """Return what feeds ``tally`` with web hooks, each with the real time since the decision."""

    def take(told: Told | None) -> None:
        event = None if told is None else told.data
        since_ms = clock.now_ms() - event.recorded_at if isinstance(event, CaseEvent) else 0
        tally.hook(event, clock.real_seconds(since_ms))

    return take


def data_folder(keep: str | None, stack: ExitStack) -> Path:
    """Return ``keep``, or a folder that is removed at the end."""
    if keep is not None:
        return Path(keep).absolute()
    import tempfile

    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tocsin-")))


def progress(message: str) -> None:
    """Tell on a terminal's standard error what is going on."""
    if sys.stderr.isatty():
        sys.stderr.write(f"· {message}\n")
