"""Acknowledging a page: it stops the ladder for as long as somebody is active on the case."""

from __future__ import annotations

from typing import Final

import msgspec

from services.escalation.domain import escalation
from services.escalation.domain.case import Draft
from services.escalation.domain.policy import Policy
from services.escalation.domain.refuse import Refuse
from shared.events import (
    Case,
    CaseEventKind,
    CaseState,
    Cause,
    EscalationStatus,
    Refusal,
    TimerKind,
)

WAITING: Final = frozenset({CaseState.WAITING_CUSTOMER, CaseState.WAITING_THIRD_PARTY})


def acknowledge(draft: Draft, policy: Policy, note: str | None, cause: Cause) -> None:
    """Stop the ladder: somebody works on it, and whose the case is, if it was nobody's."""
    if draft.case.state is not CaseState.OPEN:
        raise Refuse(Refusal.WRONG_STATE, f"the case is {draft.case.state}, not open")
    _take(draft, policy)
    stands = draft.case.escalation
    draft.emit(CaseEventKind.ACKNOWLEDGED, cause, epoch=stands.epoch, step=stands.step, note=note)


def check_epoch(case: Case, epoch: int | None) -> None:
    """Refuse the acknowledgement of an epoch that is over: nobody has seen the page of this one."""
    if epoch is not None and epoch != case.escalation.epoch:
        raise Refuse(Refusal.SEQ_MISMATCH, f"epoch {epoch}, the case is at {case.escalation.epoch}")


def implied(draft: Draft, policy: Policy) -> None:
    """Acknowledge an open case, without an event of its own: what was done to it shows that."""
    if draft.case.state is CaseState.OPEN:
        _take(draft, policy)


def extend(draft: Draft, policy: Policy) -> None:
    """Push the expiry, if one is armed: somebody was active on the case."""
    if draft.is_armed(TimerKind.ACK_EXPIRY):
        renew(draft, policy)


def expired(draft: Draft, policy: Policy, due_at: int) -> None:
    """Acknowledged but not resolved: open again, next epoch; past the cap only a slow repeat."""
    stands = draft.case.escalation
    again = msgspec.structs.replace(
        stands, epoch=stands.epoch + 1, step=1, rounds=0, acknowledged_at=None
    )
    has_ladder = bool(policy.plan_for(draft.case).steps)
    if has_ladder and not escalation.is_capped(draft, policy):
        escalation.begin_epoch(draft, policy, Cause.ACK_EXPIRED, again, at=due_at)
        return
    escalation.reopen(draft, again)
    escalation.exhaust(draft, policy, Cause.ACK_EXPIRED, due_at)


def renew(draft: Draft, policy: Policy) -> None:
    """Let the acknowledgement hold from now on, for as long as the running epoch says.

    While the case waits or is snoozed it holds anyway: it is renewed when that ends. Of imported history
    nobody was paged, so nobody is paged again.
    """
    case = draft.case
    ladder = case.escalation.ladder or policy.ladder_for(case)
    expiry_ms = ladder.ack_expiry_ms
    draft.disarm(TimerKind.ACK_EXPIRY)
    holds = case.state in WAITING or case.snoozed_until is not None or case.backfilled
    if expiry_ms is not None and not holds:
        draft.arm(TimerKind.ACK_EXPIRY, draft.now + expiry_ms)


def renew_by_severity(draft: Draft, policy: Policy) -> None:
    """Another severity: the acknowledgement holds from now on for as long as that one allows."""
    ladder = draft.case.escalation.ladder
    if ladder is not None:
        expiry_ms = policy.plan_for(draft.case).ack_expiry_ms
        escalation.move(draft, ladder=msgspec.structs.replace(ladder, ack_expiry_ms=expiry_ms))
    renew(draft, policy)


def suspend(draft: Draft) -> None:
    """Let the acknowledgement hold while the case waits: something else is due then."""
    draft.disarm(TimerKind.ACK_EXPIRY)


def progress(case: Case) -> CaseState:
    """Return how far the work is on an acknowledged case that waits for nobody."""
    if case.offer is not None:
        return CaseState.OFFERED
    if case.clarification is not None:
        return CaseState.CLARIFIED
    return CaseState.INVESTIGATING if case.investigating else CaseState.ACKNOWLEDGED


def _take(draft: Draft, policy: Policy) -> None:
    draft.disarm(TimerKind.STEP, TimerKind.HELD, TimerKind.REMIND)
    escalation.move(
        draft,
        status=EscalationStatus.ACKNOWLEDGED,
        acknowledged_at=draft.now,
        held_since=None,
    )
    actor = draft.origin.actor
    draft.change(
        state=progress(draft.case),
        acknowledged_at=draft.now,
        acknowledged_by=actor,
        assignee=draft.case.assignee or actor,
    )
    renew(draft, policy)
