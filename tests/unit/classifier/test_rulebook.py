"""What can be asked of rules: examples, precision, what a text hits."""

from __future__ import annotations

import pytest
from msgspec import structs

from services.classifier.rulebook import (
    failing_examples,
    measured,
    told,
    unknown_to_the_model,
)
from services.classifier.severity import Classifier
from services.classifier.training.dataset import Example
from shared.errors import Misconfigured
from shared.events import Channel, Severity
from tests.unit.classifier import own

CLASSIFIER = Classifier(own.ruleset(), own.model())


def _example(text: str, severity: Severity, alt: Severity | None = None) -> Example:
    return Example(id="x", channel=Channel.EMAIL, text=text, severity=severity, alt=alt)


def test_good_examples_hold() -> None:
    assert failing_examples(own.ruleset()) == []


@pytest.mark.parametrize(
    ("old", "new", "rule", "what"),
    [
        ("The charger caught fire last", "The kettle blew up last", "demo.fire", "does not hit"),
        ("The charger is fine", "It caught fire", "demo.fire", "hits what it must not"),
        ("My refund arrived", "My refund is late", "demo.refund", "hits what it must not"),
        ("Where is the parcel", "Where is the box", "delivery", "does not hit"),
        ("Where is the shop", "Where is my parcel", "delivery", "hits what it must not"),
    ],
)
def test_a_failing_example_is_named(old: str, new: str, rule: str, what: str) -> None:
    (failed,) = failing_examples(own.ruleset(own.RULES.replace(old, new)))
    assert (failed.rule, failed.what[: len(what)]) == (rule, what)
    assert new in failed.text


def test_no_rule_hides_another_in_its_examples() -> None:
    """A muting rule makes all others void in a text, but an example is about its own rule."""
    mute = """
  - id: demo.mute
    reasons: [other]
    severity: low
    kind: other
    confidence: 0.9
    mutes: true
    patterns:
      en: ["last night"]
themes:"""
    content = own.RULES.replace("\nthemes:", mute)
    assert failing_examples(own.ruleset(content)) == []
    found = told(Classifier(own.ruleset(content), None), own.TEXTS[0], "en", "email")
    assert [hit.rule for hit in found.hits] == ["demo.mute"]
    assert ("demo.fire", "muted") in found.voided


def test_precision_is_the_share_of_hits_that_are_grave_enough() -> None:
    texts = [
        _example("The charger caught fire.", Severity.CRITICAL),
        _example("My love caught fire.", Severity.LOW),
        _example("The refund, please.", Severity.CRITICAL),
        _example("A refund would be nice.", Severity.MEDIUM, alt=Severity.HIGH),
        _example("I asked about the refund.", Severity.LOW),
        _example("Nothing of this kind.", Severity.HIGH),
    ]
    found = {one.rule: one for one in measured(own.ruleset(), texts)}
    assert list(found) == ["demo.fire", "demo.refund", "demo.zip"]
    assert [(one.hits, one.precision) for one in found.values()] == [(2, 0.5), (3, 0.667), (0, 0.0)]
    assert found["demo.fire"].floor


def test_a_text_is_told_with_its_words() -> None:
    text = "🔥 Ça! The charger CAUGHT\nfire, the parcel too. My refund has arrived."
    found = told(CLASSIFIER, text, "en-GB", "email")
    assert found.language == "en"
    (hit,) = found.hits
    assert (hit.rule, hit.severity, hit.floor) == ("demo.fire", Severity.CRITICAL, True)
    assert hit.text == text[hit.start : hit.end] == "CAUGHT\nfire"
    assert found.themes == ("delivery",)
    assert ("demo.refund", "unless") in found.voided


def test_an_unknown_channel_is_refused() -> None:
    with pytest.raises(Misconfigured, match="channel 'pigeon'"):
        told(CLASSIFIER, "x", None, "pigeon")


def test_rules_that_the_model_does_not_know() -> None:
    assert unknown_to_the_model(CLASSIFIER) == []
    assert unknown_to_the_model(Classifier(own.ruleset(), None)) == []
    new = structs.replace(own.ruleset().rules[0], id="demo.new")
    more = structs.replace(own.ruleset(), rules=(*own.ruleset().rules, new))
    assert unknown_to_the_model(Classifier(more, own.model())) == ["demo.new"]
