"""The worker's part in the closed loop: commands between cases, erasures, load, the auditor."""

from __future__ import annotations

import msgspec
import pytest

from services.escalation.auditor import SLACK_MS
from services.escalation.view.model import Changes
from shared import ids, topics
from shared.events import (
    Case,
    CaseCommand,
    CaseEvent,
    CaseEventKind,
    CaseState,
    Cause,
    CommandKind,
    CustomerErased,
    EraseCustomer,
    Flag,
    NoCaseReason,
    OutcomeKind,
    Refusal,
)
from shared.streams.records import Work
from tests.unit.escalation.world import T0, TENANT
from tests.unit.escalation_service.rig import Rig, case_id_of, command, customer_on, item

CASE = case_id_of(1)


@pytest.fixture
def rig() -> Rig:
    """Return a worker that owns all four partitions."""
    made = Rig()
    made.assign(0, 1, 2, 3)
    return made


def sent(work: Work) -> list[tuple[int, CaseCommand]]:
    """Return the commands that a transaction writes, with their partition."""
    return [
        (one.partition, msgspec.json.decode(one.value or b"", type=CaseCommand))
        for one in work.outputs
        if one.topic == topics.CASE_COMMANDS.name
    ]


def last(rig: Rig, number: int, case_id: str) -> Case:
    """Return a case as the view has it."""
    key = ids.record_key_of_case(case_id)
    return rig.view.fetch(number, [], [key]).cases[key][case_id]


def erasure(key: str, command_id: str = "e1", at: int = T0) -> EraseCustomer:
    """Return a request to erase a customer."""
    return EraseCustomer(
        command_id=command_id, tenant=TENANT, record_key=key, actor="desk", at=at, reason="asked"
    )


def test_cases_of_two_customers_are_merged_by_commands(rig: Rig) -> None:
    other = customer_on(2)
    rig.take(rig.classified(0, item(1)), rig.classified(2, item(2, other)))
    into = case_id_of(2, other)
    work = rig.take(rig.commands(0, command(CASE, CommandKind.MERGE, into=into)))
    ((number, absorb),) = sent(work)
    assert (number, absorb.kind, absorb.case_id) == (2, CommandKind.ABSORB, into)
    assert last(rig, 0, CASE).state is CaseState.MERGED

    rig.take(rig.commands(number, absorb))
    survivor = last(rig, 2, into)
    assert survivor.aliases == (CASE,)
    assert survivor.feedback_count == 2

    work = rig.take(rig.classified(0, item(3)))
    assert [one.kind for one in rig.outcomes(work)] != [OutcomeKind.NO_CASE]
    assert rig.take(rig.commands(number, absorb)).outputs == []


def test_an_erasure_takes_the_cases_and_leaves_a_mark(rig: Rig) -> None:
    rig.take(rig.classified(0, item(1), item(2, thread_id="t")))
    key = ids.record_key(TENANT, customer_on(0))
    work = rig.take(rig.commands(0, erasure(key)))
    state = [one for one in work.outputs if one.topic == topics.CASE_STATE.name]
    gone = {(one.key or b"").decode() for one in state if one.value is None}
    (mark,) = (
        msgspec.json.decode(one.value, type=CustomerErased)
        for one in state
        if one.value is not None
    )
    assert gone == set(mark.cases)
    assert len(gone) == 2
    found = rig.view.fetch(0, [], [key])
    assert found.cases[key] == {}
    assert found.erased == {key: mark.erased_at}
    assert rig.metric("tocsin_customers_erased_total") == 1
    assert rig.take(rig.commands(0, erasure(key))).outputs == []

    before, after = item(8, received_at=mark.erased_at), item(9, received_at=mark.erased_at + 1)
    work = rig.take(rig.classified(0, before, after))
    assert [(one.kind, one.no_case_reason) for one in rig.outcomes(work)] == [
        (OutcomeKind.NO_CASE, NoCaseReason.ERASED),
        (OutcomeKind.CASE_OPENED, None),
    ]


def test_a_legal_hold_refuses_the_erasure(rig: Rig) -> None:
    rig.take(rig.classified(0, item(1)))
    rig.take(rig.commands(0, command(CASE, CommandKind.HOLD, note="court file 7")))
    key = ids.record_key(TENANT, customer_on(0))
    work = rig.take(rig.commands(0, erasure(key)))
    assert [event.refusal for event in rig.events(work)] == [Refusal.LEGAL_HOLD]
    (said,) = last(rig, 0, CASE).refused
    assert (said.command_id, said.refusal) == ("e1", Refusal.LEGAL_HOLD)
    assert rig.metric("tocsin_commands_refused_total", reason="legal_hold") == 1


def test_an_assignment_knows_what_people_have_in_all_partitions(rig: Rig) -> None:
    other = customer_on(2)
    rig.take(rig.classified(0, item(1)), rig.classified(2, item(2, other)))
    taken = command(case_id_of(2, other), CommandKind.ASSIGN, assignee="ada", command_id="a1")
    rig.take(rig.commands(2, taken))
    work = rig.take(
        rig.commands(0, command(CASE, CommandKind.ASSIGN, assignee="ada", command_id="a2"))
    )
    (event,) = rig.events(work)
    assert event.facts == {"ada/high": 1}
    assert last(rig, 0, CASE).assignee == "ada"


def lose_timers(rig: Rig) -> Case:
    """Take all deadlines from a case, as a bug would."""
    before = rig.view.checkpoint(0)
    bare = msgspec.structs.replace(last(rig, 0, CASE), timers=(), clocks=())
    assert before is not None
    assert rig.view.apply(0, before, before, Changes(cases=[bare]))
    return bare


def audited(rig: Rig) -> list[CaseEvent]:
    """Let the auditor have its turn."""
    rig.handler._auditor._next = 0.0
    return rig.events(rig.take())


def test_the_auditor_gives_a_case_its_next_step_back(rig: Rig) -> None:
    rig.take(rig.classified(0, item(1)))
    lose_timers(rig)
    events = audited(rig)
    assert events[0].kind is CaseEventKind.REPAIRED
    assert events[0].cause is Cause.AUDIT
    assert events[0].targets
    repaired = last(rig, 0, CASE)
    assert repaired.next_due_at is not None
    assert rig.metric("tocsin_escalation_audit_failures_total") == 1
    assert audited(rig) == []


def test_the_auditor_leaves_imported_history_alone(rig: Rig) -> None:
    rig.take(rig.classified(0, item(1, flags=(Flag.BACKFILL,))))
    assert last(rig, 0, CASE).next_due_at is None
    assert audited(rig) == []
    assert rig.metric("tocsin_escalation_audit_failures_total") == 0
    assert rig.metric("tocsin_escalation_audit_timestamp_seconds") > 0


def test_a_case_that_is_missing_in_the_index_is_written_anew(rig: Rig) -> None:
    rig.take(rig.classified(0, item(1)))
    held = rig.view.due
    rig.clock.advance(3_600 + SLACK_MS / 1000 + 1)
    rig.handler._guard._baseline = None
    rig.view.due = lambda *_: []  # type: ignore[method-assign]
    rig.handler._auditor._next = 0.0
    work = rig.take()
    assert [case.case_id for case in rig.cases(work)] == [CASE]
    assert rig.events(work) == []
    assert rig.metric("tocsin_escalation_audit_failures_total") == 1
    rig.view.due = held  # type: ignore[method-assign]
