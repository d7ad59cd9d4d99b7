"""Whether a candidate may replace the model in use: better on the whole, and worse nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from services.classifier.training.evaluate import Outcome, Quality, quality, slices

WATCHED: Final = ("channel", "language", "reason", "slice")
_TEXTS: Final = 2.0
"""So many texts of a slice may be judged otherwise by chance."""
_POINTS: Final = 0.02
_FEWEST: Final = 10


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """A slice in which the candidate is worse: share within an acceptable label, before and after."""

    by: str
    slice: str
    texts: int
    before: float
    after: float


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two models on the same texts, and what speaks against the candidate (nothing: take it)."""

    before: Quality
    after: Quality
    losses: list[Loss]
    objections: list[str]

    @property
    def better(self) -> bool:
        """Tell whether the candidate may replace the model in use."""
        return not self.objections


def compared(current: Sequence[Outcome], candidate: Sequence[Outcome]) -> Comparison:
    """Return the comparison of two models on the same texts, in the same order.

    Better means: a higher macro-F1 or share within an acceptable label, neither of them lower, no
    recall of escalation lost, no further critical text called low, and no slice of ten texts or more
    that loses more than two texts or two points, whichever is more.
    """
    before, after = quality(current), quality(candidate)
    losses = _losses(current, candidate)
    objections = [f"worse on {one.by} {one.slice}" for one in losses]
    if after.macro_f1 < before.macro_f1:
        objections.append("macro-F1 falls")
    if after.within < before.within:
        objections.append("share within an acceptable label falls")
    if (after.macro_f1, after.within) == (before.macro_f1, before.within):
        objections.append("not better")
    if (after.recall or 0.0) < (before.recall or 0.0):
        objections.append("recall of escalation falls")
    if after.critical_low > before.critical_low:
        objections.append("more critical texts are called low")
    return Comparison(before=before, after=after, losses=losses, objections=objections)


def _losses(current: Sequence[Outcome], candidate: Sequence[Outcome]) -> list[Loss]:
    former, latter = slices(current), slices(candidate)
    found = []
    for by in WATCHED:
        for name, before in former[by].items():
            after = latter[by][name]
            allowed = max(_POINTS, _TEXTS / before.texts)
            if before.texts >= _FEWEST and before.within - after.within > allowed + 1e-9:
                found.append(
                    Loss(
                        by=by,
                        slice=name,
                        texts=before.texts,
                        before=round(before.within, 3),
                        after=round(after.within, 3),
                    )
                )
    return found
