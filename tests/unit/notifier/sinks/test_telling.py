"""What a notification says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.notifier.sinks.telling import telling, utc
from shared.events import CaseEventKind, ClockState, FeedbackRef, FollowUp, Severity
from tests.unit.notifier.sinks.world import (
    CASE_ID,
    T0,
    case,
    event,
    insight,
    notification,
    reply_due,
    said,
)


def _said(text: str, number: str, *, deleted: bool = False) -> FeedbackRef:
    one = said(text)
    return FeedbackRef(
        feedback_id=number,
        channel=one.channel,
        severity=one.severity,
        received_at=T0,
        excerpt=text,
        deleted=deleted,
    )


def test_a_case_tells_what_the_customer_said_that_the_event_is_about() -> None:
    both = case(feedback=(_said("first", "f1"), _said("second", "f2")))
    assert telling(notification(event(both, feedback_id="f1"))).excerpt == "first"
    assert telling(notification(event(both))).excerpt == "second"


def test_what_was_deleted_is_not_told() -> None:
    of = case(feedback=(_said("kept", "f1"), _said("gone", "f2", deleted=True)))
    assert telling(notification(event(of, feedback_id="f2"))).excerpt == "kept"
    assert telling(notification(event(case(feedback=())))).excerpt == ""


def test_only_what_runs_is_due_and_the_earliest_first() -> None:
    [clock] = case().clocks
    stopped = type(clock)(
        kind=clock.kind,
        instance="m0",
        target_ms=1,
        started_at=T0,
        due_at=T0,
        state=ClockState.FULFILLED,
    )
    of = event(
        case(clocks=(stopped, clock)),
        follow_up=FollowUp(number=1, kind="confirm", due_at=T0 + 5_000),
    )
    assert telling(notification(of)).due == (
        ("Follow-up due", T0 + 5_000),
        ("First response due", T0 + 3_600_000),
    )


def test_who_did_it_and_how_far_the_escalation_is_are_facts() -> None:
    facts = dict(telling(notification(event(actor="anna", detail="by phone"))).facts)
    assert facts["By"] == "anna"
    assert facts["Escalation"] == "round 2, step 1"
    assert facts["Detail"] == "by phone"


def test_an_event_without_a_case_is_told_too() -> None:
    found = telling(notification(event(case=None)))
    assert (found.case_id, found.severity) == (CASE_ID, Severity.UNDETERMINED)


def test_a_reply_that_is_due_proposes_its_draft() -> None:
    found = telling(notification(reply_due(detail="no number")))
    assert found.excerpt == "We are sorry."
    assert found.due == (("Answer due", T0 + 900_000),)
    assert dict(found.facts)["Not sent by itself"] == "no writer"


def test_an_insight_has_its_own_title() -> None:
    found = telling(notification(insight()))
    assert (found.title, dict(found.facts)["Cases"]) == ("Many speak of one bug", "1")


@given(st.sampled_from(CaseEventKind))
def test_every_kind_of_event_has_a_title_of_one_line(kind: CaseEventKind) -> None:
    title = telling(notification(event(kind=kind))).title
    assert title.strip() == title
    assert title[:1].isupper()
    assert "\n" not in title
    assert "_" not in title


def test_times_are_told_in_utc() -> None:
    assert utc(T0) == "2025-06-15 15:06 UTC"
