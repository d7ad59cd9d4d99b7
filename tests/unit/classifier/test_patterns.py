"""The pattern dialect, and the filter before the patterns."""

from __future__ import annotations

import pytest

from services.classifier.severity.loading import Ruleset
from services.classifier.severity.matching import Matcher
from services.classifier.severity.normalise import Folded
from services.classifier.severity.patterns import Pattern, PatternError, PatternSet, translate
from shared.events import Channel
from tests.unit.classifier.test_classify import CRITERIA, LANGUAGES
from tests.unit.classifier.test_rule_examples import RULESET


def _find(source: str, text: str, language: str = "en") -> str | None:
    folded = Folded(text)
    expression = translate(source, language, {"pet": "cat|dog"})
    span = Pattern([expression]).find(folded.raw, 0, len(folded.raw))
    return None if span is None else folded.raw[slice(*span)].decode()


@pytest.mark.parametrize(
    ("source", "text", "found"),
    [
        ("on fire", "ON \t\n fire", "on \t\n fire"),
        ("gas ?leak", "gasleak", "gasleak"),
        ("cat", "concatenate", None),
        ("my %pet%s", "My DOGS", "my dogs"),
        ("brûlé", "BRULE", "brule"),
        ("[éa]b", "éb", "eb"),
        ("\\d ?€", "5 €", "5 €"),
    ],
)
def test_dialect(source: str, text: str, found: str | None) -> None:
    assert _find(source, text) == found


def test_unspaced_scripts_have_no_word_boundaries() -> None:
    assert _find("火事", "昨日火事です", "ja") == "火事"


@pytest.mark.parametrize("source", ["Cat", "a(b", "(?<!a)b", "%dragon%", "a{2000}"])
def test_refused(source: str) -> None:
    with pytest.raises(PatternError):
        translate(source, "en", {})


def test_spans_are_bounded_and_never_empty() -> None:
    assert list(Pattern(["x*"]).spans(b"xxay", 0, 9)) == [(0, 2)]
    assert len(list(Pattern(["a"]).spans(b"a" * 50, 0, 6))) == 6


def test_an_empty_set_finds_nothing() -> None:
    assert not PatternSet([]).candidates(b"anything")


def test_the_filter_loses_no_match() -> None:
    """A few texts against all patterns; each rule's examples against its own, and there are many."""
    rules = [
        (rule, one) for rule in RULESET.rules for some in rule.patterns.values() for one in some
    ]
    patterns = [Pattern([source]) for _, source in rules]
    filtered = PatternSet([source for _, source in rules])
    own: dict[str, list[int]] = {}
    for number, (rule, _) in enumerate(rules):
        own.setdefault(rule.id, []).append(number)
    texts = [(text, list(range(len(rules)))) for text, *_ in (*CRITERIA, *LANGUAGES)]
    texts += [(text, own[rule.id]) for rule in RULESET.rules for text in rule.examples.must]
    for text, tried in texts:
        raw = Folded(text).raw
        matching = {i for i in tried if patterns[i].find(raw, 0, len(raw)) is not None}
        assert matching <= set(filtered.candidates(raw)), text


def test_a_matcher_without_rules_finds_nothing() -> None:
    empty = Matcher(Ruleset((), (), (), "0"))
    assert empty.find(Folded("fire"), "en", Channel.EMAIL) == ([], [], [])
