"""(h): the escalation is down for two hours; what fell due meanwhile is made up for, once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from shared.events import CommandKind
from tests.chaos import deadlines
from tests.chaos.conftest import Rigs
from tests.chaos.findings import Finding, Rule, by_case
from tests.chaos.history import History
from tests.chaos.rig import Rig
from tests.services import wait_for

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

POLICY = Path(__file__).with_name("policy.yaml")
HOUR_MS = 3_600_000
SPEEDUP = 300.0
"""Two hours are 24 s."""

EXPECTED: Final = {
    "escalation.ack_timed_out",
    "escalation.reescalated",
    "followup.due",
    "nudge.due",
    "case.snooze_over",
    "clock.breached",
}
"""What has to be among the events that make up for the downtime, else the test shows nothing."""


def test_two_hours_of_downtime_are_made_up_for_once(rigs: Rigs) -> None:
    epoch_ms = int(time.time() * 1000)
    with rigs(
        clock__speedup=SPEEDUP, clock__epoch_ms=epoch_ms, escalation__policy_file=str(POLICY)
    ) as rig:
        (worker,) = rig.stack.of("escalation")
        rig.send(300, rate=150.0).finish(120.0)
        rig.wait_settled()
        work(rig)
        rig.down(worker)
        died_ms = rig.policy_ms
        before = {case_id: entries[-1].value for case_id, entries in by_case(rig.log()).items()}
        wait_for(lambda: rig.policy_ms > died_ms + 2 * HOUR_MS, "two hours are over", 60.0)
        back_ms = rig.policy_ms
        rig.up(worker)
        late = {
            case_id
            for case_id, event in before.items()
            if any(due_at <= back_ms for _, due_at in deadlines.deadlines(event["case"]))
        }
        seqs = {case_id: before[case_id]["case_seq"] for case_id in late}
        wait_for(
            lambda: all(rig.cases()[one]["case_seq"] > seq for one, seq in seqs.items()),
            f"{len(late)} late cases go on",
            120.0,
        )
        told = Counter[str]()
        rig.judge(more=lambda history, _: made_up(before, history, back_ms, told))
    rig.say(f"{len(late)} cases were late: {dict(told)}")
    assert told.keys() >= EXPECTED


def work(rig: Rig) -> None:
    """Bring the cases into all states in which something is pending."""
    hour = rig.policy_ms + HOUR_MS
    asked: tuple[tuple[CommandKind, dict[str, Any]], ...] = (
        (CommandKind.ACKNOWLEDGE, {}),
        (CommandKind.WAIT, {"on": "customer"}),
        (CommandKind.SNOOZE, {"until": hour}),
        (CommandKind.RESOLVE, {}),
        (CommandKind.REPLY, {}),
    )
    live = [case for case in rig.cases().values() if case["state"] not in deadlines.ENDED]
    for number, case in enumerate(live):
        if (choice := number % (len(asked) + 1)) < len(asked):
            kind, fields = asked[choice]
            rig.desk.ask(case, kind, **fields)
    rig.wait_answered()


def made_up(
    before: Mapping[str, Mapping[str, Any]], history: History, back_ms: int, told: Counter[str]
) -> Iterator[Finding]:
    """Everything that was overdue when the worker came back fired once, in its next decision.

    Args:
        before: the last event of each case before the downtime.
        back_ms: policy time at which the worker came back.
        told: filled with the kinds of events that make up for it.
    """
    for case_id, entries in by_case(history).items():
        stood = before[case_id]
        later = [e.value for e in entries if e.value["case_seq"] > stood["case_seq"]]
        first = [event for event in later if event["recorded_at"] == later[0]["recorded_at"]]
        told.update(event["kind"] for event in first)
        yield from _timers(case_id, stood["case"], first, back_ms)
        yield from _clocks(case_id, stood["case"], first, back_ms)
        for event in first:
            if event["recorded_at"] < back_ms:
                yield Finding(Rule.TIMER_EARLY, f"{case_id} #{event['case_seq']}")


def _timers(
    case_id: str, stood: Mapping[str, Any], first: list[Mapping[str, Any]], back_ms: int
) -> Iterator[Finding]:
    woken = any(event["kind"] == "case.snooze_over" for event in first)
    for timer in stood.get("timers", ()):
        if timer["due_at"] > back_ms:
            continue
        if timer["kind"] == "snooze_end" and woken:
            continue  # a breach may have ended the snooze before its time
        fired = [
            event
            for event in first
            if timer["kind"] in deadlines.timers_behind(event) and event["at"] == timer["due_at"]
        ]
        same = sum(one == timer | {"version": one["version"]} for one in stood["timers"])
        if len(fired) != same:
            yield Finding(Rule.TIMER_MISSED, f"{case_id}: {timer} fired {len(fired)} times")


def _clocks(
    case_id: str, stood: Mapping[str, Any], first: list[Mapping[str, Any]], back_ms: int
) -> Iterator[Finding]:
    changes = [change for event in first for change in event.get("clocks", ())]
    for clock in stood.get("clocks", ()):
        if clock.get("next_at", back_ms + 1) > back_ms:
            continue
        mine = [
            (change["change"], change["at"])
            for change in changes
            if (change["clock"], change["instance"]) == (clock["kind"], clock["instance"])
            and change["change"] in {"breached", "warned"}
        ]
        if clock["due_at"] <= back_ms:
            right = mine == [("breached", clock["due_at"])]
        else:  # of two warnings that are over, the last one is given
            right = bool(mine) and mine[0][0] == "warned" and mine[0][1] >= clock["next_at"]
        if not right:
            yield Finding(Rule.TIMER_MISSED, f"{case_id}: {clock}: {mine}")
