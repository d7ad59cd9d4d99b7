"""Why a text got its severity, and what would have changed it; for people, not on the hot path."""

from __future__ import annotations

from typing import Final

from msgspec import structs

from services.classifier.severity.classifier import Classifier, Reading
from services.classifier.severity.decision import Opinion
from services.classifier.severity.model import SEVERITIES
from services.classifier.severity.schema import RANK
from shared.events import Classification, FeedbackReceived, Severity, Struct

MAX_TERMS: Final = 8
MAX_CHANGES: Final = 5


class Weight(Struct, frozen=True):
    """What a term or feature adds to the score of the severity that was chosen, against the others."""

    term: str
    weight: float


class Change(Struct, frozen=True):
    """A part of the text without which the severity would be another."""

    without: str
    severity: Severity


class Explanation(Struct, frozen=True):
    """The reasons behind one classification.

    ``voided`` lists rules whose words are there and are read otherwise, each with what voids it;
    ``floors`` those below which the severity cannot fall; ``known`` is the share of known words.
    """

    classification: Classification
    terms: tuple[Weight, ...]
    features: tuple[Weight, ...]
    floors: tuple[str, ...]
    voided: tuple[tuple[str, str], ...]
    changes: tuple[Change, ...]
    known: float


def explain(classifier: Classifier, feedback: FeedbackReceived) -> Explanation:
    """Return why ``classifier`` decides on ``feedback`` as it does."""
    reading = classifier.read(feedback)
    opinions = classifier.opinions([reading])
    (found,) = classifier.conclude([reading], opinions)
    return Explanation(
        classification=found,
        terms=_terms(classifier, reading, found.severity),
        features=_features(classifier, reading, found.severity),
        floors=tuple(hit.rule.id for hit in reading.found.hits if hit.rule.floor),
        voided=tuple(reading.found.voided),
        changes=_changes(classifier, reading, found),
        known=_known(opinions[0]),
    )


def _terms(classifier: Classifier, reading: Reading, severity: Severity) -> tuple[Weight, ...]:
    if classifier.model is None or severity not in SEVERITIES:
        return ()
    names, weights = classifier.model.weights_of(reading.terms)
    against = weights[:, RANK[severity]] - weights.mean(axis=1)
    weighed = [
        Weight(term=term, weight=round(weight, 3))
        for term, weight in zip(names, against.tolist(), strict=True)
    ]
    weighed.sort(key=lambda one: -abs(one.weight))
    return tuple(weighed[:MAX_TERMS])


def _features(classifier: Classifier, reading: Reading, severity: Severity) -> tuple[Weight, ...]:
    model = classifier.model
    if model is None or severity not in SEVERITIES:
        return ()
    rank = RANK[severity]
    named = [(name, column) for name in reading.features if (column := model.column(name))]
    vectors = model.weights_of_features([column for _, column in named])
    weighed = [
        Weight(term=name, weight=round(float(vector[rank] - vector.mean()), 3))
        for (name, _), vector in zip(named, vectors, strict=True)
    ]
    return tuple(sorted(weighed, key=lambda one: -abs(one.weight))[:MAX_TERMS])


def _changes(classifier: Classifier, reading: Reading, found: Classification) -> tuple[Change, ...]:
    """Return the evidence whose words decide: without any one of them it would come out otherwise."""
    text = reading.feedback.text
    spans = dict.fromkeys((one.start, one.end) for one in found.evidence)
    others = [
        structs.replace(reading.feedback, text=f"{text[:start]}{text[end:]}")
        for start, end in spans
    ]
    if reading.feedback.rating is not None:
        others.append(structs.replace(reading.feedback, rating=None))
    parts = [text[start:end] for start, end in spans] + ["(the rating)"]
    changed = [
        Change(without=part, severity=other.severity)
        for part, other in zip(parts, classifier.classify_many(others), strict=False)
        if other.severity is not found.severity
    ]
    return tuple(changed[:MAX_CHANGES])


def _known(opinion: Opinion | None) -> float:
    return 0.0 if opinion is None else round(opinion.known, 3)
