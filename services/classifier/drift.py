"""How far the live stream is from what the model was trained on: population stability, in windows.

The index of a distribution against a reference is ``sum((p - q) * ln(p / q))`` over ten bins; usual
readings are: below 0.1 the same, above 0.25 another population (Siddiqi, Credit Risk Scorecards, 2006).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

BINS: Final = 10
_LEAST: Final = 1e-3


class Window:
    """The last values of one quantity in 0 … 1, against a reference of shares per bin.

    Args:
        reference: shares of ``BINS`` bins of equal width; they sum to 1.
        size: number of values after which the index is taken and a new window begins.
    """

    def __init__(self, reference: Sequence[float], size: int = 2_000) -> None:
        self._reference = reference
        self._size = size
        self._counts = [0] * BINS
        self._seen = 0

    def add(self, values: Iterable[float]) -> float | None:
        """Take values in; return the index whenever a window is full, else None."""
        index = None
        for value in values:
            self._counts[min(int(value * BINS), BINS - 1)] += 1
            self._seen += 1
            if self._seen >= self._size:
                index = stability([count / self._seen for count in self._counts], self._reference)
                self._counts = [0] * BINS
                self._seen = 0
        return index


def shares(values: Sequence[float]) -> list[float]:
    """Return the shares of ``values`` (0 … 1) per bin."""
    counts = [0] * BINS
    for value in values:
        counts[min(int(value * BINS), BINS - 1)] += 1
    return [count / max(len(values), 1) for count in counts]


def stability(live: Sequence[float], reference: Sequence[float]) -> float:
    """Return the population stability index of two distributions over the same bins."""
    pairs = [(max(p, _LEAST), max(q, _LEAST)) for p, q in zip(live, reference, strict=True)]
    return sum((p - q) * math.log(p / q) for p, q in pairs)
