"""Praise is answered with thanks and is done; a suggestion once its author knows what becomes of it."""

from __future__ import annotations

from services.escalation.domain import lifecycle
from services.escalation.domain.case import Draft
from shared.events import Case, Cause, Kind, Severity


def thanked(draft: Draft) -> None:
    """Close a case of praise after a reply, one of a suggestion if there is a verdict to tell.

    What is more than low is a problem as well, however kindly it is put: that is to be resolved.
    """
    case = draft.case
    if case.state not in Case.UNRESOLVED or case.severity is not Severity.LOW:
        return
    if case.kind is Kind.PRAISE or (case.kind is Kind.SUGGESTION and case.verdict is not None):
        lifecycle.end(draft, Cause.THANKED)
