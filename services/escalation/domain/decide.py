"""The decision: what one input does to the cases of one customer. Pure and deterministic.

The same function serves the worker, a replay, a simulation and the tests. It is handed ``now`` and
returns what is to happen; it asks no clock, draws no random number and touches nothing outside.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, assert_never

import msgspec

from services.escalation.domain import (
    acknowledge,
    assignment,
    audit,
    bounds,
    clocks,
    commands,
    escalation,
    follow_up,
    forwarding,
    grouping,
    intake,
    lifecycle,
    merging,
    retargeting,
)
from services.escalation.domain.case import Draft, Origin
from services.escalation.domain.policy import DAY, Policy
from shared.events import (
    Case,
    CaseCommand,
    CaseEvent,
    CaseState,
    Cause,
    CustomerErased,
    EraseCustomer,
    FeedbackClassified,
    FeedbackOutcome,
    NoCaseReason,
    OutcomeKind,
    Timer,
    TimerKind,
)


class FeedbackIn(msgspec.Struct, frozen=True):
    """A classified feedback arrived. ``erased_at``: when its customer was erased, if ever."""

    classified: FeedbackClassified
    erased_at: int | None = None


class CommandIn(msgspec.Struct, frozen=True):
    """Somebody asks something of a case. ``load``: live cases of people, as ``name/severity``."""

    command: CaseCommand
    load: Mapping[str, int] = msgspec.field(default_factory=dict)


class TimerIn(msgspec.Struct, frozen=True):
    """Something of this case fell due."""

    case_id: str


class EraseIn(msgspec.Struct, frozen=True):
    """All that is kept of a customer is to be erased. ``erased_at``: when that was done, if ever."""

    command: EraseCustomer
    erased_at: int | None = None


Input = FeedbackIn | CommandIn | TimerIn | EraseIn


class Decision(msgspec.Struct, frozen=True):
    """What is to be written: changed snapshots, events in order, the outcome of a feedback.

    A closed case is among ``cases`` like any other; ``removed`` are those to be forgotten. ``sent``
    are commands to other cases. ``NOTHING`` answers a stale timer, a repeated command and a feedback
    that one of the cases lists already.
    """

    NOTHING: ClassVar[Decision]

    cases: tuple[Case, ...] = ()
    events: tuple[CaseEvent, ...] = ()
    outcome: FeedbackOutcome | None = None
    sent: tuple[CaseCommand, ...] = ()
    removed: tuple[str, ...] = ()
    erased: CustomerErased | None = None


Decision.NOTHING = Decision()


def decide(cases: Mapping[str, Case], given: Input, now: int, policy: Policy) -> Decision:
    """Return what ``given`` does.

    Args:
        cases: all live cases, by id, of the one customer (record key) that the input concerns.
        given: a feedback, a command, a due timer or an erasure.
        now: milliseconds since the Unix epoch, UTC.
        policy: what each severity asks for.
    """
    match given:
        case FeedbackIn(classified):
            return _feedback(cases, classified, given.erased_at, now, policy)
        case CommandIn(command):
            return _command(cases, command, given.load, now, policy)
        case TimerIn(case_id):
            return _timers(cases, case_id, now, policy)
        case EraseIn(command):
            return _erase(cases, command, given.erased_at, now, policy)
        case _:
            assert_never(given)


def _feedback(
    cases: Mapping[str, Case],
    item: FeedbackClassified,
    erased_at: int | None,
    now: int,
    policy: Policy,
) -> Decision:
    feedback = item.feedback
    if grouping.is_known(cases.values(), feedback.feedback_id):
        return Decision.NOTHING
    if erased_at is not None and feedback.received_at <= erased_at:
        gone = grouping.Route(OutcomeKind.NO_CASE, reason=NoCaseReason.ERASED)
        return Decision(outcome=_outcome(item, gone, (), now))
    route = grouping.route(cases.values(), item, now, policy)
    if route.kind is OutcomeKind.NO_CASE:
        return Decision(outcome=_outcome(item, route, (), now))
    origin = Origin(feedback.feedback_id, feedback.received_at, policy=policy.version)
    if route.case is None:
        drafts = _open(item, route, now, origin, policy)
    else:
        joined = [route.case]
        if route.cause is Cause.DELETION:  # every part of a bundle shows it
            all_parts = grouping.holders(cases.values(), feedback)
            joined += [case for case in all_parts if case.case_id != route.case.case_id]
        drafts = [Draft(case, now, origin) for case in joined]
        for draft in drafts:
            _join(draft, item, route, policy)
        if route.case.state is CaseState.MERGED:
            route = grouping.Route(OutcomeKind.FORWARDED, cause=route.cause)
    return _decision(drafts, policy, _outcome(item, route, [one.case for one in drafts], now))


def _join(draft: Draft, item: FeedbackClassified, route: grouping.Route, policy: Policy) -> None:
    if draft.case.state is CaseState.MERGED:
        forwarding.hand_on(draft, item, route.cause)
    elif route.kind is OutcomeKind.CASE_REOPENED:
        intake.reopen(draft, item, route.cause, policy)
    elif route.cause in grouping.REFERRING or draft.case.state in Case.SETTLING:
        intake.refer(draft, item, route.cause, policy)
    else:
        intake.attach(draft, item, route.cause, policy)


def _open(
    item: FeedbackClassified, route: grouping.Route, now: int, origin: Origin, policy: Policy
) -> list[Draft]:
    drafts = []
    for part, issue in enumerate(intake.parts_of(item, policy)):
        draft = Draft(intake.new_case(item, now, part, issue, route.former), now, origin)
        intake.open_case(draft, item, route.cause, policy, issue)
        drafts.append(draft)
    return drafts


def _command(
    cases: Mapping[str, Case],
    command: CaseCommand,
    load: Mapping[str, int],
    now: int,
    policy: Policy,
) -> Decision:
    case = cases.get(command.case_id)
    if case is None or case.tenant != command.tenant:
        answer = merging.unknown_survivor(command, now)
        event = commands.refuse_unknown(command, now)
        return Decision(events=(event,), sent=() if answer is None else (answer,))
    if commands.is_known(case, command.command_id):
        return Decision.NOTHING
    origin = Origin(
        command_id=command.command_id,
        actor=command.actor,
        policy=policy.version,
        facts=assignment.relevant(load, case, command, policy, now),
    )
    return _decision(commands.apply(case, command, now, origin, policy, cases), policy)


def _timers(cases: Mapping[str, Case], case_id: str, now: int, policy: Policy) -> Decision:
    """Fire everything of the case that is due, in deadline order, each exactly once."""
    case = cases.get(case_id)
    if case is None:
        return Decision.NOTHING
    draft = Draft(case, now, Origin(policy=policy.version))
    while due := draft.take_due(case.timer_version):
        if isinstance(due, Timer):
            if due.kind is TimerKind.FORGET and draft.case.state in Case.ENDED:
                if case.legal_hold is None:
                    return Decision(removed=(case_id,))
                draft.arm(TimerKind.FORGET, now + DAY)
                return Decision(cases=(draft.case,))
            _fire(draft, due, policy, cases)
        elif clocks.fire(draft, policy, due):
            lifecycle.snooze_over(draft, policy, due.due_at, Cause.CLOCK)
    return _decision((draft,), policy)


def _fire(draft: Draft, timer: Timer, policy: Policy, cases: Mapping[str, Case]) -> None:
    match timer.kind:
        case TimerKind.STEP:
            escalation.step_due(draft, policy, timer.due_at)
        case TimerKind.HELD:
            escalation.hold_over(draft, policy, timer.due_at)
        case TimerKind.ACK_EXPIRY:
            acknowledge.expired(draft, policy, timer.due_at)
        case TimerKind.FOLLOW_UP_DUE:
            follow_up.due(draft, policy, timer.ref, timer.due_at, cases.values())
        case TimerKind.FOLLOW_UP_MISSED:
            follow_up.missed(draft, policy, timer.ref, timer.due_at)
        case TimerKind.CLOSE:
            follow_up.window_over(draft, policy, timer.due_at)
        case TimerKind.NUDGE:
            lifecycle.nudge_due(draft, timer.ref, timer.due_at)
        case TimerKind.WAIT_END:
            lifecycle.wait_over(draft, policy, timer)
        case TimerKind.SNOOZE_END:
            lifecycle.snooze_over(draft, policy, timer.due_at, Cause.SNOOZE_OVER)
        case TimerKind.REMIND:
            audit.remind(draft, policy, timer.due_at)
        case TimerKind.FORGET:
            pass
        case _:
            assert_never(timer.kind)


def _erase(
    cases: Mapping[str, Case],
    command: EraseCustomer,
    erased_at: int | None,
    now: int,
    policy: Policy,
) -> Decision:
    """Forget all cases of a customer, unless one is held for a reason of law: that one says so."""
    asked_at = bounds.asked_at(command.at, now)
    if erased_at is not None and erased_at >= asked_at:
        return Decision.NOTHING
    held = next((cases[name] for name in sorted(cases) if cases[name].legal_hold), None)
    if held is not None:
        if commands.is_known(held, command.command_id):
            return Decision.NOTHING
        origin = Origin(command_id=command.command_id, actor=command.actor, policy=policy.version)
        return _decision((commands.refuse_erasure(held, now, origin),), policy)
    receipt = CustomerErased(
        command_id=command.command_id,
        tenant=command.tenant,
        record_key=command.record_key,
        actor=command.actor,
        erased_at=max(now, asked_at),
        reason=command.reason,
        cases=tuple(sorted(cases)),
    )
    there = [Draft(case, now, Origin()) for case in cases.values()]
    for draft in there:
        forwarding.forget_there(draft, command.command_id)
    sent = tuple(told for draft in there for told in draft.sent)
    return Decision(removed=receipt.cases, erased=receipt, sent=sent)


def _decision(
    drafts: tuple[Draft, ...] | list[Draft],
    policy: Policy,
    outcome: FeedbackOutcome | None = None,
) -> Decision:
    changed = [draft for draft in drafts if draft.case is not draft.before]
    if not changed and not any(draft.sent for draft in drafts):
        return Decision.NOTHING
    for draft in changed:
        retargeting.rematch(draft, policy)
        audit.settle(draft, policy)
        draft.seal()
    if len(drafts) == 1:
        (only,) = drafts
        return Decision((only.case,), tuple(only.events), outcome, tuple(only.sent))
    return Decision(
        tuple(draft.case for draft in changed),
        tuple(event for draft in changed for event in draft.events),
        outcome,
        tuple(command for draft in drafts for command in draft.sent),
    )


def _outcome(
    item: FeedbackClassified,
    route: grouping.Route,
    cases: tuple[Case, ...] | list[Case],
    now: int,
) -> FeedbackOutcome:
    return FeedbackOutcome(
        feedback_id=item.feedback.feedback_id,
        tenant=item.feedback.tenant,
        channel=item.feedback.channel,
        severity=item.classification.severity,
        kind=route.kind,
        received_at=item.feedback.received_at,
        decided_at=now,
        case_id=cases[0].case_id if cases else None,
        no_case_reason=route.reason,
        others=tuple(case.case_id for case in cases[1:]),
    )
