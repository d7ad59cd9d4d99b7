"""The escalation worker's own part: the same decisions whatever happens around them."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from services.escalation import ledger
from services.escalation.domain import decide as decide_
from services.escalation.domain.decide import Decision
from services.escalation.domain.defaults import DEFAULT_POLICY
from services.escalation.timers import FEWEST, HOLD_S
from services.escalation.view.memory_view import MemoryView
from services.escalation.view.model import Changes, Checkpoint
from shared import codec, ids
from shared.errors import Exit, Misconfigured, Transient
from shared.events import (
    CaseEventKind,
    CaseState,
    CommandKind,
    Flag,
    Kind,
    Operation,
    Origin,
    OutcomeKind,
    Refusal,
    Severity,
)
from shared.streams.records import Assignment, Partition, Work
from shared.worker import exit_code
from tests.unit.escalation.world import TENANT
from tests.unit.escalation_service.rig import (
    Rig,
    case_id_of,
    command,
    customer_on,
    item,
    topics_of,
)

FIRST_WAIT_S = DEFAULT_POLICY.high.steps[0].wait_ms / 1000
CASE = case_id_of(1)
OPENED = [CaseEventKind.OPENED, CaseEventKind.ESCALATION_TRIGGERED]


@pytest.fixture
def rig() -> Rig:
    made = Rig()
    made.assign(0, 1)
    return made


def kinds(rig: Rig, work: Work) -> list[CaseEventKind]:
    return [event.kind for event in rig.events(work)]


# ---- feedback


def test_a_feedback_becomes_a_case_its_events_and_one_outcome(rig: Rig) -> None:
    work = rig.take(rig.classified(0, item(1)))
    assert kinds(rig, work) == OPENED
    (case,) = rig.cases(work)
    (outcome,) = rig.outcomes(work)
    assert case.case_id == outcome.case_id == CASE
    assert outcome.kind is OutcomeKind.CASE_OPENED
    assert topics_of(work.outputs) == {
        "case.events",
        "escalations",
        "case.state",
        "feedback.outcomes",
    }
    assert {one.partition for one in work.outputs} == {0}
    assert work.dead_letters == {}


def test_records_are_keyed_for_their_topics(rig: Rig) -> None:
    work = rig.take(rig.classified(0, item(1)))
    keys = {one.topic: one.key for one in work.outputs}
    customer = ids.record_key(TENANT, customer_on(0)).encode()
    assert keys == {
        "case.events": customer,
        "escalations": customer,
        "case.state": CASE.encode(),
        "feedback.outcomes": item(1).feedback.feedback_id.encode(),
    }


def test_a_prefix_goes_before_every_topic() -> None:
    rig = Rig(prefix="blue.")
    assert list(rig.handler.inputs) == ["blue.feedback.classified", "blue.case.commands"]
    assert rig.handler.tracked == {"blue.case.state", "blue.feedback.outcomes"}


def test_a_duplicate_in_the_same_chunk_is_ignored(rig: Rig) -> None:
    work = rig.take(rig.classified(0, item(1), item(1), item(2)))
    assert [outcome.kind for outcome in rig.outcomes(work)] == [
        OutcomeKind.CASE_OPENED,
        OutcomeKind.CASE_ATTACHED,
    ]
    labels = {"channel": "email", "kind": "escalation"}
    assert rig.metric("tocsin_events_deduplicated_total", **labels) == 1


def test_a_duplicate_of_what_was_committed_is_ignored(rig: Rig) -> None:
    rig.take(rig.classified(0, item(1)))
    work = rig.take(rig.classified(0, item(1)))
    assert work.outputs == []
    assert rig.metric("tocsin_events_deduplicated_total", channel="email", kind="escalation") == 1


def test_a_duplicate_of_what_opened_no_case_is_ignored(rig: Rig) -> None:
    question = item(1, severity=Severity.LOW, kind=Kind.QUESTION)
    work = rig.take(rig.classified(0, question))
    assert [outcome.kind for outcome in rig.outcomes(work)] == [OutcomeKind.NO_CASE]
    assert rig.take(rig.classified(0, question)).outputs == []
    assert rig.metric("tocsin_no_case_total", reason="question") == 1


def test_machine_mail_is_counted_by_its_reason(rig: Rig) -> None:
    work = rig.take(
        rig.classified(
            0,
            item(1, origin=Origin.AUTO_REPLY),
            item(2, origin=Origin.OWN_ECHO),
            item(3, op=Operation.DELETE),
        )
    )
    assert [outcome.kind for outcome in rig.outcomes(work)] == [OutcomeKind.NO_CASE] * 3
    assert rig.events(work) == []
    for reason in ("machine", "own_side", "deleted"):
        assert rig.metric("tocsin_no_case_total", reason=reason) == 1


def test_imported_history_pages_nobody_and_is_counted_apart(rig: Rig) -> None:
    work = rig.take(rig.classified(0, item(1, flags=(Flag.BACKFILL,))))
    assert kinds(rig, work) == [CaseEventKind.OPENED]
    assert topics_of(work.outputs) == {"case.events", "case.state", "feedback.outcomes"}
    rig.take(rig.commands(0, command(CASE)))
    assert rig.metric("tocsin_escalation_ack_duration_seconds_count", severity="high") == 0
    rig.clock.advance(30 * 86_400)
    assert rig.take().outputs == []


def test_a_revision_after_its_first_wording_in_one_chunk_joins_its_case(rig: Rig) -> None:
    edited = ids.feedback_id(TENANT, "inbox", "m1", "2")
    revision = item(1, feedback_id=edited, revision="2", op=Operation.UPDATE)
    work = rig.take(rig.classified(0, item(1), revision))
    assert kinds(rig, work) == [*OPENED, CaseEventKind.FEEDBACK_ATTACHED]
    (case,) = rig.cases(work)
    assert [ref.feedback_id for ref in case.feedback] == [edited]
    assert rig.take(rig.classified(0, item(1), revision)).outputs == []


def test_chunks_of_several_partitions_are_decided_each_on_its_own(rig: Rig) -> None:
    other = customer_on(1)
    work = rig.take(rig.classified(0, item(1)), rig.classified(1, item(1, other)))
    assert {one.partition for one in work.outputs} == {0, 1}
    for number in (0, 1):
        found = rig.view.checkpoint(number)
        assert found is not None
        assert (found.state_offset, found.outcomes_offset) == (1, 1)


def test_what_was_decided_is_counted_after_the_commit(rig: Rig) -> None:
    work = rig.process(rig.classified(0, item(1)))
    assert rig.metric("tocsin_case_events_total", kind="case.opened") == 0
    rig.commit(work)
    assert rig.metric("tocsin_case_events_total", kind="case.opened") == 1
    labels = {"severity": "high", "channel": "email"}
    assert rig.metric("tocsin_end_to_end_latency_seconds_count", **labels) == 1


# ---- poison


def test_poison_goes_to_the_dead_letters_and_its_neighbours_on(rig: Rig) -> None:
    work = rig.take(rig.classified(0, item(1), b"{", item(2, customer_on(0, 1))))
    assert [dead.reason for dead in rig.dead(work)] == ["bad_json"]
    assert len(rig.outcomes(work)) == 2
    assert work.dead_letters == {Partition("feedback.classified", 0): 1}


def test_poison_in_several_chunks_of_a_partition_is_added_up(rig: Rig) -> None:
    work = rig.take(rig.classified(0, b"{"), rig.classified(0, b"{", b""), rig.commands(0, b"}"))
    assert work.dead_letters == {
        Partition("feedback.classified", 0): 3,
        Partition("case.commands", 0): 1,
    }


def _failing(which: str) -> Callable[..., Decision]:
    """Return a ``decide`` that has a bug with one feedback."""

    def decide(cases: object, given: object, now: int, policy: object) -> Decision:
        if which in repr(given):
            raise ZeroDivisionError("a bug")
        return decide_.decide(cases, given, now, policy)  # type: ignore[arg-type]

    return decide


def test_a_decision_that_fails_is_a_dead_letter_and_its_neighbours_go_on(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = item(2)
    monkeypatch.setattr(ledger, "decide", _failing(bad.feedback.feedback_id))
    work = rig.take(rig.classified(0, item(1), bad, item(3, customer_on(0, 1))))
    (dead,) = rig.dead(work)
    assert (dead.reason, dead.offset) == ("handler_error", 1)
    assert dead.detail == "ZeroDivisionError: a bug"
    assert dead.value == codec.encode(bad)
    assert len(rig.outcomes(work)) == 2
    (first, _) = rig.cases(work)
    assert first.feedback_count == 1


def test_decisions_that_fail_count_towards_the_limit_of_dead_letters(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad deploy must not drain a topic into the dead letters."""
    monkeypatch.setattr(ledger, "decide", _failing(""))
    chunk = rig.classified(0, item(1), item(2), b"{")
    work = rig.take(chunk, rig.commands(0, command(CASE)))
    assert len(rig.dead(work)) == 4
    assert work.dead_letters == {chunk.source: 3, Partition("case.commands", 0): 1}


def test_a_decision_that_is_too_large_to_be_written_is_a_dead_letter(rig: Rig) -> None:
    rig.take(rig.classified(0, item(1)))
    huge = command(CASE, actor="a" * 500_000)
    work = rig.take(rig.commands(0, huge), rig.classified(0, item(9, customer_on(0, 1))))
    assert [dead.reason for dead in rig.dead(work)] == ["too_large"]
    assert [outcome.kind for outcome in rig.outcomes(work)] == [OutcomeKind.CASE_OPENED]
    after = rig.take(rig.commands(0, command(CASE)))
    assert kinds(rig, after) == [CaseEventKind.ACKNOWLEDGED]


def test_commands_that_fill_a_case_until_it_is_too_large_stop_nobody(rig: Rig) -> None:
    """A case remembers 32 command ids; each of these commands is within its own bound."""
    rig.take(rig.classified(0, item(1)))
    for number in range(32):
        rig.take(rig.commands(0, command(CASE, command_id=f"{number:02}" + "k" * 40_000)))
    work = rig.take(rig.classified(0, item(9, customer_on(0, 1))))
    assert len(rig.outcomes(work)) == 1


def test_a_feedback_that_makes_a_case_too_large_is_a_dead_letter(rig: Rig) -> None:
    """Its key stands in the case three times; intake never makes one, others might."""
    nth = ("c" * 290_000 + str(number) for number in range(100))
    customer = next(name for name in nth if ids.partition_of(f"{TENANT}:{name}", 4) == 0)
    huge = item(1, customer, thread_id="t" * 200_000)
    work = rig.take(rig.classified(0, huge, item(2)))
    assert [dead.offset for dead in rig.dead(work)] == [0]
    assert len(rig.outcomes(work)) == 1


@pytest.mark.parametrize(
    "at", [-(10**400), 10**400, -(2**63)], ids=["far past", "far future", "64 bits"]
)
def test_times_out_of_all_bounds_stop_nobody(rig: Rig, at: int) -> None:
    """JSON has no bounds for whole numbers; ours are 64 bits."""
    rig.take(rig.classified(0, item(1, received_at=at), item(2, customer_on(0, 1))))
    work = rig.take(rig.classified(0, item(3)))
    assert len(rig.outcomes(work)) == 1


# ---- commands


def test_a_command_changes_its_case(rig: Rig) -> None:
    rig.take(rig.classified(0, item(1)))
    work = rig.take(rig.commands(0, command(CASE)))
    assert kinds(rig, work) == [CaseEventKind.ACKNOWLEDGED]
    (case,) = rig.cases(work)
    assert (case.state, case.acknowledged_by) == (CaseState.ACKNOWLEDGED, "ada")
    assert rig.take(rig.commands(0, command(CASE))).outputs == []


def test_work_that_implies_an_acknowledgement_is_told_to_whoever_was_paged(rig: Rig) -> None:
    rig.take(rig.classified(0, item(1)))
    work = rig.take(rig.commands(0, command(CASE, CommandKind.INVESTIGATE)))
    assert kinds(rig, work) == [CaseEventKind.INVESTIGATING]
    assert "escalations" in topics_of(work.outputs)
    rig.clock.advance(60.0)
    again = rig.take(rig.commands(0, command(CASE, CommandKind.NOTE, note="they called")))
    assert kinds(rig, again) == [CaseEventKind.NOTED]
    assert "escalations" not in topics_of(again.outputs)


def test_feedback_and_a_command_in_one_transaction_see_each_other(rig: Rig) -> None:
    work = rig.take(rig.classified(0, item(1)), rig.commands(0, command(CASE)))
    assert kinds(rig, work) == [*OPENED, CaseEventKind.ACKNOWLEDGED]
    (case,) = rig.cases(work)
    assert case.state is CaseState.ACKNOWLEDGED


def test_a_command_on_an_unknown_case_is_answered(rig: Rig) -> None:
    work = rig.take(rig.commands(0, command(CASE)))
    (event,) = rig.events(work)
    assert (event.kind, event.refusal) == (
        CaseEventKind.COMMAND_REFUSED,
        Refusal.UNKNOWN_CASE,
    )


def test_a_command_in_the_wrong_partition_is_forwarded_whole(rig: Rig) -> None:
    given = command(CASE, note="please")
    work = rig.take(rig.commands(1, given))
    (forwarded,) = work.outputs
    assert (forwarded.topic, forwarded.partition) == ("case.commands", 0)
    assert forwarded.key == ids.record_key_of_case(CASE).encode()
    assert forwarded.value == codec.encode(given)
    assert dict(forwarded.headers)["ce_id"] == given.command_id.encode()
    assert rig.metric("tocsin_case_events_total", kind="command.refused") == 0


def test_a_forwarded_command_arrives(rig: Rig) -> None:
    rig.take(rig.classified(0, item(1)))
    work = rig.take(rig.commands(1, command(CASE)))
    assert work.outputs[0].value is not None
    assert kinds(rig, rig.take(rig.commands(0, work.outputs[0].value))) == [
        CaseEventKind.ACKNOWLEDGED
    ]


@pytest.mark.parametrize("case_id", ["", "nonsense", "acme:c", "acme:c:short", "c:0123456789ab"])
def test_a_bad_case_id_is_a_dead_letter(rig: Rig, case_id: str) -> None:
    chunk = rig.commands(0, command(case_id), command(CASE))
    work = rig.take(chunk)
    (dead,) = rig.dead(work)
    assert (dead.reason, dead.offset, dead.topic) == ("bad_schema", 0, "case.commands")
    assert "is not a case id" in dead.detail
    assert len(rig.events(work)) == 1
    assert work.dead_letters == {chunk.source: 1}


# ---- aborted transactions


def test_an_aborted_transaction_is_decided_the_same_again(rig: Rig) -> None:
    chunks = [
        rig.classified(0, item(1), item(2), b"{"),
        rig.commands(0, command(CASE, CommandKind.RESOLVE)),
    ]
    first = rig.process(*chunks)
    assert rig.view.fetch(0, [item(1).feedback.feedback_id], []).decided == frozenset()
    again = rig.process(*chunks)
    assert list(again.outputs) == list(first.outputs)
    assert len(first.outputs) > 5
    rig.commit(again)
    assert rig.take(*chunks).dead_letters == first.dead_letters
    assert rig.metric("tocsin_case_events_total", kind="case.resolved") == 1


def test_an_aborted_tick_fires_again(rig: Rig) -> None:
    rig.take(rig.classified(0, item(1)))
    rig.clock.advance(FIRST_WAIT_S)
    first = rig.process()
    assert CaseEventKind.ACK_TIMED_OUT in kinds(rig, first)
    assert list(rig.process().outputs) == list(first.outputs)


# ---- timers


def test_a_deadline_that_passes_fires_once(rig: Rig) -> None:
    rig.take(rig.classified(0, item(1)))
    assert rig.take().outputs == []
    rig.clock.advance(FIRST_WAIT_S)
    work = rig.take()
    assert CaseEventKind.ACK_TIMED_OUT in kinds(rig, work)
    assert rig.take().outputs == []
    assert rig.metric("tocsin_sla_breaches_total", severity="high", clock="ack") == 1


def test_what_fell_due_while_nobody_was_there_fires_at_the_first_tick() -> None:
    gone = Rig()
    gone.assign(0)
    gone.take(gone.classified(0, item(1)))
    back = Rig(gone.view)
    back.clock.advance(FIRST_WAIT_S * 3)
    back.rebuilder._log = gone.log
    back.assign(0)
    assert CaseEventKind.ACK_TIMED_OUT in kinds(back, back.take())


def test_an_acknowledgement_before_the_deadline_in_the_same_transaction_counts(rig: Rig) -> None:
    rig.take(rig.classified(0, item(1)))
    rig.clock.advance(FIRST_WAIT_S)
    work = rig.take(rig.commands(0, command(CASE)))
    assert CaseEventKind.ACK_TIMED_OUT not in kinds(rig, work)


def test_a_stale_timer_entry_is_repaired(rig: Rig) -> None:
    """The index says that something is due, the case says that nothing is."""
    rig.take(rig.classified(0, item(1)))
    (held,) = rig.view.fetch(0, [], [item(1).feedback.record_key]).cases.values()
    rig.view._partitions[0].timers[CASE] = 1
    work = rig.take()
    assert rig.events(work) == []
    assert rig.cases(work) == [held[CASE]]
    assert rig.take().outputs == []
    assert rig.view._partitions[0].timers[CASE] == held[CASE].next_due_at


def test_timers_are_held_after_a_clock_jump(rig: Rig) -> None:
    rig.take(rig.classified(0, item(1)))
    rig.clock.jump(FIRST_WAIT_S + 1)
    assert rig.take().outputs == []
    labels = {"stage": "escalation", "reason": "clock_jump"}
    assert rig.metric("tocsin_stage_errors_total", **labels) >= 1
    work = rig.take(rig.classified(0, item(2, customer_on(0, 1))))
    assert kinds(rig, work) == OPENED, "feedback is decided meanwhile"
    rig.clock.advance(HOLD_S)
    assert CaseEventKind.ACK_TIMED_OUT in kinds(rig, rig.take())


def test_a_clock_that_is_put_right_fires_nothing(rig: Rig) -> None:
    rig.take(rig.classified(0, item(1)))
    rig.clock.jump(FIRST_WAIT_S + 1)
    assert rig.take().outputs == []
    rig.clock.jump(-FIRST_WAIT_S - 1)
    rig.clock.advance(HOLD_S)
    assert rig.take().outputs == []


def test_a_flood_of_deadlines_is_taken_in_portions(rig: Rig) -> None:
    rig.take(rig.classified(0, *[item(nth, customer_on(0, nth)) for nth in range(3)]))
    rig.clock.advance(FIRST_WAIT_S)
    seen: list[int] = []
    real = rig.view.due

    def due(partition: int, checkpoint: Checkpoint, now: int, limit: int) -> object:
        seen.append(limit)
        return real(partition, checkpoint, now, 2)

    rig.view.due = due  # type: ignore[method-assign,assignment]
    fired = [kinds(rig, rig.take()).count(CaseEventKind.ACK_TIMED_OUT) for _ in range(3)]
    assert fired == [2, 1, 0]
    assert max(seen) == FEWEST


# ---- the view


def test_the_view_is_brought_up_for_every_assigned_partition() -> None:
    rig = Rig()
    positions = {Partition(name, number): 0 for name in rig.handler.inputs for number in (3, 1)}
    rig.handler.assigned(Assignment(1, positions, None), lambda: False)
    assert rig.rebuilder.asked == [1, 3]


def test_more_partitions_than_configured_are_refused() -> None:
    with pytest.raises(Misconfigured, match=r"kafka\.partitions is 4") as caught:
        Rig().assign(0, 4)
    assert exit_code(caught.value) is Exit.CONFIG


def test_a_lost_view_is_brought_up_before_anything_is_decided(rig: Rig) -> None:
    rig.take(rig.classified(0, item(1)))
    rig.view.lose()
    work = rig.take(rig.classified(0, item(1), item(2)), tick=False)
    assert rig.rebuilder.asked == [0]
    assert [outcome.kind for outcome in rig.outcomes(work)] == [OutcomeKind.CASE_ATTACHED]
    (case,) = rig.cases(work)
    assert (case.case_id, case.feedback_count) == (CASE, 2)


def test_a_view_lost_between_reading_and_writing_is_brought_up_next_time(rig: Rig) -> None:
    work = rig.process(rig.classified(0, item(1)))
    rig.view.lose()
    rig.commit(work)
    work = rig.take(rig.classified(0, item(1), item(2)), tick=False)
    assert rig.rebuilder.asked == [0]
    assert [outcome.kind for outcome in rig.outcomes(work)] == [OutcomeKind.CASE_ATTACHED]


def test_a_view_that_was_written_by_another_is_brought_up(rig: Rig) -> None:
    rig.take(rig.classified(0, item(1)))
    found = rig.view.checkpoint(0)
    assert found is not None
    foreign = msgspec.structs.replace(found, state_offset=99)
    assert rig.view.apply(0, found, foreign, Changes(removed=[CASE]))
    work = rig.take(rig.classified(0, item(2)), tick=False)
    assert rig.rebuilder.asked == [0]
    assert [outcome.kind for outcome in rig.outcomes(work)] == [OutcomeKind.CASE_ATTACHED]


def test_a_lost_view_without_any_feedback_still_fires_its_timers(rig: Rig) -> None:
    rig.take(rig.classified(0, item(1)))
    rig.view.lose()
    rig.clock.advance(FIRST_WAIT_S)
    fired = [kind for _ in range(3) for kind in kinds(rig, rig.take())]
    assert fired.count(CaseEventKind.ACK_TIMED_OUT) == 1


def test_a_view_that_cannot_be_written_is_brought_up_next_time(rig: Rig) -> None:
    work = rig.process(rig.classified(0, item(1)))
    real = rig.view.apply

    def away(*_: object) -> bool:
        raise Transient("Redis is away")

    rig.view.apply = away  # type: ignore[method-assign,assignment]
    rig.commit(work)
    rig.view.apply = real  # type: ignore[method-assign]
    again = rig.take(rig.classified(0, item(1), item(2)), tick=False)
    assert rig.rebuilder.asked == [0]
    assert [outcome.kind for outcome in rig.outcomes(again)] == [OutcomeKind.CASE_ATTACHED]
    assert rig.metric("tocsin_case_events_total", kind="case.opened") == 1


@pytest.mark.parametrize("call", ["fetch", "due"])
def test_a_view_that_is_away_is_transient_and_harms_nothing(rig: Rig, call: str) -> None:
    chunk = rig.classified(0, item(1))
    real = getattr(rig.view, call)

    def away(*_: object) -> object:
        raise Transient("Redis is away")

    setattr(rig.view, call, away)
    with pytest.raises(Transient):
        rig.process(chunk)
    setattr(rig.view, call, real)
    assert kinds(rig, rig.take(chunk)) == OPENED


def test_an_assignment_that_goes_while_the_view_is_brought_up_decides_nothing(rig: Rig) -> None:
    rig.view.lose()
    gone: list[bool] = []
    rig.rebuilder.on_bring_up = lambda: gone.append(True)
    with pytest.raises(Transient):
        rig.handler.process([rig.classified(0, item(1))], lambda: bool(gone))


def test_how_the_cases_stand_is_told() -> None:
    rig = Rig(MemoryView())
    rig.assign(0, 1)
    rig.take(rig.classified(0, item(1)), rig.classified(1, item(1, customer_on(1))))
    rig.handler._meter._next_standing = 0.0
    rig.process()
    assert rig.metric("tocsin_escalations_open", severity="high", state="open") == 2
    assert rig.metric("tocsin_timers_pending") == 2
    assert rig.metric("tocsin_redis_up") == 1
    name = "tocsin_escalation_oldest_unacknowledged_timestamp_seconds"
    assert rig.metric(name, severity="high") == rig.clock.now_ms() / 1000


def test_imported_cases_stand_apart() -> None:
    rig = Rig(MemoryView())
    rig.assign(0)
    rig.take(rig.classified(0, item(1, flags=(Flag.BACKFILL,))))
    rig.handler._meter._next_standing = 0.0
    rig.process()
    assert rig.metric("tocsin_escalations_open", severity="high", state="open") == 0
    assert rig.metric("tocsin_escalations_open", severity="high", state="backfilled") == 1
    name = "tocsin_escalation_oldest_unacknowledged_timestamp_seconds"
    assert rig.metric(name, severity="high") == 0


def test_a_run_is_the_same_whatever_the_chunking() -> None:
    """Many transactions or one: equal events, snapshots and outcomes."""
    values = [item(number, customer_on(0, number % 3)) for number in range(12)]
    one, many = Rig(), Rig()
    for rig in (one, many):
        rig.assign(0)
    one.take(one.classified(0, *values))
    for value in values:
        many.take(many.classified(0, value))
    for topic in ("case.events", "escalations", "feedback.outcomes"):
        where = Partition(topic, 0)
        assert one.log[where] == many.log[where]
    last = {output.key: output.value for output in many.log[Partition("case.state", 0)]}
    assert {output.key: output.value for output in one.log[Partition("case.state", 0)]} == last
