from __future__ import annotations

import pytest

from shared.events import (
    Case,
    CaseState,
    Channel,
    Evidence,
    FeedbackClassifiedV1,
    FeedbackReceived,
    Kind,
    Rating,
    Reason,
    Severity,
    Timer,
    TimerKind,
)

FEEDBACK = FeedbackReceived(
    feedback_id="f1",
    tenant="acme",
    source="inbox",
    channel=Channel.EMAIL,
    native_id="m1",
    record_key="acme:c1",
    customer_key="c1",
    received_at=1,
    text="Charged twice, refund refused.",
)


def old(*words: str) -> FeedbackClassifiedV1:
    return FeedbackClassifiedV1(
        feedback=FEEDBACK,
        severity=Severity.HIGH,
        kind=Kind.COMPLAINT,
        confidence=0.8,
        classified_at=2,
        reasons=(Reason.FINANCIAL_LOSS,),
        evidence=words,
    )


def test_version_1_keeps_everything_it_knew() -> None:
    new = old().upcast()
    assert (new.feedback, new.classified_at) == (FEEDBACK, 2)
    found = new.classification
    assert (found.severity, found.kind, found.confidence) == (Severity.HIGH, Kind.COMPLAINT, 0.8)
    assert found.reasons == (Reason.FINANCIAL_LOSS,)
    assert found.evidence == ()
    assert found.rules_version == found.model_version == ""


def test_words_that_stand_in_the_text_get_their_span_back() -> None:
    found = old("refund", "Charged").upcast().classification.evidence
    assert found == (
        Evidence(rule="v1", start=15, end=21, text="refund"),
        Evidence(rule="v1", start=0, end=7, text="Charged"),
    )
    for span in found:
        assert FEEDBACK.text[span.start : span.end] == span.text


def test_words_that_do_not_stand_in_the_text_have_an_empty_span() -> None:
    (found,) = old("lawsuit").upcast().classification.evidence
    assert (found.start, found.end, found.text) == (0, 0, "lawsuit")


@pytest.mark.parametrize(
    ("rating", "norm"),
    [
        (Rating(value=1), 0.0),
        (Rating(value=5), 1.0),
        (Rating(value=3), 0.5),
        (Rating(value=7, min=0, max=10), 0.7),
        (Rating(value=3, min=3, max=3), 0.0),
    ],
)
def test_a_rating_is_mapped_to_a_common_scale(rating: Rating, norm: float) -> None:
    assert rating.norm == pytest.approx(norm)


def test_the_next_deadline_of_a_case_is_the_earliest() -> None:
    def case(*due: int) -> Case:
        return Case(
            case_id="acme:c1:0123456789ab",
            tenant="acme",
            record_key="acme:c1",
            customer_key="c1",
            channel=Channel.EMAIL,
            source="inbox",
            severity=Severity.HIGH,
            kind=Kind.COMPLAINT,
            state=CaseState.OPEN,
            opened_at=1,
            case_seq=1,
            timers=tuple(Timer(kind=TimerKind.STEP, due_at=at, version=at) for at in due),
        )

    assert case().next_due_at is None
    assert case(9, 3, 5).next_due_at == 3
