"""What a notification says to a person, before a sink gives it its form. All of it is redacted text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from shared.events import (
    Case,
    CaseEvent,
    CaseEventKind,
    ClockState,
    Insight,
    Notification,
    ReplyDue,
    Severity,
)

_TITLES = {
    CaseEventKind.ESCALATION_TRIGGERED: "Somebody has to take this case",
    CaseEventKind.ACK_TIMED_OUT: "Nobody has taken this case yet",
    CaseEventKind.REESCALATED: "This case has to be taken again",
    CaseEventKind.ESCALATION_EXHAUSTED: "All steps are used up, and nobody has taken this case",
    CaseEventKind.SEVERITY_RAISED: "This case has become graver",
    CaseEventKind.REOPENED: "This case is open again",
    CaseEventKind.FOLLOW_UP_DUE: "A follow-up is due",
    CaseEventKind.FOLLOW_UP_MISSED: "A follow-up was missed",
    CaseEventKind.CLOCK_WARNED: "A promise runs out soon",
    CaseEventKind.CLOCK_BREACHED: "A promise was broken",
    CaseEventKind.NUDGE_DUE: "The customer has not answered",
}


class Telling(NamedTuple):
    """One message to a person.

    ``title`` is one line. ``facts`` are names and values, ``due`` names and times (ms). ``excerpt`` is
    what the customer said last, or the text that is proposed for an answer.
    """

    title: str
    severity: Severity
    at: int
    case_id: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    due: tuple[tuple[str, int], ...] = ()
    excerpt: str = ""


def telling(notification: Notification) -> Telling:
    """Return what ``notification`` says."""
    cause = notification.cause
    if isinstance(cause, Insight):
        facts = (("Kind", cause.kind), ("Cases", str(len(cause.cases))))
        return Telling(cause.title, cause.severity, cause.at, facts=facts, excerpt=cause.detail)
    if isinstance(cause, ReplyDue):
        return _reply(cause)
    return _case(cause)


def utc(at: int) -> str:
    """Return a time (ms) for people, to the minute."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def iso(at: int) -> str:
    """Return a time (ms) as RFC 3339 has it."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")


def words(name: str) -> str:
    """Return the name of an event or a state as words."""
    return name.replace(".", " ").replace("_", " ")


def _reply(due: ReplyDue) -> Telling:
    facts = [
        ("Message", words(due.kind)),
        ("Channel", due.channel.value),
        ("Not sent by itself", words(due.why)),
    ]
    if due.detail:
        facts.append(("Detail", due.detail))
    return Telling(
        "A customer waits for an answer that a person has to write",
        due.severity,
        due.at,
        case_id=due.case_id,
        facts=tuple(facts),
        due=(("Answer due", due.due_at),) if due.due_at is not None else (),
        excerpt=due.draft,
    )


def _case(event: CaseEvent) -> Telling:
    title = _TITLES.get(event.kind) or words(event.kind).capitalize()
    case = event.case
    if case is None:
        return Telling(title, Severity.UNDETERMINED, event.at, event.case_id)
    return Telling(
        title,
        case.severity,
        event.at,
        event.case_id,
        tuple(_facts(event, case)),
        tuple(_due(event, case)),
        _excerpt(event, case),
    )


def _facts(event: CaseEvent, case: Case) -> list[tuple[str, str]]:
    facts = [("State", words(case.state)), ("Channel", case.channel.value)]
    if case.reasons:
        facts.append(("Reasons", ", ".join(words(reason) for reason in case.reasons)))
    if event.step is not None and event.epoch is not None:
        facts.append(("Escalation", f"round {event.epoch}, step {event.step}"))
    if case.assignee or case.team:
        facts.append(("With", case.assignee or case.team or ""))
    if event.actor:
        facts.append(("By", event.actor))
    if event.detail:
        facts.append(("Detail", event.detail))
    return facts


def _due(event: CaseEvent, case: Case) -> list[tuple[str, int]]:
    """Return what is still promised, the earliest first."""
    due = [
        (f"{words(clock.kind).capitalize()} due", clock.due_at)
        for clock in case.clocks
        if clock.state is ClockState.RUNNING and clock.due_at is not None
    ]
    if event.follow_up is not None:
        due.append(("Follow-up due", event.follow_up.due_at))
    return sorted(due, key=lambda one: one[1])


def _excerpt(event: CaseEvent, case: Case) -> str:
    said = [one for one in case.feedback if not one.deleted]
    if not said:
        return ""
    return next((one for one in said if one.feedback_id == event.feedback_id), said[-1]).excerpt
