"""What people decide over the machine: the severity, the policy that counts, and legal holds."""

from __future__ import annotations

from services.escalation.domain import (
    acknowledge,
    escalation,
    lifecycle,
    retargeting,
    thanking,
)
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
    raised, thanks = RANK[after] > RANK[before], thanking.is_thanks(draft.case)
    draft.change(
        severity=after,
        set_by=command.actor,
        kind=command.kind_is or draft.case.kind,
        reasons=tuple(dict.fromkeys(command.reasons)) or draft.case.reasons,
    )
    if after is not before:
        retargeting.retarget(draft, policy, raised=raised)
    if thanking.is_thanks(draft.case) is not thanks and draft.case.state in Case.UNRESOLVED:
        _change_promise(draft, policy, thanks=not thanks)
    draft.emit(
        CaseEventKind.SEVERITY_CORRECTED,
        Cause.COMMAND,
        note=lifecycle.note_of(command),
        detail=f"was {before}",
    )
    if draft.case.state not in Case.UNRESOLVED or draft.case.backfilled:
        return
    if raised or (thanks and not thanking.is_thanks(draft.case)):
        lifecycle.escalate(draft, policy, Cause.SEVERITY_RAISED)
    elif after is not before and draft.case.state is not CaseState.OPEN:
        acknowledge.renew_by_severity(draft, policy)


def _change_promise(draft: Draft, policy: Policy, *, thanks: bool) -> None:
    name = f"corrected-{draft.now}"
    if thanks:
        thanking.start(draft, policy, name)
    elif not draft.case.backfilled:
        asked_at = draft.case.waiting_since
        thanking.stop(draft, policy, name, draft.now if asked_at is None else asked_at)


def reapply(draft: Draft, policy: Policy, command: CaseCommand) -> None:
    """Let the policy of today count at once: for the running clocks, and for the rest of the epoch."""
    if draft.case.state in Case.ENDED:
        raise Refuse(Refusal.WRONG_STATE, f"the case is {draft.case.state}")
    if not (command.note or "").strip():
        raise Refuse(Refusal.MISSING, "note: the reason")
    retargeting.retarget(draft, policy, raised=False, anew=True)
    if draft.case.escalation.ladder is not None:
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
