"""What people and integrations may ask of a case. Each command counts once, by its id."""

from __future__ import annotations

from typing import Final

from services.escalation.domain import acknowledge, escalation, follow_up
from services.escalation.domain.case import Draft
from services.escalation.domain.policy import Policy
from shared import ids
from shared.events import (
    CaseCommand,
    CaseEvent,
    CaseEventKind,
    CaseState,
    Cause,
    CommandKind,
    FollowUpState,
    Refusal,
    TimerKind,
)

MAX_COMMANDS: Final = 32
"""How many command ids a case remembers to recognise a repetition."""

MAX_NOTE: Final = 4000
"""Characters of a command's note that are kept: every later snapshot of the case carries it."""


def apply(draft: Draft, command: CaseCommand, policy: Policy) -> None:
    """Carry the command out, or record why it is refused.

    Any command shows that somebody works on the case, so it pushes the expiry of an
    acknowledgement, whether it is carried out or not.
    """
    seq, note = draft.case.case_seq, _note(command)
    draft.change(commands=(*draft.case.commands, command.command_id)[-MAX_COMMANDS:])
    acknowledge.extend(draft, policy)
    if command.expected_seq is not None and command.expected_seq != seq:
        refusal: Refusal | None = Refusal.SEQ_MISMATCH
    else:
        refusal = _carry_out(draft, command, policy, note)
    if refusal is not None:
        draft.emit(CaseEventKind.COMMAND_REFUSED, Cause.COMMAND, refusal=refusal, note=note)


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
        note=_note(command),
    )


def _note(command: CaseCommand) -> str | None:
    return None if command.note is None else command.note[:MAX_NOTE]


def _carry_out(
    draft: Draft, command: CaseCommand, policy: Policy, note: str | None
) -> Refusal | None:
    number = command.follow_up
    match command.kind:
        case CommandKind.ACKNOWLEDGE:
            return acknowledge.acknowledge(draft, policy, note)
        case CommandKind.RESOLVE:
            return _resolve(draft, policy, note)
        case CommandKind.FOLLOW_UP_DONE:
            return follow_up.settle(draft, number, FollowUpState.DONE, note)
        case CommandKind.FOLLOW_UP_WAIVE:
            return follow_up.settle(draft, number, FollowUpState.WAIVED, note)


def _resolve(draft: Draft, policy: Policy, note: str | None) -> Refusal | None:
    """Stop the escalation and promise the follow-ups; with none, close after the reopen window."""
    if draft.case.state not in (CaseState.OPEN, CaseState.ACKNOWLEDGED):
        return Refusal.WRONG_STATE
    escalation.cancel(draft)
    draft.change(
        state=CaseState.RESOLVED,
        resolved_at=draft.now,
        resolved_by=draft.origin.actor,
        resolution=note,
    )
    plan = policy.plan(draft.case.severity)
    if not plan.follow_ups:
        draft.arm(TimerKind.CLOSE, draft.now + plan.reopen_ms)
    draft.emit(CaseEventKind.RESOLVED, Cause.COMMAND, note=note)
    follow_up.schedule(draft, policy)
    return None
