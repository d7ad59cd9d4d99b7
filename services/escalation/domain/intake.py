"""What a feedback does to a case: open it, join it, raise its severity, reopen it, be noted in it.

Imported history (``Flag.BACKFILL``) does all that as well but starts no ladder: a case that knows
nothing else is ``backfilled`` until a negative feedback comes that is new, and starts the escalation.
"""

from __future__ import annotations

from typing import Final

import msgspec

from services.escalation.domain import acknowledge, escalation, follow_up, grouping
from services.escalation.domain.case import Draft
from services.escalation.domain.policy import Policy
from services.escalation.domain.severity import higher, one_up
from shared import ids
from shared.events import (
    Case,
    CaseEventKind,
    CaseState,
    Cause,
    EscalationStatus,
    FeedbackClassified,
    FeedbackReceived,
    FeedbackRef,
    Flag,
    Reason,
    TimerKind,
)

MAX_EXCERPT: Final = 280
THIRD_CONTACT: Final = 3

_RUNNING: Final = frozenset({
    EscalationStatus.PENDING, EscalationStatus.EXHAUSTED, EscalationStatus.ACKNOWLEDGED,
})  # fmt: skip


def new_case(item: FeedbackClassified, now: int) -> Case:
    """Return the case that ``item`` is about to open, before its first event."""
    feedback, found = item.feedback, item.classification
    customer = feedback.record_key.removeprefix(f"{feedback.tenant}:")
    return Case(
        case_id=ids.case_id(feedback.tenant, customer, feedback.feedback_id),
        tenant=feedback.tenant,
        record_key=feedback.record_key,
        customer_key=feedback.customer_key,
        channel=feedback.channel,
        source=feedback.source,
        severity=found.severity,
        kind=found.kind,
        state=CaseState.OPEN,
        opened_at=now,
        case_seq=0,
        thread_id=feedback.thread_id,
        feedback_count=0,
    )


def open_case(draft: Draft, item: FeedbackClassified, cause: Cause, policy: Policy) -> None:
    """Record the opening and start the escalation."""
    repeated = _add(draft, item, cause)
    if _is_imported(item):
        escalation.hold(draft)
    draft.emit(CaseEventKind.OPENED, cause)
    _raise_severity(draft, item, policy, repeated=repeated)
    _escalate(draft, item, policy, Cause.FEEDBACK)


def attach(draft: Draft, item: FeedbackClassified, cause: Cause, policy: Policy) -> None:
    """Add a feedback to an unresolved case; new evidence may raise the severity, never lower it."""
    repeated = _add(draft, item, cause)
    woken = _wake(draft, item, policy)
    draft.emit(CaseEventKind.FEEDBACK_ATTACHED, cause)
    if _raise_severity(draft, item, policy, repeated=repeated):
        _escalate(draft, item, policy, Cause.SEVERITY_RAISED)
    elif woken and draft.case.state is CaseState.OPEN:
        _escalate(draft, item, policy, Cause.FEEDBACK)


def reopen(draft: Draft, item: FeedbackClassified, cause: Cause, policy: Policy) -> None:
    """Take a resolved case up again: promises waived, escalation from the start."""
    repeated = _add(draft, item, cause)
    draft.change(
        state=CaseState.OPEN,
        acknowledged_at=None,
        acknowledged_by=None,
        resolved_at=None,
        resolved_by=None,
        resolution=None,
        reopen_count=draft.case.reopen_count + 1,
        backfilled=False,
    )
    if _is_imported(item):
        escalation.hold(draft)
    draft.disarm(TimerKind.CLOSE)
    draft.emit(CaseEventKind.REOPENED, cause)
    follow_up.waive_all(draft, Cause.REOPENED)
    _raise_severity(draft, item, policy, repeated=repeated)
    _escalate(draft, item, policy, Cause.REOPENED)


def refer(draft: Draft, item: FeedbackClassified, cause: Cause) -> None:
    """Note in the case what changes nothing else.

    That is a deletion, machine mail, a message of our own side, and the revision of an item of a
    resolved case that is no reason to reopen it.
    """
    before = grouping.listed(draft.case, item.feedback)
    if cause is Cause.DELETION and before is not None:
        _list(draft, msgspec.structs.replace(before, deleted=True))
    else:
        _list(draft, _ref(item, cause))
    draft.emit(CaseEventKind.FEEDBACK_ATTACHED, cause)


def _add(draft: Draft, item: FeedbackClassified, cause: Cause) -> bool:
    """Add the reference and the reasons; tell whether this is the contact too many."""
    contact = cause is not Cause.REVISION
    count = draft.case.feedback_count + contact
    reasons, repeated = draft.case.reasons, False
    if grouping.is_negative(item):
        reasons = tuple(dict.fromkeys((*reasons, *item.classification.reasons)))
        repeat = grouping.repeat_of(item.feedback)
        contacts = max(count, repeat.count if repeat is not None else 0)
        repeated = contact and contacts >= THIRD_CONTACT and Reason.REPEAT_CONTACT not in reasons
        if repeated:
            reasons = (*reasons, Reason.REPEAT_CONTACT)
    _list(draft, _ref(item, cause))
    draft.change(feedback_count=count, reasons=reasons)
    return repeated


def _list(draft: Draft, ref: FeedbackRef) -> None:
    """List ``ref`` in the place of its item's last revision, else at the end.

    When there are too many, the oldest goes that is no contact, else the oldest but the first.
    """
    refs = list(draft.case.feedback)
    place = next((at for at, other in enumerate(refs) if other.item == ref.item), None)
    if place is not None:
        cause = refs[place].cause if ref.cause is Cause.REVISION else ref.cause
        refs[place] = msgspec.structs.replace(ref, cause=cause)
    else:
        refs.append(ref)
        if len(refs) > Case.MAX_REFS:
            last = next((r for r in refs[1:-1] if r.cause in grouping.REFERRING), refs[1])
            refs.remove(last)
    draft.change(feedback=tuple(refs))


def _wake(draft: Draft, item: FeedbackClassified, policy: Policy) -> bool:
    """End the silence of a backfilled case if ``item`` is new and negative; tell whether it did."""
    if not draft.case.backfilled or _is_imported(item) or not grouping.is_negative(item):
        return False
    draft.change(backfilled=False)
    if draft.case.state is CaseState.ACKNOWLEDGED:
        escalation.move(draft, started_at=draft.now)
        acknowledge.renew(draft, policy)
    return True


def _raise_severity(
    draft: Draft, item: FeedbackClassified, policy: Policy, *, repeated: bool
) -> bool:
    """Raise to the feedback's severity if that is higher, one more for repeated contact."""
    if not grouping.is_negative(item):
        return False
    before = draft.case.severity
    evidence = higher(before, item.classification.severity)
    after = one_up(evidence) if repeated else evidence
    if after is before:
        return False
    draft.change(severity=after)
    if _is_imported(item):
        _raise_quietly(draft, policy)
    note = Reason.REPEAT_CONTACT.value if after is not evidence else None
    draft.emit(CaseEventKind.SEVERITY_RAISED, Cause.FEEDBACK, note=note)
    return True


def _raise_quietly(draft: Draft, policy: Policy) -> None:
    """Go on as before under the new severity: who is being paged or has acknowledged stays so."""
    case = draft.case
    if case.escalation.status not in _RUNNING:
        escalation.hold(draft)
    elif case.state is CaseState.ACKNOWLEDGED and not case.backfilled:
        acknowledge.renew(draft, policy)


def _escalate(draft: Draft, item: FeedbackClassified, policy: Policy, cause: Cause) -> None:
    if not _is_imported(item):
        escalation.start(draft, policy, cause)


def _is_imported(item: FeedbackClassified) -> bool:
    return Flag.BACKFILL in item.feedback.flags


def _ref(item: FeedbackClassified, cause: Cause) -> FeedbackRef:
    text = " ".join(_words(item.feedback).split())
    return FeedbackRef(
        feedback_id=item.feedback.feedback_id,
        channel=item.feedback.channel,
        severity=item.classification.severity,
        received_at=item.feedback.received_at,
        excerpt=text if len(text) <= MAX_EXCERPT else text[: MAX_EXCERPT - 1] + "…",
        item=grouping.item_of(item.feedback),
        cause=cause,
    )


def _words(feedback: FeedbackReceived) -> str:
    """Return what there is to read: the text, else the title, else how the call went."""
    if feedback.text.strip() or feedback.title:
        return feedback.text if feedback.text.strip() else feedback.title or ""
    if feedback.call is None:
        return ""
    return f"[call: {feedback.call.outcome or 'unknown'}, transcript: {feedback.call.transcript}]"
