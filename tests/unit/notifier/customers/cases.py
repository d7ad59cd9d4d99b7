"""Cases to write to customers about, and the packaged templates and rules."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
import yaml

from services.notifier.customers.example import OPENED_AT, case
from services.notifier.customers.lint import Lint
from services.notifier.customers.messages import Composer
from services.notifier.customers.render import House, Message, render
from services.notifier.customers.texts import load
from shared.errors import Transient
from shared.events import (
    Case,
    CaseEvent,
    CaseEventKind,
    Cause,
    Channel,
    MessageKind,
    Notification,
    NotificationKind,
    Resolution,
    Severity,
)

TEXTS: Final = load()
LINT: Final = Lint.of(TEXTS)
COMPOSER: Final = Composer(TEXTS, LINT)
LANGUAGES: Final = tuple(sorted(TEXTS.languages))
HOUSE: Final = House(
    name="NORDWIND ENERGIE GMBH", zone="Europe/Berlin", signature="NORDWIND ENERGIE GMBH\nHamburg"
)
NOW: Final = OPENED_AT
OUTCOME: Final = Resolution(
    outcome="4711/A", reason="4711/B", next_step="4711/C", root_cause="4711/D", prevention="4711/E"
)


class Stands:
    """How a case is now; ``away``: the view does not answer."""

    def __init__(self, now: Case | None, *, away: bool = False) -> None:
        self._now = now
        self._away = away

    async def of(self, _case_id: str) -> Case | None:
        if self._away:
            raise Transient("the view is away")
        return self._now


def complaint(language: str, channel: Channel = Channel.EMAIL) -> Case:
    """Return a complaint about a bill."""
    invented = case(language, channel, Severity.HIGH)
    return msgspec.structs.replace(invented, outcome=OUTCOME)


def notification(kind: MessageKind, about: Case | None) -> Notification:
    """Return what makes the product write a message."""
    cause = CaseEvent(
        event_id="e1",
        kind=CaseEventKind.OPENED,
        case_id="c1",
        case_seq=1,
        tenant="acme",
        at=NOW,
        recorded_at=NOW,
        cause=Cause.FEEDBACK,
        case=about,
    )
    return Notification(
        notification_id="n1",
        sink="customer.email",
        kind=NotificationKind.CUSTOMER,
        tenant="acme",
        cause=cause,
        planned_at=NOW,
        message=kind,
    )


def rendered(kind: MessageKind, about: Case) -> Message:
    """Return a message that promises an answer in two hours."""
    return render(kind, about, HOUSE, TEXTS, NOW + 7_200_000)


def written(name: str) -> dict[str, list[list[str]]]:
    """Return the hand-written texts of a file: by language, rule and text."""
    content = Path(__file__).with_name(name).read_text("utf-8")
    return msgspec.convert(yaml.safe_load(content), dict[str, list[list[str]]])
