"""A customer is erased, unless the law forbids it; and what has ended is forgotten one day."""

from __future__ import annotations

import pytest

from services.escalation.domain.decide import Decision, EraseIn, FeedbackIn
from services.escalation.domain.policy import DAY, HOUR
from shared import ids
from shared.events import (
    CaseEventKind,
    Cause,
    CommandKind,
    EraseCustomer,
    NoCaseReason,
    OutcomeKind,
    Refusal,
    Severity,
    TimerKind,
)
from tests.unit.escalation.desk import opened, told
from tests.unit.escalation.parties import Parties
from tests.unit.escalation.world import CUSTOMER, T0, TENANT, World, feedback, kinds

K = CaseEventKind
C = CommandKind


def erase(
    world: World, command_id: str = "e1", at: int | None = None, erased_at: int | None = None
) -> Decision:
    """Ask for the erasure of the customer."""
    command = EraseCustomer(
        command_id=command_id,
        tenant=TENANT,
        record_key=ids.record_key(TENANT, CUSTOMER),
        actor="ada",
        at=world.now if at is None else at,
        reason="she asked for it",
    )
    return world.give(EraseIn(command, erased_at))


def test_all_cases_go_and_a_receipt_stays() -> None:
    world = opened()
    world.feed(Severity.HIGH, thread="t2")
    names = tuple(sorted(world.cases))
    decision = erase(world)
    assert (world.cases, decision.removed, decision.events) == ({}, names, ())
    receipt = decision.erased
    assert receipt is not None
    assert (receipt.command_id, receipt.actor, receipt.reason, receipt.erased_at) == (
        "e1",
        "ada",
        "she asked for it",
        T0,
    )
    assert (receipt.cases, receipt.record_key) == (names, ids.record_key(TENANT, CUSTOMER))


def test_who_is_unknown_is_erased_as_well() -> None:
    decision = erase(World())
    assert decision.erased is not None
    assert decision.erased.cases == ()


def test_an_erasure_counts_once() -> None:
    assert erase(World(), erased_at=T0) == Decision.NOTHING
    assert erase(World(), at=T0 + 1, erased_at=T0).erased is not None


def test_a_legal_hold_refuses_and_says_so_in_the_case() -> None:
    world = opened()
    world.feed(Severity.HIGH, thread="t2")
    held = world.case.case_id
    world.command(C.HOLD, note="court order 7")
    decision = erase(world)
    assert (len(world.cases), decision.removed, decision.erased) == (2, (), None)
    assert told(decision.events[0]) == (Refusal.LEGAL_HOLD, "legal hold")
    assert decision.events[0].case_id == held
    assert erase(world) == Decision.NOTHING
    world.command(C.RELEASE)
    assert erase(world, "e2").erased is not None
    assert world.cases == {}


@pytest.mark.parametrize(("received_at", "opens"), [(T0 - 1, False), (T0, False), (T0 + 1, True)])
def test_what_was_received_before_opens_nothing_after(received_at: int, opens: bool) -> None:
    world = World()
    world.now = T0 + HOUR
    item = feedback(1, Severity.CRITICAL, received_at=received_at)
    decision = world.give(FeedbackIn(item, erased_at=T0))
    assert decision.outcome is not None
    assert (decision.outcome.kind is OutcomeKind.CASE_OPENED) is opens
    if not opens:
        assert decision.outcome.no_case_reason is NoCaseReason.ERASED
        assert (decision.cases, decision.events) == ((), ())


def test_what_has_ended_is_forgotten_after_its_time() -> None:
    world = opened()
    world.command(C.WAIT, on="customer")
    world.command(C.CLOSE, note="gone")
    assert world.timers(TimerKind.FORGET) == [45 * DAY]
    world.run(45 * DAY - 1)
    assert len(world.cases) == 1
    assert world.run(1) == []
    assert world.cases == {}


def test_what_is_open_again_is_not_forgotten() -> None:
    world = opened()
    world.command(C.WAIT, on="customer")
    world.command(C.CLOSE, note="gone")
    world.command(C.REOPEN)
    assert world.timers(TimerKind.FORGET) == []
    world.run(60 * DAY)
    assert len(world.cases) == 1


def test_what_the_law_holds_is_not_forgotten() -> None:
    world = opened()
    world.command(C.HOLD, note="court order 7")
    world.command(C.WAIT, on="customer")
    assert kinds(world.command(C.CLOSE, note="gone").events) == [K.CLOSED]
    world.run(60 * DAY)
    assert len(world.cases) == 1
    world.command(C.RELEASE)
    world.run(DAY)
    assert world.cases == {}


def test_what_came_with_a_merged_case_is_taken_out_of_the_survivor() -> None:
    parties = Parties()
    mine, theirs = parties.open("ann"), parties.open("ben")
    parties.merge(theirs, mine)
    parties.deliver_all()
    parties.feed("ben", thread=parties.cases[theirs].thread_id)
    parties.deliver_all()
    before = parties.cases[mine]
    (own,) = [ref for ref in before.feedback if not ref.of]
    assert len(before.feedback) == 3

    decision = parties.erase("ben")
    assert theirs not in parties.cases
    assert [command.kind for command in decision.sent] == [CommandKind.FORGET]
    parties.deliver_all()
    after = parties.cases[mine]
    assert after.feedback == (own,)
    assert after.aliases == ()
    assert parties.log[-1].cause is Cause.RETENTION


def test_what_the_law_holds_keeps_what_came_with_a_merged_case() -> None:
    parties = Parties()
    mine, theirs = parties.open("ann"), parties.open("ben")
    parties.merge(theirs, mine)
    parties.deliver_all()
    parties.command(CommandKind.HOLD, mine, note="court file 8")
    held = parties.cases[mine].feedback
    parties.erase("ben")
    parties.deliver_all()
    assert parties.cases[mine].feedback == held
    assert parties.log[-1].refusal is Refusal.LEGAL_HOLD
