"""Who is told of an event, and how often."""

from __future__ import annotations

import pytest

from services.notifier.domain.people import PAGES
from services.notifier.domain.plan import plan, targets_in
from shared.events import (
    CaseEventKind,
    Channel,
    FollowUp,
    FollowUpState,
    Insight,
    MessageKind,
    NoReply,
    ReplyDue,
    Severity,
    Via,
)
from tests.unit.notifier.plan_world import (
    CASE_ID,
    RECORD_KEY,
    T0,
    TENANT,
    case,
    event,
    planned,
    routes,
    sink,
    told,
)

PAGED = CaseEventKind.ESCALATION_TRIGGERED
INFORMED = CaseEventKind.CLOCK_BREACHED
TWO = {"anna": ("chat", "mail"), "bob": ("chat", "mail")}
SINKS = {"chat": sink("slack"), "mail": sink("smtp")}
ADDRESSES = {"anna": {"email": "a@example.com"}, "bob": {"email": "b@example.com"}}


@pytest.mark.parametrize("kind", sorted(PAGES))
def test_what_asks_for_an_acknowledgement_is_a_page_of_its_epoch(kind: CaseEventKind) -> None:
    by = routes({"mail": sink("smtp")}, {"anna": ("mail",)})
    (one,) = plan(event(kind, ["anna"], epoch=3, step=1), by, T0).notifications
    assert (one.kind, one.target, one.epoch, one.case_id) == ("page", "anna", 3, CASE_ID)


def test_everything_else_is_for_information() -> None:
    by = routes({"mail": sink("smtp")}, {"anna": ("mail",)})
    (one,) = plan(event(INFORMED, ["anna"], epoch=3), by, T0).notifications
    assert (one.kind, one.epoch) == ("inform", None)


def test_those_with_one_place_share_a_notification_and_others_have_their_own() -> None:
    by = routes(SINKS, TWO, people=ADDRESSES)
    made = plan(event(INFORMED, ["anna", "bob", "anna"]), by, T0)
    assert told(made) == [
        ("chat", "anna, bob", "inform"),
        ("mail", "anna", "inform"),
        ("mail", "bob", "inform"),
    ]
    assert targets_in(made.notifications[0]) == ("anna", "bob")


def test_who_has_no_sink_is_told_by_the_default_one() -> None:
    by = routes({"default": sink("slack")}, {"anna": ("gone",), "bob": ()})
    assert planned(event(INFORMED, ["anna", "bob"]), by) == [("default", "anna, bob", "inform")]


@pytest.mark.parametrize("fields", [{"disabled": True}, {"tenants": ("other",)}])
def test_a_sink_that_is_disabled_or_of_other_tenants_is_none(fields: dict[str, object]) -> None:
    by = routes({"mail": sink("smtp", "case.*", **fields)}, {"anna": ("mail",)})
    made = plan(event(CaseEventKind.ASSIGNED, ["anna"]), by, T0)
    assert (made.notifications, made.unreached) == ([], ("anna",))


@pytest.mark.parametrize("kind", [PAGED, CaseEventKind.ESCALATION_EXHAUSTED])
def test_a_page_for_nobody_goes_to_the_default_sink(kind: CaseEventKind) -> None:
    assert planned(event(kind, epoch=1), routes({"default": sink("slack")})) == [
        ("default", "", "page")
    ]
    assert plan(event(kind, epoch=1), routes({}), T0).unreached == ("",)


def test_an_event_without_targets_is_told_to_nobody() -> None:
    assert planned(event(CaseEventKind.ACK_TIMED_OUT), routes({"default": sink("slack")})) == []


def test_a_call_that_is_due_is_told_to_the_owner() -> None:
    call = FollowUp(number=1, kind="check", due_at=T0, state=FollowUpState.DUE, via=Via.CALL)
    by = routes({"mail": sink("smtp"), "default": sink("slack")}, {"anna": ("mail",)})
    due = CaseEventKind.FOLLOW_UP_DUE
    owned = event(due, of=case(assignee="anna", team="crew"), follow_up=call)
    assert planned(owned, by) == [("mail", "anna", "inform")]
    assert planned(event(due, follow_up=call), by) == [("default", "", "inform")]


def test_whoever_did_it_is_not_told_of_it_but_paged_all_the_same() -> None:
    by = routes({"mail": sink("smtp")}, {"anna": ("mail",), "bob": ("mail",)})
    assigned = event(CaseEventKind.ASSIGNED, ["anna", "bob"], actor="anna")
    assert planned(assigned, by) == [("mail", "bob", "inform")]
    assert planned(event(PAGED, ["anna"], actor="anna", epoch=1), by) == [("mail", "anna", "page")]


def test_what_an_integration_did_is_no_news_to_it() -> None:
    by = routes(
        {"desk": sink("webhook", "case.*", "escalation.*"), "crm": sink("webhook", "case.*")},
        {"anna": ("desk", "crm"), "bob": ("desk",)},
    )
    assigned = event(CaseEventKind.ASSIGNED, ["anna", "bob"], actor="integration:desk")
    made = plan(assigned, by, T0)
    assert told(made) == [("crm", "anna", "inform"), ("crm", "", "event")]
    assert {one.origin for one in made.notifications} == {"desk"}
    assert made.unreached == ()
    raised = event(PAGED, ["anna"], actor="integration:desk", epoch=1)
    assert ("desk", "anna", "page") in planned(raised, by)
    assert ("desk", "", "event") not in planned(raised, by)


def test_followers_are_told_once_people_not_twice() -> None:
    by = routes(
        {"chat": sink("slack", "*"), "crm": sink("webhook", "*"), "else": sink("slack", "nudge.*")},
        {"anna": ("chat", "crm")},
    )
    assert planned(event(INFORMED, ["anna"]), by) == [
        ("chat", "anna", "inform"),
        ("crm", "anna", "inform"),
        ("crm", "", "event"),
    ]
    assert planned(event(CaseEventKind.REOPENED), by) == [
        ("chat", "", "event"),
        ("crm", "", "event"),
    ]


def test_insights_and_tasks_reach_their_targets_and_followers() -> None:
    by = routes(
        {
            "mail": sink("smtp"),
            "data": sink("webhook", "insight.*"),
            "crm": sink("webhook", "reply.*"),
        },
        {"anna": ("mail",)},
    )
    insight = Insight(
        insight_id="i1",
        tenant=TENANT,
        kind="pattern.confirmed",
        at=T0,
        title="t",
        targets=("anna",),
    )
    assert told(plan(insight, by, T0)) == [("mail", "anna", "inform"), ("data", "", "event")]
    task = ReplyDue(
        reply_id="r1", tenant=TENANT, case_id=CASE_ID, record_key=RECORD_KEY, at=T0,
        kind=MessageKind.RECEIPT, why=NoReply.BUDGET, channel=Channel.EMAIL, severity=Severity.LOW,
    )  # fmt: skip
    made = plan(task, by, T0)
    assert (told(made), made.unreached) == ([("crm", "", "event")], ("",))
    assert made.notifications[0].case_id == CASE_ID


def test_imported_history_is_nobodys_news() -> None:
    by = routes({"default": sink("slack", "*")}, {"anna": ("default",)})
    for kind in CaseEventKind:
        assert plan(event(kind, ["anna"], case(backfilled=True)), by, T0) == ((), (), ())
