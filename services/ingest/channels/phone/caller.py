"""Who called: a number as switchboards write it, or nobody if it was withheld."""

from __future__ import annotations

import re

_WORDS = ("anonymous", "restricted", "unavailable", "unknown", "blocked", "private", "withheld")
_KEYPAD = str.maketrans("abcdefghijklmnopqrstuvwxyz", "22233344455566677778889999")
_NOBODY = frozenset({*_WORDS, *(f"+{word.translate(_KEYPAD)}" for word in _WORDS), "none", "null"})
"""Carriers spell the words on the keypad too: +266696687 is "anonymous"."""

_NUMBER_AT = re.compile(r"sips?:(\+?\d{3,20})(?:[@;].*)?", re.IGNORECASE | re.DOTALL)
_PREFIX = re.compile(r"(?:tel|whatsapp|rcs):(?=\+?\d)", re.IGNORECASE)
_MAX_CHARS = 320


def caller(given: str | None) -> str | None:
    """Return the number or address of a caller, None if it is withheld or missing.

    ``tel:``, ``whatsapp:``, ``rcs:`` and ``sip:+49…@host`` become the bare number; anything else
    (``client:alice``, ``sip:alice@host``, a sender's name) stays as it is.
    """
    text = (given or "").strip()[:_MAX_CHARS]
    if match := _NUMBER_AT.fullmatch(text):
        text = match[1]
    text = _PREFIX.sub("", text, count=1)
    user = text.casefold().removeprefix("sip:").partition("@")[0]
    return None if not text or user in _NOBODY else text
