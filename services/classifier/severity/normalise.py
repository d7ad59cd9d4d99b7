"""Folding of a text for matching, with the way back to the original code points.

Every code point is folded on its own: NFKD, marks and format characters removed, casefolded, and a
few letters and quotes unified. So the folded text of most Latin scripts is ASCII, a pattern need
not care for accents, and the way back is a sum of lengths. Matching is bounded: of a longer text
the first ``MAX_CHARS`` code points are read.
"""

from __future__ import annotations

import bisect
import itertools
import re
import unicodedata
from typing import Final

MAX_CHARS: Final = 32_768
_CACHE_LIMIT: Final = 20_000
_SPECIAL: Final = {
    **dict.fromkeys("’‘ʼ´ʹ", "'"),
    **dict.fromkeys("“”„«»", '"'),
    **dict.fromkeys("‐‑‒–—−", "-"),
    **dict.fromkeys("ٱ", "ا"),
    "ł": "l",
    "Ł": "l",
    "ı": "i",
    "ø": "o",
    "Ø": "o",
    "đ": "d",
    "Đ": "d",
    "æ": "ae",
    "Æ": "ae",
    "œ": "oe",
    "Œ": "oe",
    "ى": "ي",
    "ة": "ه",
    "\u0640": "",
    "\u2028": "\n",
    "\u2029": "\n",
}


def _fold_char(char: str) -> str:
    if char.isascii():
        return char.lower()
    if char in _SPECIAL:
        return _SPECIAL[char]
    if unicodedata.category(char) == "Cs":
        return "\ufffd"
    if char.isspace():
        return " "
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    kept = (c for c in unicodedata.normalize("NFKD", char) if unicodedata.category(c) not in _DROP)
    return "".join(_SPECIAL.get(c, c) for c in "".join(kept).casefold())


_DROP: Final = frozenset({"Mn", "Cf"})


class _FoldTable(dict[int, str]):
    """Translation table that folds a code point on first sight and remembers a bounded number."""

    def __missing__(self, code: int) -> str:
        folded = _fold_char(chr(code))
        if len(self) < _CACHE_LIMIT:
            self[code] = folded
        return folded


class _LengthTable(dict[str, int]):
    """Length in UTF-8 bytes of a folded character, remembered like the folding itself."""

    def __missing__(self, char: str) -> int:
        length = len(_TABLE[ord(char)].encode())
        if len(self) < _CACHE_LIMIT:
            self[char] = length
        return length


_TABLE: Final = _FoldTable()
_LENGTHS: Final = _LengthTable()


def fold(text: str) -> str:
    """Return ``text`` as the matcher sees it (also used for the non-ASCII part of patterns)."""
    return text.lower() if text.isascii() else text.translate(_TABLE)


class Folded:
    """A folded text as UTF-8 bytes, able to tell where a match stands in the original.

    Args:
        source: the original text.
    """

    __slots__ = ("_ends", "_plain", "folded", "raw", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        head = source[:MAX_CHARS]
        self._plain = head.isascii()
        self.folded = fold(head)
        self.raw = self.folded.encode()
        self._ends: list[int] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the half-open code-point span of the original for a half-open byte span."""
        if self._plain:
            return start, end
        ends = self._offsets()
        first = bisect.bisect_right(ends, start)
        last = bisect.bisect_left(ends, end)
        while last + 1 < len(ends) and ends[last + 1] == ends[last]:
            last += 1  # marks that folded to nothing belong to the letter before them
        return first, max(first, last + 1)

    def locate(self, term: str) -> tuple[int, int] | None:
        """Return the code-point span of a term (``terms.read``), rather of whole words, or None.

        Two words may have anything but letters between them, and a zero is any digit.
        """
        words = r"[\W_]*?".join(re.escape(word).replace("0", r"\d") for word in term.split(" "))
        match = re.search(rf"(?<!\w){words}(?!\w)", self.folded) or re.search(words, self.folded)
        if match is None:
            return None
        start = len(self.folded[: match.start()].encode())
        return self.span(start, start + len(match[0].encode()))

    def _offsets(self) -> list[int]:
        """Return, for each code point of the original, the folded byte offset where it ends."""
        if self._ends is None:
            head = self.source[:MAX_CHARS]
            self._ends = list(itertools.accumulate(map(_LENGTHS.__getitem__, head)))
        return self._ends
