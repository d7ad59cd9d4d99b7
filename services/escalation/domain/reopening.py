"""A settled case is taken up again: by a message, by hand, or because nobody was reached."""

from __future__ import annotations

from services.escalation.domain import (
    assignment,
    clocks,
    escalation,
    follow_up,
    lifecycle,
    replies,
)
from services.escalation.domain.case import Draft
from services.escalation.domain.policy import Policy
from services.escalation.domain.refuse import Refuse
from shared.events import (
    Case,
    CaseCommand,
    CaseEventKind,
    CaseState,
    Cause,
    ClockKind,
    Refusal,
    TimerKind,
)

MAX_REOPENINGS = 8


def take_up(draft: Draft, policy: Policy) -> None:
    """Make the case open, without an event of its own: what was clarified and offered is over."""
    draft.change(
        state=CaseState.OPEN,
        acknowledged_at=None,
        acknowledged_by=None,
        resolved_at=None,
        resolved_by=None,
        resolution=None,
        outcome=None,
        clarification=None,
        offer=None,
        communicated_at=None,
        closed_at=None,
        investigating=False,
        reopen_count=draft.case.reopen_count + 1,
        reopened_at=(*draft.case.reopened_at, draft.now)[-MAX_REOPENINGS:],
        backfilled=False,
    )
    draft.disarm(TimerKind.CLOSE, TimerKind.REMIND, TimerKind.FORGET)
    assignment.keep_owner_on_duty(draft, policy)


def by_hand(draft: Draft, policy: Policy, command: CaseCommand) -> None:
    """Agents may always reopen, a closed case as well."""
    if draft.case.state in Case.UNRESOLVED or draft.case.state is CaseState.MERGED:
        raise Refuse(Refusal.WRONG_STATE, f"the case is {draft.case.state}")
    _again(draft, policy, Cause.COMMAND, lifecycle.note_of(command))


def bounced(draft: Draft, policy: Policy, message_id: str | None, cause: Cause) -> None:
    """Our message did not arrive; when it told the resolution, nobody was told: open again."""
    said = replies.bounced(draft, policy, message_id, cause)
    if said is not None and said.told and draft.case.state in Case.SETTLING:
        _again(draft, policy, Cause.CONTACT_FAILED, None)


def bounced_by_command(draft: Draft, policy: Policy, command: CaseCommand) -> None:
    """Somebody reports that a message of ours did not arrive."""
    seq = draft.case.case_seq
    bounced(draft, policy, command.message_id, Cause.BOUNCE)
    if draft.case.case_seq == seq:
        raise Refuse(Refusal.INVALID, "message_id: the case knows of no such message")


def is_loop(draft: Draft, policy: Policy) -> bool:
    """Tell whether messages reopen the case so often that two machines may be talking."""
    lately = [at for at in draft.case.reopened_at if draft.now - at <= policy.loop_ms]
    return len(lately) > policy.loop_reopens and not draft.case.quarantined


def quarantine(draft: Draft, policy: Policy) -> None:
    """Answer nothing by machine any more; the case stays open, and somebody is told."""
    draft.change(quarantined=True, may_auto_respond=False)
    draft.emit(
        CaseEventKind.QUARANTINED,
        Cause.LOOP_SUSPECTED,
        targets=escalation.in_charge(draft, policy),
        detail=f"reopened {len(draft.case.reopened_at)} times of late",
    )


def _again(draft: Draft, policy: Policy, cause: Cause, note: str | None) -> None:
    take_up(draft, policy)
    clocks.go_on(draft, policy, ClockKind.TOTAL_RESOLUTION)
    draft.emit(CaseEventKind.REOPENED, cause, note=note)
    follow_up.waive_all(draft, Cause.REOPENED)
    escalation.start(draft, policy, Cause.REOPENED)
