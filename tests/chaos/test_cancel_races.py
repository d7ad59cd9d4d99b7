"""(i): somebody acts on a case at the very moment at which one of its deadlines falls due."""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest

from shared.events import CommandKind
from tests.chaos import deadlines
from tests.chaos.client import Load
from tests.chaos.conftest import Rigs
from tests.chaos.findings import Finding, by_case
from tests.chaos.history import History
from tests.chaos.rig import Rig
from tests.services import wait_for

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

SPEEDUP = 600.0
"""Fifteen minutes are 1.5 s."""
GRACE_MS = int(20 * 1_000 * SPEEDUP)
RACES = 250
JITTER_S = (-0.10, 0.30)
"""When the command is sent, from the deadline on: the owner looks every 0.1 s, and then commits."""
AHEAD_S = 0.5
ACTIONS = (
    CommandKind.ACKNOWLEDGE, CommandKind.ACKNOWLEDGE, CommandKind.REPLY, CommandKind.RESOLVE,
    CommandKind.MERGE, CommandKind.COMMUNICATE, CommandKind.FOLLOW_UP_DONE, None,
)  # fmt: skip
"""What is done at a deadline; None: the customer writes again."""


class Race(NamedTuple):
    """A command that is sent when a deadline falls due."""

    at: float
    case_id: str
    due_at: int
    kind: CommandKind | None


@dataclass
class Racer:
    """Follows the cases and acts on each at its next deadline, give or take a moment."""

    rig: Rig
    load: Load
    pool: ThreadPoolExecutor
    planned: list[Race] = field(default_factory=list)
    seen: set[tuple[str, int]] = field(default_factory=set)
    ran: dict[str, Race] = field(default_factory=dict)
    """By the id of the command."""
    written: int = 0

    def step(self) -> int:
        """Plan the races of the next moments, start those whose time has come; return how many ran."""
        for case_id, case in self.rig.cases().items():
            for _, due_at in deadlines.deadlines(case):
                ahead_s = self.rig.clock.real_seconds(due_at - self.rig.policy_ms)
                if 0 < ahead_s < AHEAD_S and (case_id, due_at) not in self.seen:
                    self.seen.add((case_id, due_at))
                    at = time.monotonic() + ahead_s + self.rig.rng.uniform(*JITTER_S)
                    kind = self.rig.rng.choice(ACTIONS)
                    heapq.heappush(self.planned, Race(at, case_id, due_at, kind))
        while self.planned and self.planned[0].at <= time.monotonic():
            self.run(heapq.heappop(self.planned))
        return len(self.ran)

    def run(self, race: Race) -> None:
        """Act on a case, whatever it has become."""
        cases = self.rig.cases()
        case = cases[race.case_id]
        if race.kind is None:
            first = self.load.promises.get(case["feedback"][0]["feedback_id"])
            if first is not None:
                self.written += 1
                text = f"Number {self.written}: it still does not work, and nobody answers me!"
                self.pool.submit(self.load.repeat, first, text)
            return
        fields: dict[str, Any] = {}
        if race.kind is CommandKind.MERGE:
            fields["into"] = self.rig.rng.choice(sorted(cases))
        elif race.kind is CommandKind.FOLLOW_UP_DONE:
            fields["follow_up"] = 1
        self.ran[self.rig.desk.ask(case, race.kind, **fields)] = race


def test_a_command_and_a_deadline_at_the_same_moment(rigs: Rigs) -> None:
    epoch_ms = int(time.time() * 1000)
    with (
        ThreadPoolExecutor(4) as pool,
        rigs(escalation=2, clock__speedup=SPEEDUP, clock__epoch_ms=epoch_ms) as rig,
    ):
        racer = Racer(rig, rig.send(400, rate=20.0, batch=5, customers=150), pool)
        for part in (1, 2, 3):
            wanted = RACES * part // 3
            wait_for(
                lambda wanted=wanted: racer.step() >= wanted,  # type: ignore[misc]
                f"{wanted} races",
                90.0,
                every_s=0.005,
            )
            if part < 3:
                rig.kill(rig.stack.of("escalation")[part - 1])
        pool.shutdown()
        won = Counter[str]()
        rig.judge(more=lambda history, now_ms: verdict(history, now_ms, racer, won))
    rig.say(f"races: {dict(won)}")
    assert won["the deadline was first"] >= 10
    assert won["the command was first"] >= 10
    assert won["merge carried out"]
    assert racer.written


def verdict(history: History, now_ms: int, racer: Racer, won: Counter[str]) -> Iterator[Finding]:
    """Count who came first; that all the same nothing is wrong is for the other rules to say."""
    for entries in by_case(history).values():
        fired: set[int] = set()
        for entry in entries:
            event = entry.value
            if deadlines.is_firing(event):
                fired.add(event["at"])
            race = racer.ran.get(event.get("command_id", ""))
            if race is not None and race.case_id == event["case_id"]:
                first = "deadline" if race.due_at in fired else "command"
                won[f"the {first} was first"] += 1
                refused = event["kind"] == "command.refused"
                won[f"{race.kind} {'refused' if refused else 'carried out'}"] += 1
    return deadlines.overdue(history, now_ms, GRACE_MS)
