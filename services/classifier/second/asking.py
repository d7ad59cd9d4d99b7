"""Which texts somebody else is asked about, and what an answer changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from prometheus_client import Counter

from services.classifier.severity.classifier import Reading
from services.classifier.severity.decision import Opinion
from services.classifier.severity.model import SEVERITIES
from shared.metrics import Metrics

RESULTS: Final = ("ok", "late", "failed", "capped", "open")
"""What may come of a question: an answer, no time, no answer, the cap of a day, the open breaker."""
_CRITICAL: Final = len(SEVERITIES) - 1


def counter(metrics: Metrics) -> Counter:
    """Return the counter of questions by result, each of which begins at zero."""
    for result in RESULTS:
        metrics.second_opinions.labels(result)
    return metrics.second_opinions


def uncertain(
    readings: Sequence[Reading],
    opinions: Sequence[Opinion | None],
    below: float,
    languages: frozenset[str] | None = None,
) -> list[int]:
    """Return the places of the uncertain texts, the least sure first.

    Uncertain is a text whose likeliest severity has a probability under ``below`` and that no rule
    makes critical anyhow. ``languages`` are those that the asked one reads; None: all.
    """
    found = []
    for place, (reading, opinion) in enumerate(zip(readings, opinions, strict=True)):
        if opinion is None or (languages is not None and reading.language not in languages):
            continue
        sure = max(opinion.severity)
        if sure < below and not _settled(reading):
            found.append((sure, place))
    return [place for _, place in sorted(found)]


def blended(opinion: Opinion, other: Sequence[float], weight: float, who: str) -> Opinion:
    """Return ``opinion`` with the other's probabilities mixed in, ``weight`` of 1 parts of them."""
    mixed = [
        (1 - weight) * mine + weight * theirs
        for mine, theirs in zip(opinion.severity, other, strict=True)
    ]
    return opinion._replace(severity=mixed, second=who)


def _settled(reading: Reading) -> bool:
    return any(hit.rule.floor and hit.rule.rank == _CRITICAL for hit in reading.found.hits)
