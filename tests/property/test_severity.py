"""Laws of the classifier that hold for any text."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import structs

from services.classifier.severity import Classifier
from services.classifier.severity.normalise import Folded, fold
from shared.events import (
    Call,
    CallOutcome,
    Channel,
    Classification,
    FeedbackReceived,
    Kind,
    Operation,
    Rating,
    Severity,
    Transcript,
)

CLASSIFIER = Classifier.bundled()
SEEDS = [
    "caught fire",
    "Straße in Flammen",
    "charged twice",
    "не",
    "返金がまだされていません",
    "سرقت بطاقتي",
    "e\u0301",
    "ﬁre",
    "I smell gas",
    "nobody was hurt",
    "\n\n",
    "\ud800",
    "İ",
]
TEXTS = st.lists(st.one_of(st.text(max_size=12), st.sampled_from(SEEDS)), max_size=12).map(" ".join)
LANGUAGES = st.sampled_from([None, "en", "de", "ja", "ar", "fi", "pt-BR", "??"])


CALLS = st.none() | st.builds(
    Call,
    call_id=st.just("c1"),
    outcome=st.none() | st.sampled_from(CallOutcome),
    transcript=st.sampled_from(Transcript),
)
RATINGS = st.none() | st.builds(Rating, value=st.floats(0, 5))


def _item(text: str, channel: Channel, language: str | None) -> FeedbackReceived:
    return FeedbackReceived(
        feedback_id="f",
        tenant="t",
        source="s",
        channel=channel,
        native_id="n",
        record_key="k",
        customer_key="c",
        received_at=0,
        text=text,
        language=language,
    )


def _classify(text: str, channel: Channel, language: str | None) -> Classification:
    return CLASSIFIER.classify(_item(text, channel, language))


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.sampled_from(Channel), LANGUAGES)
@example("🔥e\u0301 the charger caught fire", Channel.EMAIL, None)
def test_any_text_gets_a_sound_classification(
    text: str, channel: Channel, language: str | None
) -> None:
    found = _classify(text, channel, language)
    assert 0.0 <= found.confidence <= 1.0
    assert len(found.reasons) <= 3
    assert found.reasons or not text.strip()
    assert len(set(found.reasons)) == len(found.reasons)
    for evidence in found.evidence:
        assert 0 <= evidence.start < evidence.end <= len(text)
        assert text[evidence.start : evidence.end] == evidence.text
    assert not found.probabilities or abs(sum(found.probabilities) - 1.0) < 1e-3
    for issue in found.issues:
        assert 0 <= issue.start < issue.end <= len(text)
    if found.severity in {Severity.CRITICAL, Severity.HIGH}:
        assert found.evidence
        assert found.kind in {Kind.COMPLAINT, Kind.QUESTION}


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.sampled_from(Channel), CALLS, RATINGS, st.sampled_from(Operation))
def test_silence_is_looked_at_and_a_deletion_raises_nothing(
    text: str, channel: Channel, call: Call | None, rating: Rating | None, op: Operation
) -> None:
    item = _item(text, channel, None)
    found = CLASSIFIER.classify(structs.replace(item, call=call, rating=rating, op=op))
    if op is Operation.DELETE:
        assert (found.severity, found.kind) == (Severity.LOW, Kind.OTHER)
    elif call and call.outcome is CallOutcome.ANSWERED and call.transcript is Transcript.NONE:
        assert text.strip() or found.severity is Severity.LOW
    elif rating is None and not text.strip():
        assert (found.severity, found.kind) == (Severity.UNDETERMINED, Kind.OTHER)


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.sampled_from(Channel), LANGUAGES)
def test_the_same_text_gets_the_same_answer(
    text: str, channel: Channel, language: str | None
) -> None:
    assert _classify(text, channel, language) == _classify(text, channel, language)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60), st.data())
def test_every_span_leads_back(text: str, data: st.DataObject) -> None:
    folded = Folded(text)
    decoded = folded.raw.decode()
    if not decoded:
        return
    low = data.draw(st.integers(0, len(decoded) - 1))
    high = data.draw(st.integers(low + 1, len(decoded)))
    start, end = folded.span(len(decoded[:low].encode()), len(decoded[:high].encode()))
    assert 0 <= start < end <= len(text)
    assert decoded[low:high] in fold(text[start:end])


@given(st.text(max_size=80), st.text(max_size=80))
def test_folding_is_piecewise(left: str, right: str) -> None:
    assert fold(left + right) == fold(left) + fold(right)
