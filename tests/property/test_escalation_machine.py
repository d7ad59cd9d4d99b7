"""Any sequence of feedback, commands, deadlines and erasures keeps the promises of the case engine.

At the end the same log is run once more, with crashes and duplicates: it has to come to the same.
"""

from __future__ import annotations

from random import Random

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
)

from services.escalation.domain.decide import CommandIn, Decision, EraseIn, FeedbackIn, TimerIn
from services.escalation.domain.defaults import DEFAULT_POLICY
from services.escalation.domain.policy import DAY, HOUR, MINUTE, Team
from services.escalation.domain.silence import Mute
from shared import codec, ids
from shared.events import (
    CaseCommand,
    Cause,
    CommandKind,
    EraseCustomer,
    Operation,
    OutcomeKind,
    Severity,
)
from tests.property.escalation_checks import Watch, check_case, check_merges
from tests.property.escalation_inputs import CUSTOMERS, WAITS, a_command, a_feedback
from tests.property.escalation_owner import LATELY, Owner, assert_idle, replay
from tests.unit.escalation.world import T0, TENANT

_HIGH = DEFAULT_POLICY.high
_FIRST, *_REST = _HIGH.steps
POLICY = msgspec.structs.replace(
    DEFAULT_POLICY,
    max_epochs=3,
    team="crew",
    high=msgspec.structs.replace(
        _HIGH, steps=(msgspec.structs.replace(_FIRST, gate="office"), *_REST)
    ),
    low=msgspec.structs.replace(DEFAULT_POLICY.low, follow_ups=()),
    teams=(Team(name="crew", members=("ada", "bob"), via=("queue",)), Team(name="ghosts")),
    mutes=(
        Mute(
            name="works",
            reason="the shop is closed for works",
            start=T0 + HOUR,
            end=T0 + 5 * HOUR,
            severities=(Severity.MEDIUM,),
        ),
    ),
)
"""With a gate, a mute, a team nobody of which can be reached, and a severity without promises."""

EDITED = msgspec.structs.replace(
    POLICY,
    version="edited",
    critical=msgspec.structs.replace(POLICY.critical, steps=POLICY.critical.steps[:1]),
    medium=msgspec.structs.replace(DEFAULT_POLICY.undetermined, ack_expiry_ms=DAY, warn=(50,)),
    thanks={},
)
seeds = st.integers(min_value=0, max_value=2**32)


class EscalationMachine(RuleBasedStateMachine):
    """The owner of a partition with two customers, who may sleep through deadlines."""

    def __init__(self) -> None:
        super().__init__()
        self.owner = Owner(POLICY, T0)
        self.watch = Watch()
        self.chance = Random(0)
        self.numbers = 0

    @initialize(seed=seeds)
    def accidents(self, seed: int) -> None:
        """Choose the accidents of the replay."""
        self.chance = Random(seed)

    @rule(seed=seeds, wait=WAITS)
    def feedback(self, seed: int, wait: int) -> None:
        """Feedback of any kind, a new item or another revision; it has exactly one outcome."""
        self.owner.now += wait
        self.numbers += 1
        chance = Random(f"{seed} {self.numbers}")
        item = a_feedback(chance, self.numbers, self.owner.now, self.owner.cases.values())
        key = item.feedback.record_key
        given = FeedbackIn(item, self.owner.store.erased.get(key))
        before = dict(self.owner.cases)
        decision = self.take(given)
        outcome = decision.outcome
        assert outcome is not None
        assert decision.cases or outcome.kind in {OutcomeKind.NO_CASE, OutcomeKind.FORWARDED}
        assert (outcome.kind is OutcomeKind.NO_CASE) == (outcome.case_id is None)
        assert (outcome.kind is OutcomeKind.NO_CASE) == (outcome.no_case_reason is not None)
        opened = [case for case in decision.cases if case.case_id not in before]
        assert (outcome.kind is OutcomeKind.CASE_OPENED) == bool(opened)
        for case in decision.cases:
            if item.feedback.op is not Operation.DELETE:
                assert outcome.feedback_id in {ref.feedback_id for ref in case.feedback}
            old = before.get(case.case_id)
            assert old is None or outcome.kind is not OutcomeKind.CASE_OPENED
            if old is not None and decision.events[0].cause in {Cause.MACHINE, Cause.DELETION}:
                assert (case.severity, case.feedback_count) == (old.severity, old.feedback_count)
        if outcome.kind is OutcomeKind.FORWARDED:
            assert decision.sent[0].kind is CommandKind.FORWARD

    @precondition(lambda self: self.owner.cases)
    @rule(seed=seeds, wait=WAITS)
    def work(self, seed: int, wait: int) -> None:
        """Somebody does a thing or several with one case, of which most could be carried out."""
        self.owner.now += wait
        chance = Random(f"{seed} {self.numbers}")
        case_id = chance.choice(list(self.owner.cases))
        for _ in range(chance.randint(1, 6)):
            self._command(chance, case_id)
            self.owner.now += chance.choice([0, 0, MINUTE, HOUR])

    def _command(self, chance: Random, case_id: str) -> None:
        self.numbers += 1
        owner = self.owner
        case = owner.cases[case_id]
        command = a_command(chance, self.numbers, owner.now, case, owner.cases.values())
        load = {"ada/critical": chance.randint(0, 3), "bob/high": chance.randint(0, 3)}
        decision = self.take(CommandIn(command, load))
        assert decision.events
        if command.expected_seq is not None and command.expected_seq != case.case_seq:
            assert decision.events[0].refusal is not None

    @precondition(lambda self: len({one.record_key for one in self.owner.cases.values()}) > 1)
    @rule(seed=seeds)
    def merge_crosswise(self, seed: int) -> None:
        """Cases of two customers are merged into each other before either hears of the other."""
        chance, cases = Random(f"{seed} {self.numbers}"), list(self.owner.cases.values())
        one = chance.choice(cases)
        other = chance.choice([case for case in cases if case.record_key != one.record_key])
        for case, into in ((one, other), (other, one)):
            self.numbers += 1
            command = CaseCommand(
                command_id=f"k{self.numbers}", tenant=TENANT, case_id=case.case_id,
                kind=CommandKind.MERGE, actor="ada", at=self.owner.now, into=into.case_id,
            )  # fmt: skip
            self.take(CommandIn(command))

    @precondition(lambda self: self.owner.sent)
    @rule(wait=WAITS)
    def deliver(self, wait: int) -> None:
        """What a case has sent to another one comes by the log, after whatever came before."""
        self.owner.now += wait
        self.take(self.owner.sent.popleft())

    @rule(wait=WAITS, edited=st.booleans())
    def poll(self, wait: int, edited: bool) -> None:
        """Whatever is due fires; after that nothing is due, and firing again does nothing.

        Somebody may have edited the policy before that, or taken it back.
        """
        self.owner.now += wait
        self.owner.policy = EDITED if edited else POLICY
        for case_id in self.owner.due():
            decision = self.take(TimerIn(case_id))
            assert decision is not Decision.NOTHING
            case = self.owner.cases.get(case_id)
            if case is not None:
                assert case.next_due_at is None or case.next_due_at > self.owner.now
                again = TimerIn(case_id)
                assert self.owner.take(again) is Decision.NOTHING

    @precondition(lambda self: self.owner.journal)
    @rule(
        back=st.integers(min_value=1, max_value=LATELY),
        customer=st.sampled_from(CUSTOMERS),
        chosen=st.integers(min_value=0, max_value=39),
    )
    def accident(self, back: int, customer: str, chosen: int) -> None:
        """What came lately comes again: nothing changes. Seldom a customer wants to be forgotten."""
        record, _ = self.owner.journal[-min(back, len(self.owner.journal))]
        assert_idle(self.owner.store, record, self.owner.now, self.owner.policy)
        if chosen == 13:
            self._erase(customer)

    def _erase(self, customer: str) -> None:
        self.numbers += 1
        key = ids.record_key(TENANT, customer)
        held = any(case.legal_hold for case in self.owner.cases_of(key).values())
        command = EraseCustomer(
            command_id=f"k{self.numbers}", tenant=TENANT, record_key=key, actor="ada",
            at=self.owner.now, reason="asked for it",
        )  # fmt: skip
        decision = self.take(EraseIn(command, self.owner.store.erased.get(key)))
        assert (decision.erased is None) == (held or decision is Decision.NOTHING)
        assert held or not self.owner.cases_of(key)

    def take(self, given: FeedbackIn | CommandIn | TimerIn | EraseIn) -> Decision:
        """Decide, and check what was decided."""
        before = dict(self.owner.cases)
        decision = self.owner.take(given)
        self.watch.check(before, decision, self.owner.now)
        for case in decision.cases:
            check_case(case, self.owner.policy, self.owner.now)
        if not self.owner.sent:  # two that merge into each other at once need to hear of it first
            check_merges(self.owner.cases)
        return decision

    def teardown(self) -> None:
        """Crashes, redeliveries and duplicates come to the same cases, events and commands."""
        while self.owner.sent:
            self.take(self.owner.sent.popleft())
        store = replay(self.owner.journal, self.chance)
        assert store.snapshots == {
            name: codec.encode(case) for name, case in self.owner.cases.items()
        }
        assert store.known == self.owner.store.known
        assert store.erased == self.owner.store.erased


TestEscalation = EscalationMachine.TestCase
TestEscalation.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
