"""The work on a case: clarified, offered, resolved, told, closed; and what is refused on the way."""

from __future__ import annotations

from typing import Any

import pytest

from services.escalation.domain.policy import HOUR
from shared.events import (
    CaseEventKind,
    CaseState,
    Cause,
    Clarification,
    ClockKind,
    CommandKind,
    EscalationStatus,
    FollowUpState,
    Kind,
    Offer,
    Refusal,
    Resolution,
    Severity,
    Solution,
    TimerKind,
    Verdict,
)
from tests.unit.escalation.desk import kinds_of_live, opened, refused, state
from tests.unit.escalation.world import NOT_NEEDED, RESOLUTION, T0, World, kinds

K = CaseEventKind
C = CommandKind
ASKED = Clarification(asked="which invoice?", answered="the one of May")
UNCLEAR = "clarify it first, or say why that is not_needed"
NO_SUGGESTION = "the case is a complaint, no suggestion"
OFFER = Offer(options=(Solution.REFUND, Solution.REDO))


def at_state(state: CaseState, severity: Severity = Severity.MEDIUM) -> World:
    """Return a world whose one case was brought to ``state`` by commands."""
    world = opened(severity)
    steps: dict[CaseState, list[tuple[CommandKind, dict[str, Any]]]] = {
        CaseState.OPEN: [],
        CaseState.ACKNOWLEDGED: [(C.ACKNOWLEDGE, {})],
        CaseState.INVESTIGATING: [(C.INVESTIGATE, {})],
        CaseState.WAITING_CUSTOMER: [(C.WAIT, {"on": "customer"})],
        CaseState.WAITING_THIRD_PARTY: [(C.WAIT, {"on": "third_party", "until": T0 + HOUR})],
        CaseState.CLARIFIED: [(C.CLARIFY, {"clarification": ASKED})],
        CaseState.OFFERED: [(C.OFFER, {"offer": OFFER})],
        CaseState.RESOLVED: [(C.RESOLVE, {})],
        CaseState.COMMUNICATED: [(C.RESOLVE, {}), (C.COMMUNICATE, {})],
        CaseState.CLOSED: [(C.WAIT, {"on": "customer"}), (C.CLOSE, {"note": "moved away"})],
    }
    for kind, fields in steps[state]:
        world.command(kind, **fields)
    assert world.case.state is state
    return world


def test_a_case_from_its_opening_to_its_end() -> None:
    world = opened()
    world.command(C.INVESTIGATE)
    assert (world.case.acknowledged_by, world.case.assignee) == ("ada", "ada")
    world.command(C.WAIT, on="third_party", until=world.now + HOUR)
    world.command(C.CLARIFY, clarification=ASKED)
    world.command(C.OFFER, offer=OFFER)
    world.command(C.OFFER, offer=Offer(chosen=Solution.REFUND))
    world.command(C.OFFER, offer=Offer(approved_by="eve", fulfilled_at=world.now))
    assert world.case.offer == Offer(
        options=OFFER.options,
        chosen=Solution.REFUND,
        approved_by="eve",
        fulfilled_at=world.now,
    )
    world.command(C.RESOLVE, clarification=None)
    assert world.case.clarification == ASKED
    world.command(C.COMMUNICATE, note="the money is on its way")
    assert state(world) is CaseState.COMMUNICATED
    world.settle(1)
    assert state(world) is CaseState.CLOSED
    assert kinds(world.log) == [
        K.OPENED,
        K.ESCALATION_TRIGGERED,
        K.INVESTIGATING,
        K.WAITING,
        K.CLARIFIED,
        K.OFFERED,
        K.OFFERED,
        K.OFFERED,
        K.RESOLVED,
        K.FOLLOW_UP_SCHEDULED,
        K.COMMUNICATED,
        K.FOLLOW_UP_DONE,
        K.CLOSED,
    ]
    assert kinds_of_live(world.case) == set()
    assert {timer.kind for timer in world.case.timers} == {TimerKind.FORGET}


UNRESOLVED_ONLY: list[tuple[CommandKind, dict[str, Any]]] = [
    (C.INVESTIGATE, {}),
    (C.WAIT, {"on": "customer"}),
    (C.CLARIFY, {"clarification": ASKED}),
    (C.OFFER, {"offer": OFFER}),
    (C.RESOLVE, {}),
    (C.DECIDE, {"verdict": Verdict.PLANNED, "note": "soon"}),
    (C.SNOOZE, {"until": T0 + HOUR}),
]


@pytest.mark.parametrize(("kind", "fields"), UNRESOLVED_ONLY, ids=str)
@pytest.mark.parametrize("state", [CaseState.RESOLVED, CaseState.COMMUNICATED, CaseState.CLOSED])
def test_a_settled_case_is_worked_on_no_more(
    state: CaseState, kind: CommandKind, fields: dict[str, Any]
) -> None:
    assert refused(at_state(state), kind, **fields)[0] is Refusal.WRONG_STATE


@pytest.mark.parametrize("state", sorted(at for at in CaseState if at is not CaseState.MERGED))
def test_a_note_can_be_put_anywhere(state: CaseState) -> None:
    world = at_state(state)
    (event,) = world.command(C.NOTE, note="called, nobody there").events
    assert (event.kind, event.note) == (K.NOTED, "called, nobody there")
    assert refused(world, C.NOTE, note="  ") == (Refusal.MISSING, "note")


@pytest.mark.parametrize(
    ("kind", "fields", "refusal", "field"),
    [
        (C.WAIT, {}, Refusal.INVALID, "on"),
        (C.WAIT, {"on": "weather"}, Refusal.INVALID, "on"),
        (C.CLARIFY, {}, Refusal.MISSING, "clarification"),
        (C.CLARIFY, {"clarification": Clarification(asked="why?")}, Refusal.MISSING, "clarification"),
        (C.CLARIFY, {"clarification": Clarification(not_needed=" ")}, Refusal.MISSING, "clarification"),
        (C.OFFER, {}, Refusal.MISSING, "offer"),
        (C.OFFER, {"offer": Offer(chosen=Solution.REFUND)}, Refusal.MISSING, "offer.options"),
        (
            C.OFFER,
            {"offer": Offer(options=OFFER.options, chosen=Solution.DISCOUNT)},
            Refusal.INVALID,
            "offer.chosen",
        ),
        (
            C.OFFER,
            {"offer": Offer(options=OFFER.options, approved_by="eve")},
            Refusal.MISSING,
            "offer.chosen",
        ),
        (C.RESOLVE, {"resolution": None}, Refusal.MISSING, "resolution"),
        (C.RESOLVE, {"clarification": None}, Refusal.NOT_CLARIFIED, UNCLEAR),
        (
            C.RESOLVE,
            {"clarification": Clarification(asked="why?")},
            Refusal.NOT_CLARIFIED,
            UNCLEAR,
        ),
        (C.COMMUNICATE, {}, Refusal.WRONG_STATE, "the case is open, not resolved"),
        (C.CLOSE, {"note": "enough"}, Refusal.WRONG_STATE, "a complaint is to be resolved first"),
        (C.RECEIPT, {}, None, ""),
        (C.DECIDE, {"verdict": Verdict.PLANNED}, Refusal.WRONG_STATE, NO_SUGGESTION),
        (C.REOPEN, {}, Refusal.WRONG_STATE, "the case is open"),
        (C.UNMERGE, {}, Refusal.WRONG_STATE, "the case is not merged"),
        (C.ABSORBED, {"into": "x"}, Refusal.WRONG_STATE, "the case was not merged into that one"),
        (C.ABSORB, {}, Refusal.MISSING, "case"),
        (C.FORWARD, {}, Refusal.MISSING, "feedback"),
        (C.AUDIT, {}, Refusal.INVALID, "nothing is wrong with the case"),
        (C.BOUNCE, {}, Refusal.INVALID, "message_id"),
        (C.RELEASE, {}, Refusal.WRONG_STATE, "there is no legal hold"),
        (C.HOLD, {}, Refusal.MISSING, "note"),
        (C.REAPPLY, {}, Refusal.MISSING, "note"),
    ],
    ids=lambda one: str(one)[:20],
)  # fmt: skip
def test_what_an_open_case_refuses(
    kind: CommandKind, fields: dict[str, Any], refusal: Refusal | None, field: str
) -> None:
    world = opened()
    if refusal is None:
        assert kinds(world.command(kind, **fields).events) == [K.RECEIPT_SENT]
        refusal, field = Refusal.WRONG_STATE, "no receipt is awaited"
    assert refused(world, kind, **fields) == (refusal, field)
    assert world.case.refused[-1].refusal == refusal


@pytest.mark.parametrize("name", ["outcome", "reason", "next_step"])
def test_a_resolution_says_what_why_and_what_next(name: str) -> None:
    said = {"outcome": "refunded", "reason": "billed twice", "next_step": "wait"} | {name: " "}
    found = refused(opened(), C.RESOLVE, resolution=Resolution(**said))
    assert found == (Refusal.MISSING, f"resolution.{name}")


@pytest.mark.parametrize("clarification", [ASKED, NOT_NEEDED])
def test_resolving_stops_the_ladder_and_promises_to_tell(clarification: Clarification) -> None:
    world = opened(Severity.HIGH)
    world.command(C.RESOLVE, clarification=clarification)
    case = world.case
    assert (case.state, case.resolved_by, case.outcome) == (CaseState.RESOLVED, "ada", RESOLUTION)
    assert case.escalation.status is EscalationStatus.CANCELLED
    assert world.timers(TimerKind.STEP) == world.timers(TimerKind.ACK_EXPIRY) == []
    # The answer is still owed, the resolution is not; and from now on there is news to tell.
    assert kinds_of_live(case) == {ClockKind.RECEIPT, ClockKind.FIRST_RESPONSE, ClockKind.UPDATE}
    world.command(C.COMMUNICATE)
    assert kinds_of_live(world.case) == set()


def test_what_was_clarified_in_two_steps_counts_as_one() -> None:
    world = opened()
    world.command(C.CLARIFY, clarification=NOT_NEEDED)
    world.command(C.CLARIFY, clarification=Clarification(asked="a?", answered="b"))
    world.command(C.CLARIFY, clarification=Clarification(answered="c"))
    assert world.case.clarification == Clarification(asked="a?", answered="c")


def test_who_is_told_late_keeps_the_case_open() -> None:
    world = at_state(CaseState.RESOLVED)
    world.command(C.FOLLOW_UP_WAIVE, follow_up=1, note="asked not to call")
    assert (world.case.state, world.case.follow_ups[0].reason) == (
        CaseState.RESOLVED,
        "asked not to call",
    )
    assert refused(world, C.CLOSE) == (Refusal.MISSING, "note")
    assert kinds(world.command(C.COMMUNICATE).events) == [K.COMMUNICATED, K.CLOSED]


def test_a_case_is_not_closed_over_open_follow_ups() -> None:
    world = at_state(CaseState.COMMUNICATED)
    assert refused(world, C.CLOSE, note="enough")[0] is Refusal.NOT_ALLOWED
    assert refused(world, C.COMMUNICATE)[0] is Refusal.WRONG_STATE
    world.settle(1)
    assert refused(world, C.CLOSE, note="again")[0] is Refusal.WRONG_STATE


def test_a_resolved_case_that_nobody_told_is_closed_with_a_reason_only() -> None:
    world = at_state(CaseState.RESOLVED)
    world.command(C.FOLLOW_UP_WAIVE, follow_up=1)
    events = world.command(C.CLOSE, note="the account is gone").events
    assert [(event.kind, event.note) for event in events] == [(K.CLOSED, "the account is gone")]


def test_what_is_no_complaint_is_closed_with_a_reason() -> None:
    world = World()
    world.feed(Severity.MEDIUM, Kind.QUESTION, thread="t1")
    assert refused(world, C.CLOSE) == (Refusal.MISSING, "note")
    (event,) = world.command(C.CLOSE, note="an advertisement").events
    assert (event.kind, event.cause) == (K.CLOSED, Cause.COMMAND)
    assert world.case.escalation.status is EscalationStatus.CANCELLED


def test_a_command_counts_once_and_only_in_the_state_it_was_meant_for() -> None:
    world = opened()
    seq = world.case.case_seq
    assert refused(world, C.INVESTIGATE, expected_seq=seq + 1)[0] is Refusal.SEQ_MISMATCH
    # A refusal is an event as well, so whoever asks again has to look again.
    assert refused(world, C.INVESTIGATE, expected_seq=seq)[0] is Refusal.SEQ_MISMATCH
    world.command(C.INVESTIGATE, command_id="k", expected_seq=seq + 2)
    before = world.case
    assert world.command(C.INVESTIGATE, command_id="k").events == ()
    assert world.case == before


@pytest.mark.parametrize("kind", sorted(set(C) - {C.ABSORB, C.FORWARD}))
def test_a_case_that_nobody_knows(kind: CommandKind) -> None:
    world = opened()
    (event,) = world.command(kind, case_id=f"{world.case.record_key}:{'0' * 12}").events
    assert (event.kind, event.refusal, event.case, event.case_seq) == (
        K.COMMAND_REFUSED,
        Refusal.UNKNOWN_CASE,
        None,
        0,
    )
    assert world.command(kind, tenant="other").events[0].refusal is Refusal.UNKNOWN_CASE
    assert len(world.cases) == 1


@pytest.mark.parametrize("state", [FollowUpState.DONE, FollowUpState.WAIVED])
def test_a_follow_up_is_settled_once(state: FollowUpState) -> None:
    world = at_state(CaseState.COMMUNICATED, Severity.CRITICAL)
    kind = C.FOLLOW_UP_DONE if state is FollowUpState.DONE else C.FOLLOW_UP_WAIVE
    world.command(kind, follow_up=1)
    assert world.case.follow_ups[0].state is state
    assert refused(world, kind, follow_up=1)[0] is Refusal.WRONG_STATE
    assert refused(world, kind, follow_up=9) == (Refusal.NO_SUCH_FOLLOW_UP, "follow_up")
    assert refused(world, kind) == (Refusal.NO_SUCH_FOLLOW_UP, "follow_up")
