"""What a feedback says, apart from any case: who wrote it, when, and what of it a case lists."""

from __future__ import annotations

from typing import Final

from services.escalation.domain import bounds, grouping
from services.escalation.domain.policy import DAY
from shared.events import (
    Cause,
    FeedbackClassified,
    FeedbackReceived,
    FeedbackRef,
    Flag,
    Issue,
    Kind,
    Operation,
    Origin,
    Role,
)

MAX_EXCERPT: Final = 280

_SPOKEN: Final = frozenset({Origin.HUMAN, Origin.BULK, Origin.OWN_ECHO})
"""What a person of ours may have written; an automatic answer of theirs is none."""

MAX_DELAY_MS: Final = 30 * DAY
"""How long something may have been under way: beyond that its source has the time wrong.

A mail server tries for 5 days (RFC 5321, 4.5.4.1), an app store tells the reviews of a week.
"""

_CONTACTS: Final = frozenset({Cause.FEEDBACK, Cause.REPEAT_CONTACT})


def is_reply(item: FeedbackClassified, cause: Cause) -> bool:
    """Tell whether a person of ours has answered the customer."""
    author = item.feedback.author
    spoken = cause is Cause.OWN_SIDE and item.feedback.origin in _SPOKEN and _is_news(item)
    return spoken and author is not None and author.role == Role.AGENT


def is_bounce(item: FeedbackClassified, cause: Cause) -> bool:
    """Tell whether a message of ours could not be delivered."""
    return cause is Cause.MACHINE and item.feedback.origin is Origin.BOUNCE_HARD and _is_news(item)


def speaker(feedback: FeedbackReceived) -> str:
    """Return who of ours has written."""
    author = feedback.author
    return (author and (author.name or author.handle)) or Role.AGENT


def written_at(feedback: FeedbackReceived) -> int:
    """Return when something of ours was written; a time in the future is when it came in."""
    return min(feedback.occurred_at or feedback.received_at, feedback.received_at)


def _is_news(item: FeedbackClassified) -> bool:
    return item.feedback.op is Operation.CREATE and not is_imported(item)


def heard_at(feedback: FeedbackReceived, now: int) -> int:
    """Return when the customer said it, as far as that can be at ``now``: clocks differ."""
    return bounds.past(said_at(feedback), now)


def said_at(feedback: FeedbackReceived) -> int:
    """Return when the customer said it; a time that cannot be right is when it came in."""
    said_at, received_at = feedback.occurred_at, feedback.received_at
    if said_at is None or not received_at - MAX_DELAY_MS <= said_at <= received_at:
        return received_at
    return said_at


def asks(item: FeedbackClassified) -> bool:
    """Tell whether it wants an answer: thanks do not, nor does history."""
    thanks = item.classification.kind is Kind.PRAISE and not grouping.is_negative(item)
    return not thanks and not is_imported(item)


def is_imported(item: FeedbackClassified) -> bool:
    """Tell whether it is history that was brought in."""
    return Flag.BACKFILL in item.feedback.flags


def reference(
    item: FeedbackClassified, cause: Cause, now: int, issue: Issue | None = None
) -> FeedbackRef:
    """Return how a case lists a feedback, or one issue of it."""
    words = _words(item.feedback)
    if issue is not None and words == item.feedback.text:
        words = words[issue.start : issue.end]
    text = " ".join(words.split())
    return FeedbackRef(
        feedback_id=item.feedback.feedback_id,
        channel=item.feedback.channel,
        severity=item.classification.severity if issue is None else issue.severity,
        received_at=bounds.past(item.feedback.received_at, now, bounds.MAX_AGE_OF_CASE),
        excerpt=text if len(text) <= MAX_EXCERPT else text[: MAX_EXCERPT - 1] + "…",
        item=grouping.item_of(item.feedback),
        cause=cause,
        asked_at=heard_at(item.feedback, now) if cause in _CONTACTS and asks(item) else None,
    )


def _words(feedback: FeedbackReceived) -> str:
    """Return what there is to read: the text, else the title, else how the call went."""
    if feedback.text.strip() or feedback.title:
        return feedback.text if feedback.text.strip() else feedback.title or ""
    if feedback.call is None:
        return ""
    return f"[call: {feedback.call.outcome or 'unknown'}, transcript: {feedback.call.transcript}]"
