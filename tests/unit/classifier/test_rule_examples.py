"""Every example of every packaged rule: it must hit, or must not, whatever else does."""

from __future__ import annotations

import functools
from importlib import resources

import msgspec
import pytest

from services.classifier.rulebook import failing_examples
from services.classifier.severity import rules as packaged
from services.classifier.severity.language import detect
from services.classifier.severity.loading import load
from services.classifier.severity.matching import Matcher
from services.classifier.severity.normalise import Folded
from services.classifier.severity.schema import RuleSpec
from shared.events import Channel, Reason

RULESET = load(p for p in resources.files(packaged).iterdir() if p.name.endswith(".yaml"))


def _cases(*, must: bool) -> list[tuple[RuleSpec, str]]:
    return [
        (rule, text)
        for rule in RULESET.rules
        for text in (rule.examples.must if must else rule.examples.must_not)
    ]


def _hit(rule: RuleSpec, text: str) -> bool:
    """Tell whether ``rule`` hits, read on its own, so that no other rule can hide it."""
    channel = rule.channels[0] if rule.channels else Channel.EMAIL
    folded = Folded(text)
    return bool(_alone(rule.id).find(folded, detect(folded), channel).hits)


@functools.cache
def _alone(rule_id: str) -> Matcher:
    rules = tuple(rule for rule in RULESET.rules if rule.id == rule_id)
    return Matcher(msgspec.structs.replace(RULESET, rules=rules))


@pytest.mark.parametrize(("rule", "text"), _cases(must=True), ids=lambda v: getattr(v, "id", ""))
def test_must(rule: RuleSpec, text: str) -> None:
    assert _hit(rule, text)


@pytest.mark.parametrize(("rule", "text"), _cases(must=False), ids=lambda v: getattr(v, "id", ""))
def test_must_not(rule: RuleSpec, text: str) -> None:
    assert not _hit(rule, text)


def test_the_examples_of_the_themes_hold() -> None:
    assert RULESET.themes
    assert failing_examples(msgspec.structs.replace(RULESET, rules=())) == []


def test_every_reason_has_a_rule() -> None:
    assert {reason for rule in RULESET.rules for reason in rule.reasons} == set(Reason)


def test_every_rule_of_three_ranks_has_examples() -> None:
    bare = [rule.id for rule in RULESET.rules if rule.rank >= 2 and not rule.examples.must]
    assert bare == []
