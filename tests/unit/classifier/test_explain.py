"""What is told to people about a decision: it must be what decided."""

from __future__ import annotations

import functools

import pytest
from msgspec import structs

from services.classifier.severity import Classifier
from services.classifier.severity.explain import MAX_CHANGES, MAX_TERMS, explain
from services.classifier.severity.normalise import Folded
from shared.events import Channel, Kind, Severity
from tests.unit.classifier import own
from tests.unit.classifier.factory import feedback


@functools.cache
def _classifier() -> Classifier:
    return Classifier(own.ruleset(), own.model())


@functools.cache
def _rules_alone() -> Classifier:
    return Classifier(own.ruleset(), None)


@pytest.mark.parametrize("text", own.TEXTS)
def test_the_classification_is_the_ordinary_one(text: str) -> None:
    item = feedback(text)
    assert explain(_classifier(), item).classification == _classifier().classify(item)


@pytest.mark.parametrize("text", own.TEXTS)
def test_what_is_told_is_bounded_and_stands_in_the_text(text: str) -> None:
    found = explain(_classifier(), feedback(text))
    assert len(found.terms) <= MAX_TERMS
    assert len(found.features) <= MAX_TERMS
    assert len(found.changes) <= MAX_CHANGES
    assert 0.0 <= found.known <= 1.0
    weights = [abs(one.weight) for one in found.terms]
    assert weights == sorted(weights, reverse=True)
    folded = Folded(text)
    assert all(folded.locate(one.term) is not None for one in found.terms)


def test_floors_and_what_voids_a_rule_are_named() -> None:
    text = "My refund arrived, thanks. But the charger caught fire."
    found = explain(_classifier(), feedback(text, language="en"))
    assert found.floors == ("demo.fire",)
    assert ("demo.refund", "unless") in found.voided


def test_a_negation_is_named_as_what_voids() -> None:
    found = explain(_classifier(), feedback("It has not caught fire at all.", language="en"))
    assert ("demo.fire", "negation") in found.voided
    assert found.floors == ()


def test_features_of_the_item_are_weighed() -> None:
    found = explain(_classifier(), feedback("The charger caught fire.", language="en"))
    assert {"hit:demo.fire", "channel:email"} == {one.term for one in found.features}


def test_the_words_that_decide_are_told_with_what_would_be_without_them() -> None:
    text = "The charger caught fire."
    found = explain(_rules_alone(), feedback(text, language="en"))
    assert found.classification.severity is Severity.CRITICAL
    (change,) = found.changes
    assert change.without == "caught fire"
    without = feedback(text.replace("caught fire", ""), language="en")
    assert change.severity is _rules_alone().classify(without).severity


def test_the_rating_is_told_when_it_decides() -> None:
    item = feedback("It was all right.", channel=Channel.REVIEWS, stars=1, language="en")
    found = explain(_rules_alone(), item)
    assert (found.classification.severity, found.classification.kind) == (
        Severity.MEDIUM,
        Kind.COMPLAINT,
    )
    assert [one.without for one in found.changes] == ["(the rating)"]
    unrated = structs.replace(item, rating=None)
    assert found.changes[0].severity is _rules_alone().classify(unrated).severity


def test_without_a_model_there_are_no_weights() -> None:
    found = explain(_rules_alone(), feedback("The charger caught fire.", language="en"))
    assert (found.terms, found.features, found.known) == ((), (), 0.0)


def test_what_is_left_to_people_has_no_weights() -> None:
    found = explain(_classifier(), feedback(" "))
    assert found.classification.severity is Severity.UNDETERMINED
    assert (found.terms, found.features, found.changes) == ((), (), ())
