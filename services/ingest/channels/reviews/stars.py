"""Star ratings as platforms and tables write them → ``Rating``."""

from __future__ import annotations

import re

from shared.events import Rating

LOWEST, HIGHEST = 1.0, 5.0
_MAX_CHARS = 40
_WORDS = {"ONE": 1.0, "TWO": 2.0, "THREE": 3.0, "FOUR": 4.0, "FIVE": 5.0}
_NUMBER = r"(\d{1,6}(?:[.,]\d{1,6})?)"
# "4", "3,5", "4/5", "4 out of 5", "4 von 5 Sternen", "4 stars"
_WRITTEN = re.compile(
    rf"{_NUMBER}(?:\s?(?:/|out of|of|von|sur|de|su|van|z|из)\s?{_NUMBER})?(?:\s?[^\W\d]+)?"
)
_FULL, _EMPTY = "★⭐🌟", "☆"
_VARIATION = "\ufe0f"  # asks for the colourful form of the symbol before it


def stars(
    value: str | float | None, lowest: float = LOWEST, highest: float = HIGHEST
) -> Rating | None:
    """Return the rating in ``value``: a number, ``FIVE``, ``4/5``, ``3,5 stars``, ``★★★★☆``.

    The scale is ``lowest`` to ``highest`` unless ``value`` states another end: then it begins at 0.
    Anything else (``STAR_RATING_UNSPECIFIED``, a number outside of the scale) is None.
    """
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _on_scale(value, lowest, highest)
    return _read(value.strip(), lowest, highest)


def _read(text: str, lowest: float, highest: float) -> Rating | None:
    if len(text) > _MAX_CHARS:
        return None
    if word := _WORDS.get(text.upper()):
        return _on_scale(word, lowest, highest)
    value, end = 0.0, highest
    if text and not text.strip(_FULL + _EMPTY + _VARIATION):
        value = float(sum(text.count(symbol) for symbol in _FULL))
        if _EMPTY in text:
            end = value + text.count(_EMPTY)
    elif match := _WRITTEN.fullmatch(text):
        value = _decimal(match[1])
        if match[2] is not None:
            end = _decimal(match[2])
    else:
        return None
    return _on_scale(value, lowest if end == highest else 0.0, end)


def _decimal(text: str) -> float:
    return float(text.replace(",", "."))


def _on_scale(value: float, lowest: float, highest: float) -> Rating | None:
    if lowest < highest and lowest <= value <= highest:  # false for NaN
        return Rating(value=float(value), min=lowest, max=highest)
    return None
