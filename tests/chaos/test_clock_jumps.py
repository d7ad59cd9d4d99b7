"""(g): the wall clock of a worker that runs is set wrong by hours, and set right again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.stack import Member
from services.escalation.timers import HOLD_S
from shared.events import CommandKind
from tests.chaos import deadlines
from tests.chaos.conftest import Rigs
from tests.chaos.faketime import FakeTime
from tests.chaos.findings import Finding
from tests.chaos.history import History
from tests.chaos.rig import Rig
from tests.services import wait_for

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

HOURS = 3_600
MINUTES = 60
AHEAD, BEHIND = 1, -1
SPEEDUP = 120
"""A hold of a minute takes half a second, and a ladder of fifteen minutes a step 7.5 s."""


def held(worker: Member) -> float:
    """Return how often the worker held its timers because the clock had jumped."""
    return Rig.metric(worker, "tocsin_stage_errors_total", reason="clock_jump")


def wait_held(worker: Member, before: float) -> None:
    wait_for(lambda: held(worker) > before, f"{worker.name} holds its timers", HOLD_S)


def test_clocks_three_hours_off_hold_timers_for_a_minute(rigs: Rigs, tmp_path: Path) -> None:
    """One worker is ahead and one is behind, in real time; both go on taking feedback."""
    fast, slow = FakeTime(tmp_path / "fast"), FakeTime(tmp_path / "slow")
    environ = {"escalation-0": fast.environ, "escalation-1": slow.environ}
    with rigs(escalation=2, environ=environ) as rig:
        load = rig.send(320, rate=5.0, batch=5)
        rig.wait_progress(0.05)
        rig.wait_settled()
        began = time.monotonic()
        fast.shift(3 * HOURS)
        slow.shift(-3 * HOURS)
        for worker in rig.stack.of("escalation"):
            wait_held(worker, 0.0)
        wait_for(lambda: decided(rig, AHEAD) and decided(rig, BEHIND), "both decide", HOLD_S)
        wait_for(lambda: time.monotonic() > began + HOLD_S - 5.0, "the hold is nearly over", HOLD_S)
        assert not rig.firings()
        rig.wait_fired(10, "the hold", HOLD_S)
        assert time.monotonic() - began >= HOLD_S
        wait_for(lambda: not load.running, "the load is over", 60.0)
        rig.judge(more=those_ahead)


def decided(rig: Rig, way: int) -> bool:
    """Tell whether feedback was seen that a worker decided whose clock is off this way."""
    assert rig.reader is not None
    outcomes = rig.reader.history.of("feedback.outcomes")[:]
    return any(
        (entry.value["decided_at"] - rig.policy_ms) * way > HOURS * 1000 for entry in outcomes
    )


def those_ahead(history: History, stopped_ms: int) -> Iterator[Finding]:
    """Return what is overdue in the partitions of the worker that is ahead."""
    events = history.of("case.events")
    ahead = {e.partition for e in events if e.value["recorded_at"] > stopped_ms + HOURS * 1000}
    theirs = History({"case.events": [e for e in events if e.partition in ahead]})
    return deadlines.overdue(theirs, stopped_ms + 3 * HOURS * 1000, 30_000)


def test_a_clock_that_jumps_to_and_fro_pages_nobody_twice(rigs: Rigs, tmp_path: Path) -> None:
    fake = FakeTime(tmp_path / "time")
    epoch_ms = int(time.time() * 1000)
    with rigs(
        environ={"escalation-0": fake.environ}, clock__speedup=SPEEDUP, clock__epoch_ms=epoch_ms
    ) as rig:
        (worker,) = rig.stack.of("escalation")
        rig.send(600, rate=20.0, batch=5)
        rig.wait_fired(3, "the start")
        for policy_s in (3 * HOURS, 0, 10 * MINUTES, 0):
            before = held(worker)
            fake.shift(policy_s // SPEEDUP)
            rig.say(f"the clock is {policy_s} s of policy ahead")
            wait_held(worker, before)
            work(rig)
            rig.wait_fired(3, "the hold")
        rig.judge(more=lambda history, now: deadlines.overdue(history, now, 15_000 * SPEEDUP))


def work(rig: Rig) -> None:
    """Do something with ten open cases each, so that all clocks stop, pause and go on."""
    asked = (CommandKind.REPLY, CommandKind.WAIT, CommandKind.INVESTIGATE, CommandKind.RESOLVE)
    live = [case for case in rig.cases().values() if case["state"] not in deadlines.ENDED]
    for number, case in enumerate(rig.rng.sample(live, min(40, len(live)))):
        rig.desk.ask(case, asked[number % len(asked)], on="customer")
    rig.wait_answered()
