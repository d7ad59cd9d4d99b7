"""What customers are told without a person, and what becomes a task instead."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.notifier.domain.plan import plan
from services.notifier.routing import FixedRoutes
from shared.errors import Misconfigured
from shared.events import (
    Case,
    CaseEvent,
    CaseEventKind,
    CaseState,
    Channel,
    ClockKind,
    ClockState,
    Escalation,
    FollowUp,
    FollowUpState,
    MessageKind,
    NoReply,
    ReplyDue,
    Timer,
    TimerKind,
    Via,
)
from tests.unit.notifier.plan_world import (
    CASE_ID,
    RECORD_KEY,
    T0,
    case,
    event,
    routes,
    running,
    sink,
    told,
    warned,
)

NOW = T0 + 1
ALL = ",".join(MessageKind)
OWNED: dict[str, Any] = {"assignee": "anna", "language": "de", "escalation": Escalation()}
CLOCKS = (running(ClockKind.RECEIPT, T0 + 10), running(ClockKind.UPDATE, T0 + 20))


def by(replies: str = ALL, **fields: Any) -> FixedRoutes:
    return routes({"mail": sink("smtp")}, {"anna": ("mail",)}, replies=replies, **fields)


def owned(**fields: Any) -> Case:
    return case(**(OWNED | fields))


def follow_up(via: Via | None, of: Case | None = None) -> CaseEvent:
    item = FollowUp(number=2, kind="check", due_at=T0, state=FollowUpState.DUE, via=via)
    missed = Timer(kind=TimerKind.FOLLOW_UP_MISSED, due_at=T0 + 30, version=3, ref=2)
    other = msgspec.structs.replace(missed, due_at=T0 + 1, ref=1)
    given = owned(state=CaseState.RESOLVED) if of is None else of
    with_grace = msgspec.structs.replace(given, timers=(other, missed))
    return event(CaseEventKind.FOLLOW_UP_DUE, of=with_grace, follow_up=item)


def occasion(message: MessageKind, **fields: Any) -> CaseEvent:
    """Return the event by which a customer is to be told ``message``."""
    live = owned(**({"clocks": CLOCKS} | fields))
    done = msgspec.structs.replace(live, state=CaseState.RESOLVED)
    return {
        MessageKind.RECEIPT: event(CaseEventKind.OPENED, of=live),
        MessageKind.PROGRESS: event(
            CaseEventKind.CLOCK_WARNED, ["anna"], live, clocks=(warned(ClockKind.UPDATE),)
        ),
        MessageKind.RESOLUTION: event(CaseEventKind.RESOLVED, of=done),
        MessageKind.FOLLOW_UP: follow_up(Via.MESSAGE, done),
        MessageKind.SURVEY: follow_up(Via.SURVEY, done),
        MessageKind.NUDGE: event(CaseEventKind.NUDGE_DUE, ["anna"], live),
    }[message]


DUE = {
    MessageKind.RECEIPT: T0 + 10,
    MessageKind.PROGRESS: T0 + 20,
    MessageKind.RESOLUTION: T0 + 20,
    MessageKind.FOLLOW_UP: T0 + 30,
    MessageKind.SURVEY: T0 + 30,
    MessageKind.NUDGE: None,
}


def task(of: CaseEvent, routes: FixedRoutes) -> ReplyDue:
    (due,) = plan(of, routes, NOW).replies
    return due


@pytest.mark.parametrize("message", MessageKind)
def test_each_occasion_has_its_message(message: MessageKind) -> None:
    made = plan(occasion(message), by(), NOW)
    (one,) = [one for one in made.notifications if one.kind == "customer"]
    assert (one.sink, one.message, one.target, one.case_id) == (
        "customer.email", message, "", CASE_ID,
    )  # fmt: skip
    assert made.replies == ()


@pytest.mark.parametrize("message", MessageKind)
def test_what_is_not_automatic_is_a_task_with_its_deadline(message: MessageKind) -> None:
    others = ",".join(set(MessageKind) - {message})
    made = plan(occasion(message), by(others), NOW)
    (due,) = made.replies
    assert made.notifications == []  # the owner is told by the task
    assert (due.kind, due.why, due.due_at) == (message, NoReply.NOT_AUTOMATIC, DUE[message])
    assert (due.targets, due.language, due.at) == (("anna",), "de", NOW)
    assert (due.case_id, due.record_key, due.channel) == (CASE_ID, RECORD_KEY, Channel.EMAIL)
    assert due.detail == f"{message} is not among notifier.replies"


@pytest.mark.parametrize("message", MessageKind)
@pytest.mark.parametrize("channel", [Channel.OTHER, Channel.PHONE])
def test_without_a_writer_it_is_a_task(message: MessageKind, channel: Channel) -> None:
    due = task(occasion(message, channel=channel), by())
    assert (due.why, due.due_at, due.channel) == (NoReply.NO_WRITER, DUE[message], channel)


def test_a_writer_that_is_disabled_is_none_and_other_has_none() -> None:
    writers = {"email": sink("smtp", disabled=True), "other": sink("smtp")}
    for channel in (Channel.EMAIL, Channel.OTHER):
        given = occasion(MessageKind.RECEIPT, channel=channel)
        assert task(given, by(writers=writers)).why is NoReply.NO_WRITER


@pytest.mark.parametrize("message", MessageKind)
@pytest.mark.parametrize("replies", [ALL, ""])
def test_a_machine_gets_nothing_and_is_a_task_only_where_a_promise_runs(
    message: MessageKind, replies: str
) -> None:
    made = plan(occasion(message, may_auto_respond=False), by(replies), NOW)
    assert not [one for one in made.notifications if one.kind == "customer"]
    expected = {*MessageKind} - {MessageKind.SURVEY, MessageKind.NUDGE}
    assert [due.why for due in made.replies] == [NoReply.MACHINE] * (message in expected)
    if message is MessageKind.NUDGE:  # somebody has to know
        assert told(made) == [("mail", "anna", "inform")]
    stopped = occasion(message, may_auto_respond=False, clocks=())
    assert bool(plan(stopped, by(replies), NOW).replies) == (message is MessageKind.FOLLOW_UP)


@pytest.mark.parametrize(
    "fields",
    [
        {"part": 1},
        {"clocks": ()},
        {"clocks": (running(ClockKind.THANK_YOU),)},
        {"clocks": (msgspec.structs.replace(CLOCKS[0], state=ClockState.FULFILLED),)},
        {"backfilled": True},
    ],
)
def test_no_receipt_where_none_is_awaited(fields: dict[str, object]) -> None:
    made = plan(occasion(MessageKind.RECEIPT, **fields), by(), NOW)
    assert (told(made), made.replies) == ([], ())


def test_progress_is_told_of_work_that_goes_on_and_of_the_clock_of_updates_only() -> None:
    late = occasion(MessageKind.PROGRESS)
    done = msgspec.structs.replace(owned(clocks=CLOCKS), state=CaseState.RESOLVED)
    for other in (
        msgspec.structs.replace(late, case=done),
        msgspec.structs.replace(late, clocks=(warned(ClockKind.FIRST_RESPONSE),)),
    ):
        assert told(plan(other, by(), NOW)) == [("mail", "anna", "inform")]
    assert told(plan(late, by(), NOW)) == [
        ("customer.email", "", "customer"),
        ("mail", "anna", "inform"),
    ]


def test_a_nudge_that_is_sent_needs_nobody_else() -> None:
    made = plan(occasion(MessageKind.NUDGE), by(), NOW)
    assert told(made) == [("customer.email", "", "customer")]


def test_a_call_is_no_message() -> None:
    for via in (Via.CALL, None):
        made = plan(follow_up(via), by(), NOW)
        assert (told(made), made.replies) == ([("mail", "anna", "inform")], ())


def test_a_task_of_a_case_that_is_nobodys_still_reaches_somebody() -> None:
    due = task(occasion(MessageKind.RECEIPT, assignee=None), by(""))
    assert due.targets == ()
    default = routes({"default": sink("slack")})
    assert told(plan(due, default, NOW)) == [("default", "", "inform")]
    assert task(occasion(MessageKind.RECEIPT, assignee=None, team="crew"), by("")).targets == (
        "crew",
    )


def test_followers_hear_of_it_as_well() -> None:
    follows = routes({"crm": sink("webhook", "case.*")}, replies=ALL)
    assert told(plan(occasion(MessageKind.RECEIPT), follows, NOW)) == [
        ("customer.email", "", "customer"),
        ("crm", "", "event"),
    ]


def test_the_setting_names_kinds_of_messages() -> None:
    assert by(" receipt , nudge,").is_automatic(MessageKind.NUDGE)
    assert not by("receipt").is_automatic(MessageKind.NUDGE)
    with pytest.raises(Misconfigured, match=r"notifier\.replies: 'recipt' is none of receipt, "):
        by("recipt")
