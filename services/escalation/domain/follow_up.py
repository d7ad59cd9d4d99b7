"""Follow-ups: what a resolution promises, when it falls due, and that a case closes after it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from services.escalation.domain import audit, clocks, escalation, surveys
from services.escalation.domain.case import Draft
from services.escalation.domain.policy import Policy
from services.escalation.domain.refuse import Refuse
from shared.events import (
    Case,
    CaseEventKind,
    CaseState,
    Cause,
    ClockKind,
    FollowUp,
    FollowUpState,
    Refusal,
    TimerKind,
    Via,
)

MAX_FOLLOW_UPS: Final = 32
"""How many follow-ups a case remembers; the oldest settled ones go first."""

MAX_REASON: Final = 300
"""Characters of the reason of a waiver that each later snapshot carries; its event has all."""

SETTLED: Final = frozenset({FollowUpState.DONE, FollowUpState.WAIVED})
_EVENT: Final = {
    FollowUpState.DUE: CaseEventKind.FOLLOW_UP_DUE,
    FollowUpState.DONE: CaseEventKind.FOLLOW_UP_DONE,
    FollowUpState.WAIVED: CaseEventKind.FOLLOW_UP_WAIVED,
    FollowUpState.MISSED: CaseEventKind.FOLLOW_UP_MISSED,
}


def schedule(draft: Draft, policy: Policy) -> None:
    """Promise the follow-ups of the case's severity, counted from now; else leave time to object."""
    plan = policy.plan_for(draft.case)
    if not plan.follow_ups:
        draft.arm(TimerKind.CLOSE, draft.now + plan.reopen_ms)
    for promise in plan.follow_ups:
        earlier = draft.case.follow_ups[-(MAX_FOLLOW_UPS - 1) :]
        item = FollowUp(
            number=earlier[-1].number + 1 if earlier else 1,
            kind=promise.kind,
            due_at=draft.now + promise.after_ms,
            via=promise.via,
        )
        draft.change(follow_ups=(*earlier, item))
        draft.arm(TimerKind.FOLLOW_UP_DUE, item.due_at, ref=item.number)
        draft.emit(CaseEventKind.FOLLOW_UP_SCHEDULED, Cause.RESOLVED, follow_up=item)


def due(draft: Draft, policy: Policy, number: int, due_at: int, cases: Iterable[Case] = ()) -> None:
    """A follow-up falls due: from now on its grace runs. A survey may have to wait, or not to be.

    Args:
        cases: all cases of the customer.
    """
    item = _find(draft, number)
    if item is None or item.state is not FollowUpState.SCHEDULED:
        return
    if item.via is Via.SURVEY:
        reason = surveys.blocked(draft.case, cases, number, draft.now, policy)
        later = surveys.not_before(draft.case, policy)
        if reason:
            waived = FollowUpState.WAIVED
            _enter(draft, item, waived, Cause.FOLLOW_UP, at=due_at, note=reason)
            close_if_settled(draft)
            return
        if later > draft.now:
            _put_off(draft, item, later, due_at)
            return
    grace_ms = policy.plan_for(draft.case).follow_up_grace_ms
    draft.arm(TimerKind.FOLLOW_UP_MISSED, draft.now + grace_ms, ref=number)
    _enter(draft, item, FollowUpState.DUE, Cause.FOLLOW_UP, at=due_at)


def _put_off(draft: Draft, item: FollowUp, due_at: int, at: int) -> None:
    later = msgspec.structs.replace(item, due_at=due_at)
    draft.change(follow_ups=tuple(later if one is item else one for one in draft.case.follow_ups))
    draft.arm(TimerKind.FOLLOW_UP_DUE, due_at, ref=item.number)
    draft.emit(CaseEventKind.FOLLOW_UP_SCHEDULED, Cause.FOLLOW_UP, at=at, follow_up=later)


def missed(draft: Draft, policy: Policy, number: int, due_at: int) -> None:
    """The grace is over: record it and tell the lead; the promise still has to be settled."""
    item = _find(draft, number)
    if item is None or item.state is not FollowUpState.DUE:
        return
    entered = _enter(draft, item, FollowUpState.MISSED, Cause.FOLLOW_UP, at=due_at)
    escalation.follow_up_overdue(draft, policy, due_at, entered)


def settle(draft: Draft, number: int | None, state: FollowUpState, note: str | None) -> None:
    """Mark a follow-up done or waived by command; the last one closes the case."""
    item = None if number is None else _find(draft, number)
    if item is None:
        raise Refuse(Refusal.NO_SUCH_FOLLOW_UP, f"follow_up: there is no {number}")
    if item.state in SETTLED:
        raise Refuse(Refusal.WRONG_STATE, f"follow-up {number} is {item.state}")
    _enter(draft, item, state, Cause.COMMAND, note=note)
    close_if_settled(draft)


def waive_all(draft: Draft, cause: Cause) -> None:
    """Waive what is not settled yet: the case is open again, or over."""
    for item in draft.case.follow_ups:
        if item.state not in SETTLED:
            _enter(draft, item, FollowUpState.WAIVED, cause)


def is_told(case: Case) -> bool:
    """Tell whether the customer knows how the case was resolved: told, or talked to since."""
    if case.communicated_at is not None:
        return True
    since = case.resolved_at or 0
    return any(
        item.state is FollowUpState.DONE and (item.changed_at or 0) >= since
        for item in case.follow_ups
    )


def window_over(draft: Draft, policy: Policy, due_at: int) -> None:
    """Nobody objected to a resolution that promised nothing: it is over, if the customer knows."""
    if not close_if_settled(draft):
        audit.remind(draft, policy, due_at)


def close_if_settled(draft: Draft) -> bool:
    """Close a resolved case of which the customer knows, when every promise is done or waived."""
    if draft.case.state not in Case.SETTLING or not is_told(draft.case):
        return False
    if any(item.state not in SETTLED for item in draft.case.follow_ups):
        return False
    close(draft, Cause.FOLLOW_UPS_SETTLED)
    return True


def close(draft: Draft, cause: Cause, note: str | None = None) -> None:
    """Close the case: nothing is pending any more, and what was promised is waived."""
    if draft.case.state in Case.UNRESOLVED:
        escalation.cancel(draft)
    clocks.cancel(draft, tuple(ClockKind))
    waive_all(draft, cause)
    draft.change(
        state=CaseState.CLOSED, closed_at=draft.now, timers=(), snoozed_until=None, wait_until=None
    )
    draft.emit(CaseEventKind.CLOSED, cause, note=note)


def _find(draft: Draft, number: int) -> FollowUp | None:
    return next((item for item in draft.case.follow_ups if item.number == number), None)


def _enter(
    draft: Draft,
    item: FollowUp,
    state: FollowUpState,
    cause: Cause,
    *,
    at: int | None = None,
    note: str | None = None,
) -> FollowUp:
    """Move one follow-up to ``state``, with its event; a settled one loses its timers."""
    waived = state is FollowUpState.WAIVED
    reason = (note or str(cause))[:MAX_REASON] if waived else item.reason
    entered = msgspec.structs.replace(item, state=state, changed_at=draft.now, reason=reason)
    draft.change(
        follow_ups=tuple(
            entered if other.number == item.number else other for other in draft.case.follow_ups
        )
    )
    if state in SETTLED:
        draft.disarm(TimerKind.FOLLOW_UP_DUE, TimerKind.FOLLOW_UP_MISSED, ref=item.number)
    draft.emit(_EVENT[state], cause, at=at, follow_up=entered, note=note)
    return entered
