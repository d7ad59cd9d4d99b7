"""Whose a case is: what one person can carry, who takes it otherwise, and the queue of the team."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.escalation.domain.policy import HOUR, Limits
from shared.events import CaseEventKind, CaseState, CommandKind, Refusal, Severity
from tests.unit.escalation.desk import TEAMS, opened, refused, state
from tests.unit.escalation.world import T0, World, kinds

K = CaseEventKind
C = CommandKind
# T0 is 15:06 UTC: Ada and Bob are on duty, Eve is not.


def desk(severity: Severity = Severity.MEDIUM) -> World:
    """Return a case of a team with a rota."""
    return opened(severity, World(TEAMS))


def given(world: World, load: dict[str, int], **fields: Any) -> tuple[str | None, str | None, str]:
    """Assign the case, where people have ``load``; return whose it is, which team's, and why."""
    event = world.command(C.ASSIGN, load=load, **fields).events[0]
    assert event.kind is K.ASSIGNED
    assert event.targets == ((world.case.assignee or world.case.team),)
    return world.case.assignee, world.case.team, event.detail


def test_a_case_begins_with_its_team_and_nobody_of_it() -> None:
    assert (desk().case.team, desk().case.assignee) == ("desk", None)


def test_given_to_who_was_asked() -> None:
    world = desk()
    assert given(world, {}, assignee="bob") == ("bob", "desk", "")
    # To be given a case is not to acknowledge it.
    assert state(world) is CaseState.OPEN


@pytest.mark.parametrize(
    ("severity", "load", "free"),
    [
        (Severity.CRITICAL, {"bob/critical": 1}, False),
        (Severity.HIGH, {"bob/high": 2}, True),
        (Severity.HIGH, {"bob/high": 3}, False),
        (Severity.MEDIUM, {"bob/high": 3, "bob/medium": 16}, True),
        (Severity.MEDIUM, {"bob/high": 3, "bob/medium": 17}, False),
        (Severity.CRITICAL, {"bob/low": 20}, False),
        (Severity.MEDIUM, {"bobby/medium": 20}, True),
    ],
)
def test_what_one_person_can_carry(severity: Severity, load: dict[str, int], free: bool) -> None:
    owner, _, why = given(desk(severity), load, assignee="bob")
    assert owner == ("bob" if free else "ada")
    assert bool(why) is not free


def test_the_limits_are_those_of_the_policy() -> None:
    world = World(msgspec.structs.replace(TEAMS, limits=Limits(high=1)))
    assert given(opened(Severity.HIGH, world), {"bob/high": 1}, assignee="bob")[0] == "ada"


def test_who_has_the_case_already_keeps_it() -> None:
    world = desk()
    given(world, {}, assignee="bob")
    assert given(world, {"bob/medium": 20}, assignee="bob")[0] == "bob"


def test_to_a_team_means_to_who_has_least_to_do_on_duty() -> None:
    load = {"ada/medium": 4, "bob/medium": 3, "eve/medium": 0}
    assert given(desk(), load, team="desk")[0] == "bob"
    assert given(desk(), {"ada/medium": 3, "bob/medium": 3, "bob/low": 1}, team="desk")[0] == "ada"
    morning = desk()
    morning.now = T0 + 18 * HOUR
    assert given(morning, load, team="desk")[0] == "eve"


def test_in_a_team_without_a_rota_everybody_is_on_duty() -> None:
    assert given(desk(), {"pia/medium": 1}, team="pool")[:2] == ("quinn", "pool")


def test_nobody_off_duty_gets_what_is_too_much_for_the_others() -> None:
    world = desk(Severity.HIGH)
    world.command(C.ACKNOWLEDGE, actor="zoe")
    full = {"ada/high": 3, "bob/high": 3, "eve/high": 0}
    decision = world.command(C.ASSIGN, assignee="bob", load=full)
    assert kinds(decision.events) == [K.ASSIGNED, K.REESCALATED]
    assert decision.events[0].targets == ("desk",)
    assert (world.case.assignee, world.case.team, world.case.state) == (
        None,
        "desk",
        CaseState.OPEN,
    )
    # The decision is on record with what it was told.
    assert decision.events[0].facts == full


def test_a_queue_is_told_by_a_ladder_that_runs_already() -> None:
    world = desk(Severity.HIGH)
    full = {"ada/high": 3, "bob/high": 3}
    assert kinds(world.command(C.ASSIGN, team="desk", load=full).events) == [K.ASSIGNED]
    assert len(world.timers(next(iter(world.case.timers)).kind)) == 1


@pytest.mark.parametrize("state", [CaseState.WAITING_CUSTOMER, CaseState.ACKNOWLEDGED])
def test_a_quiet_case_that_nobody_has_room_for_is_paged(state: CaseState) -> None:
    world = desk(Severity.HIGH)
    if state is CaseState.WAITING_CUSTOMER:
        world.command(C.WAIT, on="customer", actor="zoe")
    else:
        world.command(C.ACKNOWLEDGE, actor="zoe")
        world.command(C.SNOOZE, until=T0 + HOUR)
    world.command(C.ASSIGN, team="desk", load={"ada/high": 9, "bob/high": 9})
    case = world.case
    assert (case.state, case.snoozed_until, case.wait_until) == (CaseState.OPEN, None, None)


def test_what_nobody_has_room_for_stays_with_whose_it_is() -> None:
    world = desk(Severity.HIGH)
    world.acknowledge()
    assert given(world, {"ada/high": 4, "bob/high": 3}, assignee="bob")[0] == "ada"


def test_without_a_team_it_stays_where_it_was_wanted() -> None:
    world = opened()
    owner, team, why = given(world, {"bob/medium": 20}, assignee="bob")
    assert (owner, team) == ("bob", None)
    assert "no team" in why


def test_what_cannot_be_assigned() -> None:
    world = desk()
    assert refused(world, C.ASSIGN) == (Refusal.MISSING, "assignee or team")
    assert refused(world, C.ASSIGN, team="ghosts") == (Refusal.INVALID, "team")
    world.command(C.WAIT, on="customer")
    world.command(C.CLOSE, note="gone")
    assert refused(world, C.ASSIGN, assignee="bob")[0] is Refusal.WRONG_STATE


def test_to_delegate_is_to_say_why() -> None:
    world = desk()
    given(world, {}, assignee="bob")
    assert refused(world, C.DELEGATE, assignee="ada") == (Refusal.MISSING, "note")
    assert refused(world, C.DELEGATE, assignee="bob", note="you") == (Refusal.INVALID, "assignee")
    (event,) = world.command(C.DELEGATE, assignee="ada", note="she knows the contract").events
    assert (event.note, world.case.assignee) == ("she knows the contract", "ada")


@pytest.mark.parametrize(("hours", "owner"), [(0, None), (18, "eve")])
def test_a_case_that_is_open_again_is_its_owners_only_on_duty(
    hours: int, owner: str | None
) -> None:
    world = desk(Severity.HIGH)
    given(world, {}, assignee="eve")
    world.resolve()
    world.now = T0 + hours * HOUR
    world.feed(Severity.HIGH, thread="t1")
    assert (world.case.state, world.case.assignee) == (CaseState.OPEN, owner)
