"""What comes in for a case that was merged into one of another customer is handed on to that one."""

from __future__ import annotations

import msgspec

from services.escalation.domain import (
    bounds,
    clocks,
    follow_up,
    intake,
    lifecycle,
    merging,
    reading,
    reopening,
    retargeting,
    thanking,
)
from services.escalation.domain.case import Draft
from services.escalation.domain.policy import Policy
from services.escalation.domain.refuse import Refuse
from services.escalation.domain.severity import higher
from shared import ids
from shared.events import (
    Case,
    CaseCommand,
    CaseEventKind,
    CaseState,
    Cause,
    ClockKind,
    CommandKind,
    FeedbackClassified,
    FeedbackRef,
    Kind,
    Refusal,
    Severity,
)

_CONTACTS = frozenset({Cause.FEEDBACK, Cause.REPEAT_CONTACT})


def hand_on(draft: Draft, item: FeedbackClassified, cause: Cause) -> None:
    """Note a feedback in the merged case, and send it to the one that goes on.

    What we said ourselves, and that a message of ours did not arrive, counts there as well.
    """
    feedback, found = item.feedback, item.classification
    name, ref = feedback.feedback_id, intake.note(draft, item, cause)
    _mark(draft, ref)
    _tell(
        draft,
        CommandKind.FORWARD,
        name,
        feedback=msgspec.structs.replace(ref, of=draft.case.case_id),
        kind_is=found.kind,
        reasons=found.reasons,
    )
    if reading.is_reply(item, cause):
        by, at = reading.speaker(feedback), reading.written_at(feedback)
        _tell(draft, CommandKind.REPLY, name, actor=by, at=at, message_id=feedback.native_id)
    elif reading.is_bounce(item, cause):
        _tell(draft, CommandKind.BOUNCE, name, message_id=feedback.parent_id)
    draft.emit(CaseEventKind.FEEDBACK_ATTACHED, cause, detail="forwarded")


def forwarded(draft: Draft, policy: Policy, command: CaseCommand) -> None:
    """Take what came in for a case that was merged into this one: as if it had come in here."""
    ref, listed = command.feedback, draft.case.feedback
    if ref is None:
        raise Refuse(Refusal.MISSING, "feedback")
    if any((one.feedback_id, one.deleted) == (ref.feedback_id, ref.deleted) for one in listed):
        raise Refuse(Refusal.INVALID, f"feedback: {ref.feedback_id} is listed already")
    ref = bounds.possible(ref, draft.now)
    intake.list_ref(draft, ref)
    if draft.case.state is CaseState.MERGED:
        _mark(draft, ref)
        fields = {"kind_is": command.kind_is, "reasons": command.reasons}
        _tell(draft, CommandKind.FORWARD, command.command_id, feedback=ref, **fields)
        draft.emit(CaseEventKind.FEEDBACK_ATTACHED, Cause.MERGED, detail="forwarded")
        return
    draft.change(feedback_count=draft.case.feedback_count + (ref.cause in _CONTACTS))
    negative = command.kind_is in {None, Kind.COMPLAINT} or ref.severity is not Severity.LOW
    speaks = ref.asked_at is not None or ref.cause is Cause.REVISION  # not thanks, not history
    if speaks and (draft.case.state in Case.UNRESOLVED or negative or _asks(command)):
        _hear(draft, policy, command, ref, negative=negative)
    else:
        draft.emit(CaseEventKind.FEEDBACK_ATTACHED, Cause.MERGED)


def forget_there(draft: Draft, command_id: str) -> None:
    """The customer of a merged case is erased: the case that goes on is to forget what came of it."""
    into = draft.case.merged_into
    if into is not None and ids.record_key_of_case(into) != draft.case.record_key:
        _tell(draft, CommandKind.FORGET, command_id)


def forget(draft: Draft, _: Policy, command: CaseCommand) -> None:
    """Take out what came with a case of another customer, who was erased."""
    case, gone = draft.case, command.into
    if case.legal_hold is not None:
        raise Refuse(Refusal.LEGAL_HOLD, f"legal hold: {case.legal_hold}")
    if not gone:
        raise Refuse(Refusal.MISSING, "into")
    kept = tuple(ref for ref in case.feedback if ref.of != gone)
    aliases = tuple(alias for alias in case.aliases if alias != gone)
    if (kept, aliases) == (case.feedback, case.aliases):
        raise Refuse(Refusal.INVALID, f"into: nothing here came with {gone}")
    draft.change(feedback=kept, aliases=aliases)
    if case.state is CaseState.MERGED:
        _tell(draft, CommandKind.FORGET, command.command_id, into=gone)
    count = len(case.feedback) - len(kept)
    draft.emit(CaseEventKind.NOTED, Cause.RETENTION, detail=f"{count} taken out: customer erased")


def _hear(
    draft: Draft, policy: Policy, command: CaseCommand, ref: FeedbackRef, *, negative: bool
) -> None:
    case = draft.case
    settled = case.state not in Case.UNRESOLVED
    if settled:
        reopening.take_up(draft, policy)
        clocks.go_on(draft, policy)
    loop = settled and reopening.is_loop(draft, policy)
    asked_at = draft.now if ref.asked_at is None else ref.asked_at
    quiet = case.backfilled or thanking.is_thanks(case)
    raised = negative and higher(case.severity, ref.severity) is not case.severity
    if quiet and negative:
        kind = command.kind_is if thanking.is_thanks(case) else case.kind
        draft.change(kind=kind or Kind.COMPLAINT, backfilled=False)
    if negative:
        draft.change(reasons=tuple(dict.fromkeys((*case.reasons, *command.reasons))))
    if raised:
        draft.change(severity=ref.severity, set_by=None)
        retargeting.retarget(draft, policy, raised=True)
    if quiet and negative:
        thanking.stop(draft, policy, ref.feedback_id, asked_at)
    elif ref.asked_at is not None:
        lifecycle.customer_answered(draft, policy)
        if draft.case.waiting_since is None:
            draft.change(waiting_since=asked_at)
        clocks.start(draft, policy, ClockKind.NEXT_RESPONSE, ref.feedback_id, asked_at)
    attached = CaseEventKind.REOPENED if settled else CaseEventKind.FEEDBACK_ATTACHED
    draft.emit(attached, Cause.MERGED)
    if settled:
        follow_up.waive_all(draft, Cause.REOPENED)
    if loop:
        reopening.quarantine(draft, policy)
    if raised:
        draft.emit(CaseEventKind.SEVERITY_RAISED, Cause.MERGED)
    if settled or raised or (quiet and negative):
        lifecycle.escalate(draft, policy, Cause.REOPENED if settled else Cause.SEVERITY_RAISED)
    elif negative:
        lifecycle.snooze_over(draft, policy, None, Cause.FEEDBACK)


def _mark(draft: Draft, ref: FeedbackRef) -> None:
    """Keep in mind what wants an answer and was handed on: it may come back."""
    if ref.asked_at is not None:
        intake.list_ref(draft, msgspec.structs.replace(ref, cause=Cause.MERGED))


def _asks(command: CaseCommand) -> bool:
    return command.kind_is is Kind.QUESTION


def _tell(draft: Draft, kind: CommandKind, name: str, **fields: object) -> None:
    case, into = draft.case, draft.case.merged_into or ""
    command = CaseCommand(
        command_id=ids.digest(case.tenant, str(kind), into, name),
        tenant=case.tenant,
        case_id=into,
        kind=kind,
        actor=merging.SYSTEM,
        at=draft.now,
        into=case.case_id,
    )
    draft.send(msgspec.structs.replace(command, **fields))
