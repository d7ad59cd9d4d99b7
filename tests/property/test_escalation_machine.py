"""Any sequence of feedback, commands and polls keeps the promises of the core."""

from __future__ import annotations

from collections import Counter, defaultdict

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.escalation.domain.decide import CommandIn, Decision, FeedbackIn, TimerIn, decide
from services.escalation.domain.grouping import is_negative
from services.escalation.domain.defaults import DEFAULT_POLICY
from services.escalation.domain.policy import DAY, MINUTE
from shared import codec
from shared.events import (
    Author,
    Case,
    CaseEvent,
    CaseEventKind,
    CaseState,
    Cause,
    Channel,
    CommandKind,
    EscalationStatus,
    Flag,
    FollowUpState,
    Kind,
    NoCaseReason,
    Operation,
    Origin,
    OutcomeKind,
    Reason,
    Refusal,
    Repeat,
    Role,
    Severity,
    TimerKind,
)
from tests.unit.escalation.world import TENANT, World

POLICY = msgspec.structs.replace(DEFAULT_POLICY, max_epochs=3)
SETTLED = {FollowUpState.DONE, FollowUpState.WAIVED}
RANK = [Severity.LOW, Severity.MEDIUM, Severity.UNDETERMINED, Severity.HIGH, Severity.CRITICAL]

severities = st.sampled_from(Severity)
threads = st.sampled_from([None, "t1", "t2", "t3"])
channels = st.sampled_from([Channel.EMAIL, Channel.PHONE])
reasons = st.lists(st.sampled_from([Reason.DELAY, Reason.PRICE, Reason.SERVICE]), max_size=2)
kinds = st.sampled_from(Kind) | st.just(Kind.COMPLAINT)
follow_ups = st.none() | st.integers(min_value=0, max_value=6)
roles = st.sampled_from(["customer"] * 4 + list(Role))
origins = st.sampled_from([Origin.HUMAN] * 8 + list(Origin))
operations = st.sampled_from([Operation.CREATE] * 4 + list(Operation))
flags = st.sampled_from([(), (), (), (Flag.BACKFILL,), (Flag.SPAM, Flag.IDENTITY_CONFLICT)])
backs = st.none() | st.integers(min_value=0, max_value=9)
repeats = st.none() | st.integers(min_value=2, max_value=4)
NO_PEOPLE = {NoCaseReason.MACHINE, NoCaseReason.OWN_SIDE, NoCaseReason.DELETED}
NOTED = {Cause.MACHINE, Cause.OWN_SIDE, Cause.DELETION}
waits = st.sampled_from(
    [0, 1, MINUTE, 15 * MINUTE, 31 * MINUTE, 3 * 60 * MINUTE, DAY, 3 * DAY, 9 * DAY, 31 * DAY]
)


def encoded(decision: Decision) -> bytes:
    """Return everything a decision would write, as bytes."""
    written = [*decision.cases, *decision.events]
    if decision.outcome is not None:
        written.append(decision.outcome)
    return b"\n".join(codec.encode(event) for event in written)


class EscalationMachine(RuleBasedStateMachine):
    """A partition owner with one customer, who may sleep through deadlines."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(POLICY)
        self.fired: set[tuple[str, int]] = set()
        self.polled = False

    @rule(
        severity=severities, kind=kinds, thread=threads, channel=channels, why=reasons, wait=waits
    )
    def feedback(
        self,
        severity: Severity,
        kind: Kind,
        thread: str | None,
        channel: Channel,
        why: list[Reason],
        wait: int,
    ) -> None:
        self._later(wait)
        before = dict(self.world.cases)
        decision = self.world.feed(severity, kind, thread=thread, channel=channel, reasons=why)
        outcome = decision.outcome
        assert outcome is not None
        assert (outcome.kind is OutcomeKind.NO_CASE) == (outcome.no_case_reason is not None)
        assert len(decision.cases) == (outcome.kind is not OutcomeKind.NO_CASE)
        assert bool(decision.events) == bool(decision.cases)
        assert (outcome.kind is OutcomeKind.CASE_OPENED) == (len(self.world.cases) > len(before))
        assert outcome.no_case_reason not in NO_PEOPLE
        if outcome.case_id in before:
            old, new = before[outcome.case_id], self.world.cases[outcome.case_id]
            assert new.feedback_count == old.feedback_count + 1
            assert RANK.index(new.severity) >= RANK.index(old.severity)

    @rule(
        data=st.data(), severity=severities, kind=kinds, thread=threads, origin=origins, role=roles,
        op=operations, back=backs, flag=flags, count=repeats, wait=waits,
    )  # fmt: skip
    def anything(
        self,
        data: st.DataObject,
        severity: Severity,
        kind: Kind,
        thread: str | None,
        origin: Origin,
        role: str,
        op: Operation,
        back: int | None,
        flag: tuple[Flag, ...],
        count: int | None,
        wait: int,
    ) -> None:
        """Whatever a channel may deliver, new or ``back`` items ago: a note only adds to the list."""
        self._later(wait)
        before = dict(self.world.cases)
        number = None if back is None else max(1, self.world.given - back)
        listed = [ref.feedback_id for case in before.values() for ref in case.feedback]
        of = data.draw(st.sampled_from([*listed, "unheard of"]))
        decision = self.world.feed(
            severity, kind, thread=thread, number=number, origin=origin, op=op, flags=flag,
            author=Author(role=role), repeat=None if count is None else Repeat(of=of, count=count),
        )  # fmt: skip
        imported = Flag.BACKFILL in flag
        assert not (imported and any(event.targets for event in decision.events))
        people = origin in {Origin.HUMAN, Origin.BULK} and role not in {Role.AGENT, Role.BOT}
        if op is Operation.DELETE or not people:
            self._only_noted(before, decision)
        elif decision.cases and decision.cases[0].case_id in before:
            (new,) = decision.cases
            old = before[new.case_id]
            contact = decision.events[0].cause is not Cause.REVISION
            assert new.feedback_count == old.feedback_count + contact
            assert RANK.index(new.severity) >= RANK.index(old.severity)

    def _only_noted(self, before: dict[str, Case], decision: Decision) -> None:
        outcome = decision.outcome
        assert outcome is not None
        if outcome.kind is OutcomeKind.NO_CASE:
            assert outcome.no_case_reason in NO_PEOPLE
            assert (decision.cases, decision.events) == ((), ())
            return
        assert outcome.kind is OutcomeKind.CASE_ATTACHED
        assert [event.cause in NOTED for event in decision.events] == [True]
        (new,) = decision.cases
        old = before[new.case_id]
        assert old.state is not CaseState.CLOSED
        as_before = {"feedback": old.feedback, "case_seq": old.case_seq}
        assert msgspec.structs.replace(new, **as_before) == old
        assert len(old.feedback) <= len(new.feedback) <= Case.MAX_REFS

    @precondition(lambda self: self.world.cases)
    @rule(
        data=st.data(),
        kind=st.sampled_from(CommandKind),
        follow_up=follow_ups,
        wait=waits,
        stale=st.booleans(),
    )
    def command(
        self, data: st.DataObject, kind: CommandKind, follow_up: int | None, wait: int, stale: bool
    ) -> None:
        self._later(wait)
        before = self.world.cases[data.draw(st.sampled_from(sorted(self.world.cases)))]
        decision = self.world.command(
            kind,
            case_id=before.case_id,
            follow_up=follow_up,
            expected_seq=before.case_seq - stale,
        )
        after = self.world.cases[before.case_id]
        refused = decision.events[0].refusal
        if stale:
            assert refused is Refusal.SEQ_MISMATCH
        if refused is not None:
            assert len(decision.events) == 1
            assert (after.state, after.escalation) == (before.state, before.escalation)
            assert after.follow_ups == before.follow_ups

    @rule()
    def unknown_case(self) -> None:
        decision = self.world.command(CommandKind.RESOLVE, case_id="acme:c0ffee:000000000000")
        assert decision.cases == ()
        assert [event.refusal for event in decision.events] == [Refusal.UNKNOWN_CASE]

    @precondition(lambda self: self.world.inputs)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """A repeated command or opening feedback changes nothing."""
        given, _ = data.draw(st.sampled_from(self.world.inputs[-8:]))
        match given:
            case CommandIn(command) if command.case_id in self.world.cases:
                assert self.world.give(given) is Decision.NOTHING
            case FeedbackIn(item) if any(
                ref.feedback_id == item.feedback.feedback_id
                for case in self.world.cases.values()
                for ref in case.feedback
            ):
                assert self.world.give(given) is Decision.NOTHING

    @rule(wait=waits)
    def poll(self, wait: int) -> None:
        self._later(wait)
        before = dict(self.world.cases)
        events = self.world.poll()
        self.polled = True
        by_case: dict[str, list[CaseEvent]] = defaultdict(list)
        for event in events:
            by_case[event.case_id].append(event)
            assert event.at <= event.recorded_at == self.world.now
        for case_id, old in before.items():
            self._check_fired(old, self.world.cases[case_id], by_case[case_id])

    def _check_fired(self, old: Case, new: Case, events: list[CaseEvent]) -> None:
        """Every due timer fires, once, in order; nothing else does."""
        due = sorted(
            (timer for timer in old.timers if timer.due_at <= self.world.now),
            key=lambda timer: (timer.due_at, timer.version),
        )
        for timer in due:
            assert (old.case_id, timer.version) not in self.fired
            self.fired.add((old.case_id, timer.version))
        assert list(dict.fromkeys(event.at for event in events)) == list(
            dict.fromkeys(timer.due_at for timer in due)
        )
        assert all(timer.due_at > self.world.now for timer in new.timers)
        kept = {timer.version for timer in old.timers} - {timer.version for timer in due}
        assert {timer.version for timer in new.timers if timer.version <= old.timer_version} == kept
        assert self.world.give(TimerIn(new.case_id)) is Decision.NOTHING

    def _later(self, wait: int) -> None:
        if wait:
            self.world.now += wait
            self.polled = False

    @invariant()
    def numbered_without_gaps(self) -> None:
        last = Counter[str]()
        seen = set()
        for event in self.world.log:
            assert event.event_id not in seen
            seen.add(event.event_id)
            if event.refusal is Refusal.UNKNOWN_CASE:
                continue
            last[event.case_id] += 1
            assert event.case is not None
            assert event.case_seq == event.case.case_seq == last[event.case_id]
        assert dict(last) == {id_: case.case_seq for id_, case in self.world.cases.items()}

    @invariant()
    def the_last_event_shows_the_case(self) -> None:
        latest = {event.case_id: event.case for event in self.world.log if event.case is not None}
        assert latest == self.world.cases

    @invariant()
    def timers_fit_the_state(self) -> None:
        for case in self.world.cases.values():
            found = Counter(timer.kind for timer in case.timers)
            versions = [timer.version for timer in case.timers]
            assert len(set(versions)) == len(versions)
            assert all(version <= case.timer_version for version in versions)
            self._check_state(case, found)

    def _check_state(self, case: Case, found: Counter[TimerKind]) -> None:
        plan = POLICY.plan(case.severity)
        paged = bool(plan.steps) and not case.backfilled
        unsettled = [item for item in case.follow_ups if item.state not in SETTLED]
        assert {timer.ref for timer in case.timers if timer.ref} == {
            item.number for item in unsettled if item.state is not FollowUpState.MISSED
        }
        match case.state:
            case CaseState.OPEN:
                assert found == ({TimerKind.STEP: 1} if paged else {})
                waiting = {EscalationStatus.PENDING, EscalationStatus.EXHAUSTED}
                assert (case.escalation.status in waiting) == paged
                assert case.escalation.status is EscalationStatus.NONE or not case.backfilled
                if self.polled:
                    assert all(timer.due_at > self.world.now for timer in case.timers)
            case CaseState.ACKNOWLEDGED:
                expires = plan.ack_expiry_ms and not case.backfilled
                assert found == ({TimerKind.ACK_EXPIRY: 1} if expires else {})
                assert case.escalation.status is EscalationStatus.ACKNOWLEDGED
            case CaseState.RESOLVED:
                assert unsettled
                assert not found.keys() & {TimerKind.STEP, TimerKind.ACK_EXPIRY}
            case CaseState.CLOSED:
                assert case.timers == ()
                assert not unsettled
        assert (case.acknowledged_at is not None) <= (case.state is not CaseState.OPEN)
        assert (case.resolved_at is not None) == (
            case.state in (CaseState.RESOLVED, CaseState.CLOSED)
        )

    @invariant()
    def only_imported_history_is_quiet(self) -> None:
        """A case is exempt from paging for nothing but the last complaint being imported."""
        imported: dict[str, bool] = {}
        given = {
            item.feedback.feedback_id: item
            for item in (
                one.classified for one, _ in self.world.inputs if isinstance(one, FeedbackIn)
            )
        }
        for event in self.world.log:
            item = given.get(event.feedback_id or "")
            if item is None or event.cause in NOTED or not is_negative(item):
                continue
            imported[event.case_id] = Flag.BACKFILL in item.feedback.flags
        for case in self.world.cases.values():
            if case.backfilled and case.state is not CaseState.RESOLVED:
                assert imported[case.case_id] or case.state is CaseState.CLOSED

    @invariant()
    def the_list_is_bounded_and_names_an_item_once(self) -> None:
        for case in self.world.cases.values():
            items = [ref.item for ref in case.feedback]
            assert len(set(items)) == len(items) <= Case.MAX_REFS

    @invariant()
    def every_page_names_somebody(self) -> None:
        paging = {
            CaseEventKind.ESCALATION_TRIGGERED,
            CaseEventKind.REESCALATED,
            CaseEventKind.ESCALATION_EXHAUSTED,
        }
        for event in self.world.log:
            assert bool(event.targets) == (event.kind in paging)

    def teardown(self) -> None:
        """A replay of the same inputs yields the same bytes, whatever the order of the mapping."""
        cases: dict[str, Case] = {}
        for (given, now), decided in zip(self.world.inputs, self.world.decisions, strict=True):
            turned = dict(reversed(cases.items()))
            again = decide(turned, given, now, POLICY)
            assert encoded(again) == encoded(decided)
            cases |= {case.case_id: case for case in again.cases}
        assert TENANT in {case.tenant for case in cases.values()} or not cases


TestEscalation = EscalationMachine.TestCase
TestEscalation.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
