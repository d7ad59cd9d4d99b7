"""What a feedback does to a case: open it, join it, raise its severity, reopen it."""

from __future__ import annotations

from typing import Final

from services.escalation.domain import escalation, follow_up, grouping
from services.escalation.domain.case import Draft
from services.escalation.domain.policy import Policy
from shared import ids
from shared.events import (
    Case,
    CaseEventKind,
    CaseState,
    Cause,
    FeedbackClassified,
    FeedbackRef,
    Reason,
    Severity,
    TimerKind,
)

MAX_EXCERPT: Final = 280
THIRD_CONTACT: Final = 3

# An undetermined text gets its human review even when the case is already a medium one.
_RANK: Final = {
    severity: rank
    for rank, severity in enumerate(
        (
            Severity.LOW,
            Severity.MEDIUM,
            Severity.UNDETERMINED,
            Severity.HIGH,
            Severity.CRITICAL,
        )
    )
}
# Repeated contact never makes a case critical by itself.
_ONE_UP: Final = {
    Severity.LOW: Severity.MEDIUM,
    Severity.MEDIUM: Severity.HIGH,
    Severity.UNDETERMINED: Severity.HIGH,
}


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
        reasons=tuple(dict.fromkeys(found.reasons)),
        thread_id=feedback.thread_id,
        feedback=(_ref(item),),
    )


def open_case(draft: Draft, policy: Policy) -> None:
    """Record the opening and start the escalation."""
    draft.emit(CaseEventKind.OPENED, Cause.FEEDBACK)
    escalation.start(draft, policy, Cause.FEEDBACK)


def attach(draft: Draft, item: FeedbackClassified, policy: Policy) -> None:
    """Add a feedback to an open case; new evidence may raise the severity, never lower it."""
    repeated = _add(draft, item)
    draft.emit(CaseEventKind.FEEDBACK_ATTACHED, Cause.FEEDBACK)
    if _raise_severity(draft, item, repeated=repeated):
        escalation.start(draft, policy, Cause.SEVERITY_RAISED)


def reopen(draft: Draft, item: FeedbackClassified, policy: Policy) -> None:
    """Take a resolved case up again: promises waived, escalation from the start."""
    repeated = _add(draft, item)
    draft.change(
        state=CaseState.OPEN,
        acknowledged_at=None,
        acknowledged_by=None,
        resolved_at=None,
        resolved_by=None,
        resolution=None,
        reopen_count=draft.case.reopen_count + 1,
    )
    draft.disarm(TimerKind.CLOSE)
    draft.emit(CaseEventKind.REOPENED, Cause.FEEDBACK)
    follow_up.waive_all(draft, Cause.REOPENED)
    _raise_severity(draft, item, repeated=repeated)
    escalation.start(draft, policy, Cause.REOPENED)


def _add(draft: Draft, item: FeedbackClassified) -> bool:
    """Add the reference and the reasons; tell whether this is the contact too many."""
    case = draft.case
    refs = (*case.feedback, _ref(item))
    if len(refs) > Case.MAX_REFS:
        refs = (refs[0], *refs[-(Case.MAX_REFS - 1) :])
    count = case.feedback_count + 1
    reasons = case.reasons
    repeated = False
    if grouping.is_negative(item):
        reasons = tuple(dict.fromkeys((*reasons, *item.classification.reasons)))
        repeated = count >= THIRD_CONTACT and Reason.REPEAT_CONTACT not in reasons
        if repeated:
            reasons = (*reasons, Reason.REPEAT_CONTACT)
    draft.change(feedback=refs, feedback_count=count, reasons=reasons)
    return repeated


def _raise_severity(draft: Draft, item: FeedbackClassified, *, repeated: bool) -> bool:
    """Raise to the feedback's severity if that is higher, one more for repeated contact."""
    if not grouping.is_negative(item):
        return False
    before = draft.case.severity
    evidence = max(before, item.classification.severity, key=_RANK.__getitem__)
    after = _ONE_UP.get(evidence, evidence) if repeated else evidence
    if after is before:
        return False
    draft.change(severity=after)
    note = Reason.REPEAT_CONTACT.value if after is not evidence else None
    draft.emit(CaseEventKind.SEVERITY_RAISED, Cause.FEEDBACK, note=note)
    return True


def _ref(item: FeedbackClassified) -> FeedbackRef:
    text = " ".join(item.feedback.text.split())
    return FeedbackRef(
        feedback_id=item.feedback.feedback_id,
        channel=item.feedback.channel,
        severity=item.classification.severity,
        received_at=item.feedback.received_at,
        excerpt=text if len(text) <= MAX_EXCERPT else text[: MAX_EXCERPT - 1] + "…",
    )
