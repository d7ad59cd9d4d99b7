"""Praise and suggestions are thanked for: they have a clock for that, and nothing to resolve.

Praise is done after a reply; a suggestion once its author knows what becomes of it.
"""

from __future__ import annotations

from services.escalation.domain import clocks, escalation, follow_up, replies
from services.escalation.domain.case import Draft
from services.escalation.domain.policy import Policy
from shared.events import Case, Cause, ClockKind, Kind, Severity


def is_thanks(case: Case) -> bool:
    """Tell whether a case wants nothing but thanks.

    What is more than low is a problem as well, however kindly it is put: that is to be resolved.
    """
    return case.kind in {Kind.PRAISE, Kind.SUGGESTION} and case.severity is Severity.LOW


def thanked(draft: Draft) -> None:
    """Close a case of praise after a reply, one of a suggestion if there is a verdict to tell."""
    case = draft.case
    if case.state not in Case.UNRESOLVED or not is_thanks(case):
        return
    if case.kind is Kind.PRAISE or case.verdict is not None:
        follow_up.close(draft, Cause.THANKED)


def start(draft: Draft, policy: Policy, instance: str) -> None:
    """Promise thanks; what else was promised is void, and nobody is paged."""
    escalation.cancel(draft)
    clocks.cancel(draft, [kind for kind in ClockKind if kind is not ClockKind.THANK_YOU])
    clocks.start(draft, policy, ClockKind.THANK_YOU, instance, draft.now)
    draft.change(waiting_since=draft.now)


def stop(draft: Draft, policy: Policy, instance: str, said_at: int) -> None:
    """It is a problem from now on: promise what that asks for instead of thanks."""
    clocks.cancel(draft, (ClockKind.THANK_YOU,))
    replies.promise(draft, policy, instance, said_at)
