"""When a customer may be asked how it went: seldom, not in the middle of a talk, and never a machine."""

from __future__ import annotations

from collections.abc import Iterable

from services.escalation.domain import grouping
from services.escalation.domain.policy import Policy
from shared.events import Case, FollowUpState, Via

_ASKED = frozenset({FollowUpState.DUE, FollowUpState.DONE, FollowUpState.MISSED})


def blocked(case: Case, cases: Iterable[Case], number: int, now: int, policy: Policy) -> str:
    """Return why survey ``number`` of a case must not be sent, "" when it may.

    Args:
        cases: all cases of the customer: one survey in a while is enough for all of them.
    """
    if case.legal_hold is not None:
        return "legal_hold"
    if case.quarantined or not case.may_auto_respond:
        return "no_automatic_messages"
    window_ms = policy.reply_windows.get(case.channel)
    if window_ms is not None and now - _heard_at(case) > window_ms:
        return "reply_window_closed"
    for other in cases:
        for item in other.follow_ups:
            asked = item.via is Via.SURVEY and item.state in _ASKED
            same = other.case_id == case.case_id and item.number == number
            if asked and not same and now - (item.changed_at or 0) < policy.survey_every_ms:
                return "asked_lately"
    return ""


def not_before(case: Case, policy: Policy) -> int:
    """Return from when on a survey does not break into a talk: some time after the last word."""
    said = max((reply.at for reply in case.replies), default=0)
    return max(_heard_at(case), said) + policy.survey_quiet_ms


def _heard_at(case: Case) -> int:
    return max(
        (ref.received_at for ref in case.feedback if ref.cause not in grouping.REFERRING),
        default=case.opened_at,
    )
