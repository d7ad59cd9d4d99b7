"""Two cases that are one: within a customer, across customers, undone, and in any order."""

from __future__ import annotations

from itertools import permutations

import msgspec
import pytest

from services.escalation.domain.commands import MAX_COMMANDS
from services.escalation.domain.defaults import DEFAULT_POLICY
from services.escalation.domain.policy import DAY, HOUR
from shared import ids
from shared.events import (
    CaseEventKind,
    CaseState,
    ClockKind,
    CommandKind,
    Flag,
    FollowUpState,
    Kind,
    OutcomeKind,
    Reason,
    Refusal,
    Severity,
    TimerKind,
)
from tests.unit.escalation.desk import clock_of, kinds_of_live, told
from tests.unit.escalation.parties import Parties
from tests.unit.escalation.world import NOT_NEEDED, RESOLUTION, T0, kinds

K = CaseEventKind
C = CommandKind


def resolve(parties: Parties, case_id: str) -> None:
    """Resolve a case."""
    parties.command(C.RESOLVE, case_id, resolution=RESOLUTION, clarification=NOT_NEEDED)


def close(parties: Parties, case_id: str) -> None:
    """End a case."""
    parties.command(C.WAIT, case_id, on="customer")
    parties.command(C.CLOSE, case_id, note="gone")


@pytest.mark.parametrize("other", ["ann", "bea"])
def test_the_survivor_takes_over_all_that_counts(other: str) -> None:
    parties = Parties()
    old = parties.open(other, Severity.HIGH, reasons=(Reason.DELAY,), thread="t1")
    parties.command(C.HOLD, old, note="court order")
    parties.now += HOUR
    new = parties.open("ann", Severity.MEDIUM, reasons=(Reason.SERVICE,), thread="t2")
    parties.command(C.ACKNOWLEDGE, new)
    (mine,) = parties.cases[new].feedback
    merged = parties.merge(old, new)
    parties.deliver_all()
    loser, survivor = parties.cases[old], parties.cases[new]
    assert (loser.state, loser.merged_into, loser.next_due_at) == (
        CaseState.MERGED,
        new,
        parties.now + 400 * DAY,
    )
    assert merged.events[0].kind is K.MERGED
    assert survivor.opened_at == T0
    # What was graver than the survivor pages anew.
    assert (survivor.severity, survivor.state) == (Severity.HIGH, CaseState.OPEN)
    assert set(survivor.reasons) == {Reason.DELAY, Reason.SERVICE}
    theirs, own = survivor.feedback
    assert (msgspec.structs.replace(theirs, of=""), own) == (loser.feedback[0], mine)
    assert theirs.of == (old if other == "bea" else "")
    assert (survivor.feedback_count, survivor.aliases, survivor.threads) == (2, (old,), ("t1",))
    assert (survivor.waiting_since, survivor.legal_hold) == (T0, "court order")


@pytest.mark.parametrize(
    ("into", "refusal", "field"),
    [
        (None, Refusal.MISSING, "into"),
        ("nonsense", Refusal.INVALID, "into"),
        ("other:ann:000000000000", Refusal.OTHER_TENANT, "into"),
        ("acme:ann:000000000000", Refusal.UNKNOWN_CASE, "into"),
        ("itself", Refusal.CYCLE, "into"),
        ("closed", Refusal.WRONG_STATE, "into"),
        ("resolved", Refusal.WRONG_STATE, "into"),
    ],
)
def test_what_cannot_be_merged(into: str | None, refusal: Refusal, field: str) -> None:
    parties = Parties()
    one = parties.open("ann")
    others = {"itself": one, "closed": parties.open("ann"), "resolved": parties.open("ann")}
    close(parties, others["closed"])
    resolve(parties, others["resolved"])
    before = parties.cases[one]
    decision = parties.command(C.MERGE, one, into=others.get(into or "", into))
    assert told(decision.events[0]) == (refusal, field)
    assert (parties.cases[one].state, parties.cases[one].timers) == (before.state, before.timers)
    assert not decision.sent


def test_a_circle_of_one_customer_is_refused() -> None:
    parties = Parties()
    one, two, three = (parties.open("ann") for _ in range(3))
    parties.merge(one, two)
    parties.merge(two, three)
    assert told(parties.merge(three, one).events[0]) == (Refusal.CYCLE, "into")
    assert told(parties.merge(one, three).events[0])[0] is Refusal.WRONG_STATE


def test_what_is_merged_into_a_merged_case_goes_to_its_end() -> None:
    parties = Parties()
    one, two, three = (parties.open("ann") for _ in range(3))
    parties.merge(two, three)
    parties.merge(one, two)
    assert parties.cases[one].merged_into == three
    assert set(parties.cases[three].aliases) == {one, two}
    # A message in the first thread joins the case that goes on.
    found = parties.feed("ann", thread=parties.cases[one].thread_id).outcome
    assert found is not None
    assert (found.kind, found.case_id) == (OutcomeKind.CASE_ATTACHED, three)


@pytest.mark.parametrize("state", ["closed", "resolved", "unknown", "merged"])
def test_another_customers_case_that_cannot_take_over_says_so(state: str) -> None:
    parties = Parties(DEFAULT_POLICY)
    one, two, three = parties.open("ann", Severity.HIGH), parties.open("bea"), parties.open("bea")
    if state == "closed":
        close(parties, two)
    elif state == "resolved":
        resolve(parties, two)
    elif state == "unknown":
        two = f"{ids.record_key_of_case(two)}:{'0' * 12}"
    else:
        parties.merge(two, three)
    parties.command(C.ACKNOWLEDGE, one)
    before = parties.cases[one]
    parties.merge(one, two)
    parties.now += HOUR
    parties.deliver_all()
    case = parties.cases[one]
    assert (case.state, case.merged_into, case.closed_at) == (CaseState.OPEN, None, None)
    assert case.clocks == before.clocks
    assert [timer.kind for timer in case.timers] == [TimerKind.STEP]
    undone = next(event for event in parties.log if event.kind is K.UNMERGED)
    assert undone.detail.startswith("unknown_case" if state == "unknown" else "wrong_state")


@pytest.mark.parametrize("order", sorted(set(permutations([0, 1, 1]))))
def test_two_that_are_merged_into_each_other_make_no_circle(order: tuple[int, ...]) -> None:
    parties = Parties()
    one, two = parties.open("ann"), parties.open("bea")
    parties.merge(one, two)
    parties.merge(two, one)
    for number in order:
        if number < len(parties.sent):
            parties.deliver(number)
    parties.deliver_all()
    ends = {parties.end_of(name).case_id for name in (one, two)}
    assert all(parties.cases[end].state is CaseState.OPEN for end in ends)


def test_late_feedback_follows_the_chain_to_its_end() -> None:
    parties = Parties()
    one, two, three = parties.open("ann"), parties.open("bea"), parties.open("cleo")
    parties.merge(one, two)
    parties.deliver_all()
    parties.merge(two, three)
    parties.deliver_all()
    decision = parties.feed("ann", Severity.CRITICAL, thread=parties.cases[one].thread_id)
    assert decision.outcome is not None
    assert (decision.outcome.kind, decision.outcome.case_id) == (OutcomeKind.FORWARDED, one)
    parties.deliver_all()
    end = parties.cases[three]
    said = decision.outcome.feedback_id
    assert end.feedback[-1].feedback_id == said
    assert (end.severity, end.feedback_count) == (Severity.CRITICAL, 4)
    assert parties.log[-1].kind is K.REESCALATED
    # Whoever was on the way knows of it as well.
    assert all(parties.cases[name].feedback[-1].feedback_id == said for name in (one, two))


def test_what_is_forwarded_to_a_case_that_is_gone_comes_back() -> None:
    parties = Parties(DEFAULT_POLICY)
    one, two = parties.open("ann"), parties.open("bea")
    parties.command(C.REPLY, one)
    parties.merge(one, two)
    parties.deliver_all()
    del parties.cases[two]
    parties.now += DAY
    parties.feed("ann", thread=parties.cases[one].thread_id)
    parties.deliver_all()
    case = parties.cases[one]
    assert (case.state, case.waiting_since) == (CaseState.OPEN, parties.now)
    assert clock_of(case, ClockKind.NEXT_RESPONSE).started_at == parties.now
    assert TimerKind.STEP in {timer.kind for timer in case.timers}


def test_delivered_twice_counts_once_even_long_after() -> None:
    parties = Parties()
    one, two = parties.open("ann"), parties.open("bea")
    parties.merge(one, two)
    parties.feed("ann", thread=parties.cases[one].thread_id)
    (absorb, forward) = parties.sent
    parties.deliver_all()
    before = parties.cases[two]
    for _ in range(MAX_COMMANDS):
        parties.command(C.NOTE, two, note="a note")
    for command in (absorb, forward):
        parties.carry_out(command)
    after = parties.cases[two]
    assert set(after.feedback) == set(before.feedback)
    assert (after.feedback_count, after.aliases) == (3, before.aliases)


def test_whoever_waits_for_an_answer_waits_no_longer_than_without_the_merge() -> None:
    parties = Parties(DEFAULT_POLICY)
    one = parties.open("ann", Severity.HIGH)
    parties.now += 3 * HOUR
    two = parties.open("ann", Severity.HIGH)
    parties.merge(one, two)
    first = clock_of(parties.cases[two], ClockKind.FIRST_RESPONSE)
    assert (first.started_at, first.due_at) == (T0, T0 + 4 * HOUR)
    # The newer one takes nothing from the older one.
    three = parties.open("ann", Severity.HIGH)
    parties.merge(three, two)
    assert clock_of(parties.cases[two], ClockKind.FIRST_RESPONSE) == first


def test_a_reply_in_the_merged_case_that_bounced_takes_back_no_other_one() -> None:
    parties = Parties(DEFAULT_POLICY)
    one, two = parties.open("ann"), parties.open("ann")
    parties.command(C.REPLY, one, message_id="r1")
    parties.now += HOUR
    parties.command(C.REPLY, two, message_id="r2")
    parties.merge(one, two)
    assert kinds(parties.command(C.BOUNCE, two, message_id="r1").events) == [K.REPLY_BOUNCED]
    assert ClockKind.FIRST_RESPONSE not in kinds_of_live(parties.cases[two])


def test_a_question_that_is_open_ends_the_wait_of_the_survivor() -> None:
    parties = Parties(DEFAULT_POLICY)
    one, two = parties.open("ann"), parties.open("ann")
    parties.command(C.REPLY, two)
    parties.command(C.WAIT, two, on="customer")
    parties.merge(one, two)
    survivor = parties.cases[two]
    assert survivor.state is CaseState.ACKNOWLEDGED
    assert ClockKind.NEXT_RESPONSE in kinds_of_live(survivor)


@pytest.mark.parametrize("quiet", ["history", "thanks"])
@pytest.mark.parametrize("customer", ["ann", "bea"])
def test_a_quiet_survivor_is_quiet_no_longer(quiet: str, customer: str) -> None:
    parties = Parties(DEFAULT_POLICY)
    loud = parties.open(customer, Severity.MEDIUM)
    if quiet == "history":
        still = parties.open("ann", Severity.MEDIUM, flags=(Flag.BACKFILL,))
    else:
        still = parties.open("ann", Severity.LOW, Kind.PRAISE)
    parties.merge(loud, still)
    parties.deliver_all()
    case = parties.cases[still]
    assert (case.kind, case.backfilled, case.state) == (Kind.COMPLAINT, False, CaseState.OPEN)
    assert {ClockKind.FIRST_RESPONSE, ClockKind.TOTAL_RESOLUTION} <= kinds_of_live(case)
    assert TimerKind.STEP in {timer.kind for timer in case.timers}


def test_a_resolved_case_can_be_merged_into_an_open_one_and_its_promises_go() -> None:
    parties = Parties()
    one, two = parties.open("ann"), parties.open("ann")
    resolve(parties, one)
    decision = parties.merge(one, two)
    assert kinds(decision.events) == [K.FOLLOW_UP_WAIVED, K.MERGED, K.ABSORBED]
    assert parties.cases[one].follow_ups[0].state is FollowUpState.WAIVED
    # Taken out again, it is resolved as before, and promises anew.
    parties.now += DAY
    assert kinds(parties.command(C.UNMERGE, one).events) == [K.UNMERGED, K.FOLLOW_UP_SCHEDULED]
    assert parties.cases[one].state is CaseState.RESOLVED


@pytest.mark.parametrize("other", ["ann", "bea"])
def test_a_merge_is_undone_within_thirty_days(other: str) -> None:
    parties = Parties()
    one, two = parties.open("ann", thread="t1"), parties.open(other, thread="t2")
    parties.merge(one, two)
    parties.deliver_all()
    merged_at = parties.now
    parties.now = merged_at + 30 * DAY + 1
    assert told(parties.command(C.UNMERGE, one).events[0])[0] is Refusal.NOT_ALLOWED
    parties.now = merged_at + 30 * DAY
    assert kinds(parties.command(C.UNMERGE, one).events) == [K.UNMERGED, K.REESCALATED]
    # Its thread is its own again.
    found = parties.feed("ann", thread="t1").outcome
    assert found is not None
    assert found.case_id == one
    assert told(parties.command(C.UNMERGE, one).events[0])[0] is Refusal.WRONG_STATE


@pytest.mark.parametrize(
    ("severity", "kind", "state"),
    [
        (Severity.LOW, Kind.PRAISE, CaseState.RESOLVED),
        (Severity.LOW, Kind.OTHER, CaseState.RESOLVED),
        (Severity.LOW, Kind.QUESTION, CaseState.OPEN),
        (Severity.LOW, Kind.COMPLAINT, CaseState.OPEN),
    ],
)
def test_what_is_forwarded_reopens_a_settled_case_if_it_asks_for_something(
    severity: Severity, kind: Kind, state: CaseState
) -> None:
    parties = Parties()
    one, two = parties.open("ann"), parties.open("bea")
    parties.merge(one, two)
    parties.deliver_all()
    resolve(parties, two)
    parties.feed("ann", severity, kind, thread=parties.cases[one].thread_id)
    parties.deliver_all()
    assert parties.cases[two].state is state


def test_a_merged_case_can_do_nothing_by_itself() -> None:
    parties = Parties()
    one, two = parties.open("ann"), parties.open("ann")
    parties.merge(one, two)
    for kind in (C.ACKNOWLEDGE, C.REPLY, C.RESOLVE, C.CLOSE, C.REOPEN, C.ASSIGN, C.MERGE):
        fields = {"into": two, "assignee": "bob", "resolution": RESOLUTION}
        refused = parties.command(kind, one, **fields).events[0]
        assert refused.refusal is Refusal.WRONG_STATE, kind
    assert parties.cases[one].timers[0].kind is TimerKind.FORGET


def test_a_case_too_large_for_a_record_is_handed_over_in_short() -> None:
    parties = Parties(DEFAULT_POLICY)
    one, two = parties.open("ann", Severity.HIGH), parties.open("bea")
    long = "é" * 4000
    resolve(parties, one)
    parties.command(C.REOPEN, one, note=long)
    parties.command(C.REPLY, one, note=long)
    parties.merge(one, two)
    (absorb,) = parties.sent
    assert len(msgspec.json.encode(absorb)) < 2000


def test_after_a_merge_was_undone_each_thread_is_its_cases_own() -> None:
    parties = Parties()
    # As old as the survivor and before it by name, it still hears what is said in its thread.
    one, two = sorted(parties.open("ann") for _ in range(2))
    parties.merge(one, two)
    parties.command(C.UNMERGE, one)
    for name in (one, two):
        found = parties.feed("ann", thread=parties.cases[name].thread_id).outcome
        assert found is not None
        assert found.case_id == name
