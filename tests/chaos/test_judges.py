"""The judges of time and conduct can fail: a broken history for each of their rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.chaos import conduct, deadlines
from tests.chaos.findings import Rule
from tests.chaos.history import Entry, History
from tests.chaos.test_downtime import made_up

CASE = "t:anna:0123456789ab"
Event = dict[str, Any]


def event(kind: str, at: int, state: str = "open", **fields: Any) -> Event:
    """Return an event; ``case_*`` fields go into its snapshot, which has a reminder otherwise."""
    case: Event = {"case_id": CASE, "state": state}
    case["timers"] = [{"kind": "remind", "due_at": 1_000, "version": 1}]
    case |= {name.removeprefix("case_"): v for name, v in fields.items() if name[:5] == "case_"}
    rest = {name: value for name, value in fields.items() if name[:5] != "case_"}
    return {"kind": kind, "cause": "x", "case_id": CASE, "at": at, "recorded_at": at} | {
        "case": case
    } | rest  # fmt: skip


def change(kind: str, at: int, due_at: int | None = None, **fields: Any) -> Event:
    """Return a change of the clock ``update/1``."""
    made = {"clock": "update", "instance": "1", "change": kind, "at": at} | fields
    return made if due_at is None else made | {"due_at": due_at}


def clock(state: str, **fields: Any) -> Event:
    """Return the clock ``update/1`` as a snapshot has it."""
    return {"kind": "update", "instance": "1", "state": state} | fields


def page(
    at: int, epoch: int, step: int, kind: str = "escalation.reescalated", **more: Any
) -> Event:
    """Return a page of a ladder that runs."""
    stands = {"status": "pending", "epoch": epoch, "step": step}
    fields: Event = {
        "epoch": epoch,
        "step": step,
        "case_escalation": stands,
        "case_timers": STEP,
    } | more
    return event(kind, at, **fields)


STEP = [{"kind": "step", "due_at": 20, "version": 2}]
TAKEN = {"status": "acknowledged", "epoch": 1, "step": 1}
OPENED = event("case.opened", 1, feedback_id="a")
TIMED_OUT = event("escalation.ack_timed_out", 20, cause="ack_timeout")
TICKING = event(
    "case.opened",
    1,
    clocks=[change("activated", 1, 50)],
    case_clocks=[clock("running", next_at=50)],
)
BROKE = event(
    "clock.breached", 50, clocks=[change("breached", 50)],
    case_clocks=[clock("running", breached_at=50)],
)  # fmt: skip
MET = event(
    "case.replied", 40, clocks=[change("fulfilled", 40, elapsed_ms=39)],
    case_clocks=[clock("fulfilled")],
)  # fmt: skip
NOTED = event("case.noted", 60)
DUE = {"number": 1, "due_at": 30}


def follow_up(kind: str, at: int, cause: str = "follow_up", **fields: Any) -> Event:
    given = {"follow_up": DUE} | fields
    return event(f"followup.{kind}", at, "resolved", cause=cause, **given)


PROMISED = follow_up(
    "scheduled",
    5,
    "resolved",
    case_timers=[{"kind": "follow_up_due", "due_at": 30, "version": 3}],
)
MISSED = [{"kind": "follow_up_missed", "due_at": 54, "version": 4}]
CLOSED = event("case.closed", 60, "closed", case_timers=[])


def history(*events: Event, outcomes: tuple[Event, ...] = ()) -> History:
    """Return the events numbered, and the outcomes."""
    made = History()
    for number, value in enumerate(events, 1):
        numbered = value | {"case_seq": number, "event_id": f"e{number}"}
        made.add("case.events", Entry("case.events", 0, number, b"t:anna", numbered))
    for value in outcomes:
        made.add("feedback.outcomes", Entry("feedback.outcomes", 0, 0, None, value))
    return made


def found(of: History, sent: tuple[str, ...] = ()) -> set[Rule]:
    """Return the rules that are broken."""
    judges: tuple[Callable[[History], Any], ...] = (
        deadlines.timers, deadlines.clocks, deadlines.next_steps,
        conduct.pages, conduct.life, conduct.follow_ups, conduct.outcomes,
    )  # fmt: skip
    findings = [finding for judge in judges for finding in judge(of)]
    findings += [*deadlines.overdue(of, now_ms=1_100, grace_ms=200), *conduct.answers(sent, of)]
    return {finding.rule for finding in findings}


SOUND = [
    [OPENED, page(10, 1, 1, "escalation.triggered"), TIMED_OUT, page(20, 1, 2), NOTED],
    [page(10, 1, 1), event("case.acknowledged", 12, "acknowledged", case_escalation=TAKEN),
     page(50, 2, 1), NOTED],
    [TICKING, BROKE],
    [TICKING, MET, event("case.reply_bounced", 45, clocks=[change("revoked", 45, 50)],
                         case_clocks=[clock("running", next_at=1_000)]), BROKE],
    [TICKING, MET | {"at": 0, "recorded_at": 0, "clocks": [change("fulfilled", 1)]}],
    [TICKING, BROKE, MET | {"at": 55, "recorded_at": 55, "clocks": [change("fulfilled", 55)],
                            "case": BROKE["case"] | {"clocks": [clock("fulfilled", breached_at=50)]}},
     event("case.reply_bounced", 58, clocks=[change("revoked", 58)],
           case_clocks=[clock("paused", breached_at=50)])],
    [TICKING, event("case.waiting", 9, "waiting_customer", clocks=[change("paused", 9)],
                    case_clocks=[clock("paused")])],
    [PROMISED, follow_up("due", 30, case_timers=MISSED), follow_up("missed", 54),
     follow_up("done", 58), CLOSED, event("case.reopened", 70)],
]  # fmt: skip


@pytest.mark.parametrize("events", SOUND)
def test_sound_histories_pass(events: list[Event]) -> None:
    assert found(history(*events)) == set()


@pytest.mark.parametrize(
    ("events", "rule"),
    [
        ([OPENED, TIMED_OUT], Rule.TIMER_UNARMED),
        ([page(10, 1, 1), TIMED_OUT | {"at": 19}], Rule.TIMER_UNARMED),
        ([page(10, 1, 1), TIMED_OUT, TIMED_OUT], Rule.TIMER_TWICE),
        ([page(10, 1, 1), TIMED_OUT | {"recorded_at": 19}], Rule.TIMER_EARLY),
        ([TICKING, BROKE | {"recorded_at": 49}], Rule.TIMER_EARLY),
        ([TICKING, MET | {"recorded_at": 41, "clocks": [change("fulfilled", 42)]}],
         Rule.TIMER_EARLY),
        ([page(10, 1, 1), TICKING, BROKE, TIMED_OUT | {"recorded_at": 50}], Rule.TIMER_ORDER),
        ([event("case.opened", 1, case_timers=STEP)], Rule.TIMER_MISSED),
        ([event("case.opened", 1, case_timers=[], case_clocks=[clock("running", next_at=9)])],
         Rule.TIMER_MISSED),
        ([event("case.opened", 1, case_timers=[])], Rule.NEXT_STEP),
        ([event("case.opened", 1, case_escalation={"status": "exhausted"})], Rule.NEXT_STEP),
        ([event("case.opened", 1, clocks=[change("activated", 1)],
                case_clocks=[clock("paused")]), BROKE], Rule.CLOCK),
        ([BROKE], Rule.CLOCK),
        ([TICKING, TICKING], Rule.CLOCK),
        ([TICKING, MET, BROKE], Rule.CLOCK),
        ([TICKING, MET, MET], Rule.CLOCK),
        ([TICKING, BROKE, BROKE], Rule.CLOCK_TWICE),
        ([TICKING, *[event("clock.warned", 9, clocks=[change("warned", 9, 50, percent=75)])] * 2],
         Rule.CLOCK_TWICE),
        ([TICKING, BROKE | {"clocks": [change("breached", 49)]}], Rule.CLOCK_DEADLINE),
        ([TICKING, MET | {"at": 51, "recorded_at": 51, "clocks": [change("fulfilled", 51)]}],
         Rule.CLOCK_DEADLINE),
        ([TICKING, BROKE | {"kind": "case.noted"}], Rule.CLOCK_UNTOLD),
        ([TICKING, BROKE | {"clocks": []}], Rule.CLOCK_UNTOLD),
        ([TICKING, MET | {"clocks": [change("fulfilled", 40, elapsed_ms=-1)]}],
         Rule.CLOCK_NEGATIVE),
        ([event("case.opened", 1, clocks=[change("activated", 1, 50)],
                case_clocks=[clock("running", intervals=[(9, 8)])])], Rule.CLOCK_NEGATIVE),
        ([TICKING, event("case.noted", 2)], Rule.CLOCK_SNAPSHOT),
        ([event("case.noted", 2, case_clocks=[clock("running")])], Rule.CLOCK_SNAPSHOT),
        ([TICKING, MET | {"clocks": []}], Rule.CLOCK_SNAPSHOT),
        ([page(10, 1, 1), page(20, 1, 1)], Rule.PAGED_TWICE),
        ([page(10, 1, 1), page(10, 1, 2)], Rule.PAGED_AT_ONCE),
        ([page(10, 1, 1), event("case.acknowledged", 12, "acknowledged", case_escalation=TAKEN),
          page(20, 1, 2)], Rule.PAGED_QUIET),
        ([CLOSED, event("case.acknowledged", 61, "acknowledged")], Rule.AFTER_END),
        ([CLOSED, BROKE], Rule.AFTER_END),
        ([event("case.merged", 60, "merged", case_timers=[]), event("case.reopened", 61)],
         Rule.AFTER_END),
        ([event("case.closed", 60, "closed")], Rule.AFTER_END),
        ([event("case.closed", 60, "closed", case_timers=[], case_clocks=[clock("running")])],
         Rule.AFTER_END),
        ([event("case.closed", 60, "closed", case_timers=[], case_follow_ups=[{"state": "due"}])],
         Rule.UNSETTLED),
        ([follow_up("due", 30)], Rule.FOLLOW_UP),
        ([PROMISED, follow_up("due", 30), follow_up("due", 30)], Rule.FOLLOW_UP),
        ([PROMISED, follow_up("waived", 30), follow_up("missed", 54)], Rule.FOLLOW_UP),
        ([PROMISED, follow_up("due", 31)], Rule.FOLLOW_UP),
        ([PROMISED, follow_up("scheduled", 30, follow_up=DUE | {"due_at": 54})], Rule.FOLLOW_UP),
        ([PROMISED, follow_up("scheduled", 30, follow_up=DUE | {"via": "survey"})],
         Rule.FOLLOW_UP),
    ],
)  # fmt: skip
def test_every_rule_finds_its_violation(events: list[Event], rule: Rule) -> None:
    assert rule in found(history(*events))


OUTCOME = {"feedback_id": "a", "kind": "case_opened", "case_id": CASE}


def test_an_outcome_and_its_case_agree() -> None:
    assert found(history(OPENED, outcomes=(OUTCOME,))) == set()


@pytest.mark.parametrize(
    "outcome",
    [
        OUTCOME | {"kind": "case_attached"},
        OUTCOME | {"case_id": "t:bo:0123456789ab"},
        OUTCOME | {"others": ("t:anna:ffffffffffff",)},
        {"feedback_id": "a", "kind": "no_case"},
        {"feedback_id": "b", "kind": "case_opened", "case_id": CASE},
    ],
)
def test_an_outcome_of_which_the_case_knows_nothing(outcome: Event) -> None:
    assert Rule.OUTCOME in found(history(OPENED, outcomes=(outcome,)))


def test_every_command_is_answered_once() -> None:
    done = event("case.noted", 5, command_id="k")
    refused = event("command.refused", 9, command_id="k")
    assert found(history(done), ("k",)) == set()
    assert found(history(refused), ("k",)) == set()
    assert found(history(done), ("k", "l")) == {Rule.UNANSWERED}
    assert found(history(done, refused), ("k",)) == {Rule.ANSWERED_TWICE}
    assert found(history(done, OPENED, done), ("k",)) == {Rule.ANSWERED_TWICE}
    assert found(history(done, done | {"recorded_at": 6}), ("k",)) == {Rule.ANSWERED_TWICE}


STOOD = page(10, 1, 1) | {"case_seq": 1}
STOOD["case"] = STOOD["case"] | {
    "clocks": [clock("running", due_at=30, next_at=25), clock("running", due_at=90, next_at=35)]
}
STOOD["case"]["clocks"][1]["instance"] = "2"
TOLD = [
    TIMED_OUT | {"recorded_at": 40},
    BROKE | {"clocks": [change("breached", 30)], "recorded_at": 40},
    BROKE | {"clocks": [change("warned", 35, instance="2")], "recorded_at": 40},
]
LATE: dict[str, list[Event]] = {
    "all of it": TOLD,
    "no timer": TOLD[1:],
    "a timer twice": [*TOLD, TOLD[0]],
    "no breach": [TOLD[0], TOLD[2]],
    "a breach twice": [*TOLD, TOLD[1]],
    "a breach at another time": [TOLD[0], TOLD[1] | {"clocks": [change("breached", 31)]}, TOLD[2]],
    "no warning": TOLD[:2],
    "not in the first decision": [TOLD[0], *[event | {"recorded_at": 41} for event in TOLD[1:]]],
    "before it was back": [event | {"recorded_at": 37} for event in TOLD],
}


@pytest.mark.parametrize("what", LATE)
def test_what_was_late_is_made_up_for_once(what: str) -> None:
    of = history(STOOD, *LATE[what])
    findings = list(made_up({CASE: STOOD}, of, 38, Counter()))
    assert bool(findings) == (what != "all of it")
