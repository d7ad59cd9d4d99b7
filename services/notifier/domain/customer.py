"""What the customer is told of an event: by a message of its own, or by a person who has to write."""

from __future__ import annotations

from typing import Final, NamedTuple

from services.notifier.domain import people
from services.notifier.domain.routes import Routes
from shared import ids
from shared.events import (
    Case,
    CaseEvent,
    CaseEventKind,
    CaseState,
    ClockChangeKind,
    ClockKind,
    ClockState,
    MessageKind,
    NoReply,
    ReplyDue,
    TimerKind,
    Via,
)

_CLOCKS: Final = {
    MessageKind.RECEIPT: ClockKind.RECEIPT,
    MessageKind.PROGRESS: ClockKind.UPDATE,
    MessageKind.RESOLUTION: ClockKind.UPDATE,
}
_FOLLOW_UPS: Final = {Via.MESSAGE: MessageKind.FOLLOW_UP, Via.SURVEY: MessageKind.SURVEY}


class Promise(NamedTuple):
    """By when somebody has to write; ``due_at`` None: it runs no longer, or has no deadline."""

    runs: bool
    due_at: int | None


def message_of(event: CaseEvent, case: Case) -> MessageKind | None:
    """Return what ``event`` has the customer told, None: nothing.

    Of a bundle one case sends the receipt for all. Progress is told of work that goes on.
    """
    kind = event.kind
    if kind is CaseEventKind.OPENED:
        awaited = case.part == 0 and promise(MessageKind.RECEIPT, event, case).runs
        return MessageKind.RECEIPT if awaited else None
    if kind is CaseEventKind.RESOLVED:
        return MessageKind.RESOLUTION if case.state is CaseState.RESOLVED else None
    if kind is CaseEventKind.CLOCK_WARNED:
        warned = case.state in Case.UNRESOLVED and _is_update_warned(event)
        return MessageKind.PROGRESS if warned else None
    if kind is CaseEventKind.NUDGE_DUE:
        return MessageKind.NUDGE
    if kind is CaseEventKind.FOLLOW_UP_DUE and event.follow_up and event.follow_up.via:
        return _FOLLOW_UPS.get(event.follow_up.via)
    return None


def promise(message: MessageKind, event: CaseEvent, case: Case) -> Promise:
    """Return what the customer was promised: a running clock, or the grace of the follow-up."""
    if message in _CLOCKS:
        kind, running = _CLOCKS[message], ClockState.RUNNING
        due = [one.due_at for one in case.clocks if one.kind is kind and one.state is running]
        return Promise(bool(due), min((at for at in due if at is not None), default=None))
    if event.follow_up is not None:
        number, grace = event.follow_up.number, TimerKind.FOLLOW_UP_MISSED
        ends = (one.due_at for one in case.timers if one.kind is grace and one.ref == number)
        return Promise(message is MessageKind.FOLLOW_UP, next(ends, None))
    return Promise(runs=False, due_at=None)


def why_not(message: MessageKind, case: Case, routes: Routes) -> NoReply | None:
    """Return why ``message`` is not sent without a person, None: it is."""
    if not case.may_auto_respond:
        return NoReply.MACHINE
    if not routes.is_automatic(message):
        return NoReply.NOT_AUTOMATIC
    return None if routes.writes(case.channel) else NoReply.NO_WRITER


def reply_due(
    event: CaseEvent, case: Case, message: MessageKind, why: NoReply, now_ms: int
) -> ReplyDue | None:
    """Return the task for a person; None for a machine that nobody is expected to answer."""
    runs, due_at = promise(message, event, case)
    if why is NoReply.MACHINE and not runs:
        return None
    return ReplyDue(
        reply_id=ids.digest(event.tenant, "reply", event.event_id, message),
        tenant=event.tenant,
        case_id=case.case_id,
        record_key=case.record_key,
        kind=message,
        why=why,
        channel=case.channel,
        severity=case.severity,
        at=now_ms,
        due_at=due_at,
        targets=tuple(dict.fromkeys(event.targets)) or people.owners(case),
        language=case.language or "",
        detail=_DETAILS.get(why, "").format(message=message, channel=case.channel),
    )


def _is_update_warned(event: CaseEvent) -> bool:
    return any(
        one.clock is ClockKind.UPDATE and one.change is ClockChangeKind.WARNED
        for one in event.clocks
    )


_DETAILS: Final = {  # whoever tried to write says the rest itself
    NoReply.MACHINE: "machines and lists are not answered automatically",
    NoReply.NOT_AUTOMATIC: "{message} is not among notifier.replies",
    NoReply.NO_WRITER: "there is no writer for {channel}",
}
