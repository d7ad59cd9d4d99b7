"""A notification becomes a text that may be sent to a customer, or the reasons why it may not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from services.notifier.customers.lint import Facts, Finding, Lint, blocked
from services.notifier.customers.render import House, Message, promised, render
from services.notifier.customers.texts import Texts
from shared.events import Case, CaseEvent, Channel, MessageKind, Notification

LIMITS: Final[Mapping[Channel, int]] = {
    Channel.PHONE: 320,
    Channel.SOCIAL: 1_000,
    Channel.REVIEWS: 350,
}
"""How many UTF-16 units a channel takes; two SMS of Latin letters, Meta's and Google Play's limits."""

_PUBLIC: Final = frozenset({Channel.SOCIAL, Channel.REVIEWS})


class Composed(msgspec.Struct, frozen=True, kw_only=True):
    """What a writer sends; ``subject`` is "" where the channel has none."""

    language: str
    subject: str
    text: str


class Blocked(msgspec.Struct, frozen=True, kw_only=True):
    """Why nothing is sent by itself; ``draft`` is what would have been, for the person who writes."""

    language: str
    draft: str
    findings: tuple[Finding, ...]
    detail: str


class Composer:
    """Renders, lints, and chooses the form that fits a channel.

    Args:
        texts: templates.
        lint: the rules that a text must pass.
    """

    def __init__(self, texts: Texts, lint: Lint) -> None:
        self._texts = texts
        self._lint = lint

    def compose(
        self, notification: Notification, house: House, now_ms: int, *, public: bool | None = None
    ) -> Composed | Blocked:
        """Return the text of a notification to a customer, as its case stood, for the case's channel.

        Args:
            notification: of a case event, with ``message``.
            house: who writes.
            now_ms: nothing is promised for a time before it.
            public: whether everybody reads it; None: as the channel mostly is (not so private
                messages on social platforms).

        Raises:
            Misconfigured: the house's time zone is unknown.
        """
        cause, kind = notification.cause, notification.message
        case = cause.case if isinstance(cause, CaseEvent) else None
        if case is None or kind is None:
            detail = "the notification has no case or names no message"
            return Blocked(language="", draft="", findings=(), detail=detail)
        return self._written(kind, case, house, now_ms, public)

    def _written(
        self, kind: MessageKind, case: Case, house: House, now_ms: int, public: bool | None
    ) -> Composed | Blocked:
        message = render(kind, case, house, self._texts, promised(kind, case, now_ms))
        everybody = case.channel in _PUBLIC if public is None else public
        subject, text = form(message, case.channel, public=everybody)
        findings = self._lint.check(kind, message.language, text, facts(message, case, house))
        if blocked(findings):
            why = "; ".join(f"{one.rule}: {one.found or one.hint}" for one in findings)
            return Blocked(language=message.language, draft=text, findings=findings, detail=why)
        return Composed(language=message.language, subject=subject, text=text)


def form(message: Message, channel: Channel, *, public: bool) -> tuple[str, str]:
    """Return subject and text of a message in the form of a channel."""
    if channel in LIMITS:
        return "", message.public if public else message.short
    return message.subject, message.body


def facts(message: Message, case: Case, house: House) -> Facts:
    """Return what the lint is to know of a rendered message."""
    return Facts(
        complaint=message.complaint,
        concern=message.concern,
        due=message.due,
        names=(house.signature, house.name),
        limit=LIMITS.get(case.channel, 0),
    )
