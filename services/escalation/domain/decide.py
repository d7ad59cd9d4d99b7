"""The decision: what one input does to the cases of one customer. Pure and deterministic.

The same function serves the worker, a replay, a simulation and the tests. It is handed ``now`` and
returns what is to happen; it asks no clock, draws no random number and touches nothing outside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, assert_never

from services.escalation.domain import (
    acknowledge,
    commands,
    escalation,
    follow_up,
    grouping,
    intake,
)
from services.escalation.domain.case import Draft, Origin
from services.escalation.domain.policy import Policy
from shared.events import (
    Case,
    CaseCommand,
    CaseEvent,
    CaseState,
    FeedbackClassified,
    FeedbackOutcome,
    OutcomeKind,
    Timer,
    TimerKind,
)


@dataclass(frozen=True)
class FeedbackIn:
    """A classified feedback arrived."""

    classified: FeedbackClassified


@dataclass(frozen=True)
class CommandIn:
    """Somebody asks something of a case."""

    command: CaseCommand


@dataclass(frozen=True)
class TimerIn:
    """Something of this case fell due."""

    case_id: str


Input = FeedbackIn | CommandIn | TimerIn


@dataclass(frozen=True)
class Decision:
    """What is to be written: changed snapshots, events in order, the outcome of a feedback.

    A closed case is among ``cases`` like any other. ``NOTHING`` answers a stale timer, a repeated
    command and a feedback that one of the cases lists already.
    """

    NOTHING: ClassVar[Decision]

    cases: tuple[Case, ...] = ()
    events: tuple[CaseEvent, ...] = ()
    outcome: FeedbackOutcome | None = None


Decision.NOTHING = Decision()


def decide(cases: Mapping[str, Case], given: Input, now: int, policy: Policy) -> Decision:
    """Return what ``given`` does.

    Args:
        cases: all live cases, by id, of the one customer (record key) that the input concerns.
        given: a feedback, a command or a due timer.
        now: milliseconds since the Unix epoch, UTC.
        policy: what each severity asks for.
    """
    match given:
        case FeedbackIn(classified):
            return _feedback(cases, classified, now, policy)
        case CommandIn(command):
            return _command(cases, command, now, policy)
        case TimerIn(case_id):
            return _timers(cases, case_id, now, policy)
        case _:
            assert_never(given)


def _feedback(
    cases: Mapping[str, Case], item: FeedbackClassified, now: int, policy: Policy
) -> Decision:
    feedback = item.feedback
    if grouping.is_known(cases.values(), feedback.feedback_id):
        return Decision.NOTHING
    route = grouping.route(cases.values(), item, now, policy)
    if route.kind is OutcomeKind.NO_CASE:
        return Decision(outcome=_outcome(item, route, None, now))
    origin = Origin(feedback.feedback_id, feedback.received_at)
    draft = Draft(route.case or intake.new_case(item, now), now, origin)
    if route.kind is OutcomeKind.CASE_OPENED:
        intake.open_case(draft, item, route.cause, policy)
    elif route.kind is OutcomeKind.CASE_REOPENED:
        intake.reopen(draft, item, route.cause, policy)
    elif route.cause in grouping.REFERRING or draft.case.state is CaseState.RESOLVED:
        intake.refer(draft, item, route.cause)
    else:
        intake.attach(draft, item, route.cause, policy)
    return _decision(draft, _outcome(item, route, draft.case.case_id, now))


def _command(cases: Mapping[str, Case], command: CaseCommand, now: int, policy: Policy) -> Decision:
    case = cases.get(command.case_id)
    if case is None or case.tenant != command.tenant:
        return Decision(events=(commands.refuse_unknown(command, now),))
    if command.command_id in case.commands:
        return Decision.NOTHING
    draft = Draft(case, now, Origin(command_id=command.command_id, actor=command.actor))
    commands.apply(draft, command, policy)
    return _decision(draft)


def _timers(cases: Mapping[str, Case], case_id: str, now: int, policy: Policy) -> Decision:
    """Fire every timer of the case that is due, in deadline order, each exactly once."""
    case = cases.get(case_id)
    if case is None:
        return Decision.NOTHING
    draft = Draft(case, now, Origin())
    while timer := draft.take_due(case.timer_version):
        _fire(draft, timer, policy)
    return _decision(draft)


def _fire(draft: Draft, timer: Timer, policy: Policy) -> None:
    match timer.kind:
        case TimerKind.STEP:
            escalation.step_due(draft, policy, timer.due_at)
        case TimerKind.ACK_EXPIRY:
            acknowledge.expired(draft, policy, timer.due_at)
        case TimerKind.FOLLOW_UP_DUE:
            follow_up.due(draft, policy, timer.ref, timer.due_at)
        case TimerKind.FOLLOW_UP_MISSED:
            follow_up.missed(draft, policy, timer.ref, timer.due_at)
        case TimerKind.CLOSE:
            follow_up.close_if_settled(draft)


def _decision(draft: Draft, outcome: FeedbackOutcome | None = None) -> Decision:
    if draft.case is draft.before:
        return Decision.NOTHING
    return Decision((draft.case,), tuple(draft.events), outcome)


def _outcome(
    item: FeedbackClassified, route: grouping.Route, case_id: str | None, now: int
) -> FeedbackOutcome:
    return FeedbackOutcome(
        feedback_id=item.feedback.feedback_id,
        tenant=item.feedback.tenant,
        channel=item.feedback.channel,
        severity=item.classification.severity,
        kind=route.kind,
        received_at=item.feedback.received_at,
        decided_at=now,
        case_id=case_id,
        no_case_reason=route.reason,
    )
