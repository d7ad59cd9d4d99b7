"""Acknowledging a page: it stops the ladder for as long as somebody is active on the case."""

from __future__ import annotations

from typing import Final

import msgspec

from services.escalation.domain import escalation
from services.escalation.domain.case import Draft
from services.escalation.domain.policy import Policy
from shared.events import (
    CaseEventKind,
    CaseState,
    Cause,
    EscalationStatus,
    Refusal,
    TimerKind,
)

_WAITING: Final = frozenset({EscalationStatus.PENDING, EscalationStatus.EXHAUSTED})


def acknowledge(draft: Draft, policy: Policy, note: str | None) -> Refusal | None:
    """Stop the ladder: somebody works on it. Refused unless the case waits for that."""
    case = draft.case
    waits = case.escalation.status in _WAITING or case.backfilled
    if case.state is not CaseState.OPEN or not waits:
        return Refusal.WRONG_STATE
    draft.disarm(TimerKind.STEP)
    escalation.move(draft, status=EscalationStatus.ACKNOWLEDGED)
    draft.change(
        state=CaseState.ACKNOWLEDGED,
        acknowledged_at=draft.now,
        acknowledged_by=draft.origin.actor,
    )
    if not case.backfilled:  # whom nobody was paged for, nobody is paged for again
        renew(draft, policy)
    draft.emit(
        CaseEventKind.ACKNOWLEDGED,
        Cause.COMMAND,
        epoch=case.escalation.epoch,
        step=case.escalation.step,
        note=note,
    )
    return None


def extend(draft: Draft, policy: Policy) -> None:
    """Push the expiry, if one is armed: somebody was active on the case."""
    if any(timer.kind is TimerKind.ACK_EXPIRY for timer in draft.case.timers):
        renew(draft, policy)


def expired(draft: Draft, policy: Policy, due_at: int) -> None:
    """Acknowledged but not resolved: open again, next epoch; past the cap only a slow repeat."""
    stands = draft.case.escalation
    again = msgspec.structs.replace(stands, epoch=stands.epoch + 1, step=1, rounds=0)
    has_ladder = bool(policy.plan(draft.case.severity).steps)
    if has_ladder and not escalation.is_capped(draft, policy):
        escalation.begin_epoch(draft, policy, Cause.ACK_EXPIRED, again, at=due_at)
        return
    escalation.reopen(draft, again)
    escalation.exhaust(draft, policy, Cause.ACK_EXPIRED, due_at)


def renew(draft: Draft, policy: Policy) -> None:
    """Let the acknowledgement hold from now on, for as long as the case's severity allows."""
    expiry_ms = policy.plan(draft.case.severity).ack_expiry_ms
    draft.disarm(TimerKind.ACK_EXPIRY)
    if expiry_ms is not None:
        draft.arm(TimerKind.ACK_EXPIRY, draft.now + expiry_ms)
