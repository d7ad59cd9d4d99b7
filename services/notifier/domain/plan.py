"""Who is told of one event, by which sinks, and what the customer is told.

The rules, in order:

1. A backfilled case is nobody's news.
2. Every target is told by each of its sinks: a page if it asks for an acknowledgement, else for
   information. Those for whom a sink has one place, such as a chat channel, share a notification that
   names all of them (``Notification.target``, see ``targets_in``).
3. A page is taken back at the sinks where it stays open (pagers, and webhooks that only targets name)
   when the case is acknowledged, or when its epoch is over: the case is resolved, merged or closed, or
   the next epoch begins. People in a chat are told nothing then; a page that still waits for
   them is dropped by its sender, which knows the epoch.
4. Sinks that follow the event are told once; one that people read only if it is not told yet.
5. What an integration did is no news to its own sink. A page is: others are asked to act.
6. The customer gets a message, or somebody learns that it has to be written (``ReplyDue``): then the
   targets are told by that, and not of the event as well. Nor are they of a nudge that is sent.

What is taken back comes before the page of the next epoch.

All ids follow from the event, so the same event always plans the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from services.notifier.domain import customer, people
from services.notifier.domain.routes import Routes
from shared import ids
from shared.events import (
    Case,
    CaseEvent,
    CaseEventKind,
    CaseState,
    Cause,
    EscalationStatus,
    FollowUpState,
    Insight,
    MessageKind,
    Notification,
    NotificationKind,
    ReplyDue,
)

CUSTOMER: Final = "customer."
INTEGRATION: Final = "integration:"

_ENDS: Final = frozenset({CaseEventKind.RESOLVED, CaseEventKind.MERGED, CaseEventKind.CLOSED})
_RUNGS: Final = people.PAGES | {
    CaseEventKind.STEP_HELD,
    CaseEventKind.STEP_SKIPPED,
    CaseEventKind.NOTIFICATION_SUPPRESSED,
}
_SETTLES: Final = frozenset({CaseEventKind.FOLLOW_UP_DONE, CaseEventKind.FOLLOW_UP_WAIVED})
_SAME_EPOCH: Final = frozenset({Cause.ACK_TIMEOUT, Cause.REPEAT})


class Plan(NamedTuple):
    """What one event leads to. ``unreached``: targets without any sink, which must not go unnoticed."""

    notifications: Sequence[Notification] = ()
    replies: Sequence[ReplyDue] = ()
    unreached: tuple[str, ...] = ()


class _TakenBack(NamedTuple):
    kind: NotificationKind
    epoch: int
    echoes: bool


def plan(cause: CaseEvent | ReplyDue | Insight, routes: Routes, now_ms: int) -> Plan:
    """Return who is told of ``cause``.

    Args:
        routes: sinks and people as they are now.
        now_ms: milliseconds since the Unix epoch; it dates what is planned and decides nothing.
    """
    case = cause.case if isinstance(cause, CaseEvent) else None
    if case is not None and case.backfilled:
        return Plan()
    sheet = _Sheet(cause, now_ms)
    replies: tuple[ReplyDue, ...] = ()
    nudged = False
    if isinstance(cause, CaseEvent) and case is not None:
        message = customer.message_of(cause, case)
        if message is not None:
            replies = _tell_customer(sheet, cause, case, message, routes)
            nudged = message is MessageKind.NUDGE and bool(sheet.notifications)
        _take_back(sheet, cause, case, routes)
    unreached = () if replies or nudged else _tell_people(sheet, routes)
    _tell_followers(sheet, routes)
    return Plan(sheet.notifications, replies, unreached)


def kind_of(cause: CaseEvent | ReplyDue | Insight) -> str:
    """Return the word by which sinks follow ``cause``."""
    if isinstance(cause, CaseEvent):
        return cause.kind
    return "reply.due" if isinstance(cause, ReplyDue) else f"insight.{cause.kind}"


def id_of(cause: CaseEvent | ReplyDue | Insight) -> str:
    """Return the id of ``cause``."""
    if isinstance(cause, CaseEvent):
        return cause.event_id
    return cause.reply_id if isinstance(cause, ReplyDue) else cause.insight_id


def targets_in(notification: Notification) -> tuple[str, ...]:
    """Return the names that share ``notification``."""
    return tuple(filter(None, notification.target.split(people.SEPARATOR)))


class _Sheet:
    """The notifications of one event, as they are written down."""

    def __init__(self, cause: CaseEvent | ReplyDue | Insight, now_ms: int) -> None:
        self.cause = cause
        self.now_ms = now_ms
        self.notifications: list[Notification] = []
        actor = (cause.actor or "") if isinstance(cause, CaseEvent) else ""
        self.origin = actor.removeprefix(INTEGRATION) if actor.startswith(INTEGRATION) else ""
        self._cause_id = id_of(cause)
        self._case_id = "" if isinstance(cause, Insight) else cause.case_id

    def write(
        self,
        sink: str,
        kind: NotificationKind,
        target: str = "",
        epoch: int | None = None,
        message: MessageKind | None = None,
    ) -> None:
        """Add one notification."""
        tenant = self.cause.tenant
        parts = (self._cause_id, sink, target, kind)
        self.notifications.append(
            Notification(
                notification_id=ids.digest(tenant, "notification", *parts),
                sink=sink,
                kind=kind,
                tenant=tenant,
                cause=self.cause,
                planned_at=self.now_ms,
                target=target,
                case_id=self._case_id,
                epoch=epoch,
                message=message,
                origin=self.origin,
            )
        )

    def tells(self, sink: str) -> bool:
        """Tell whether ``sink`` is told of the event already."""
        return any(one.sink == sink for one in self.notifications)


def _tell_customer(
    sheet: _Sheet, event: CaseEvent, case: Case, message: MessageKind, routes: Routes
) -> tuple[ReplyDue, ...]:
    """Write to the customer, or return the task for a person, if there is one."""
    why = customer.why_not(message, case, routes)
    if why is None:
        sheet.write(f"{CUSTOMER}{case.channel}", NotificationKind.CUSTOMER, message=message)
        return ()
    due = customer.reply_due(event, case, message, why, sheet.now_ms)
    return () if due is None else (due,)


def _tell_people(sheet: _Sheet, routes: Routes) -> tuple[str, ...]:
    """Tell the targets; return those that cannot be told."""
    cause = sheet.cause
    is_page = isinstance(cause, CaseEvent) and cause.kind in people.PAGES
    kind = NotificationKind.PAGE if is_page else NotificationKind.INFORM
    epoch = cause.epoch if isinstance(cause, CaseEvent) and is_page else None
    targets = people.targets_of(cause)
    told, unreached = people.reach(targets, cause.tenant, routes, "" if is_page else sheet.origin)
    for one in told:
        sheet.write(one.sink, kind, people.SEPARATOR.join(one.targets), epoch)
    return unreached


def _take_back(sheet: _Sheet, event: CaseEvent, case: Case, routes: Routes) -> None:
    taken = _taken_back(event, case)
    if taken is None or taken.epoch < 1:
        return
    for sink, target in routes.takers(event.tenant):
        if sink != sheet.origin or not taken.echoes:
            sheet.write(sink, taken.kind, target, taken.epoch)


def _taken_back(event: CaseEvent, case: Case) -> _TakenBack | None:
    """Return which page of the case is over by ``event``; to take back one that never was is harmless.

    An epoch begins with its first step, which may be held or skipped: its event says so as well as a
    page does.
    """
    stands = case.escalation
    if event.kind in _ENDS:
        return _TakenBack(NotificationKind.RESOLVE, stands.epoch, echoes=True)
    if event.kind in _SETTLES:
        over = case.state in Case.SETTLING and not _is_missing(case)
        return _TakenBack(NotificationKind.RESOLVE, stands.epoch, echoes=True) if over else None
    if event.kind in _RUNGS:
        first = event.step == 1 and stands.rounds == 0 and event.cause not in _SAME_EPOCH
        last = (event.epoch or 0) - 1
        return _TakenBack(NotificationKind.RESOLVE, last, echoes=False) if first else None
    if _acknowledges(event, case):
        return _TakenBack(NotificationKind.ACKNOWLEDGE, stands.epoch, echoes=True)
    return None


def _acknowledges(event: CaseEvent, case: Case) -> bool:
    """Tell whether ``event`` stopped the ladder: by name, or since it shows that somebody is at work."""
    stands = case.escalation
    shown = (
        stands.status is EscalationStatus.ACKNOWLEDGED
        and stands.acknowledged_at == event.recorded_at
        and case.state is not CaseState.OPEN
    )
    return event.kind is CaseEventKind.ACKNOWLEDGED or shown


def _is_missing(case: Case) -> bool:
    """Tell whether a promise is broken still, for which somebody was paged."""
    return any(one.state is FollowUpState.MISSED for one in case.follow_ups)


def _tell_followers(sheet: _Sheet, routes: Routes) -> None:
    for sink in _followers(sheet, routes):
        sheet.write(sink, NotificationKind.EVENT)


def _followers(sheet: _Sheet, routes: Routes) -> Iterator[str]:
    for sink in routes.followers(kind_of(sheet.cause), sheet.cause.tenant):
        repeats = not routes.is_system(sink) and sheet.tells(sink)
        if sink != sheet.origin and not repeats:
            yield sink
