"""What people decide over the machine: the severity, the policy that counts, and legal holds."""

from __future__ import annotations

from services.escalation.domain import acknowledge, clocks, escalation, lifecycle
from services.escalation.domain.case import Draft
from services.escalation.domain.policy import Policy
from services.escalation.domain.refuse import Refuse
from services.escalation.domain.severity import RANK
from shared.events import (
    Case,
    CaseCommand,
    CaseEventKind,
    CaseState,
    Cause,
    Refusal,
    TimerKind,
)


def correct(draft: Draft, policy: Policy, command: CaseCommand) -> None:
    """Set the severity by hand; it stays until there is new evidence, which may only raise it.

    Raised, the ladder begins anew and nothing is acknowledged any more. Lowered, an acknowledgement
    stays, the running epoch ends as it began, and a breach stays a breach.
    """
    before, after = draft.case.severity, command.severity
    if draft.case.state in Case.ENDED:
        raise Refuse(Refusal.WRONG_STATE, f"the case is {draft.case.state}")
    if after is None:
        raise Refuse(Refusal.MISSING, "severity")
    if after is before and command.kind_is in {None, draft.case.kind} and not command.reasons:
        raise Refuse(Refusal.INVALID, f"severity: the case is {before} already")
    raised = RANK[after] > RANK[before]
    draft.change(
        severity=after,
        set_by=command.actor,
        kind=command.kind_is or draft.case.kind,
        reasons=command.reasons or draft.case.reasons,
    )
    if after is not before:
        clocks.retarget(draft, policy, raised=raised)
    draft.emit(
        CaseEventKind.SEVERITY_CORRECTED,
        Cause.COMMAND,
        note=lifecycle.note_of(command),
        detail=f"was {before}",
    )
    if draft.case.state not in Case.UNRESOLVED or draft.case.backfilled:
        return
    if raised:
        lifecycle.escalate(draft, policy, Cause.SEVERITY_RAISED)
    elif draft.is_armed(TimerKind.ACK_EXPIRY) or draft.case.state is CaseState.ACKNOWLEDGED:
        acknowledge.renew(draft, policy)


def reapply(draft: Draft, policy: Policy, command: CaseCommand) -> None:
    """Let the policy of today count for the running clocks, and for the next epoch."""
    if draft.case.state in Case.ENDED:
        raise Refuse(Refusal.WRONG_STATE, f"the case is {draft.case.state}")
    if not (command.note or "").strip():
        raise Refuse(Refusal.MISSING, "note: the reason")
    clocks.retarget(draft, policy, raised=False, anew=True)
    escalation.move(draft, ladder=policy.ladder_for(draft.case))
    draft.emit(CaseEventKind.REAPPLIED, Cause.COMMAND, note=lifecycle.note_of(command))


def hold(draft: Draft, _: Policy, command: CaseCommand) -> None:
    """Keep the case from being erased or forgotten, for a reason of law."""
    reason = (command.note or "").strip()
    if not reason:
        raise Refuse(Refusal.MISSING, "note: the reason of the hold")
    draft.change(legal_hold=reason[: lifecycle.MAX_NOTE])
    draft.emit(CaseEventKind.HELD_FOR_LAW, Cause.COMMAND, note=draft.case.legal_hold)


def release(draft: Draft, _: Policy, command: CaseCommand) -> None:
    """End a legal hold."""
    if draft.case.legal_hold is None:
        raise Refuse(Refusal.WRONG_STATE, "there is no legal hold")
    draft.change(legal_hold=None)
    draft.emit(
        CaseEventKind.HELD_FOR_LAW,
        Cause.COMMAND,
        note=lifecycle.note_of(command),
        detail="released",
    )
