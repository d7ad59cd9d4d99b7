"""The tally counts what was lost; it never assumes."""

from __future__ import annotations

import msgspec

from deploy.demo.tally import Tally
from shared.events import (
    Case,
    CaseEvent,
    CaseEventKind,
    CaseState,
    Cause,
    Channel,
    DeadLetter,
    Delivery,
    DeliveryStatus,
    FeedbackOutcome,
    Kind,
    MessageKind,
    NoCaseReason,
    NotificationKind,
    OutcomeKind,
    Severity,
)


def outcome(feedback_id: str) -> FeedbackOutcome:
    """Return a no-case outcome."""
    return FeedbackOutcome(
        feedback_id=feedback_id,
        tenant="t",
        channel=Channel.EMAIL,
        severity=Severity.LOW,
        kind=OutcomeKind.NO_CASE,
        received_at=0,
        decided_at=1,
        no_case_reason=NoCaseReason.PRAISE,
    )


def case_event(kind: CaseEventKind) -> CaseEvent:
    """Return a case event of ``kind``."""
    case = Case(
        case_id="t:c:0123456789ab", tenant="t", record_key="t:c", customer_key="c",
        channel=Channel.PHONE, source="s", severity=Severity.HIGH, kind=Kind.COMPLAINT,
        state=CaseState.OPEN, opened_at=0, case_seq=1,
    )  # fmt: skip
    return CaseEvent(
        event_id="e", kind=kind, case_id=case.case_id, case_seq=1, tenant="t", at=0, recorded_at=0,
        cause=Cause.FEEDBACK, case=case,
    )  # fmt: skip


def test_what_was_accepted_and_has_no_outcome_is_lost() -> None:
    tally = Tally()
    for name in "abc":
        tally.answer(name, "accepted", 1.0)
    tally.event(outcome("a"), 1.5)
    tally.event(DeadLetter(stage="classifier", reason="r", detail="", at=0, feedback_id="b"), 1.6)
    assert tally.waiting == 1
    assert tally.report()["lost"] == 1


def test_a_copy_among_the_dead_letters_is_no_outcome() -> None:
    tally = Tally()
    tally.answer("a", "accepted", 1.0)
    copy = DeadLetter(stage="classifier", reason="r", detail="", at=0, feedback_id="a", copy=True)
    tally.event(copy, 1.1)
    assert tally.waiting == 1


def test_two_outcomes_of_one_feedback_are_noticed() -> None:
    tally = Tally()
    tally.event(outcome("a"), 1.0)
    tally.event(outcome("a"), 2.0)
    assert tally.report()["doubled"] == 1


def test_duplicates_and_refusals_are_not_accepted() -> None:
    tally = Tally()
    tally.answer("a", "accepted", 1.0)
    tally.answer("a", "duplicate", 1.0)
    tally.answer(None, "rejected", 1.0)
    assert (tally.report()["received"], tally.duplicates, tally.rejected) == (1, 1, 1)


def test_latency_runs_from_the_request_to_the_committed_outcome() -> None:
    tally = Tally()
    tally.answer("a", "accepted", 10.0)
    tally.event(outcome("a"), 10.25)
    assert tally.report()["latency_ms"] == {"p50": 250.0, "p95": 250.0, "p99": 250.0}


def test_the_sample_has_to_show_every_step_of_the_loop() -> None:
    tally = Tally()
    assert len(tally.missing()) == 5
    for kind in (
        CaseEventKind.ACK_TIMED_OUT,
        CaseEventKind.REESCALATED,
        CaseEventKind.FOLLOW_UP_DUE,
        CaseEventKind.FOLLOW_UP_DONE,
    ):
        tally.event(case_event(kind), 1.0)
    assert tally.missing() == ["a follow-up missed"]


def test_the_report_is_one_json_object_with_the_promised_fields() -> None:
    fields = set(msgspec.json.decode(msgspec.json.encode(Tally().report())))
    assert fields >= {
        "received", "duplicates", "classified", "cases_opened", "no_case", "escalations",
        "acknowledged", "reescalated", "resolved", "followups", "dead_letters", "lost",
        "latency_ms", "events_per_second",
    }  # fmt: skip


def delivery(status: DeliveryStatus, cause_id: str, message: MessageKind | None = None) -> Delivery:
    """Return the record of a delivery."""
    return Delivery(
        notification_id="n", sink="default", target="anna", kind=NotificationKind.PAGE,
        status=status, tenant="t", cause_id=cause_id, at=0, message=message,
    )  # fmt: skip


def test_a_page_has_to_be_told_verifiably_unless_it_became_stale() -> None:
    tally = Tally()
    page = msgspec.structs.replace(
        case_event(CaseEventKind.ESCALATION_TRIGGERED), targets=("anna",)
    )
    other = msgspec.structs.replace(page, event_id="other", kind=CaseEventKind.REESCALATED)
    for event in (page, other, case_event(CaseEventKind.RESOLVED)):
        tally.event(event, 1.0)
    assert (tally.untold, tally.is_told) == (2, False)
    tally.hook(page, 0.05)
    assert (tally.untold, tally.is_told) == (1, False)
    tally.event(delivery(DeliveryStatus.STALE, "other"), 1.0)
    assert (tally.untold, tally.is_told) == (0, True)
    tally.hook(None, 0.0)
    assert not tally.is_told
    told = tally.report()["told"]
    assert isinstance(told, dict)
    assert (told["verified"], told["unverified"], told["stale"]) == (1, 1, 1)
    assert told["latency_ms"]["p50"] == 50.0


def test_a_receipt_counts_when_a_mailbox_has_it() -> None:
    tally = Tally()
    tally.event(delivery(DeliveryStatus.PASSED_ON, "e", MessageKind.RECEIPT), 1.0)
    assert (tally.receipts, tally.is_told) == (0, True)
    tally.event(delivery(DeliveryStatus.DELIVERED, "e", MessageKind.RECEIPT), 1.0)
    assert (tally.receipts, tally.is_told) == (1, False)
    tally.mail()
    assert tally.is_told
