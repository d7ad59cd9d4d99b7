"""Who else is asked about uncertain texts: nobody, a sentence encoder, or a language model elsewhere.

Always within a time budget and never instead of the model: an answer is one voice more, no answer costs
nothing. Floors of the rules hold whatever anybody says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from shared.errors import Misconfigured

if TYPE_CHECKING:  # the encoder's process imports this package and needs none of it
    from services.classifier.severity.classifier import Reading
    from services.classifier.severity.decision import Opinion
    from shared.config import Classifier as Settings
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


def build(settings: Settings, metrics: Metrics) -> SecondOpinion:
    """Return who is asked by these settings.

    Raises:
        Misconfigured: an unknown name, or what it needs is missing.
    """
    if settings.second_opinion == "none":
        return Nobody()
    if settings.second_opinion == "encoder":
        from services.classifier.second import encoder

        return encoder.build(settings.second_below, settings.second_budget_s, metrics)
    if settings.second_opinion == "endpoint":
        from services.classifier.second.endpoint import Endpoint

        return Endpoint(settings, metrics)
    raise Misconfigured(
        f"classifier.second_opinion {settings.second_opinion!r}: none, encoder or endpoint"
    )
