"""The ladder: steps, rounds, exhaustion, downtime, expiry of an acknowledgement, the cap."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.escalation.domain.decide import Decision, TimerIn
from services.escalation.domain.policy import DAY, HOUR, MINUTE, Policy
from shared.events import (
    CaseEvent,
    CaseEventKind,
    CaseState,
    Cause,
    CommandKind,
    EscalationStatus,
    Refusal,
    Severity,
    TimerKind,
)
from tests.unit.escalation.world import NOT_NEEDED, PLAIN, T0, World, kinds

K = CaseEventKind


def paged(events: list[CaseEvent], unit: int = MINUTE) -> list[tuple[int, int | None, str]]:
    """Return (time since T0, step, targets) of every notification."""
    return [
        ((event.at - T0) // unit, event.step, "+".join(event.targets))
        for event in events
        if event.targets
    ]


def test_critical_ladder_then_repeats_for_ever() -> None:
    world = World(PLAIN)
    world.feed(Severity.CRITICAL)
    world.run(3 * HOUR + 20 * MINUTE)
    everyone = "on-call+team-lead+head-of-support"
    ladder = ["on-call", "team-lead", "head-of-support"]
    climbed = [(15 * tick, tick % 3 + 1, ladder[tick % 3]) for tick in range(9)]
    assert paged(world.log) == [
        *climbed,
        (135, 3, everyone),
        (165, 3, everyone),
        (195, 3, everyone),
    ]
    exhausted = [event for event in world.log if event.kind is K.ESCALATION_EXHAUSTED]
    assert [event.at - T0 for event in exhausted] == [135 * MINUTE]
    assert world.log[-1].cause is Cause.REPEAT
    assert world.case.escalation.rounds == 4


def test_a_timeout_is_recorded_before_the_next_step() -> None:
    world = World(PLAIN)
    world.feed(Severity.HIGH)
    timed_out, again = world.run(HOUR)
    assert (timed_out.kind, timed_out.epoch, timed_out.step) == (K.ACK_TIMED_OUT, 1, 1)
    assert (again.kind, again.cause, again.step) == (K.REESCALATED, Cause.ACK_TIMEOUT, 2)
    assert timed_out.at == again.at == T0 + HOUR
    assert again.targets == ("team-lead",)


@pytest.mark.parametrize(
    ("severity", "times", "targets"),
    [
        (Severity.MEDIUM, [0, 480, 960], ["support", "team-lead", "support"]),
        (Severity.UNDETERMINED, [0, 15, 30], ["triage", "team-lead", "triage"]),
        (Severity.HIGH, [0, 60, 120], ["on-call", "team-lead", "on-call"]),
    ],
)
def test_other_ladders(severity: Severity, times: list[int], targets: list[str]) -> None:
    world = World(PLAIN)
    world.feed(severity)
    world.run(7 * DAY)
    assert [(at, who) for at, _, who in paged(world.log)[:3]] == list(
        zip(times, targets, strict=True)
    )
    assert world.case.escalation.status is EscalationStatus.EXHAUSTED


def test_downtime_fires_one_step_and_arms_the_next_from_now() -> None:
    world = World(PLAIN)
    world.feed(Severity.CRITICAL)
    events = world.down(2 * HOUR)
    assert kinds(events) == [K.ACK_TIMED_OUT, K.REESCALATED]
    assert {event.at for event in events} == {T0 + 15 * MINUTE}
    assert {event.recorded_at for event in events} == {T0 + 2 * HOUR}
    assert world.case.escalation.step == 2
    assert world.timers(TimerKind.STEP) == [2 * HOUR + 15 * MINUTE]


def test_every_arming_gets_a_new_version() -> None:
    world = World(PLAIN)
    world.feed(Severity.CRITICAL)
    versions = [world.case.timers[0].version]
    for _ in range(12):
        world.run(30 * MINUTE)
        versions.append(world.case.timers[0].version)
    assert versions[0] == 1
    assert versions == sorted(set(versions))
    assert versions[-1] == world.case.timer_version


def test_stale_timers_do_nothing() -> None:
    world = World(PLAIN)
    world.feed(Severity.CRITICAL)
    assert world.give(TimerIn(world.case.case_id)) is Decision.NOTHING
    assert world.give(TimerIn("acme:c0ffee:000000000000")) is Decision.NOTHING
    world.acknowledge()
    world.now += 15 * MINUTE
    assert world.give(TimerIn(world.case.case_id)) is Decision.NOTHING


@pytest.mark.parametrize(
    ("severity", "expiry"),
    [
        (Severity.CRITICAL, [30 * MINUTE]),
        (Severity.HIGH, [2 * HOUR]),
        (Severity.MEDIUM, []),
        (Severity.UNDETERMINED, []),
    ],
)
def test_acknowledging_stops_the_ladder_until_it_expires(
    severity: Severity, expiry: list[int]
) -> None:
    world = World(PLAIN)
    world.feed(severity)
    (event,) = world.acknowledge().events
    assert (event.kind, event.epoch, event.step, event.actor) == (K.ACKNOWLEDGED, 1, 1, "ada")
    case = world.case
    assert (case.state, case.acknowledged_by) == (CaseState.ACKNOWLEDGED, "ada")
    assert case.acknowledged_at == T0
    assert case.escalation.status is EscalationStatus.ACKNOWLEDGED
    assert world.timers(TimerKind.ACK_EXPIRY) == expiry
    assert world.timers(TimerKind.STEP) == []


def test_an_expired_acknowledgement_opens_the_next_epoch() -> None:
    world = World(PLAIN)
    world.feed(Severity.CRITICAL)
    world.run(20 * MINUTE)
    world.acknowledge()
    (event,) = world.run(30 * MINUTE)
    assert (event.kind, event.cause) == (K.REESCALATED, Cause.ACK_EXPIRED)
    assert (event.epoch, event.step, event.targets) == (2, 1, ("on-call",))
    assert event.at == T0 + 50 * MINUTE
    case = world.case
    assert (case.state, case.acknowledged_at, case.acknowledged_by) == (CaseState.OPEN, None, None)
    assert world.timers(TimerKind.STEP) == [65 * MINUTE]
    assert world.acknowledge().events[0].kind is K.ACKNOWLEDGED


def test_who_acknowledges_an_epoch_that_is_over_does_not_silence_the_next() -> None:
    world = World(PLAIN)
    world.feed(Severity.HIGH)
    world.feed(Severity.CRITICAL)
    assert world.case.escalation.epoch == 2
    (refused,) = world.command(CommandKind.ACKNOWLEDGE, epoch=1).events
    assert (refused.kind, refused.refusal) == (K.COMMAND_REFUSED, Refusal.SEQ_MISMATCH)
    assert refused.detail == "epoch 1, the case is at 2"
    assert world.case.state is CaseState.OPEN
    assert world.timers(TimerKind.STEP)
    assert world.command(CommandKind.ACKNOWLEDGE, epoch=2).events[0].kind is K.ACKNOWLEDGED


def test_an_exhausted_escalation_can_be_acknowledged() -> None:
    world = World(PLAIN)
    world.feed(Severity.CRITICAL)
    world.run(3 * HOUR)
    assert world.case.escalation.status is EscalationStatus.EXHAUSTED
    world.acknowledge()
    assert world.case.state is CaseState.ACKNOWLEDGED
    assert world.timers(TimerKind.STEP) == []


@pytest.mark.parametrize(
    ("kind", "fields", "pushes"),
    [
        (CommandKind.REPLY, {}, True),
        (CommandKind.INVESTIGATE, {}, True),
        (CommandKind.CLARIFY, {"clarification": NOT_NEEDED}, True),
        (CommandKind.ASSIGN, {"assignee": "bob"}, True),
        (CommandKind.NOTE, {"note": "n" * 20}, True),
        (CommandKind.NOTE, {"note": "n" * 19}, False),
        (CommandKind.NOTE, {"note": ""}, False),
        (CommandKind.HOLD, {"note": "a court wants to see it"}, False),
        (CommandKind.ACKNOWLEDGE, {}, False),
        (CommandKind.BOUNCE, {}, False),
        (CommandKind.RESOLVE, {"expected_seq": 1}, False),
    ],
)
def test_only_meaningful_activity_pushes_the_expiry(
    kind: CommandKind, fields: dict[str, Any], pushes: bool
) -> None:
    """No refused command does, and no word that is too short to be work."""
    world = World(PLAIN)
    world.feed(Severity.CRITICAL)
    world.acknowledge()
    world.now += 20 * MINUTE
    world.command(kind, **fields)
    assert world.case.state is not CaseState.OPEN
    assert world.timers(TimerKind.ACK_EXPIRY) == [(50 if pushes else 30) * MINUTE]


CAPPED = msgspec.structs.replace(PLAIN, max_epochs=3)


def test_cap_by_epochs_leaves_a_daily_repeat() -> None:
    world = World(CAPPED)
    world.feed(Severity.CRITICAL)
    for epoch in (2, 3):
        world.acknowledge()
        (event,) = world.run(30 * MINUTE)
        assert (event.kind, event.epoch) == (K.REESCALATED, epoch)
    world.run(4 * HOUR)
    assert (world.case.escalation.step, world.case.escalation.rounds) == (3, 2)
    world.acknowledge()
    (event,) = world.run(30 * MINUTE)
    assert (world.case.escalation.step, world.case.escalation.rounds) == (1, 0)
    assert (event.kind, event.cause, event.epoch) == (
        K.ESCALATION_EXHAUSTED,
        Cause.ACK_EXPIRED,
        4,
    )
    assert world.case.state is CaseState.OPEN
    repeats = world.run(3 * DAY)
    assert [(event.kind, event.cause) for event in repeats] == [(K.REESCALATED, Cause.REPEAT)] * 3
    assert [event.at for event in repeats] == [event.recorded_at for event in repeats]


def test_cap_by_age_leaves_a_daily_repeat() -> None:
    world = World(PLAIN)
    world.feed(Severity.CRITICAL)
    world.run(7 * DAY + 15 * MINUTE)
    assert world.timers(TimerKind.STEP) == [8 * DAY + 15 * MINUTE]
    assert len(world.run(5 * DAY)) == 5


def test_new_evidence_begins_a_new_run_past_the_cap() -> None:
    world = World(CAPPED)
    world.feed(Severity.HIGH, thread="t1")
    for _ in range(3):
        world.acknowledge()
        world.run(2 * HOUR)
    assert world.case.escalation.status is EscalationStatus.EXHAUSTED
    world.feed(Severity.CRITICAL, thread="t1")
    stands = world.case.escalation
    assert (stands.status, stands.epoch, stands.first_epoch) == (EscalationStatus.PENDING, 5, 5)
    assert stands.started_at == world.now
    world.acknowledge()
    (event,) = world.run(30 * MINUTE)
    assert (event.kind, event.epoch) == (K.REESCALATED, 6)


def test_a_policy_that_lost_its_ladder_still_repeats() -> None:
    world = World(PLAIN)
    world.feed(Severity.CRITICAL)
    world.acknowledge()
    bare = msgspec.structs.replace(PLAIN.critical, steps=())
    world.policy = msgspec.structs.replace(PLAIN, critical=bare)
    (event,) = world.run(30 * MINUTE)
    assert event.kind is K.ESCALATION_EXHAUSTED
    assert world.timers(TimerKind.STEP) == [60 * MINUTE]


def edited(steps: int) -> Policy:
    """Return the policy after an edit that cut the critical ladder to its first ``steps``."""
    short = msgspec.structs.replace(PLAIN.critical, steps=PLAIN.critical.steps[:steps])
    return msgspec.structs.replace(PLAIN, version="edited", critical=short)


def test_a_policy_edited_in_mid_escalation_counts_from_the_next_epoch_on() -> None:
    world, untouched = World(PLAIN), World(PLAIN)
    for one in (world, untouched):
        one.feed(Severity.CRITICAL)
        one.run(20 * MINUTE)
    world.policy = edited(steps=1)
    assert paged(world.run(4 * HOUR)) == paged(untouched.run(4 * HOUR))
    assert world.case.escalation == untouched.case.escalation
    world.acknowledge()
    (event,) = world.run(30 * MINUTE)
    assert (event.cause, event.epoch) == (Cause.ACK_EXPIRED, 2)
    assert world.case.escalation.policy == "edited/critical"
    again = world.run(HOUR)
    assert {(one.step, one.targets) for one in again if one.targets} == {(1, ("on-call",))}


@pytest.mark.parametrize(("steps", "rounds"), [(1, 1), (2, 1), (3, 1)])
def test_a_reapplied_ladder_that_got_shorter_goes_on_to_the_next_round(
    steps: int, rounds: int
) -> None:
    world = World(PLAIN)
    world.feed(Severity.CRITICAL)
    world.run(30 * MINUTE)
    assert world.case.escalation.step == 3
    world.policy = edited(steps)
    world.command(CommandKind.REAPPLY, note="the team is smaller now")
    world.run(15 * MINUTE)
    assert (world.case.escalation.step, world.case.escalation.rounds) == (1, rounds)
