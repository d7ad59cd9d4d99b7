"""Texts to measure the classifier on: the repository's own, drawn with a fixed seed."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence

from services.classifier.training import dataset
from services.classifier.training.dataset import Example
from tests.bench.contest import ROOT

HARD = ROOT / "tests" / "data" / "severity" / "hard_slices.jsonl"
TEXTS = 4_096
MEAN_CHARACTERS = 204
ENGLISH = 0.6
SEED = 5
_STEEPEST = 64.0
_HALVINGS = 30


def own_texts() -> list[Example]:
    """Return all labelled texts of the repository, each once."""
    paths = [*sorted(dataset.TEXTS.glob("*.jsonl")), HARD]
    found = {one.text: one for path in paths for one in dataset.examples_in(path)}
    return list(found.values())


def sample(
    texts: Sequence[Example],
    count: int = TEXTS,
    *,
    mean: float = MEAN_CHARACTERS,
    english: float = ENGLISH,
    seed: int = SEED,
) -> list[Example]:
    """Return `count` different texts, `english` of them English, of `mean` characters on average.

    The texts are shorter than those of a real queue, so the long ones are likelier to be drawn: with a
    weight of characters to a power, the least that gives the mean (P. Efraimidis, P. Spirakis, 2006).
    """
    draw = random.Random(seed)
    chance = {one.text: math.log(1 - draw.random()) for one in texts}
    of_english = round(count * english)
    groups = (
        ([one for one in texts if one.lang == "en"], of_english),
        ([one for one in texts if one.lang != "en"], count - of_english),
    )

    def drawn(power: float) -> list[Example]:
        weights = {one.text: chance[one.text] / len(one.text) ** power for one in texts}
        return [
            one
            for some, wanted in groups
            for one in sorted(some, key=lambda one: weights[one.text], reverse=True)[:wanted]
        ]

    low, high = 0.0, _STEEPEST
    for _ in range(_HALVINGS):
        power = (low + high) / 2
        low, high = (low, power) if mean_characters(drawn(power)) > mean else (power, high)
    chosen = drawn(high)
    draw.shuffle(chosen)
    return chosen


def mean_characters(texts: Sequence[Example]) -> float:
    """Return how many characters a text has on average."""
    return sum(len(one.text) for one in texts) / len(texts)


def grown(texts: Sequence[str], characters: int, start: int) -> str:
    """Return `texts` from number `start` on, and around, as one text of exactly `characters`."""
    parts: list[str] = []
    missing = characters
    for text in itertools.islice(itertools.cycle(texts), start, None):
        parts.append(text)
        missing -= len(text) + 1
        if missing < 0:
            break
    return "\n".join(parts)[:characters]
