"""Who is asked about what, and what an answer may change."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.classifier import second
from services.classifier.second.asking import blended, uncertain
from services.classifier.severity.decision import decide
from services.classifier.training.calibrate import Weighing
from shared.config import Classifier as Settings
from shared.errors import Misconfigured
from shared.events import Severity
from tests.unit.classifier.second_factory import SURE, UNSURE, fire, metrics, opinion, readings


def test_nobody_is_asked_by_default() -> None:
    asked = second.build(Settings(), metrics())
    assert isinstance(asked, second.Nobody)
    given = [opinion(), None]
    assert asked.revise(readings(["one", "two"]), given) == given


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(Misconfigured, match="none, encoder or endpoint"):
        second.build(Settings(second_opinion="oracle"), metrics())


def test_the_least_sure_come_first_and_the_sure_not_at_all() -> None:
    shares = [UNSURE, SURE, (0.3, 0.3, 0.2, 0.2), (0.55, 0.25, 0.1, 0.1)]
    given = [*(opinion(one) for one in shares), None]
    assert uncertain(readings(["text"] * 5), given, below=0.6) == [2, 0, 3]


def test_only_texts_in_a_language_that_is_read() -> None:
    both = [*readings(["good"], "en-GB"), *readings(["gut"], "de")]
    given = [opinion(), opinion()]
    assert uncertain(both, given, 0.6, frozenset({"en"})) == [0]
    assert uncertain(both, given, 0.6) == [0, 1]


def test_nobody_is_asked_where_a_rule_demands_critical(tmp_path: Path) -> None:
    assert uncertain([fire(tmp_path)], [opinion()], 0.6) == []


def test_a_blend_is_a_distribution_and_names_the_other() -> None:
    mixed = blended(opinion(), (0.0, 0.0, 0.0, 1.0), 0.25, "encoder:abc")
    assert mixed.severity == pytest.approx((0.3, 0.225, 0.15, 0.325))
    assert sum(mixed.severity) == pytest.approx(1.0)
    assert mixed.second == "encoder:abc"
    assert mixed.kind == opinion().kind


def test_a_floor_holds_whatever_the_other_says(tmp_path: Path) -> None:
    reading = fire(tmp_path)
    calm = blended(opinion(), (1.0, 0.0, 0.0, 0.0), 1.0, "endpoint:calm")
    costs = Weighing().costs()
    verdict = decide(reading.feedback, reading.found, "en", calm, costs)
    assert verdict.severity is Severity.CRITICAL
