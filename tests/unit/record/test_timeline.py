"""The timeline: everything that happened, with its reason, also what this version does not know."""

from __future__ import annotations

import msgspec

from services.record.timeline import CUSTOMER, TOCSIN, Line, render, timeline, with_deliveries
from shared.events import (
    CaseEvent,
    CaseEventKind,
    CaseState,
    Cause,
    ClockChange,
    ClockChangeKind,
    ClockKind,
    Delivery,
    DeliveryStatus,
    FollowUp,
    MessageKind,
    NotificationKind,
    Reason,
    Refusal,
    Resolution,
    Severity,
)
from tests.unit.record.makers import T0, case, event, ref


class Later(CaseEvent, frozen=True, kw_only=True, tag_field="type", tag="case.event.v1"):
    """An event with fields that are not there yet."""

    weather: str
    seen_at: int


def test_a_case_is_told_from_its_first_word_to_its_follow_ups() -> None:
    opened = case(feedback=(ref("It smokes"),), reasons=(Reason.SAFETY,))
    clock = ClockChange(
        clock=ClockKind.FIRST_RESPONSE,
        instance="1",
        change=ClockChangeKind.ACTIVATED,
        at=T0,
        target_ms=1,
        due_at=T0 + 1000,
    )
    events = [
        event(opened, cause=Cause.FEEDBACK, feedback_id="ada-1", clocks=(clock,)),
        event(
            case(case_seq=2),
            CaseEventKind.ESCALATION_TRIGGERED,
            cause=Cause.FEEDBACK,
            targets=("on-call", "lead"),
            epoch=1,
            step=1,
        ),
        event(
            case(case_seq=3, severity=Severity.CRITICAL),
            CaseEventKind.SEVERITY_RAISED,
            cause=Cause.REPEAT_CONTACT,
            at=T0,
        ),
        event(
            case(case_seq=4, severity=Severity.CRITICAL),
            CaseEventKind.COMMAND_REFUSED,
            actor="bo",
            refusal=Refusal.WRONG_STATE,
            note="Done?",
        ),
        event(
            case(
                case_seq=5,
                severity=Severity.CRITICAL,
                state=CaseState.RESOLVED,
                outcome=Resolution(outcome="Replaced", reason="Faulty", next_step="Call"),
            ),
            CaseEventKind.RESOLVED,
            actor="bo",
            follow_up=FollowUp(number=1, kind="confirm", due_at=T0),
        ),
    ]
    lines = timeline([events[4], *events, events[0]])
    assert [(one.who, one.what, one.why) for one in lines] == [
        (CUSTOMER, "case opened", "feedback"),
        (TOCSIN, "escalation triggered", "feedback"),
        (TOCSIN, "case severity raised", "repeat contact"),
        ("bo", "command refused", "command"),
        ("bo", "case resolved", "command"),
    ]
    told = [dict(one.details) for one in lines]
    assert told[0]["text"] == "It smokes"
    assert (told[0]["severity"], told[0]["reasons"]) == ("high", "safety")
    assert "clock first_response" in told[0]["clocks"]
    assert "due at 2025-06-15T15:06:41.000Z" in told[0]["clocks"]
    assert told[1] == {
        "targets": "on-call, lead",
        "epoch": "1",
        "step": "1",
        "reasons": "safety → none",
    }
    assert told[2] == {"severity": "high → critical"}
    assert told[3] == {"refusal": "wrong_state", "note": "Done?"}
    assert told[4]["state"] == "open → resolved"
    assert told[4]["outcome"] == "outcome Replaced, reason Faulty, next step Call"
    assert told[4]["follow up"].startswith(
        "number 1, kind confirm, due at 2025-06-15T15:06:40.000Z"
    )
    shown = render(lines)
    assert "2025-06-15T15:06:40.000Z  tocsin: case severity raised (repeat contact)" in shown
    assert "    decided: 2025-06-15T15:06:40.003Z" in shown


def test_what_a_later_version_adds_is_told_as_well() -> None:
    known = event(case())
    [line] = timeline([Later(**msgspec.structs.asdict(known), weather="rain", seen_at=T0)])
    assert dict(line.details)["weather"] == "rain"
    assert dict(line.details)["seen at"] == "2025-06-15T15:06:40.000Z"


def test_a_command_on_a_case_that_there_is_not_is_told() -> None:
    refused = event(
        case(case_seq=0),
        CaseEventKind.COMMAND_REFUSED,
        case=None,
        actor="bo",
        refusal=Refusal.UNKNOWN_CASE,
    )
    [line] = timeline([refused])
    assert line.details == (("refusal", "unknown_case"),)
    assert timeline([]) == ()
    assert render(()) == ""


def test_what_people_wrote_cannot_steer_a_terminal() -> None:
    line = Line(
        at=T0,
        recorded_at=T0,
        case_seq=1,
        who="e\x1b[2Jve",
        what="case noted",
        why="command",
        details=(("note", "a\r\nb\u202ec"),),
    )
    shown = render([line])
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert len(shown.splitlines()) == 2


def delivery(at: int, target: str = "anna", **fields: object) -> Delivery:
    """Return a page that was told."""
    made = Delivery(
        notification_id=f"n{at}",
        sink="pager",
        target=target,
        kind=NotificationKind.PAGE,
        status=DeliveryStatus.DELIVERED,
        tenant="acme",
        cause_id="e1",
        at=at,
        case_id="c",
    )
    return msgspec.structs.replace(made, **fields)


def test_what_was_told_stands_behind_what_had_been_decided_by_then() -> None:
    lines = [
        Line(T0, T0, 1, TOCSIN, "opened", ""),
        Line(T0 + 5, T0 + 20, 2, TOCSIN, "acknowledged", ""),
        Line(T0 + 6, T0 + 10, 3, TOCSIN, "decided by a slow clock", ""),
    ]
    told = [delivery(T0 + 30), delivery(T0), delivery(T0 + 15)]
    merged = with_deliveries(lines, told)
    assert [(one.case_seq, one.at - T0) for one in merged] == [
        (1, 0), (0, 0), (0, 15), (2, 5), (3, 6), (0, 30),
    ]  # fmt: skip
    assert with_deliveries(lines, []) == tuple(lines)
    assert len(with_deliveries([], told)) == 3


def test_a_delivery_says_whom_how_and_what_came_of_it() -> None:
    to_customer = delivery(
        T0,
        target="",
        sink="customer.email",
        kind=NotificationKind.CUSTOMER,
        message=MessageKind.RECEIPT,
        status=DeliveryStatus.PASSED_ON,
        detail="no address",
    )
    to_system = delivery(T0, target="", sink="crm", kind=NotificationKind.EVENT, reference="T-1")
    lines = with_deliveries([], [delivery(T0), to_customer, to_system])
    assert [(one.who, one.what, one.why) for one in lines] == [
        (TOCSIN, "told anna by pager: delivered", "page"),
        (TOCSIN, "told customer by customer.email: passed on", "customer"),
        (TOCSIN, "told all who follow by crm: delivered", "event"),
    ]
    assert lines[1].details == (("message", "receipt"), ("detail", "no address"))
    assert lines[2].details == (("reference", "T-1"),)
    assert "told anna by pager: delivered (page)" in render(lines)
