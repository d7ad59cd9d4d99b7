"""What people and integrations may ask of a case. Each command counts once, by its id.

A command is carried out on a draft. When it cannot be, the draft is thrown away, so a refusal leaves
the case as it was, but for the refusal itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from services.escalation.domain import (
    acknowledge,
    assignment,
    audit,
    bounds,
    follow_up,
    forwarding,
    lifecycle,
    merging,
    overriding,
    reopening,
    replies,
    thanking,
)
from services.escalation.domain.case import Draft, Origin
from services.escalation.domain.policy import Policy
from services.escalation.domain.refuse import Refuse
from shared import ids
from shared.events import (
    Case,
    CaseCommand,
    CaseEvent,
    CaseEventKind,
    Cause,
    CommandKind,
    FollowUpState,
    Refusal,
    Refused,
)

MAX_COMMANDS: Final = 32
"""How many command ids a case remembers to recognise a repetition."""

MAX_REFUSED: Final = MAX_COMMANDS
MAX_DETAIL: Final = 300

SIMPLE: Final[Mapping[CommandKind, Callable[[Draft, Policy, CaseCommand], None]]] = {
    CommandKind.ASSIGN: assignment.assign,
    CommandKind.DELEGATE: assignment.delegate,
    CommandKind.INVESTIGATE: lifecycle.investigate,
    CommandKind.WAIT: lifecycle.wait,
    CommandKind.CLARIFY: lifecycle.clarify,
    CommandKind.OFFER: lifecycle.offer,
    CommandKind.RESOLVE: lifecycle.resolve,
    CommandKind.COMMUNICATE: lifecycle.communicate,
    CommandKind.DECIDE: lifecycle.decide_on,
    CommandKind.CLOSE: lifecycle.close,
    CommandKind.NOTE: lifecycle.note,
    CommandKind.SNOOZE: lifecycle.snooze,
    CommandKind.REOPEN: reopening.by_hand,
    CommandKind.BOUNCE: reopening.bounced_by_command,
    CommandKind.CORRECT_SEVERITY: overriding.correct,
    CommandKind.REAPPLY: overriding.reapply,
    CommandKind.HOLD: overriding.hold,
    CommandKind.RELEASE: overriding.release,
    CommandKind.UNMERGE: merging.unmerge,
    CommandKind.ABSORB: merging.absorb,
    CommandKind.FORGET: forwarding.forget,
}
_IDLE: Final = frozenset({
    CommandKind.AUDIT, CommandKind.RECEIPT, CommandKind.BOUNCE, CommandKind.HOLD, CommandKind.RELEASE,
    CommandKind.ABSORB, CommandKind.ABSORBED, CommandKind.FORWARD, CommandKind.FORGET,
    CommandKind.SNOOZE, CommandKind.WAIT, CommandKind.ACKNOWLEDGE,
})  # fmt: skip
"""What shows no work on the case, or says itself what becomes of an acknowledgement."""


def apply(
    case: Case,
    command: CaseCommand,
    now: int,
    origin: Origin,
    policy: Policy,
    cases: Mapping[str, Case],
) -> tuple[Draft, ...]:
    """Carry the command out, or record why it is refused; return the cases that changed."""
    draft = _draft(case, command, now, origin)
    try:
        bounds.check(command)
        if command.expected_seq is not None and command.expected_seq != case.case_seq:
            raise Refuse(
                Refusal.SEQ_MISMATCH,
                f"expected_seq {command.expected_seq}, the case is at {case.case_seq}",
            )
        other = _carry_out(draft, command, policy, cases)
        _show_activity(draft, command, policy)
        bounds.check_size(draft.case, command)
    except Refuse as refuse:
        sent = draft.sent
        draft = _draft(case, command, now, origin)
        draft.sent = sent if command.kind is CommandKind.ABSORB else []
        _refuse(draft, refuse, lifecycle.note_of(command))
        return (draft,)
    return (draft,) if other is None else (draft, other)


def is_known(case: Case, command_id: str) -> bool:
    """Tell whether a case has had this command."""
    return bounds.remembered(command_id, case.tenant) in case.commands


def refuse_unknown(command: CaseCommand, now: int) -> CaseEvent:
    """Return the answer to a command on a case that does not exist (any more)."""
    return CaseEvent(
        event_id=ids.digest(command.tenant, "refusal", command.command_id),
        kind=CaseEventKind.COMMAND_REFUSED,
        case_id=command.case_id,
        case_seq=0,
        tenant=command.tenant,
        at=now,
        recorded_at=now,
        cause=Cause.COMMAND,
        command_id=command.command_id,
        actor=command.actor,
        refusal=Refusal.UNKNOWN_CASE,
        note=lifecycle.note_of(command),
    )


def refuse_erasure(case: Case, now: int, origin: Origin) -> Draft:
    """Return the case that keeps its customer from being erased, with the refusal on record."""
    draft = Draft(case, now, origin)
    _remember(draft, origin.command_id or "")
    _refuse(draft, Refuse(Refusal.LEGAL_HOLD, f"legal hold: {case.legal_hold}"), None)
    return draft


def _refuse(draft: Draft, refuse: Refuse, note: str | None) -> None:
    detail = refuse.detail[:MAX_DETAIL]
    name = bounds.remembered(draft.origin.command_id or "", draft.case.tenant)
    said = Refused(command_id=name, refusal=refuse.refusal, detail=detail)
    draft.change(refused=(*draft.case.refused, said)[-MAX_REFUSED:])
    draft.emit(
        CaseEventKind.COMMAND_REFUSED,
        Cause.COMMAND,
        refusal=refuse.refusal,
        note=note,
        detail=detail,
    )


def _draft(case: Case, command: CaseCommand, now: int, origin: Origin) -> Draft:
    draft = Draft(case, now, origin)
    _remember(draft, command.command_id)
    return draft


def _remember(draft: Draft, command_id: str) -> None:
    name = bounds.remembered(command_id, draft.case.tenant)
    draft.change(commands=(*draft.case.commands, name)[-MAX_COMMANDS:])


def _carry_out(
    draft: Draft, command: CaseCommand, policy: Policy, cases: Mapping[str, Case]
) -> Draft | None:
    note = lifecycle.note_of(command)
    match command.kind:
        case CommandKind.ACKNOWLEDGE:
            acknowledge.check_epoch(draft.case, command.epoch)
            acknowledge.acknowledge(draft, policy, note, Cause.COMMAND)
        case CommandKind.RECEIPT:
            replies.receipt(draft, policy, command, note)
        case CommandKind.REPLY:
            _reply(draft, policy, command)
        case CommandKind.FOLLOW_UP_DONE:
            follow_up.settle(draft, command.follow_up, FollowUpState.DONE, note)
        case CommandKind.FOLLOW_UP_WAIVE:
            follow_up.settle(draft, command.follow_up, FollowUpState.WAIVED, note)
        case CommandKind.MERGE:
            return merging.merge(draft, policy, command, cases)
        case CommandKind.ABSORBED:
            merging.absorbed(draft, policy, command)
        case CommandKind.FORWARD:
            forwarding.forwarded(draft, policy, command)
        case CommandKind.AUDIT:
            audit.repair(draft, policy)
        case _:
            SIMPLE[command.kind](draft, policy, command)
    return None


def _reply(draft: Draft, policy: Policy, command: CaseCommand) -> None:
    replies.reply(
        draft,
        policy,
        Cause.COMMAND,
        at=bounds.past(command.at, draft.now),
        by=command.actor,
        message_id=command.message_id or command.command_id,
        channel=command.channel,
        note=lifecycle.note_of(command),
    )
    thanking.thanked(draft)


def _show_activity(draft: Draft, command: CaseCommand, policy: Policy) -> None:
    """Work on a case pushes the expiry of its acknowledgement; a short word alone is no work."""
    if command.kind in _IDLE or draft.case.state not in Case.UNRESOLVED:
        return
    if command.kind is CommandKind.NOTE and len(command.note or "") < policy.activity_chars:
        return
    acknowledge.extend(draft, policy)
