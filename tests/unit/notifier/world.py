"""Notifications for tests of the courier, and what stands around it."""

from __future__ import annotations

from shared import ids
from shared.events import Insight, Notification, NotificationKind

SINK = "crm"


def case_id(number: int) -> str:
    """Return the id of the ``number``-th case, each of another customer."""
    return ids.case_id("acme", f"{number:032x}", "f")


def notification(
    number: int,
    case: int | None = None,
    kind: NotificationKind = NotificationKind.EVENT,
    epoch: int | None = None,
    sink: str = SINK,
    planned_at: int = 0,
) -> Notification:
    """Return the ``number``-th notification; without ``case`` it is of no case."""
    cause = Insight(
        insight_id=f"i{number}", tenant="acme", kind="pattern.confirmed", at=0, title="t"
    )
    return Notification(
        notification_id=f"n{number}",
        sink=sink,
        kind=kind,
        tenant="acme",
        cause=cause,
        planned_at=planned_at,
        case_id="" if case is None else case_id(case),
        epoch=epoch,
    )
