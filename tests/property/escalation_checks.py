"""What must hold of every decision and of every case, whatever came before."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

import msgspec

from services.escalation.domain import audit, clocks, escalation, timing
from services.escalation.domain.decide import Decision
from services.escalation.domain.policy import Policy
from services.escalation.domain.severity import RANK
from shared import ids
from shared.events import (
    Case,
    CaseEvent,
    CaseEventKind,
    CaseState,
    Clock,
    ClockChangeKind,
    ClockKind,
    ClockState,
    EscalationStatus,
    FollowUpState,
    Refusal,
    TimerKind,
)

K = CaseEventKind
LADDER = {K.ESCALATION_TRIGGERED, K.REESCALATED, K.ESCALATION_EXHAUSTED}
SETTLED = {FollowUpState.DONE, FollowUpState.WAIVED}
ANSWERING = {ClockKind.FIRST_RESPONSE, ClockKind.NEXT_RESPONSE}
_STEPS = {TimerKind.STEP, TimerKind.HELD}
_OF_WORK = {*_STEPS, TimerKind.ACK_EXPIRY}


class Watch:
    """Sees every decision in turn, and remembers what only the whole log can tell."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.acknowledged: dict[str, set[int]] = defaultdict(set)
        self.breaches = Counter[tuple[str, ClockKind, str]]()

    def check(self, before: Mapping[str, Case], decision: Decision, now: int) -> None:
        """Check what a decision wrote about the cases that were there ``before`` it."""
        of_case: dict[str, list[CaseEvent]] = defaultdict(list)
        for event in decision.events:
            assert event.recorded_at == now >= event.at
            if event.refusal is not Refusal.UNKNOWN_CASE:
                assert event.event_id not in self.seen
                self.seen.add(event.event_id)
                of_case[event.case_id].append(event)
        after = {case.case_id: case for case in decision.cases}
        assert of_case.keys() <= after.keys()
        for case_id, case in after.items():
            old = before.get(case_id)
            if not of_case[case_id]:
                assert old is not None
                _is_only_rescheduled(old, case)
                continue
            _is_told_without_gaps(old, case, of_case[case_id])
            _refusal_changes_nothing(old, case, of_case[case_id])
            _nothing_is_lost(old, case)
            self._pages(of_case[case_id])
            self._clocks(old, of_case[case_id])

    def _pages(self, events: Sequence[CaseEvent]) -> None:
        """Nobody is paged in an epoch that was acknowledged; who is paged has a name."""
        for event in events:
            acknowledged = self.acknowledged[event.case_id]
            if event.kind in LADDER:
                assert event.targets
                assert event.epoch not in acknowledged
            assert event.case is not None
            stands = event.case.escalation
            if stands.status is EscalationStatus.ACKNOWLEDGED:
                acknowledged.add(stands.epoch)

    def _clocks(self, old: Case | None, events: Sequence[CaseEvent]) -> None:
        """One breach per instance, told by one event; raised, no deadline is later than before."""
        earlier = old
        for event in events:
            broken = [one for one in event.clocks if one.change is ClockChangeKind.BREACHED]
            assert len(broken) == (event.kind is K.CLOCK_BREACHED)
            for one in broken:
                self.breaches[event.case_id, one.clock, one.instance] += 1
                assert self.breaches[event.case_id, one.clock, one.instance] == 1
            assert all((one.elapsed_ms or 0) >= 0 < one.target_ms for one in event.clocks)
            assert event.case is not None
            if earlier is not None and RANK[event.case.severity] > RANK[earlier.severity]:
                _no_deadline_is_later(earlier, event.case)
            earlier = event.case


def check_case(case: Case, policy: Policy, now: int) -> None:
    """Check a case as it stands between two decisions."""
    _has_a_future(case)
    _timers_fit(case)
    _promises_fit(case)
    _state_fits(case)
    for clock in case.clocks:
        _clock_fits(clock, policy, now)
    names = [(clock.kind, clock.instance) for clock in case.clocks]
    assert len(set(names)) == len(names)
    answering = [c for c in case.clocks if c.kind in ANSWERING and c.state in clocks.LIVE]
    assert len(answering) <= 1
    if answering:
        assert case.waiting_since is not None
    items = [ref.item for ref in case.feedback]
    assert len(set(items)) == len(items) <= Case.MAX_REFS


def check_merges(cases: Mapping[str, Case]) -> None:
    """No way along the merges comes back to where it began."""
    for case in cases.values():
        seen = {case.case_id}
        into = case.merged_into
        while into is not None and into in cases:
            assert into not in seen
            seen.add(into)
            into = cases[into].merged_into
        assert (case.merged_into is None) == (case.state is not CaseState.MERGED)
        assert case.case_id not in case.aliases


def _has_a_future(case: Case) -> None:
    if case.state in Case.ENDED:
        assert [timer.kind for timer in case.timers] == [TimerKind.FORGET]
        assert not any(clock.state in clocks.LIVE for clock in case.clocks)
        assert case.closed_at is not None
        return
    assert case.next_due_at is not None or case.backfilled
    assert audit.violation(case) == ""
    reminded = [timer for timer in case.timers if timer.kind is TimerKind.REMIND]
    awaited = [timer for timer in case.timers if timer.kind is not TimerKind.REMIND]
    awaited_clocks = [clock for clock in case.clocks if clock.next_at is not None]
    assert not reminded or not (awaited or awaited_clocks)


def _timers_fit(case: Case) -> None:
    found = Counter(timer.kind for timer in case.timers)
    versions = [timer.version for timer in case.timers]
    assert len(set(versions)) == len(versions)
    assert all(version <= case.timer_version for version in versions)
    many = {TimerKind.FOLLOW_UP_DUE, TimerKind.FOLLOW_UP_MISSED, TimerKind.NUDGE}
    assert all(count == 1 for kind, count in found.items() if kind not in many)
    waiting = case.state in {CaseState.WAITING_CUSTOMER, CaseState.WAITING_THIRD_PARTY}
    assert waiting or not found.keys() & {TimerKind.NUDGE, TimerKind.WAIT_END}
    assert (case.snoozed_until is not None) == (TimerKind.SNOOZE_END in found)
    paging = case.state is CaseState.OPEN and escalation.is_waiting(case)
    if case.snoozed_until is not None:
        assert not found.keys() & _OF_WORK
    else:
        assert sum(found[kind] for kind in _STEPS) == paging
    if TimerKind.ACK_EXPIRY in found:
        assert case.escalation.status is EscalationStatus.ACKNOWLEDGED
        assert not waiting
        assert not case.backfilled


def _promises_fit(case: Case) -> None:
    open_ones = {item.number for item in case.follow_ups if item.state not in SETTLED}
    assert not open_ones or case.state in Case.SETTLING
    pending = {
        item.number
        for item in case.follow_ups
        if item.state in {FollowUpState.SCHEDULED, FollowUpState.DUE}
    }
    kinds = {TimerKind.FOLLOW_UP_DUE, TimerKind.FOLLOW_UP_MISSED}
    refs = [timer.ref for timer in case.timers if timer.kind in kinds]
    assert sorted(refs) == sorted(pending)


def _state_fits(case: Case) -> None:
    unresolved = case.state in Case.UNRESOLVED
    if case.state is CaseState.OPEN:
        assert case.acknowledged_at is None
        assert case.escalation.status is not EscalationStatus.ACKNOWLEDGED
    elif unresolved:
        assert case.acknowledged_at is not None
        assert not escalation.is_waiting(case)
    elif case.state in Case.SETTLING:
        assert case.resolved_at is not None
        assert (case.communicated_at is not None) == (case.state is CaseState.COMMUNICATED)
    if unresolved:
        assert case.resolved_at is None


def _clock_fits(clock: Clock, policy: Policy, now: int) -> None:
    assert clock.target_ms > 0
    assert all(begin <= end for begin, end in clock.intervals)
    assert all(one[1] <= other[0] for one, other in pairwise(clock.intervals))
    at = now if clock.ended_at is None else clock.ended_at
    assert timing.elapsed(policy, clock, at) >= 0
    if clock.state is ClockState.RUNNING:
        assert clock.since is not None
        if clock.breached_at is None:
            assert clock.due_at is not None is not clock.next_at
            assert clock.next_at <= clock.due_at
            return
    assert (clock.due_at, clock.next_at) == (None, None)
    assert (clock.ended_at is None) == (clock.state in clocks.LIVE)


def _is_only_rescheduled(old: Case, case: Case) -> None:
    """Without an event only two things happen: what the law wants is not forgotten yet, and the next
    warning of a clock is another one, because the policy was edited.
    """
    as_before = {"timers": old.timers, "timer_version": old.timer_version, "clocks": old.clocks}
    assert msgspec.structs.replace(case, **as_before) == old
    assert old.timers == case.timers or (old.state in Case.ENDED and old.legal_hold is not None)
    earlier, later = (
        [msgspec.structs.replace(clock, next_at=None) for clock in one.clocks]
        for one in (old, case)
    )
    assert earlier == later


def _is_told_without_gaps(old: Case | None, case: Case, events: Sequence[CaseEvent]) -> None:
    first = 1 if old is None else old.case_seq + 1
    assert [event.case_seq for event in events] == list(range(first, case.case_seq + 1))
    assert events[-1].case == case
    for event in events:
        assert event.case is not None
        assert event.case.case_seq == event.case_seq
        assert event.event_id == ids.case_event_id(case.tenant, case.case_id, event.case_seq)


def _refusal_changes_nothing(old: Case | None, case: Case, events: Sequence[CaseEvent]) -> None:
    if events[0].kind is not K.COMMAND_REFUSED:
        return
    assert old is not None
    assert len(events) == 1
    noted = {name: getattr(case, name) for name in ("commands", "refused", "case_seq")}
    assert msgspec.structs.replace(old, **noted) == case
    assert case.refused[-1].refusal is events[0].refusal


def _nothing_is_lost(old: Case | None, case: Case) -> None:
    """What a case listed it lists still, unless the list is full or the item has a new revision."""
    if old is None or len(case.feedback) == Case.MAX_REFS:
        return
    assert {ref.item for ref in old.feedback} <= {ref.item for ref in case.feedback}


def _no_deadline_is_later(earlier: Case, raised: Case) -> None:
    before = {(clock.kind, clock.instance): clock for clock in earlier.clocks}
    for clock in raised.clocks:
        old = before.get((clock.kind, clock.instance))
        if old is not None and old.due_at is not None and clock.due_at is not None:
            assert clock.due_at <= old.due_at
