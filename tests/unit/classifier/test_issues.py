"""Several matters in one message; the opinions are made up, so no model decides what is found."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.classifier.severity import Classifier
from services.classifier.severity.decision import Opinion, decide
from services.classifier.severity.issues import (
    MAX_ISSUES,
    MAX_SENTENCES,
    gathered,
    sentences,
    worth_reading,
    worth_splitting,
)
from services.classifier.severity.model import SEVERITIES
from services.classifier.severity.schema import RANK
from services.classifier.training.calibrate import Weighing
from shared.events import Issue, Kind, Reason, Severity
from tests.unit.classifier import own
from tests.unit.classifier.factory import feedback

COSTS = Weighing().costs()
Matter = tuple[str, Severity, Reason | None]

FIRE: Matter = ("The heater caught fire in the bedroom.", Severity.CRITICAL, Reason.SAFETY)
MONEY: Matter = ("You also charged my card twice!", Severity.HIGH, Reason.FINANCIAL_LOSS)
MORE_MONEY: Matter = ("The refund never came either.", Severity.MEDIUM, Reason.FINANCIAL_LOSS)
LATE: Matter = ("And the parcel was a week late.", Severity.MEDIUM, Reason.DELAY)
THANKS: Matter = ("The driver was friendly though.", Severity.LOW, Reason.PRAISE)
NOTHING: Matter = ("It was a Monday in the spring.", Severity.MEDIUM, None)


def _opinion(severity: Severity, *reasons: Reason) -> Opinion:
    return own.opinion([float(one is severity) for one in SEVERITIES], reasons=reasons)


def _gathered(*matters: Matter, gap: str = " ") -> tuple[str, tuple[Issue, ...]]:
    """Return a text of these matters, a sentence each, and its issues."""
    text = gap.join(sentence for sentence, _, _ in matters)
    parts = sentences(text)
    assert len(parts) == (len(matters) if len(matters) > 1 else 0), parts
    opinions = [_opinion(how, *([why] if why else [])) for _, how, why in matters[: len(parts)]]
    verdicts = [
        decide(feedback(text[part.start : part.end]), own.found(), "en", opinion, COSTS)
        for part, opinion in zip(parts, opinions, strict=True)
    ]
    return text, gathered(text, parts, verdicts, opinions)


# ---- sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("Only one sentence here, however long it may become.", []),
        ("The first is this. The second is that.", ["The first is this.", "The second is that."]),
        (
            "It is late! It is wrong?! It is broken.",
            ["It is late!", "It is wrong?!", "It is broken."],
        ),
        (
            "The first line here\nthe second line here",
            ["The first line here", "the second line here"],
        ),
        ("最初の問題は煙が出たことです。次の問題は返金がないことです。", None),
        ("انقطعت الكهرباء منذ يومين؟ لم يتصل بي أحد حتى الآن", None),
        ("It cost 3.50 and v2.0.1 is worse than before", []),
        (
            "Well. The thing broke on the very first day.",
            ["Well.", "The thing broke on the very first day."],
        ),
        ("The thing broke on the first day. Well.", []),
    ],
)
def test_sentences(text: str, expected: list[str] | None) -> None:
    parts = sentences(text)
    if expected is None:
        assert len(parts) == 2
    else:
        assert [text[part.start : part.end].strip() for part in parts] == expected


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab .!?\n;。؟1)\ud800"), max_size=300))
def test_sentences_part_a_text_and_lose_nothing(text: str) -> None:
    parts = sentences(text)
    assert len(parts) != 1
    assert len(parts) <= MAX_SENTENCES
    for one, after in itertools.pairwise(parts):
        assert one.end <= after.start
        assert not text[one.end : after.start].strip() or after.start == one.end
    for part in parts:
        assert 0 <= part.start < part.end <= len(text)
        assert text[part.start : part.end].strip()


def test_no_more_sentences_than_can_be_read() -> None:
    assert len(sentences("This is broken too. " * 500)) == MAX_SENTENCES


# ---- issues


def test_each_matter_has_its_own_severity_reason_and_span() -> None:
    text, found = _gathered(LATE, FIRE, MONEY)
    assert [(one.severity, one.reasons) for one in found] == [
        (Severity.CRITICAL, (Reason.SAFETY,)),
        (Severity.HIGH, (Reason.FINANCIAL_LOSS,)),
        (Severity.MEDIUM, (Reason.DELAY,)),
    ]
    assert [text[one.start : one.end] for one in found] == [FIRE[0], MONEY[0], LATE[0]]


def test_neighbours_of_one_reason_are_one_issue_as_grave_as_the_gravest() -> None:
    text, found = _gathered(MORE_MONEY, MONEY, LATE)
    assert [(one.severity, one.reasons) for one in found] == [
        (Severity.HIGH, (Reason.FINANCIAL_LOSS,)),
        (Severity.MEDIUM, (Reason.DELAY,)),
    ]
    assert text[found[0].start : found[0].end] == f"{MORE_MONEY[0]} {MONEY[0]}"


def test_a_reason_that_comes_back_is_told_once() -> None:
    _, found = _gathered(MORE_MONEY, LATE, MONEY)
    assert [one.reasons for one in found] == [(Reason.FINANCIAL_LOSS,), (Reason.DELAY,)]
    assert found[0].severity is Severity.HIGH


@pytest.mark.parametrize(
    "matters",
    [
        (FIRE,),
        (MONEY, MORE_MONEY),
        (FIRE, THANKS, NOTHING),
        (THANKS, NOTHING),
        (MONEY, NOTHING, MORE_MONEY),
    ],
)
def test_what_is_about_one_matter_has_no_issues(matters: tuple[Matter, ...]) -> None:
    assert _gathered(*matters)[1] == ()


def test_the_span_leaves_out_the_space_around() -> None:
    text, found = _gathered(FIRE, MONEY, gap="\n\n   ")
    assert [text[one.start : one.end] for one in found] == [FIRE[0], MONEY[0]]


def test_no_more_issues_than_a_person_reads() -> None:
    reasons = [
        one for one in Reason if one.value not in {"praise", "question", "suggestion", "other"}
    ]
    matters = [
        (f"Problem number {at} is here.", Severity.HIGH, one) for at, one in enumerate(reasons)
    ]
    assert len(_gathered(*matters)[1]) == MAX_ISSUES


MATTERS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "It is broken again.",
                "Where is my money!",
                "火が出て危ないのですよ。",
                "🔥 é́ it burns here?",
            ]
        ),
        st.sampled_from(SEVERITIES),
        st.none() | st.sampled_from(Reason),
    ),
    min_size=2,
    max_size=12,
)


@settings(max_examples=200, deadline=None)
@given(MATTERS)
def test_issues_are_apart_and_within(matters: list[Matter]) -> None:
    text, found = _gathered(*matters)
    assert len(found) != 1
    seen: set[Reason] = set()
    for one in found:
        assert 0 <= one.start < one.end <= len(text)
        assert text[one.start : one.end] == text[one.start : one.end].strip()
        assert RANK[one.severity] > 0
        assert one.reasons
        assert not seen & set(one.reasons)
        seen |= set(one.reasons)
    ranks = [RANK[one.severity] for one in found]
    assert ranks == sorted(ranks, reverse=True)


@pytest.mark.parametrize(
    ("severity", "reasons", "expected"),
    [
        (Severity.LOW, (Reason.SAFETY, Reason.DELAY), False),
        (Severity.HIGH, (Reason.SAFETY,), False),
        (Severity.HIGH, (Reason.SAFETY, Reason.PRAISE), False),
        (Severity.MEDIUM, (Reason.DELAY, Reason.PRICE), True),
        (Severity.CRITICAL, (Reason.SAFETY, Reason.DELAY), True),
    ],
)
def test_only_a_problem_with_two_reasons_is_looked_at_closer(
    severity: Severity, reasons: tuple[Reason, ...], expected: bool
) -> None:
    opinion = _opinion(severity, *reasons)
    verdict = decide(feedback(FIRE[0]), own.found(), "en", opinion, COSTS)
    assert worth_splitting("x" * 200, verdict, opinion, ()) is expected
    assert not worth_splitting("x" * 20, verdict, opinion, ())


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({0: Reason.SAFETY, 1: Reason.FINANCIAL_LOSS}, True),
        ({0: Reason.SAFETY, 1: Reason.SAFETY}, False),
        ({0: Reason.SAFETY}, False),
        ({}, False),
    ],
)
def test_rules_that_hit_in_different_sentences_are_worth_a_look(
    where: dict[int, Reason], expected: bool
) -> None:
    """Two matters make a model less sure of each: the whole text may have no likely reason."""
    parts = sentences(f"{FIRE[0]} {MONEY[0]}")
    spans = [
        (own.hit(Severity.HIGH, reason=reason), (parts[number].start + 2, parts[number].end))
        for number, reason in where.items()
    ]
    hits = [hit for hit, _ in spans]
    unsure = _opinion(Severity.HIGH)
    verdict = decide(feedback(FIRE[0]), own.found(*hits), "en", unsure, COSTS)
    assert worth_splitting("x" * 200, verdict, unsure, hits) is expected
    assert worth_reading(parts, unsure, spans) is expected


# ---- through the packaged classifier


def test_two_plain_matters_are_told_apart(classifier: Classifier) -> None:
    text = (
        "The heater you sold us caught fire and burnt my hand, I am in hospital. "
        "Also, you charged my card twice for the same order and I want my money back."
    )
    found = classifier.classify(feedback(text))
    assert found.severity is Severity.CRITICAL
    assert found.issues, "no issues in a text with an injury and a double charge"
    whose = {one.reasons[0]: text[one.start : one.end] for one in found.issues}
    assert "caught fire" in whose[Reason.SAFETY]
    assert "twice" in whose[Reason.FINANCIAL_LOSS]
    assert found.issues[0].severity is Severity.CRITICAL


@pytest.mark.parametrize(
    "text",
    [
        "My toaster caught fire and my hand is burnt.",
        "Thank you, lovely staff! We will come back soon.",
        "My parcel has not arrived. It was due on Monday. Where is it?",
    ],
)
def test_a_plain_matter_stays_one(classifier: Classifier, text: str) -> None:
    assert classifier.classify(feedback(text)).issues == ()


def test_issues_do_not_depend_on_the_batch(classifier: Classifier) -> None:
    text = " ".join(sentence for sentence, _, _ in (FIRE, MONEY, LATE))
    alone = classifier.classify(feedback(text))
    others = [feedback(one) for one in (MONEY[0], text, THANKS[0], text, LATE[0])]
    found = classifier.classify_many(others)
    assert found[1] == found[3] == alone
    assert alone.kind is Kind.COMPLAINT
