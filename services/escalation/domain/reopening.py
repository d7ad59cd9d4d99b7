"""A settled case is taken up again: by a message, by hand, or because nobody was reached."""

from __future__ import annotations

from services.escalation.domain import (
    assignment,
    clocks,
    escalation,
    follow_up,
    lifecycle,
    replies,
    thanking,
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
    Refusal,
    Reply,
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
        backfilled=False,
    )
    draft.disarm(TimerKind.CLOSE, TimerKind.REMIND, TimerKind.FORGET)
    assignment.keep_owner_on_duty(draft, policy)


def by_hand(draft: Draft, policy: Policy, command: CaseCommand) -> None:
    """Agents may always reopen, a closed case as well."""
    if draft.case.state in Case.UNRESOLVED or draft.case.state is CaseState.MERGED:
        raise Refuse(Refusal.WRONG_STATE, f"the case is {draft.case.state}")
    _again(draft, policy, Cause.COMMAND, lifecycle.note_of(command))


def bounced(draft: Draft, policy: Policy, said: Reply, cause: Cause) -> None:
    """Our message did not arrive; when it told the resolution, or thanked: open again."""
    case = draft.case
    settled = case.state in Case.SETTLING or case.state is CaseState.CLOSED
    if settled and (said.told or thanking.is_thanks(case)):
        take_up(draft, policy)
        clocks.go_on(draft, policy)
        replies.bounced(draft, policy, said, cause)
        _announce(draft, policy, Cause.CONTACT_FAILED, None)
    else:
        replies.bounced(draft, policy, said, cause)


def bounced_by_command(draft: Draft, policy: Policy, command: CaseCommand) -> None:
    """Somebody reports that a message of ours did not arrive."""
    said = replies.meant(draft.case, command.message_id, exactly=True)
    if said is None:
        raise Refuse(Refusal.INVALID, "message_id: the case knows of no such message")
    bounced(draft, policy, said, Cause.BOUNCE)


def is_loop(draft: Draft, policy: Policy) -> bool:
    """A message reopens the case: tell whether that is so often that two machines may be talking."""
    draft.change(reopened_at=(*draft.case.reopened_at, draft.now)[-MAX_REOPENINGS:])
    return _lately(draft, policy) > policy.loop_reopens and not draft.case.quarantined


def quarantine(draft: Draft, policy: Policy) -> None:
    """Answer nothing by machine any more; the case stays open, and somebody is told."""
    draft.change(quarantined=True, may_auto_respond=False)
    draft.emit(
        CaseEventKind.QUARANTINED,
        Cause.LOOP_SUSPECTED,
        targets=escalation.in_charge(draft, policy),
        detail=f"reopened {_lately(draft, policy)} times of late",
    )


def _lately(draft: Draft, policy: Policy) -> int:
    return sum(draft.now - at <= policy.loop_ms for at in draft.case.reopened_at)


def _again(draft: Draft, policy: Policy, cause: Cause, note: str | None) -> None:
    take_up(draft, policy)
    clocks.go_on(draft, policy)
    _announce(draft, policy, cause, note)


def _announce(draft: Draft, policy: Policy, cause: Cause, note: str | None) -> None:
    draft.emit(CaseEventKind.REOPENED, cause, note=note)
    follow_up.waive_all(draft, Cause.REOPENED)
    if not thanking.is_thanks(draft.case):
        escalation.start(draft, policy, Cause.REOPENED)
