"""Something is always pending: by construction at the end of every decision, and audited besides."""

from __future__ import annotations

from typing import Final

from services.escalation.domain import escalation
from services.escalation.domain.case import Draft
from services.escalation.domain.policy import Policy
from services.escalation.domain.refuse import Refuse
from shared import ids
from shared.events import (
    Case,
    CaseCommand,
    CaseEventKind,
    CaseState,
    Cause,
    CommandKind,
    FollowUpState,
    Refusal,
    TimerKind,
)

_STEPS: Final = frozenset({TimerKind.STEP, TimerKind.HELD, TimerKind.SNOOZE_END})


def violation(case: Case) -> str:
    """Return what is wrong with the deadlines of a case; "" when nothing is.

    A live case has a deadline; one that waits for an acknowledgement has a next step; and what its state
    promises has a timer. Imported history is quiet on purpose. (One that is overdue fires as soon as
    its index is right again.)
    """
    if case.state in Case.ENDED or case.backfilled:
        return ""
    if case.next_due_at is None:
        return "nothing is pending"
    waits = case.state is CaseState.OPEN and escalation.is_waiting(case)
    if waits and not _has_step(case):
        return "it waits for an acknowledgement, and has no next step"
    lost = sorted({kind for kind, _, _ in _lost(case)})
    return f"lost: {', '.join(lost)}" if lost else ""


def _lost(case: Case) -> list[tuple[TimerKind, int, int]]:
    """Return the timers that the state of a case asks for and that it has not: kind, ref, due_at."""
    wanted: list[tuple[TimerKind, int, int]] = []
    if case.snoozed_until is not None:
        wanted.append((TimerKind.SNOOZE_END, 0, case.snoozed_until))
    if case.wait_until is not None:
        wanted.append((TimerKind.WAIT_END, 0, case.wait_until))
    for item in case.follow_ups:
        if item.state is FollowUpState.SCHEDULED:
            wanted.append((TimerKind.FOLLOW_UP_DUE, item.number, item.due_at))
        elif item.state is FollowUpState.DUE:
            wanted.append((TimerKind.FOLLOW_UP_MISSED, item.number, item.due_at))
    armed = {(timer.kind, timer.ref) for timer in case.timers}
    kinds = {timer.kind for timer in case.timers}
    by_number = {TimerKind.FOLLOW_UP_DUE, TimerKind.FOLLOW_UP_MISSED}
    return [
        (kind, ref, due_at)
        for kind, ref, due_at in wanted
        if ((kind, ref) not in armed if kind in by_number else kind not in kinds)
    ]


def _has_step(case: Case) -> bool:
    return any(timer.kind in _STEPS for timer in case.timers)


def command(case: Case, now: int) -> CaseCommand:
    """Return what the auditor asks of a case with a violation; once in each of its states."""
    return CaseCommand(
        command_id=ids.digest(case.tenant, "audit", case.case_id, str(case.case_seq)),
        tenant=case.tenant,
        case_id=case.case_id,
        kind=CommandKind.AUDIT,
        actor="tocsin",
        at=now,
    )


def repair(draft: Draft, policy: Policy) -> None:
    """Give the case its next step back: the ladder from step 1, what was lost, else a reminder."""
    wrong = violation(draft.case)
    if not wrong:
        raise Refuse(Refusal.INVALID, "nothing is wrong with the case")
    if draft.case.state is CaseState.OPEN and not _has_step(draft.case):
        escalation.cancel_without_steps(draft, policy)
    draft.emit(
        CaseEventKind.REPAIRED,
        Cause.AUDIT,
        targets=escalation.in_charge(draft, policy),
        detail=wrong,
    )
    for kind, ref, due_at in _lost(draft.case):
        draft.arm(kind, max(due_at, draft.now), ref)
    waits = draft.case.state is CaseState.OPEN and escalation.is_waiting(draft.case)
    if waits and not _has_step(draft.case):
        escalation.start(draft, policy, Cause.AUDIT)


def remind(draft: Draft, policy: Policy, due_at: int) -> None:
    """Nothing else is pending any more: whoever is in charge is told, daily, until it goes on."""
    draft.emit(
        CaseEventKind.REMINDED,
        Cause.NOTHING_PENDING,
        at=due_at,
        targets=() if draft.case.backfilled else escalation.in_charge(draft, policy),
        detail=f"the case is {draft.case.state}, and nothing is due",
    )


def settle(draft: Draft, policy: Policy) -> None:
    """At the end of a decision: a live case gets a reminder if nothing else is pending.

    One that has ended is forgotten when its time is over.
    """
    case = draft.case
    if case.state in Case.ENDED:
        if not draft.is_armed(TimerKind.FORGET):
            keep_ms = policy.keep_ms if case.merged_into is None else policy.keep_merged_ms
            draft.arm(TimerKind.FORGET, draft.now + keep_ms)
    elif case.backfilled or _waits_for_more_than_a_reminder(case):
        draft.disarm(TimerKind.REMIND)
    elif not draft.is_armed(TimerKind.REMIND):
        draft.arm(TimerKind.REMIND, draft.now + policy.stale_repeat_ms)


def _waits_for_more_than_a_reminder(case: Case) -> bool:
    return any(timer.kind is not TimerKind.REMIND for timer in case.timers) or any(
        clock.next_at is not None for clock in case.clocks
    )
