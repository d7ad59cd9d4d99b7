"""A settled case that is taken up again, and two machines that may be talking."""

from __future__ import annotations

import pytest

from services.escalation.domain.policy import DAY, HOUR, MINUTE
from shared.events import (
    CaseEventKind,
    CaseState,
    Cause,
    ClockKind,
    CommandKind,
    FollowUpState,
    Reason,
    Refusal,
    Severity,
)
from tests.unit.escalation.desk import clock_of, kinds_of_live, opened, refused, state
from tests.unit.escalation.world import World, kinds

K = CaseEventKind
C = CommandKind


def settled(severity: Severity = Severity.HIGH) -> World:
    """Return a case that was resolved an hour after it was opened."""
    world = opened(severity)
    world.now += HOUR
    world.resolve()
    return world


def test_by_hand_a_case_is_open_whatever_had_become_of_it() -> None:
    world = settled()
    world.now += 90 * DAY
    events = world.command(C.REOPEN, note="he called again").events
    assert kinds(events) == [K.REOPENED, K.FOLLOW_UP_WAIVED, K.FOLLOW_UP_WAIVED, K.REESCALATED]
    assert (events[0].note, world.case.reopen_count) == ("he called again", 1)
    assert {item.reason for item in world.case.follow_ups} == {"reopened"}
    assert refused(world, C.REOPEN)[0] is Refusal.WRONG_STATE


def test_a_closed_case_is_reopened_by_hand_and_promises_anew() -> None:
    world = opened(Severity.LOW)
    world.command(C.WAIT, on="customer")
    world.command(C.CLOSE, note="no answer")
    assert kinds_of_live(world.case) == set()
    world.now += DAY
    assert kinds(world.command(C.REOPEN).events) == [K.REOPENED]
    assert ClockKind.TOTAL_RESOLUTION in kinds_of_live(world.case)
    assert state(world) is CaseState.OPEN


def test_what_was_clarified_and_offered_is_over_and_the_time_goes_on() -> None:
    world = settled()
    world.now += HOUR
    world.feed(Severity.HIGH, thread="t1")
    case = world.case
    assert (case.clarification, case.offer, case.outcome, case.resolved_at) == (None,) * 4
    total = clock_of(case, ClockKind.TOTAL_RESOLUTION)
    assert len(total.intervals) == 1
    assert total.since == world.now
    assert {item.state for item in case.follow_ups} == {FollowUpState.WAIVED}
    # The first resolution was what it was.
    assert ClockKind.FIRST_RESOLUTION not in kinds_of_live(case)


def loop(world: World, times: int) -> list[CaseEventKind]:
    """Resolve the case and let a message reopen it, again and again."""
    found: list[CaseEventKind] = []
    for _ in range(times):
        world.now += 5 * MINUTE
        found += kinds(world.feed(Severity.HIGH, thread="t1").events)
        world.now += 5 * MINUTE
        world.resolve()
    return found


def test_more_than_three_reopenings_within_an_hour_look_like_a_loop() -> None:
    world = settled()
    assert K.QUARANTINED not in loop(world, 3)
    world.now += 5 * MINUTE
    events = world.feed(Severity.HIGH, thread="t1").events
    (event,) = [one for one in events if one.kind is K.QUARANTINED]
    assert (event.cause, event.targets) == (Cause.LOOP_SUSPECTED, ("team-lead",))
    assert event.detail == "reopened 4 times of late"
    case = world.case
    assert (case.state, case.quarantined, case.may_auto_respond) == (CaseState.OPEN, True, False)
    # It is told once, and the case is worked on like any other.
    assert K.QUARANTINED not in kinds(world.feed(Severity.HIGH, thread="t1").events)
    world.resolve()
    assert not world.case.quarantined


def test_reopenings_by_hand_or_far_apart_are_no_loop() -> None:
    world = settled()
    for _ in range(6):
        world.command(C.REOPEN)
        world.resolve()
    assert world.case.reopened_at == ()
    for _ in range(6):
        world.now += 30 * MINUTE
        world.feed(Severity.HIGH, thread="t1")
        world.resolve()
    assert K.QUARANTINED not in kinds(world.log)


@pytest.mark.parametrize("often", [False, True])
def test_what_comes_after_the_end_is_a_new_case_that_follows_up(often: bool) -> None:
    world = opened(Severity.HIGH)
    for _ in range(2 * often):
        world.feed(Severity.HIGH, thread="t1")
    former = world.case.case_id
    assert (Reason.REPEAT_CONTACT in world.case.reasons) is often
    world.command(C.WAIT, on="customer")
    world.command(C.CLOSE, note="no answer")
    world.now += DAY
    world.feed(Severity.HIGH, thread="t1")
    assert world.case.case_id != former
    assert world.case.follow_up_of == former
    assert (Reason.REPEAT_CONTACT in world.case.reasons) is often
    world.feed(Severity.HIGH, thread="t2")
    assert world.case.follow_up_of is None


@pytest.mark.parametrize(("after", "again"), [(30 * DAY, True), (30 * DAY + 1, False)])
def test_the_window_of_a_resolved_case(after: int, again: bool) -> None:
    world = settled()
    former = world.case.case_id
    world.now += after
    world.feed(Severity.HIGH, thread="t1")
    assert (world.cases[former].state is CaseState.OPEN) is again
    assert (world.case.follow_up_of == former) is not again
