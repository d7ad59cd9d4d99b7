"""Which public posts concern us: a firehose is read for a few words."""

from __future__ import annotations

import re
from functools import cache

_LATIN = "0-9A-Za-z_\u00c0-\u024f"
_LATIN_CHARACTER = re.compile(f"[{_LATIN}]")


def contains(text: str, words: tuple[str, ...]) -> bool:
    """Tell whether one of ``words`` is in ``text``, whatever the case.

    Words in Latin script must stand alone ("rail" is not in "trailer"); other scripts inflect, or put
    no spaces between words, so there a part of a word is enough.
    """
    return bool(words) and _pattern(words).search(text.casefold()) is not None


@cache
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(_bounded(word.casefold()) for word in words))


def _bounded(word: str) -> str:
    before = f"(?<![{_LATIN}])" if _LATIN_CHARACTER.match(word[0]) else ""
    after = f"(?![{_LATIN}])" if _LATIN_CHARACTER.match(word[-1]) else ""
    return f"{before}{re.escape(word)}{after}"
