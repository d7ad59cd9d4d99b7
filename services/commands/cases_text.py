"""A case as text for people: one line of it, or all that matters about it now."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator

from services.record.timeline import printable
from shared.events import Case, Clock, ClockState, FollowUp, FollowUpState, Reply, TimerKind

_TIMERS = {
    TimerKind.STEP: "the next step of the escalation",
    TimerKind.ACK_EXPIRY: "the acknowledgement runs out",
    TimerKind.FOLLOW_UP_DUE: "follow-up {ref} falls due",
    TimerKind.FOLLOW_UP_MISSED: "follow-up {ref} is missed",
    TimerKind.CLOSE: "the case closes, if the customer knows",
    TimerKind.SNOOZE_END: "the snooze ends",
    TimerKind.WAIT_END: "the wait ends",
    TimerKind.NUDGE: "the customer is reminded ({ref})",
    TimerKind.HELD: "the held step is looked at again",
    TimerKind.REMIND: "whoever is in charge is reminded",
    TimerKind.FORGET: "the case is forgotten",
}


def summary(case: Case) -> str:
    """Return a case in one line."""
    return printable(
        f"{case.case_id}  {case.severity:12} {case.state:19} {case.channel:8} "
        f"{when(case.opened_at)}  {', '.join(case.reasons)}"
    ).rstrip()


def describe(case: Case, now_ms: int) -> str:
    """Return what there is to know of a case."""
    lines = [f"{case.case_id}  {case.severity} {case.kind}: {case.state}"]
    sections = (
        ("about", _about(case)),
        ("next", _next(case, now_ms)),
        ("clocks", (_clock(one, now_ms) for one in case.clocks)),
        ("follow-ups", (_follow_up(one, now_ms) for one in case.follow_ups)),
        ("replies", map(_reply, case.replies)),
        ("resolution", _resolution(case)),
        ("feedback", _feedback(case)),
        ("refused", (f"{one.command_id}  {one.refusal}: {one.detail}" for one in case.refused)),
    )
    for title, rows in sections:
        for number, row in enumerate(rows):
            lines.append(f"  {title if number == 0 else '':11}{row}".rstrip())
    return "\n".join(map(printable, lines))


def _about(case: Case) -> Iterator[str]:
    yield f"opened {when(case.opened_at)} by {case.channel} ({case.source}), seq {case.case_seq}"
    if case.reasons or case.themes:
        yield ", ".join((*case.reasons, *case.themes))
    whose = case.assignee or "nobody's"
    team = f", team {case.team}" if case.team else ""
    done = f", acknowledged by {case.acknowledged_by}" if case.acknowledged_by else ""
    yield f"{whose}{team}{done}"
    stands = case.escalation
    ladder = stands.ladder
    of = f" of {len(ladder.steps)} ({ladder.name})" if ladder is not None else ""
    yield f"escalation {stands.status}, epoch {stands.epoch}, step {stands.step}{of}"
    if case.waiting_since is not None:
        yield f"the customer waits for an answer since {when(case.waiting_since)}"
    if case.set_by:
        yield f"severity set by {case.set_by}"
    if case.aliases:
        yield f"goes on for {', '.join(case.aliases)}"
    if case.merged_into:
        yield f"merged into {case.merged_into}"
    if case.bundle:
        yield f"part {case.part + 1} of the message {case.bundle}"
    if case.reopen_count:
        last = f", last by a message {when(case.reopened_at[-1])}" if case.reopened_at else ""
        yield f"reopened {case.reopen_count} times{last}"
    if case.legal_hold:
        yield f"legal hold: {case.legal_hold}"
    if case.backfilled:
        yield "imported history: nobody is paged for it"
    if case.quarantined:
        yield "quarantined: two machines may be talking to each other"


def _next(case: Case, now_ms: int) -> Iterator[str]:
    due = [
        (timer.due_at, _TIMERS[timer.kind].format(ref=timer.ref))
        for timer in sorted(case.timers, key=lambda one: one.due_at)
    ]
    due += [
        (clock.next_at, f"{clock.kind}: {'breach' if clock.next_at == clock.due_at else 'warning'}")
        for clock in case.clocks
        if clock.next_at is not None
    ]
    for at, what in sorted(due):
        yield f"{_due(at, now_ms)}  {what}"
    if not due:
        yield "nothing is pending"


def _clock(clock: Clock, now_ms: int) -> str:
    row = f"{clock.kind:17} {clock.state:10}"
    if clock.breached_at is not None:
        row += f" BREACHED {when(clock.breached_at)}"
    elif clock.due_at is not None and clock.state is ClockState.RUNNING:
        row += f" due {_due(clock.due_at, now_ms)}"
    elif clock.ended_at is not None:
        row += f" {when(clock.ended_at)}"
    return row + (f"  {clock.calendar.partition('@')[0]}" if clock.calendar else "")


def _follow_up(one: FollowUp, now_ms: int) -> str:
    settled = one.state in {FollowUpState.DONE, FollowUpState.WAIVED}
    at = when(one.due_at) if settled else _due(one.due_at, now_ms)
    how = f" by {one.via}" if one.via else ""
    return f"{one.number}  {one.kind:14} {one.state:10} due {at}{how}"


def _reply(one: Reply) -> str:
    where = f" by {one.channel}" if one.channel else ""
    bounced = ", BOUNCED" if one.bounced else ""
    told = ", told the resolution" if one.told else ""
    return f"{when(one.at)}  {one.by}{where}{told}{bounced}  ({one.id})"


def _resolution(case: Case) -> Iterator[str]:
    found: list[tuple[str, str | None]] = []
    if (asked := case.clarification) is not None:
        found += [("asked", asked.asked), ("answered", asked.answered)]
        found.append(("nothing to ask", asked.not_needed))
    if (offer := case.offer) is not None:
        found += [("offered", ", ".join(offer.options)), ("chosen", offer.chosen)]
        found.append(("approved by", offer.approved_by))
        done = offer.fulfilled_at
        found.append(("fulfilled", None if done is None else when(done)))
    found.append(("verdict", case.verdict))
    if (how := case.outcome) is not None:
        found += [("outcome", how.outcome), ("reason", how.reason), ("next step", how.next_step)]
        found += [("root cause", how.root_cause), ("prevention", how.prevention)]
    if case.resolved_at is not None:
        found.append(("resolved", f"{when(case.resolved_at)} by {case.resolved_by}"))
    if case.communicated_at is not None:
        found.append(("told", when(case.communicated_at)))
    yield from (f"{name}: {value}" for name, value in found if value)


def _feedback(case: Case) -> Iterator[str]:
    for ref in case.feedback:
        deleted = " (deleted)" if ref.deleted else ""
        head = f"{when(ref.received_at)} {ref.channel} {ref.severity} {ref.cause}{deleted}"
        yield f"{head}: {ref.excerpt}"
    more = case.feedback_count - len(case.feedback)
    if more > 0:
        yield f"and {more} more"


def _due(at_ms: int, now_ms: int) -> str:
    left = at_ms - now_ms
    span = _span(abs(left))
    return f"{when(at_ms)} (in {span})" if left >= 0 else f"{when(at_ms)} ({span} ago)"


def _span(ms: int) -> str:
    minutes = ms // 60_000
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = _shown((days, "d"), (hours, "h"), (minutes, "m"))
    return "".join(list(parts)[:2]) or "less than a minute"


def _shown(*parts: tuple[int, str]) -> Iterable[str]:
    return (f"{count}{unit}" for count, unit in parts if count)


def when(at_ms: int) -> str:
    """Return a time in UTC, to the second."""
    try:
        return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):  # no calendar holds it
        return str(at_ms)
