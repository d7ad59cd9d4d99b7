"""What goes wrong beside a decision, or in one case, harms no other and loses nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import msgspec
import pytest

from services.escalation import ledger
from services.escalation.auditor import AUDIT_S
from services.escalation.domain import decide as decide_
from services.escalation.domain.decide import CommandIn, Decision, TimerIn
from services.escalation.domain.defaults import DEFAULT_POLICY
from services.escalation.timers import AGAIN_S, Stuck
from services.escalation.view.model import Checkpoint
from shared import ids
from shared.errors import Transient
from shared.events import CaseEventKind, CommandKind, EraseCustomer
from tests.unit.escalation.world import T0, TENANT
from tests.unit.escalation_service.rig import Rig, case_id_of, command, customer_on, item

FIRST_WAIT_S = DEFAULT_POLICY.high.steps[0].wait_ms / 1000
CASE = case_id_of(1)


@pytest.fixture
def rig() -> Rig:
    made = Rig()
    made.assign(0, 1)
    return made


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let time pass for whatever looks at the monotonic clock itself."""
    passed = 0.0
    real = time.monotonic

    def pass_(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    monkeypatch.setattr(time, "monotonic", lambda: real() + passed)
    return pass_


def broken(kind: type) -> Callable[..., Decision]:
    """Return a ``decide`` that has a bug with one kind of input to one case."""

    def decide(cases: object, given: object, now: int, policy: object) -> Decision:
        if isinstance(given, kind) and CASE in repr(given):
            raise ZeroDivisionError("a bug")
        return decide_.decide(cases, given, now, policy)  # type: ignore[arg-type]

    return decide


def kinds(rig: Rig) -> list[tuple[str, CaseEventKind]]:
    return [(event.case_id, event.kind) for event in rig.events(rig.take())]


def test_an_assignment_waits_for_a_view_that_is_away(rig: Rig) -> None:
    """It is the view that fails, not the command: that must not end as a dead letter."""
    rig.take(rig.classified(0, item(1)))
    chunk = rig.commands(0, command(CASE, CommandKind.ASSIGN, assignee="bo"))
    real = rig.view.load

    def away(*_: object) -> object:
        raise Transient("Redis is away")

    rig.view.load = away  # type: ignore[method-assign,assignment]
    with pytest.raises(Transient):
        rig.process(chunk)
    rig.view.load = real  # type: ignore[method-assign]
    work = rig.take(chunk)
    assert rig.dead(work) == []
    assert [case.assignee for case in rig.cases(work)] == ["bo"]


def test_what_people_were_given_in_other_partitions_just_now_counts(rig: Rig) -> None:
    other = case_id_of(2, customer_on(1))
    rig.take(rig.classified(0, item(1)), rig.classified(1, item(2, customer_on(1))))
    work = rig.take(
        rig.commands(0, command(CASE, CommandKind.ASSIGN, assignee="bo")),
        rig.commands(1, command(other, CommandKind.ASSIGN, assignee="bo")),
    )
    assert [event.facts for event in rig.events(work) if event.case_id == other][-1] == {
        "bo/high": 1
    }


def test_many_assignments_at_once_read_the_load_once(rig: Rig) -> None:
    rig.take(rig.classified(0, *(item(n, customer_on(0, n)) for n in range(5))))
    read: list[int] = []
    real = rig.view.load

    def load(partition: int, checkpoint: Checkpoint) -> Mapping[tuple[str, str], int]:
        read.append(partition)
        return real(partition, checkpoint)

    rig.view.load = load  # type: ignore[method-assign]
    wanted = [
        command(case_id_of(n, customer_on(0, n)), CommandKind.ASSIGN, assignee="bo")
        for n in range(5)
    ]
    work = rig.take(rig.commands(0, *wanted))
    assert sorted(read) == [0, 1]
    facts = {event.case_id: event.facts for event in rig.events(work)}
    assert list(facts.values()) == [{}, *({"bo/high": count} for count in range(1, 5))]


def test_what_was_given_and_taken_back_is_as_if_it_had_never_been(rig: Rig) -> None:
    """Else facts would depend on what came in one chunk."""
    rig.take(rig.classified(0, item(1), item(2, customer_on(0, 1))))
    to_bo = command(CASE, CommandKind.ASSIGN, assignee="bo")
    to_cy = command(CASE, CommandKind.ASSIGN, assignee="cy", command_id="2")
    other = command(case_id_of(2, customer_on(0, 1)), CommandKind.ASSIGN, assignee="bo")
    events = rig.events(rig.take(rig.commands(0, to_bo, to_cy, other)))
    assert events[-1].facts == {}


def test_a_timer_that_cannot_fire_is_tried_again_in_a_while(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, pass_time: Callable[[float], None]
) -> None:
    other = case_id_of(2, customer_on(0, 1))
    rig.take(rig.classified(0, item(1), item(2, customer_on(0, 1))))
    rig.clock.advance(FIRST_WAIT_S)
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "decide", broken(TimerIn))
        assert {case_id for case_id, _ in kinds(rig)} == {other}
        assert kinds(rig) == []
    assert rig.metric("tocsin_stage_errors_total", stage="escalation", reason="timer") == 1
    assert kinds(rig) == []
    pass_time(AGAIN_S)
    assert (CASE, CaseEventKind.ACK_TIMED_OUT) in kinds(rig)


def test_a_case_that_the_auditor_cannot_repair_stops_nobody(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, pass_time: Callable[[float], None]
) -> None:
    rig.take(rig.classified(0, item(1)))
    held = rig.view._partitions[0]
    (case,) = rig.view.by_id(0, [CASE]).values()
    bare = msgspec.structs.replace(case, timers=(), clocks=())
    held.cases[case.record_key][CASE] = msgspec.json.encode(bare)
    del held.timers[CASE]
    pass_time(AUDIT_S)
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "decide", broken(CommandIn))
        work = rig.take(rig.classified(0, item(2, customer_on(0, 1))))
        assert len(rig.outcomes(work)) == 1
    pass_time(AUDIT_S)
    assert kinds(rig) == []
    pass_time(AGAIN_S)
    assert (CASE, CaseEventKind.REPAIRED) in kinds(rig)


def test_a_page_that_nobody_would_follow_up_is_found_though_clocks_run(
    rig: Rig, pass_time: Callable[[float], None]
) -> None:
    """The case will be woken by a clock, hours later: its ladder would stand still until then."""
    rig.take(rig.classified(0, item(1)))
    (case,) = rig.view.by_id(0, [CASE]).values()
    bare = msgspec.structs.replace(case, timers=())
    assert bare.next_due_at is not None
    held = rig.view._partitions[0]
    held.cases[case.record_key][CASE] = msgspec.json.encode(bare)
    held.timers[CASE] = bare.next_due_at
    pass_time(AUDIT_S)
    assert (CASE, CaseEventKind.REPAIRED) in kinds(rig)
    pass_time(AUDIT_S)
    assert kinds(rig) == []


def test_a_clock_that_has_just_jumped_is_nothing_to_audit(
    rig: Rig, pass_time: Callable[[float], None]
) -> None:
    """Feedback comes in before the guard has looked at the clock: all deadlines seem long gone."""
    rig.take(rig.classified(0, item(1)))
    pass_time(AUDIT_S)
    rig.handler._next_due = time.monotonic() + 1
    rig.clock.jump(7200)
    rig.take(rig.classified(0, item(2, customer_on(0, 1))), tick=False)
    assert rig.metric("tocsin_escalation_audit_failures_total") == 0


def test_what_is_stuck_is_let_go_in_its_turn() -> None:
    stuck = Stuck()
    stuck.add("a", 0)
    stuck.add("b", 10)
    stuck.add("a", 20)
    assert set(stuck.now(AGAIN_S)) == {"a", "b"}
    assert set(stuck.now(AGAIN_S + 10)) == {"a"}
    assert set(stuck.now(AGAIN_S + 20)) == set()


@pytest.mark.parametrize("key", ["", "nonsense", "other:customer", f"{TENANT}:", CASE])
def test_an_erasure_of_what_is_no_customer_is_a_dead_letter(rig: Rig, key: str) -> None:
    """Under the id of a case its mark would take the place of the case's snapshot."""
    wanted = EraseCustomer(
        command_id="e", tenant=TENANT, record_key=key, actor="ada", at=T0, reason="asked"
    )
    owner = ids.partition_of(key, 4)
    work = rig.take(rig.commands(owner if owner < 2 else 0, wanted))
    (dead,) = rig.dead(work)
    assert dead.reason == "bad_schema"
    assert "is not the record key of a customer" in dead.detail
    assert len(work.outputs) == 1


def test_a_command_to_an_unknown_case_is_counted_as_refused(rig: Rig) -> None:
    rig.take(rig.commands(0, command(CASE)))
    assert rig.metric("tocsin_commands_refused_total", reason="unknown_case") == 1
