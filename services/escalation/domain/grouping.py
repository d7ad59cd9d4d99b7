"""Where a feedback belongs: a new case, an open one, a resolved one, or none with its reason."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from services.escalation.domain.policy import Policy
from shared.events import (
    Case,
    CaseState,
    FeedbackClassified,
    Kind,
    NoCaseReason,
    OutcomeKind,
    Severity,
)

_UNRESOLVED: Final = frozenset({CaseState.OPEN, CaseState.ACKNOWLEDGED})
_NO_CASE: Final = {
    Kind.PRAISE: NoCaseReason.PRAISE,
    Kind.QUESTION: NoCaseReason.QUESTION,
    Kind.SUGGESTION: NoCaseReason.SUGGESTION,
}


@dataclass(frozen=True)
class Route:
    """What becomes of a feedback; ``case`` is the one it attaches to or reopens."""

    kind: OutcomeKind
    case: Case | None = None
    reason: NoCaseReason | None = None


def is_negative(item: FeedbackClassified) -> bool:
    """Tell whether the feedback asks for a case: a complaint, or anything above low."""
    found = item.classification
    return found.kind is Kind.COMPLAINT or found.severity is not Severity.LOW


def is_known(cases: Iterable[Case], feedback_id: str) -> bool:
    """Tell whether a live case still lists the feedback: a guard, not the dedupe of the handler."""
    return any(ref.feedback_id == feedback_id for case in cases for ref in case.feedback)


def route(cases: Collection[Case], item: FeedbackClassified, now: int, policy: Policy) -> Route:
    """Return where ``item`` belongs among the ``cases`` of its customer."""
    thread = item.feedback.thread_id
    in_thread = [case for case in cases if thread is not None and case.thread_id == thread]
    unresolved = _newest(case for case in in_thread if case.state in _UNRESOLVED)
    if not is_negative(item):
        if unresolved is not None:
            return Route(OutcomeKind.CASE_ATTACHED, unresolved)
        reason = _NO_CASE.get(item.classification.kind, NoCaseReason.NOT_NEGATIVE)
        return Route(OutcomeKind.NO_CASE, reason=reason)
    if thread is None:
        unresolved = _newest(case for case in cases if _same_issue(case, item, now, policy))
    if unresolved is not None:
        return Route(OutcomeKind.CASE_ATTACHED, unresolved)
    resolved = _newest(case for case in in_thread if _may_reopen(case, now, policy))
    if resolved is not None:
        return Route(OutcomeKind.CASE_REOPENED, resolved)
    return Route(OutcomeKind.CASE_OPENED)


def _same_issue(case: Case, item: FeedbackClassified, now: int, policy: Policy) -> bool:
    """Without a thread: same channel, recent, and nothing says that it is about something else."""
    reasons = item.classification.reasons
    return (
        case.state in _UNRESOLVED
        and case.channel is item.feedback.channel
        and now - case.opened_at <= policy.grouping_ms
        and (not reasons or not case.reasons or not set(reasons).isdisjoint(case.reasons))
    )


def _may_reopen(case: Case, now: int, policy: Policy) -> bool:
    if case.state is not CaseState.RESOLVED or case.resolved_at is None:
        return False
    return now - case.resolved_at <= policy.plan(case.severity).reopen_ms


def _newest(cases: Iterable[Case]) -> Case | None:
    return max(cases, key=lambda case: (case.opened_at, case.case_id), default=None)
