"""Sinks, people and events for tests of what is planned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from services.notifier.domain.plan import Plan, plan
from services.notifier.routing import FixedRoutes, automatic
from services.notifier.settings import Sinks, SinkSettings
from shared import ids
from shared.config import Notifier
from shared.events import (
    Case,
    CaseEvent,
    CaseEventKind,
    CaseState,
    Cause,
    Channel,
    Clock,
    ClockChange,
    ClockChangeKind,
    ClockKind,
    Escalation,
    Kind,
    Notification,
    NotificationKind,
    Severity,
)

T0 = 1_750_000_000_000
TENANT = "acme"
RECORD_KEY = "acme:c0ffee"
CASE_ID = ids.case_id(TENANT, "c0ffee", "f1")
WRITERS = {"email": SinkSettings(kind="smtp"), "reviews": SinkSettings(kind="google_play")}
Told = tuple[str, str, str]


class People:
    """A directory with fixed people."""

    def __init__(self, via: Mapping[str, Sequence[str]]) -> None:
        self._via = via

    def via(self, target: str) -> Sequence[str]:
        return self._via.get(target, ())


def sink(kind: str, *events: str, **fields: Any) -> SinkSettings:
    return SinkSettings(kind=kind, events=events, **fields)


def routes(
    sinks: Mapping[str, SinkSettings],
    via: Mapping[str, Sequence[str]] | None = None,
    *,
    people: Mapping[str, Mapping[str, str]] | None = None,
    writers: Mapping[str, SinkSettings] | None = None,
    replies: str = Notifier().replies,
) -> FixedRoutes:
    """Return routes; there are writers for e-mail and reviews unless told otherwise."""
    file = Sinks(sinks=sinks, people=people or {}, writers=WRITERS if writers is None else writers)
    return FixedRoutes(file, People(via or {}), automatic(replies))


def case(**fields: Any) -> Case:
    """Return an open case that was paged once."""
    given: dict[str, Any] = {
        "case_id": CASE_ID,
        "tenant": TENANT,
        "record_key": RECORD_KEY,
        "customer_key": "c0ffee",
        "channel": Channel.EMAIL,
        "source": "inbox",
        "severity": Severity.HIGH,
        "kind": Kind.COMPLAINT,
        "state": CaseState.OPEN,
        "opened_at": T0,
        "case_seq": 7,
        "escalation": Escalation(epoch=1, step=1),
    }
    return Case(**(given | fields))


def event(
    kind: CaseEventKind, targets: Iterable[str] = (), of: Case | None = None, **fields: Any
) -> CaseEvent:
    """Return an event of a case."""
    given: dict[str, Any] = {
        "event_id": f"event of {kind}",
        "kind": kind,
        "case_id": CASE_ID,
        "case_seq": 7,
        "tenant": TENANT,
        "at": T0,
        "recorded_at": T0,
        "cause": Cause.FEEDBACK,
        "case": case() if of is None else of,
        "targets": tuple(targets),
    }
    return CaseEvent(**(given | fields))


def running(kind: ClockKind, due_at: int | None = T0 + 5) -> Clock:
    """Return a clock that runs."""
    return Clock(kind=kind, instance="f1", target_ms=5, started_at=T0, due_at=due_at)


def warned(kind: ClockKind) -> ClockChange:
    """Return the warning of a clock."""
    change = ClockChangeKind.WARNED
    return ClockChange(clock=kind, instance="f1", change=change, at=T0, target_ms=5, percent=75)


def told(made: Plan) -> list[Told]:
    """Return sink, target and kind of all that is planned."""
    return [(one.sink, one.target, str(one.kind)) for one in made.notifications]


def of_kind(made: Plan, *kinds: NotificationKind) -> list[Notification]:
    """Return the notifications of some kinds."""
    return [one for one in made.notifications if one.kind in kinds]


def planned(of: CaseEvent, by: FixedRoutes) -> list[Told]:
    """Plan an event and return who is told."""
    return told(plan(of, by, T0))
