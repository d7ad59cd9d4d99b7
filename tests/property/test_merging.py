"""Merges across customers, in any order of delivery, with crashes and duplicates: nothing is lost."""

from __future__ import annotations

from collections import defaultdict

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.escalation.domain.defaults import DEFAULT_POLICY
from services.escalation.domain.policy import HOUR
from shared.events import (
    Case,
    CaseState,
    ClockState,
    CommandKind,
    OutcomeKind,
    Severity,
)
from tests.unit.escalation.parties import Parties

CUSTOMERS = ("ann", "bea", "cleo")
POLICY = msgspec.structs.replace(DEFAULT_POLICY, keep_merged_ms=10**13)

numbers = st.integers(min_value=0, max_value=99)
actions = st.lists(
    st.one_of(
        st.tuples(st.just("say"), numbers, numbers),
        st.tuples(st.just("merge"), numbers, numbers),
        st.tuples(st.just("unmerge"), numbers, numbers),
        st.tuples(st.just("answer"), numbers, numbers),
        st.tuples(st.just("deliver"), numbers, st.integers(0, 2)),
    ),
    max_size=25,
)


class Story:
    """What was said to which case, and what has to become of it."""

    def __init__(self) -> None:
        self.parties = Parties(POLICY)
        self.said: dict[str, set[str]] = defaultdict(set)
        for customer in (*CUSTOMERS, *CUSTOMERS):
            self.said[self.parties.open(customer)] = set()
        for case in self.parties.cases.values():
            self.said[case.case_id].add(case.feedback[0].feedback_id)

    def say(self, which: int, grave: int) -> None:
        """A customer says something in the thread of one of the cases."""
        case = self._case(which)
        decision = self.parties.feed(
            case.customer_key,
            Severity.HIGH if grave % 5 == 0 else Severity.MEDIUM,
            thread=case.thread_id,
        )
        outcome = decision.outcome
        assert outcome is not None
        assert outcome.kind is not OutcomeKind.NO_CASE
        assert outcome.case_id is not None
        self.said[outcome.case_id].add(outcome.feedback_id)

    def merge(self, which: int, into: int) -> None:
        """Somebody merges two cases."""
        self.parties.merge(self._case(which).case_id, self._case(into).case_id)

    def unmerge(self, which: int, _: int) -> None:
        """Somebody undoes a merge."""
        self.parties.command(CommandKind.UNMERGE, self._case(which).case_id)

    def answer(self, which: int, kind: int) -> None:
        """Somebody answers a case, or wants to reopen it."""
        does = CommandKind.REPLY if kind % 2 else CommandKind.REOPEN
        self.parties.command(does, self._case(which).case_id)

    def deliver(self, which: int, how: int) -> None:
        """One of the commands on its way arrives: once, to come again, or at an owner that crashes."""
        if self.parties.sent:
            number = which % len(self.parties.sent)
            if how == 2:
                self.parties.crash(number)
            else:
                self.parties.deliver(number, again=how == 1)

    def _case(self, which: int) -> Case:
        cases = list(self.parties.cases.values())
        return cases[which % len(cases)]


@settings(max_examples=150, deadline=None)
@given(actions)
def test_whatever_was_said_is_in_the_case_that_goes_on(steps: list[tuple[str, int, int]]) -> None:
    story = Story()
    parties = story.parties
    for name, one, other in steps:
        parties.now += HOUR // 4
        getattr(story, name)(one, other)
    parties.deliver_all()
    for case_id, said in story.said.items():
        end = parties.end_of(case_id)
        listed = {ref.feedback_id for ref in end.feedback}
        assert said <= listed or len(listed) >= Case.MAX_REFS
        # Nobody resolved anything, so whatever was said is still being worked on.
        assert end.state in Case.UNRESOLVED
        assert end.next_due_at is not None
        assert end.opened_at <= parties.cases[case_id].opened_at
    for case in parties.cases.values():
        if case.state is CaseState.MERGED:
            assert all(clock.state is not ClockState.RUNNING for clock in case.clocks)
            assert case.merged_into not in case.aliases or case.merged_into != case.case_id
        assert len({ref.item for ref in case.feedback}) == len(case.feedback)
        assert case.case_id not in case.aliases


@settings(max_examples=100, deadline=None)
@given(st.permutations(range(6)), st.lists(numbers, min_size=20, max_size=20))
def test_the_order_of_delivery_does_not_matter_to_a_star(
    order: list[int], picks: list[int]
) -> None:
    """All cases are merged into the first one; the same is said in it whatever comes first."""
    story = Story()
    parties = story.parties
    names = list(parties.cases)
    for number in order:
        if number:
            parties.merge(names[number], names[0])
    for pick in picks:
        if parties.sent:
            parties.deliver(pick % len(parties.sent), again=pick % 3 == 0)
    parties.deliver_all()
    survivor = parties.cases[names[0]]
    assert {ref.feedback_id for ref in survivor.feedback} == set().union(*story.said.values())
    assert set(survivor.aliases) == set(names[1:])
    assert survivor.feedback_count == len(names)
