"""The auditor: a case that has lost its timers is found, repaired, and somebody is told."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.escalation.domain import audit
from services.escalation.domain.decide import CommandIn
from services.escalation.domain.policy import DAY, HOUR
from shared.events import (
    Case,
    CaseEventKind,
    CaseState,
    Cause,
    CommandKind,
    EscalationStatus,
    Flag,
    Severity,
    TimerKind,
)
from tests.unit.escalation.desk import opened
from tests.unit.escalation.world import PLAIN, T0, World, kinds

K = CaseEventKind
C = CommandKind


def lose(world: World, **fields: Any) -> Case:
    """Let the case forget all its timers."""
    case = msgspec.structs.replace(world.case, timers=(), **fields)
    world.cases[case.case_id] = case
    return case


def repair(world: World) -> list[CaseEventKind]:
    """Give the auditor's command; return what happened."""
    case = world.case
    decision = world.give(CommandIn(audit.command(case, world.now)))
    first = decision.events[0]
    assert (first.kind, first.cause, first.actor) == (K.REPAIRED, Cause.AUDIT, "tocsin")
    assert first.targets
    assert audit.violation(world.case) == ""
    # The same finding is acted on once.
    assert world.give(CommandIn(audit.command(case, world.now))).events == ()
    return kinds(decision.events)


def test_a_case_as_it_should_be() -> None:
    world = opened(Severity.HIGH)
    assert audit.violation(world.case) == ""
    for kind, fields in (
        (C.SNOOZE, {"until": T0 + HOUR}),
        (C.WAIT, {"on": "customer"}),
        (C.RESOLVE, {}),
        (C.COMMUNICATE, {}),
    ):
        world.command(kind, **fields)
        assert audit.violation(world.case) == "", kind


def test_a_page_that_nobody_would_follow_up() -> None:
    world = opened(Severity.HIGH)
    assert audit.violation(lose(world)) == "it waits for an acknowledgement, and has no next step"
    assert repair(world) == [K.REPAIRED, K.REESCALATED]
    assert world.case.escalation.epoch == 2
    assert world.timers(TimerKind.STEP) == [HOUR]


def test_a_case_in_which_nothing_is_pending() -> None:
    world = opened(Severity.MEDIUM, World(PLAIN))
    world.acknowledge()
    assert audit.violation(lose(world)) == "nothing is pending"
    assert repair(world) == [K.REPAIRED]
    assert world.timers(TimerKind.REMIND) == [DAY]
    assert kinds(world.run(2 * DAY)) == [K.REMINDED, K.REMINDED]


@pytest.mark.parametrize(
    ("kind", "fields", "lost", "due"),
    [
        (C.WAIT, {"on": "third_party", "until": T0 + HOUR}, TimerKind.WAIT_END, [HOUR]),
        (C.SNOOZE, {"until": T0 + HOUR}, TimerKind.SNOOZE_END, [HOUR]),
        (C.RESOLVE, {}, TimerKind.FOLLOW_UP_DUE, [2 * DAY, 7 * DAY]),
    ],
)
def test_what_a_state_promises_is_armed_again(
    kind: CommandKind, fields: dict[str, Any], lost: TimerKind, due: list[int]
) -> None:
    world = opened(Severity.HIGH)
    world.acknowledge()
    world.command(kind, **fields)
    assert audit.violation(lose(world)) == f"lost: {lost}"
    assert repair(world) == [K.REPAIRED]
    assert world.timers(lost) == due


def test_a_snoozed_case_is_not_paged_by_the_auditor() -> None:
    world = opened(Severity.HIGH)
    world.command(C.SNOOZE, until=T0 + HOUR)
    lose(world)
    assert repair(world) == [K.REPAIRED]
    assert world.case.escalation.status is EscalationStatus.PENDING


def test_a_follow_up_whose_grace_was_lost_is_missed_at_once() -> None:
    world = opened(Severity.LOW, World(PLAIN))
    world.resolve()
    world.run(7 * DAY)
    assert audit.violation(lose(world)) == "nothing is pending"
    repair(world)
    assert K.FOLLOW_UP_MISSED in kinds(world.poll())


@pytest.mark.parametrize("state", [CaseState.CLOSED, CaseState.MERGED])
def test_what_has_ended_has_no_next_step(state: CaseState) -> None:
    assert audit.violation(lose(opened(), state=state)) == ""


def test_history_is_quiet_on_purpose() -> None:
    world = World()
    world.feed(Severity.HIGH, flags=(Flag.BACKFILL,))
    assert world.case.next_due_at is None
    assert audit.violation(world.case) == ""
