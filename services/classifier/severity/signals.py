"""Facts about the item beside its words: rating, reach, shape."""

from __future__ import annotations

import math
from typing import Final

from shared.events import FeedbackReceived

BAD_RATING: Final = 0.25
"""Normalised rating at or below which an item is a complaint (two stars of five)."""
GOOD_RATING: Final = 0.75
"""Normalised rating at or above which an item without grave content is praise."""
WIDE_REACH: Final = 10_000
"""Followers from which a complaint counts as wide publicity."""
_SUBSTANTIAL_LETTERS: Final = 25


def reach(feedback: FeedbackReceived) -> int:
    """Return how many people follow the author, as the channel told it; 0 if it did not."""
    told = feedback.engagement.followers if feedback.engagement is not None else None
    value = feedback.attributes.get("followers", 0)
    listed = int(value) if isinstance(value, int | float) and math.isfinite(value) else 0
    return max(told or 0, listed)


def substantial(text: str) -> bool:
    """Tell whether ``text`` holds enough letters to mean something."""
    letters = 0
    for char in text:
        if char.isalpha():
            letters += 1 if char < "\u2e80" else 3  # an ideograph says more than a letter
            if letters >= _SUBSTANTIAL_LETTERS:
                return True
    return False


def says_something(text: str) -> bool:
    """Tell whether ``text`` holds a letter: numbers, signs and pictures alone say nothing."""
    return any(map(str.isalpha, text))


def asks(text: str) -> bool:
    """Tell whether ``text`` ends in a question."""
    tail = text[-160:].rstrip(" \n\t\"')」”»")
    return tail.endswith(("?", "?", "؟")) or "?" in tail[-60:]
