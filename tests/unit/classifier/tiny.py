"""A model of a few texts: learnt in a second, right about those texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from services.classifier.severity import Classifier
from services.classifier.severity.loading import Ruleset
from services.classifier.severity.model import Model
from services.classifier.training import dataset
from services.classifier.training.dataset import Dataset, Example
from shared.events import Channel, Kind, Reason, Severity

NO_RULES = Ruleset(rules=(), contexts=(), themes=(), version="none")
TEXTS = {
    Severity.LOW: ("lovely", "charming", "splendid", "delightful", "superb"),
    Severity.MEDIUM: ("slow", "clumsy", "noisy", "scratched", "dented"),
    Severity.HIGH: ("stolen", "overcharged", "blocked", "vanished", "forged"),
    Severity.CRITICAL: ("burning", "exploding", "bleeding", "choking", "poisoned"),
}
KINDS = {
    Severity.LOW: Kind.PRAISE,
    Severity.MEDIUM: Kind.SUGGESTION,
    Severity.HIGH: Kind.COMPLAINT,
    Severity.CRITICAL: Kind.COMPLAINT,
}
THINGS = ("kettle", "toaster", "blender", "freezer")


def examples() -> list[Example]:
    """Return eighty texts, twenty of each severity."""
    return [
        Example(
            id=f"{severity}-{word}-{thing}",
            channel=Channel.EMAIL,
            text=f"The {thing} of mine is {word}.",
            severity=severity,
            kind=KINDS[severity],
            reasons=(Reason.SAFETY,) if severity is Severity.CRITICAL else (),
        )
        for severity, words in TEXTS.items()
        for word in words
        for thing in THINGS
    ]


def inputs(
    folder: Path,
    patch: pytest.MonkeyPatch,
    own: Sequence[Example],
    authored: Sequence[Example] = (),
    labelled: Sequence[Example] = (),
) -> Path:
    """Make these all that ``dataset.training`` finds; return the data folder to call it with."""
    texts, labels, data = folder / "texts", folder / "labels", folder / "data"
    for one in (texts, labels, data):
        one.mkdir()
    patch.setattr(dataset, "TEXTS", texts)
    patch.setattr(dataset, "LABELS", labels)
    save(texts / "own.jsonl", own)
    save(data / "severity_authored.jsonl", authored)
    save(data / "severity_labels.jsonl", labelled)
    return data


def save(path: Path, rows: Sequence[Example]) -> Path:
    """Write examples as JSONL."""
    path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    return path


def learnt(found: Dataset) -> bytes:
    """Return the content of a model file: words of one text count, since there are so few."""
    from services.classifier.training.calibrate import Weighing
    from services.classifier.training.fit import Recipe
    from services.classifier.training.train import train

    recipe = Recipe(terms_in=1, pieces_in=1)
    return train(found, NO_RULES, recipe, Weighing(), lambda _: None)


def classifier(content: bytes) -> Classifier:
    """Return a classifier without rules."""
    return Classifier(NO_RULES, Model(content))
