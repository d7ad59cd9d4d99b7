"""Who else is asked about uncertain texts: nobody, a sentence encoder, or a language model elsewhere.

Always within a time budget and never instead of the model: an answer is one voice more, no answer costs
nothing. Floors of the rules hold whatever anybody says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from services.classifier.severity.classifier import Reading
from services.classifier.severity.decision import Opinion
from shared.config import Classifier as Settings
from shared.errors import Misconfigured
from shared.metrics import Metrics


class SecondOpinion(Protocol):
    """Revises the opinions of the model on a batch."""

    def revise(
        self, readings: Sequence[Reading], opinions: Sequence[Opinion | None]
    ) -> list[Opinion | None]:
        """Return the opinions, those on uncertain texts revised; never raises, ends in time."""


class Nobody:
    """Asks nobody."""

    def revise(
        self,
        readings: Sequence[Reading],
        opinions: Sequence[Opinion | None],
    ) -> list[Opinion | None]:
        """Return the opinions as they are."""
        return list(opinions)


def build(settings: Settings, metrics: Metrics) -> SecondOpinion:  # noqa: ARG001
    """Return who is asked by these settings.

    Raises:
        Misconfigured: an unknown name, or what it needs is missing.
    """
    if settings.second_opinion == "none":
        return Nobody()
    raise Misconfigured(
        f"classifier.second_opinion {settings.second_opinion!r}: none, encoder or endpoint"
    )
