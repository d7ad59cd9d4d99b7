"""Comments into which Google wrote a machine translation: only the original is the customer's words."""

from __future__ import annotations

import re

_TRANSLATED = re.compile(r"^\(Translated by Google\)[ \t]*\n?", re.MULTILINE)
_ORIGINAL = re.compile(r"^\(Original\)[ \t]*\n?", re.MULTILINE)


def original(comment: str) -> tuple[str, bool]:
    """Return the customer's own words in ``comment``, and whether a translation was cut off.

    Both orders occur: ``(Translated by Google) … (Original) …`` and ``… (Translated by Google) …``.
    Where only a translation is left it is returned: better than nothing.
    """
    translation = _TRANSLATED.search(comment)
    if translation is None:
        return comment, False
    before = comment[: translation.start()].strip()
    if before:
        return before, True
    after = comment[translation.end() :]
    marker = _ORIGINAL.search(after)
    return (after if marker is None else after[marker.end() :]).strip(), True
