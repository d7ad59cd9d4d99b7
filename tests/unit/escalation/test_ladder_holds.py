"""The ladder where a gate is closed, notifications are muted, or nobody can be reached."""

from __future__ import annotations

import msgspec
import pytest

from services.escalation.domain.defaults import DEFAULT_POLICY
from services.escalation.domain.policy import HOUR, MINUTE, Policy, SeverityPlan, Team
from services.escalation.domain.silence import Mute
from shared.events import (
    CaseEvent,
    CaseEventKind,
    CaseState,
    Cause,
    CommandKind,
    EscalationStatus,
    Reason,
    Severity,
    Step,
    TimerKind,
)
from tests.unit.escalation.desk import MORNINGS, state
from tests.unit.escalation.world import PLAIN, T0, World, kinds

K = CaseEventKind
C = CommandKind
PAGES = {K.ESCALATION_TRIGGERED, K.REESCALATED}
OPENS_AT = 17 * HOUR - 6 * MINUTE - 40_000
"""From T0, Sunday 15:06:40 UTC, to 8 o'clock of the next morning."""


def policy(*steps: Step, **fields: object) -> Policy:
    """Return a policy with this ladder for all severities, without clocks."""
    plans = {
        name: msgspec.structs.replace(PLAIN.plan(name), steps=steps, repeat=0) for name in Severity
    }
    return msgspec.structs.replace(PLAIN, calendars=(MORNINGS,), **plans, **fields)


def step(*targets: str, gate: str | None = None) -> Step:
    """Return a step that waits for an hour."""
    return Step(targets=targets, wait_ms=HOUR, gate=gate)


def said(events: list[CaseEvent]) -> list[tuple[int, CaseEventKind, tuple[str, ...]]]:
    """Return when what was said to whom, in ms from T0 on; without the timeouts."""
    return [
        (event.recorded_at - T0, event.kind, event.targets)
        for event in events
        if event.kind is not K.ACK_TIMED_OUT
    ]


def held_since(world: World) -> int | None:
    """Return since when the step is held."""
    return world.case.escalation.held_since


GATED = policy(step("on-call", gate="mornings"), step("team-lead"))


def test_a_closed_gate_holds_the_step_until_it_opens() -> None:
    world = World(GATED)
    world.feed(Severity.HIGH)
    assert kinds(world.log) == [K.OPENED, K.STEP_HELD]
    assert held_since(world) == T0
    assert (world.timers(TimerKind.HELD), world.timers(TimerKind.STEP)) == ([OPENS_AT], [])
    assert said(world.run(OPENS_AT)) == [(OPENS_AT, K.ESCALATION_TRIGGERED, ("on-call",))]
    assert world.log[-1].cause is Cause.GATE
    assert held_since(world) is None
    assert said(world.run(HOUR)) == [(OPENS_AT + HOUR, K.REESCALATED, ("team-lead",))]


def test_a_critical_case_ignores_gates() -> None:
    world = World(GATED)
    world.feed(Severity.CRITICAL)
    assert said(world.log)[1:] == [(0, K.ESCALATION_TRIGGERED, ("on-call",))]


def test_a_case_that_becomes_critical_is_held_no_longer() -> None:
    world = World(GATED)
    world.feed(Severity.HIGH, thread="t1")
    world.feed(Severity.CRITICAL, thread="t1")
    assert world.log[-1].targets == ("on-call",)
    assert world.timers(TimerKind.HELD) == []


@pytest.mark.parametrize("kind", [C.ACKNOWLEDGE, C.RESOLVE, C.SNOOZE, C.REPLY])
def test_what_is_held_is_not_sent_after_that(kind: CommandKind) -> None:
    world = World(GATED)
    world.feed(Severity.MEDIUM)
    world.command(kind, until=T0 + 24 * HOUR)
    assert world.timers(TimerKind.HELD) == []
    assert PAGES.isdisjoint(kinds(world.run(OPENS_AT)))


def muted(**scope: object) -> Policy:
    """Return a policy that mutes two hours from T0 on."""
    works = Mute(name="works", reason="the shop is closed", start=T0, end=T0 + 2 * HOUR)
    mute = msgspec.structs.replace(works, **scope)
    return policy(step("on-call"), step("team-lead"), mutes=(mute,))


def test_a_mute_holds_and_what_was_held_is_looked_at_again() -> None:
    world = World(muted())
    world.feed(Severity.HIGH)
    suppressed = world.log[-1]
    assert (suppressed.kind, suppressed.cause, suppressed.detail, suppressed.targets) == (
        K.NOTIFICATION_SUPPRESSED,
        Cause.MUTED,
        "works: the shop is closed",
        (),
    )
    assert said(world.run(2 * HOUR)) == [(2 * HOUR, K.ESCALATION_TRIGGERED, ("on-call",))]


@pytest.mark.parametrize("kind", [C.ACKNOWLEDGE, C.RESOLVE])
def test_after_a_mute_nobody_is_paged_for_what_is_done(kind: CommandKind) -> None:
    world = World(muted())
    world.feed(Severity.MEDIUM)
    world.command(kind)
    assert PAGES.isdisjoint(kinds(world.run(3 * HOUR)))


def test_a_mute_in_the_middle_holds_the_next_step() -> None:
    world = World(muted(start=T0 + HOUR // 2))
    world.feed(Severity.HIGH)
    assert said(world.run(2 * HOUR)) == [
        (HOUR, K.NOTIFICATION_SUPPRESSED, ()),
        (2 * HOUR, K.REESCALATED, ("team-lead",)),
    ]


@pytest.mark.parametrize(
    ("severity", "reason", "paged"),
    [
        (Severity.CRITICAL, Reason.SAFETY, True),
        (Severity.CRITICAL, Reason.QUALITY, False),
        (Severity.HIGH, Reason.SAFETY, False),
    ],
)
def test_a_hard_trigger_bypasses_a_mute(severity: Severity, reason: Reason, paged: bool) -> None:
    world = World(muted())
    world.feed(severity, reasons=(reason,))
    assert PAGES.isdisjoint(kinds(world.log)) is not paged


def test_an_exhausted_ladder_repeats_after_a_mute() -> None:
    world = World(muted(start=T0 + 2 * HOUR, end=T0 + 3 * HOUR))
    world.feed(Severity.HIGH)
    found = said(world.run(3 * HOUR))
    assert found[-1] == (3 * HOUR, K.REESCALATED, ("on-call", "team-lead"))
    assert world.case.escalation.status is EscalationStatus.EXHAUSTED
    assert world.timers(TimerKind.STEP) == [3 * HOUR + 4 * HOUR]


def test_a_step_by_which_nobody_can_be_reached_is_skipped_at_once() -> None:
    world = World(policy(step("ghosts"), step("nobody"), step("team-lead")))
    world.feed(Severity.HIGH)
    assert [(event.kind, event.step, event.targets) for event in world.log[1:]] == [
        (K.STEP_SKIPPED, 1, ()),
        (K.STEP_SKIPPED, 2, ()),
        (K.ESCALATION_TRIGGERED, 3, ("team-lead",)),
    ]
    assert world.log[1].cause is Cause.NO_ONE_ON_CALL
    assert world.log[1].detail == "nobody can be reached by ghosts"


def test_when_nobody_at_all_can_be_reached_the_fallback_is_told() -> None:
    world = World(policy(step("ghosts"), fallback=("the boss",), teams=(Team(name="ghosts"),)))
    world.feed(Severity.HIGH)
    last = world.log[-1]
    assert (last.kind, last.cause, last.targets) == (
        K.ESCALATION_TRIGGERED,
        Cause.NO_ONE_ON_CALL,
        ("the boss",),
    )
    # And again, for as long as nobody acknowledges.
    assert said(world.run(5 * HOUR)) == [
        (HOUR, K.ESCALATION_EXHAUSTED, ("the boss",)),
        (5 * HOUR, K.REESCALATED, ("the boss",)),
    ]


def test_who_can_be_reached_is_asked_when_the_step_is_taken() -> None:
    world = World(policy(step("on-call"), step("ghosts"), step("team-lead")))
    world.feed(Severity.HIGH)
    ghosts = Team(name="ghosts", via=("queue",))
    world.policy = msgspec.structs.replace(world.policy, version="edited", teams=(ghosts,))
    assert said(world.run(HOUR)) == [(HOUR, K.REESCALATED, ("ghosts",))]


def test_a_policy_that_is_edited_in_between_counts_from_the_next_epoch_on() -> None:
    world = World(GATED)
    world.feed(Severity.HIGH, thread="t1")
    plans: dict[str, SeverityPlan] = {
        name: msgspec.structs.replace(DEFAULT_POLICY.plan(name), steps=(step("triage"),), clocks=())
        for name in Severity
    }
    world.policy = msgspec.structs.replace(GATED, version="edited", **plans)
    assert said(world.run(OPENS_AT))[0] == (OPENS_AT, K.ESCALATION_TRIGGERED, ("on-call",))
    world.feed(Severity.CRITICAL, thread="t1")
    assert world.log[-1].targets == ("triage",)
    assert state(world) is CaseState.OPEN
