"""How good a classifier is on labelled texts, as a whole and by slice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

import msgspec

from services.classifier.severity import Classifier
from services.classifier.training.dataset import Example
from shared.events import Classification, Severity

ORDER: Final = (Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL)
_T = TypeVar("_T")
URGENT: Final = frozenset({Severity.HIGH, Severity.CRITICAL})
CALIBRATION_BINS: Final = 10


class Outcome(msgspec.Struct, frozen=True):
    """A labelled text and what the classifier made of it."""

    example: Example
    found: Classification


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one set; ratios run from 0 to 1, None where there is nothing to take them of.

    ``within``: share called the label or its second acceptable one; ``recall`` and ``precision`` of
    escalation (critical or high); ``critical_recall``: criticals called critical; ``critical_low``: how
    many were called low; ``ece``: expected calibration error of the confidence in the severity chosen.
    """

    texts: int
    accuracy: float
    macro_f1: float
    within: float
    recall: float | None
    precision: float | None
    critical_recall: float | None
    critical_escalated: float | None
    critical_low: int
    ece: float
    undetermined: int


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """One bin of the calibration: mean confidence, share that was right, number of texts."""

    confidence: float
    right: float
    texts: int


def outcomes(classifier: Classifier, examples: Sequence[Example]) -> list[Outcome]:
    """Return what ``classifier`` makes of ``examples``, as in the worker."""
    found = classifier.classify_many([one.feedback() for one in examples])
    return [Outcome(*pair) for pair in zip(examples, found, strict=True)]


def quality(found: Sequence[Outcome]) -> Quality:
    """Return the figures of a set that is not empty."""
    pairs = [(one.example.severity, one.found.severity) for one in found]
    actual_urgent = [pair for pair in pairs if pair[0] in URGENT]
    called_urgent = [pair for pair in pairs if pair[1] in URGENT]
    both = sum(actual in URGENT and called in URGENT for actual, called in pairs)
    criticals = [called for actual, called in pairs if actual is Severity.CRITICAL]
    return Quality(
        texts=len(found),
        accuracy=_share(pairs, lambda pair: pair[0] is pair[1]) or 0.0,
        macro_f1=_macro_f1(pairs),
        within=_share(found, within) or 0.0,
        recall=_ratio(both, len(actual_urgent)),
        precision=_ratio(both, len(called_urgent)),
        critical_recall=_share(criticals, lambda called: called is Severity.CRITICAL),
        critical_escalated=_share(criticals, lambda called: called in URGENT),
        critical_low=criticals.count(Severity.LOW),
        ece=calibration_error(calibration(found)),
        undetermined=sum(called is Severity.UNDETERMINED for _, called in pairs),
    )


def within(one: Outcome) -> bool:
    """Tell whether a text was called its label or the second acceptable one."""
    return one.found.severity in {one.example.severity, one.example.alt}


def by(found: Iterable[Outcome], key: Callable[[Outcome], Iterable[str]]) -> dict[str, Quality]:
    """Return the figures per slice, the slices in alphabetical order; ``key`` names those of a text."""
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for one in found:
        for name in key(one):
            groups[name].append(one)
    return {name: quality(groups[name]) for name in sorted(groups)}


def slices(found: Sequence[Outcome]) -> dict[str, dict[str, Quality]]:
    """Return the figures by channel, language, reason, difficulty and held-out slice."""
    return {
        "channel": by(found, lambda one: [one.example.channel]),
        "language": by(found, lambda one: [one.example.lang]),
        "reason": by(found, lambda one: list(one.example.reasons)),
        "difficulty": by(found, lambda one: [one.example.hard or "none"]),
        "slice": by(found, lambda one: [one.example.slice] if one.example.slice else []),
    }


def confusion(found: Sequence[Outcome]) -> list[list[int]]:
    """Return counts ``[actual][called]`` by rank; the last column is undetermined."""
    columns = [*ORDER, Severity.UNDETERMINED]
    table = [[0] * len(columns) for _ in ORDER]
    for one in found:
        table[ORDER.index(one.example.severity)][columns.index(one.found.severity)] += 1
    return table


def calibration(found: Sequence[Outcome]) -> list[Bin]:
    """Return the bins of confidence that hold texts, the least sure first."""
    groups: dict[int, list[Outcome]] = defaultdict(list)
    for one in found:
        number = min(int(one.found.confidence * CALIBRATION_BINS), CALIBRATION_BINS - 1)
        groups[number].append(one)
    return [
        Bin(
            confidence=sum(one.found.confidence for one in some) / len(some),
            right=sum(one.found.severity is one.example.severity for one in some) / len(some),
            texts=len(some),
        )
        for _, some in sorted(groups.items())
    ]


def calibration_error(bins: Sequence[Bin]) -> float:
    """Return the expected calibration error: the mean gap between confidence and being right."""
    texts = sum(one.texts for one in bins)
    return sum(abs(one.confidence - one.right) * one.texts for one in bins) / max(texts, 1)


def _macro_f1(pairs: Sequence[tuple[Severity, Severity]]) -> float:
    """Return the mean F1 of the severities that occur as label."""
    scores = []
    for severity in ORDER:
        actual = sum(one is severity for one, _ in pairs)
        called = sum(one is severity for _, one in pairs)
        both = sum(one is severity and other is severity for one, other in pairs)
        if actual:
            scores.append(2 * both / (actual + called))
    return sum(scores) / max(len(scores), 1)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _share(values: Sequence[_T], holds: Callable[[_T], bool]) -> float | None:
    return _ratio(sum(map(holds, values)), len(values))
