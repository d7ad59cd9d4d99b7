"""Decides again what the log says was decided, customer by customer, in the order of the log.

An event carries what a decision needs besides its input: when it was made, by which policy, and what
it was told. What a decision did without an event (a case that is forgotten when its time is over, a
reminder of quiet history that lapses) is made up for when the next one would come out otherwise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from services.escalation.domain import audit
from services.escalation.domain.decide import (
    CommandIn,
    EraseIn,
    FeedbackIn,
    Input,
    TimerIn,
    decide,
)
from services.escalation.domain.policy import DAY, Policy
from services.escalation.replaying.report import Logged, Of, Report, Skipped, difference
from shared import codec
from shared.events import (
    Case,
    CaseCommand,
    CaseEvent,
    EraseCustomer,
    FeedbackClassified,
    TimerKind,
)
from shared.ids import record_key_of_case

Found = FeedbackClassified | CaseCommand | EraseCustomer
Named = tuple[str, str]
"""An input as events name it: its id, and the case (record key for an erasure); "" for a feedback."""
Cases = Mapping[str, Case]


def names_of(event: CaseEvent) -> tuple[Named, ...]:
    """Return how the input of an event may be named; nothing for a timer."""
    if event.feedback_id is not None:
        return ((event.feedback_id, ""),)
    if event.command_id is not None:
        return (
            (event.command_id, event.case_id),
            (event.command_id, record_key_of_case(event.case_id)),
        )
    return ()


def decisions(events: Iterable[Logged]) -> Iterator[list[Logged]]:
    """Yield the events of one partition, decision by decision; one that is there twice counts once."""
    for _, of in groupby(events, key=lambda one: _decision_of(one.event)):
        yield list({one.event.event_id: one for one in of}.values())


def _decision_of(event: CaseEvent) -> tuple[str, str | None, str | None, int, str]:
    timer = event.feedback_id is None and event.command_id is None
    return (
        record_key_of_case(event.case_id),
        event.feedback_id,
        event.command_id,
        event.recorded_at,
        event.case_id if timer else "",
    )


class Redecider:
    """Goes through the decisions of a partition.

    Args:
        policies: by version.
        inputs: those that are kept, as :func:`names_of` names them.
        report: is told what differs.
        skips: says of a decision (the first of its events) why it is not to be made again.
    """

    def __init__(
        self,
        policies: Mapping[str, Policy],
        inputs: Mapping[Named, Found],
        report: Report,
        skips: Callable[[Logged], Skipped | None] = lambda _: None,
    ) -> None:
        self._policies = policies
        self._inputs = inputs
        self._report = report
        self._skips = skips
        self._customers: dict[str, dict[str, Case]] = defaultdict(dict)

    def take(self, logged: Sequence[Logged]) -> None:
        """Make one decision again, and compare; then take over what the log says."""
        first = logged[0].event
        cases = self._customers[record_key_of_case(first.case_id)]
        self._report.decisions += 1
        skipped = self._skips(logged[0]) or self._redecide(cases, logged)
        if skipped is None:
            self._report.redecided += 1
        else:
            self._report.skipped[skipped] += 1
        if skipped is not Skipped.ERASED:
            cases |= {one.event.case_id: one.event.case for one in logged if one.event.case}

    def _redecide(self, cases: dict[str, Case], logged: Sequence[Logged]) -> Skipped | None:
        first = logged[0].event
        policy = self._policies.get(first.policy)
        if policy is None and not first.policy:  # a refusal by no case at all
            policy = next(iter(self._policies.values()), None)
        if policy is None:
            return Skipped.POLICY
        given = self._input(cases.get(first.case_id), first)
        if given is None:
            return Skipped.INPUT
        made: Sequence[CaseEvent] = ()
        for before in _before(cases, logged, policy):
            made = decide(before, given, first.recorded_at, policy).events
            if [codec.encode(one) for one in made] == [one.raw for one in logged]:
                for case_id in cases.keys() - before.keys():
                    del cases[case_id]
                return None
        self._differs(logged, made)
        return None

    def _input(self, case: Case | None, event: CaseEvent) -> Input | None:
        if event.feedback_id is None and event.command_id is None:
            return TimerIn(event.case_id)
        found = next((self._inputs[name] for name in names_of(event) if name in self._inputs), None)
        if found is None and case is not None:  # the auditor asks in the worker, not by Kafka
            asked = audit.command(case, event.recorded_at)
            found = asked if asked.command_id == event.command_id else None
        match found:
            case FeedbackClassified():
                return FeedbackIn(found)
            case CaseCommand():
                return CommandIn(found, event.facts)
            case EraseCustomer():
                return EraseIn(found)
            case _:
                return None

    def _differs(self, logged: Sequence[Logged], made: Sequence[CaseEvent]) -> None:
        for number, one in enumerate(logged):
            again = made[number] if number < len(made) else None
            found = difference(Of.DECISION, one.event.case_id, one.event, again, one.where)
            if found is not None:
                self._report.add(found)
                return
        last = logged[-1]
        more = made[len(logged)] if len(made) > len(logged) else last.raw
        found = difference(Of.DECISION, last.event.case_id, None, more, last.where)
        if found is not None:
            self._report.add(found)


def _before(cases: Cases, logged: Sequence[Logged], policy: Policy) -> Iterator[Cases]:
    """Yield how the cases may have stood, the likeliest first."""
    yield cases
    now = logged[0].event.recorded_at
    times = {now} | {
        timer.due_at - DAY
        for one in logged
        if one.event.case is not None
        for timer in one.event.case.timers
        if timer.kind is TimerKind.FORGET and timer.due_at - DAY <= now
    }
    for at in sorted(times, reverse=True):
        changed = quietly(cases, at, policy)
        if changed != cases:
            yield changed


def quietly(cases: Cases, at: int, policy: Policy) -> Cases:
    """Return the cases after the timers that were due ``at`` and left no event."""
    after = dict(cases)
    for case_id, case in cases.items():
        if case.next_due_at is None or case.next_due_at > at:
            continue
        decision = decide(cases, TimerIn(case_id), at, policy)
        if decision.events:
            continue
        after |= {one.case_id: one for one in decision.cases}
        for gone in decision.removed:
            after.pop(gone, None)
    return after
