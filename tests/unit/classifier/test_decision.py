"""From scores to a verdict: costs, floors, facts of the item. The opinions are made up."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from services.classifier.severity.decision import cheapest, decide, lifted
from services.classifier.severity.heuristics import Verdict
from services.classifier.severity.matching import Hit
from services.classifier.severity.model import SEVERITIES
from services.classifier.severity.schema import RANK
from services.classifier.training.calibrate import Weighing
from shared.events import (
    Channel,
    Engagement,
    FeedbackReceived,
    Kind,
    Operation,
    Rating,
    Reason,
    Severity,
)
from tests.unit.classifier import own
from tests.unit.classifier.factory import feedback

COSTS = Weighing().costs()
TEXT = "The blue one came and it does not do what the box says it does."
MEDIUM = (0.1, 0.8, 0.07, 0.03)
LOW = (0.97, 0.02, 0.005, 0.005)

SHARES = st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4).filter(lambda some: sum(some) > 0.01)
DISTRIBUTIONS = SHARES.map(lambda some: [one / sum(some) for one in some])
HITS = st.lists(
    st.builds(
        own.hit,
        st.sampled_from(SEVERITIES),
        floor=st.booleans(),
        confidence=st.floats(0, 1),
        reason=st.sampled_from(Reason),
    ),
    max_size=4,
)
COST_TABLES = st.lists(st.lists(st.floats(0, 10), min_size=4, max_size=4), min_size=4, max_size=4)


def _decide(
    shares: tuple[float, ...] | list[float],
    *hits: Hit,
    item: FeedbackReceived | None = None,
    language: str | None = "en",
    kind: Kind = Kind.COMPLAINT,
    reasons: tuple[Reason, ...] = (Reason.QUALITY,),
    known: float = 1.0,
) -> Verdict:
    opinion = own.opinion(shares, kind=kind, reasons=reasons, known=known)
    return decide(item or feedback(TEXT), own.found(*hits), language, opinion, COSTS)


# ---- the cheapest


@settings(max_examples=300, deadline=None)
@given(DISTRIBUTIONS, COST_TABLES, st.integers(0, 3))
def test_the_cheapest_is_the_cheapest(
    shares: list[float], costs: list[list[float]], floor: int
) -> None:
    """Against every choice there is, summed the slow way."""
    spent = [sum(shares[actual] * costs[actual][to] for actual in range(4)) for to in range(4)]
    chosen = cheapest(shares, costs, floor)
    assert chosen >= floor
    assert spent[chosen] <= min(spent[floor:]) + 1e-9


@pytest.mark.parametrize("rank", range(4))
def test_who_is_sure_is_believed(rank: int) -> None:
    assert cheapest([float(one == rank) for one in range(4)], COSTS) == rank


def test_a_missed_urgent_text_costs_more_than_an_alarm() -> None:
    assert cheapest([0.0, 0.55, 0.45, 0.0], COSTS) == RANK[Severity.HIGH]
    assert cheapest([0.0, 0.0, 0.55, 0.45], COSTS) == RANK[Severity.CRITICAL]


def test_costs_grow_with_the_distance() -> None:
    for actual in range(4):
        assert COSTS[actual][actual] == 0
        assert COSTS[actual][actual:] == sorted(COSTS[actual][actual:])
        assert COSTS[actual][: actual + 1] == sorted(COSTS[actual][: actual + 1], reverse=True)


# ---- floors


@settings(max_examples=300, deadline=None)
@given(DISTRIBUTIONS, HITS)
def test_a_floor_is_never_undercut(shares: list[float], hits: list[Hit]) -> None:
    found = _decide(shares, *hits)
    floor = max((hit.rule.rank for hit in hits if hit.rule.floor), default=0)
    assert RANK[found.severity] >= floor
    assert found.severity in SEVERITIES


@settings(max_examples=300, deadline=None)
@given(DISTRIBUTIONS, HITS)
def test_lifting_moves_shares_up_only(shares: list[float], hits: list[Hit]) -> None:
    after = lifted(shares, hits)
    assert sum(after) == pytest.approx(1.0, abs=1e-6)
    assert all(-1e-12 <= one <= 1.0 + 1e-9 for one in after)
    for rank in range(1, 4):
        assert sum(after[rank:]) >= sum(shares[rank:]) - 1e-9
    if not any(hit.rule.floor for hit in hits):
        assert after == shares


@settings(max_examples=200, deadline=None)
@given(DISTRIBUTIONS, HITS, st.permutations(range(4)))
def test_the_verdict_is_sound(shares: list[float], hits: list[Hit], order: list[int]) -> None:
    found = _decide(shares, *hits)
    assert 0.0 <= found.confidence <= 1.0
    assert sum(found.probabilities) == pytest.approx(1.0, abs=5e-4)
    assert 1 <= len(found.reasons) <= 3
    assert len(set(found.reasons)) == len(found.reasons)
    if RANK[found.severity] > 1:
        assert found.kind in {Kind.COMPLAINT, Kind.QUESTION}
    again = _decide(shares, *(hits[at] for at in order if at < len(hits)))
    assert again.severity is found.severity  # whatever order the rules stand in


def test_a_hit_that_is_no_floor_does_not_overrule_the_model() -> None:
    assert _decide(LOW, own.hit(Severity.CRITICAL, floor=False)).severity is Severity.LOW
    assert _decide(LOW, own.hit(Severity.CRITICAL, floor=True)).severity is Severity.CRITICAL


def test_the_evidence_speaks_for_the_verdict_first() -> None:
    minor = own.hit(Severity.MEDIUM, name="demo.minor")
    grave = own.hit(Severity.HIGH, floor=True, name="demo.grave")
    benign = own.hit(Severity.LOW, name="demo.benign")
    found = _decide(MEDIUM, minor, benign, grave)
    assert [hit.rule.id for hit in found.hits] == ["demo.grave", "demo.minor"]


# ---- facts of the item


def _rated(stars: float) -> FeedbackReceived:
    return feedback(TEXT, channel=Channel.REVIEWS, stars=stars)


@pytest.mark.parametrize(
    ("shares", "stars", "severity", "kind"),
    [
        (LOW, 1, Severity.MEDIUM, Kind.COMPLAINT),
        (LOW, 2, Severity.MEDIUM, Kind.COMPLAINT),
        (LOW, 3, Severity.LOW, Kind.PRAISE),
        (MEDIUM, 3, Severity.MEDIUM, Kind.COMPLAINT),
        (MEDIUM, 4, Severity.LOW, Kind.PRAISE),
        (MEDIUM, 5, Severity.LOW, Kind.PRAISE),
        ((0.0, 0.1, 0.8, 0.1), 5, Severity.HIGH, Kind.COMPLAINT),
        ((0.0, 0.0, 0.1, 0.9), 5, Severity.CRITICAL, Kind.COMPLAINT),
        ((0.0, 0.0, 0.1, 0.9), 1, Severity.CRITICAL, Kind.COMPLAINT),
    ],
)
def test_the_rating(
    shares: tuple[float, ...], stars: float, severity: Severity, kind: Kind
) -> None:
    found = _decide(shares, item=_rated(stars), kind=Kind.PRAISE if shares == LOW else kind)
    assert (found.severity, found.kind) == (severity, kind)


@pytest.mark.parametrize(("value", "severity"), [(0.2, Severity.MEDIUM), (0.9, Severity.LOW)])
def test_a_rating_on_another_scale(value: float, severity: Severity) -> None:
    item = structs.replace(feedback(TEXT), rating=Rating(value=value, min=0.0, max=1.0))
    assert _decide(LOW, item=item).severity is severity


def test_a_floor_stands_below_the_best_rating() -> None:
    hit = own.hit(Severity.CRITICAL, floor=True)
    assert _decide(LOW, hit, item=_rated(5)).severity is Severity.CRITICAL


@pytest.mark.parametrize(
    ("engaged", "listed", "severity"),
    [
        (None, None, Severity.MEDIUM),
        (9_999, None, Severity.MEDIUM),
        (10_000, None, Severity.HIGH),
        (None, 10_000, Severity.HIGH),
        (10, 20_000, Severity.HIGH),
        (None, float("inf"), Severity.MEDIUM),
        (None, float("nan"), Severity.MEDIUM),
        (None, "many", Severity.MEDIUM),
    ],
)
def test_reach(engaged: int | None, listed: float | str | None, severity: Severity) -> None:
    item = structs.replace(
        feedback(TEXT, channel=Channel.SOCIAL),
        engagement=None if engaged is None else Engagement(followers=engaged),
        attributes={} if listed is None else {"followers": listed},
    )
    found = _decide(MEDIUM, item=item)
    assert found.severity is severity
    assert (Reason.VIRAL in found.reasons) == (severity is Severity.HIGH)


@pytest.mark.parametrize(
    ("name", "value", "severity"),
    [
        ("vulnerable", True, Severity.HIGH),
        ("vulnerable_customer", True, Severity.HIGH),
        ("vulnerable", False, Severity.MEDIUM),
        ("vulnerable", "true", Severity.MEDIUM),
        ("vulnerable", 1, Severity.MEDIUM),
    ],
)
def test_the_mark_of_a_vulnerable_customer(
    name: str, value: str | int | bool, severity: Severity
) -> None:
    found = _decide(MEDIUM, item=structs.replace(feedback(TEXT), attributes={name: value}))
    assert found.severity is severity
    assert (Reason.VULNERABILITY in found.reasons) == (severity is Severity.HIGH)


@pytest.mark.parametrize("shares", [LOW, (0.0, 0.1, 0.8, 0.1), (0.0, 0.0, 0.1, 0.9)])
def test_facts_raise_an_ordinary_complaint_by_one_and_nothing_else(
    shares: tuple[float, ...],
) -> None:
    wide = structs.replace(
        feedback(TEXT, channel=Channel.SOCIAL),
        attributes={"followers": 1_000_000, "vulnerable": True},
    )
    kind = Kind.PRAISE if shares == LOW else Kind.COMPLAINT
    assert _decide(shares, item=wide, kind=kind) == _decide(shares, kind=kind)


def test_a_question_of_medium_urgency_is_not_raised_by_reach() -> None:
    item = feedback(TEXT, channel=Channel.SOCIAL, followers=1_000_000)
    found = _decide(MEDIUM, item=item, kind=Kind.QUESTION)
    assert (found.severity, found.kind) == (Severity.MEDIUM, Kind.QUESTION)


# ---- what is left to people, and what words cannot decide


@pytest.mark.parametrize(
    ("language", "known", "severity"),
    [
        ("fi", 0.1, Severity.UNDETERMINED),
        (None, 0.1, Severity.UNDETERMINED),
        ("fi", 0.5, Severity.MEDIUM),
        ("de", 0.0, Severity.MEDIUM),
    ],
)
def test_a_foreign_text_of_unknown_words_is_left_to_people(
    language: str | None, known: float, severity: Severity
) -> None:
    found = _decide(MEDIUM, language=language, known=known)
    assert found.severity is severity


def test_a_hit_or_a_rating_decides_on_a_foreign_text_too() -> None:
    hit = own.hit(Severity.CRITICAL, floor=True)
    assert _decide(MEDIUM, hit, language="fi", known=0.0).severity is Severity.CRITICAL
    rated = _decide(LOW, item=_rated(1), language="fi", known=0.0)
    assert rated.severity is Severity.MEDIUM


@pytest.mark.parametrize("text", ["?!", "...", "😀" * 40, "\ud800"])
def test_signs_alone_are_no_content_whatever_the_model_says(text: str) -> None:
    found = _decide((0.0, 0.0, 0.0, 1.0), item=feedback(text))
    assert (found.severity, found.kind) == (Severity.LOW, Kind.OTHER)


def test_a_deletion_says_nothing() -> None:
    item = structs.replace(feedback(TEXT), op=Operation.DELETE)
    found = _decide((0.0, 0.0, 0.0, 1.0), own.hit(Severity.CRITICAL, floor=True), item=item)
    assert (found.severity, found.kind) == (Severity.LOW, Kind.OTHER)


# ---- kind and reasons


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Kind.PRAISE, Reason.PRAISE),
        (Kind.QUESTION, Reason.QUESTION),
        (Kind.SUGGESTION, Reason.SUGGESTION),
    ],
)
def test_what_is_benign_has_its_kind_as_reason(kind: Kind, reason: Reason) -> None:
    found = _decide(LOW, kind=kind, reasons=(Reason.DELAY,))
    assert (found.severity, found.kind, found.reasons) == (Severity.LOW, kind, (reason,))


@pytest.mark.parametrize("kind", [Kind.PRAISE, Kind.SUGGESTION, Kind.OTHER])
def test_who_has_a_problem_does_not_praise(kind: Kind) -> None:
    assert _decide(MEDIUM, kind=kind).kind is Kind.COMPLAINT


def test_an_urgent_text_has_the_reason_of_its_gravest_rule() -> None:
    hit = own.hit(Severity.CRITICAL, floor=True, reason=Reason.LEGAL)
    assert _decide(LOW, hit, reasons=()).reasons[0] is Reason.LEGAL


def test_no_problem_has_a_benign_reason() -> None:
    for one, other in itertools.product(SEVERITIES[1:], Reason):
        shares = [float(severity is one) for severity in SEVERITIES]
        found = _decide(shares, reasons=(other, Reason.PRAISE, Reason.OTHER))
        assert not {Reason.PRAISE, Reason.QUESTION, Reason.OTHER} & set(found.reasons)
