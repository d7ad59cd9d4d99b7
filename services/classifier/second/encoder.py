"""The sentence encoder asked about uncertain English texts, in its own process, within the budget."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final, Protocol

from services.classifier.second.asking import blended, counter, uncertain
from services.classifier.second.child import Child, Unavailable
from services.classifier.second.embedding import Floats, digest, weights
from services.classifier.second.head import Head
from services.classifier.severity.classifier import Reading
from services.classifier.severity.decision import Opinion
from shared.errors import Misconfigured
from shared.metrics import Metrics

LANGUAGES: Final = frozenset({"en"})
"""What the encoder was trained to read."""


class Vectors(Protocol):
    """What makes vectors of texts: a ``Child``, or this process when nobody waits."""

    def vector(self, text: str, deadline: float) -> Floats:
        """Return the vector of ``text``, or raise ``Unavailable``, by ``deadline``."""


class Encoder:
    """Asks about the least sure texts first, as many as fit into the budget.

    Args:
        head: what it makes of a vector.
        vectors: what makes vectors.
        below: probability of the likeliest severity under which a text is uncertain.
        budget_s: the longest that one chunk may wait.
        metrics: where answers are counted.
    """

    def __init__(
        self, head: Head, vectors: Vectors, *, below: float, budget_s: float, metrics: Metrics
    ) -> None:
        self._head = head
        self._vectors = vectors
        self._below = below
        self._budget_s = budget_s
        self._results = counter(metrics)
        self._name = f"encoder:{head.version}"

    def revise(
        self, readings: Sequence[Reading], opinions: Sequence[Opinion | None]
    ) -> list[Opinion | None]:
        """Return the opinions, those on uncertain texts blended with the encoder's, as time allows."""
        deadline = time.monotonic() + self._budget_s
        revised = list(opinions)
        places = uncertain(readings, opinions, self._below, LANGUAGES)
        for done, place in enumerate(places):
            try:
                vector = self._vectors.vector(readings[place].feedback.text, deadline)
            except Unavailable as none:
                self._results.labels(none.result).inc(len(places) - done)
                break
            opinion = opinions[place]
            if opinion is not None:
                other = self._head.probabilities(vector)
                revised[place] = blended(opinion, other, self._head.about.weight, self._name)
            self._results.labels("ok").inc()
        return revised


def build(below: float, budget_s: float, metrics: Metrics) -> Encoder:
    """Return the packaged encoder, its process starting.

    Raises:
        Misconfigured: the extra is not installed, or its weights are not those of the head.
    """
    head = Head.bundled()
    if digest(weights()) != head.about.encoder:
        raise Misconfigured("the weights of the sentence encoder are not those of encoder.npz")
    return Encoder(head, Child(), below=below, budget_s=budget_s, metrics=metrics)
