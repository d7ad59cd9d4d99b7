"""The tokens of a text as the sentence encoder was trained on them: BERT's lower-cased WordPiece.

Written here because the usual library is twelve megabytes and depends on a download client, for what
takes sixty lines; the vocabulary is that of ``bert-base-uncased`` (see NOTICE). Source: J. Devlin et
al., "BERT", 2018, and the ``tokenization.py`` that came with it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from importlib import resources
from typing import Final

VOCABULARY: Final = "vocabulary.txt"
_LONGEST_WORD: Final = 100
"""Characters of a word; a longer one is unknown."""
_REMEMBERED: Final = 50_000
_IDEOGRAPHS: Final = (
    "\u4e00-\u9fff\u3400-\u4dbf\U00020000-\U0002a6df\U0002a700-\U0002b73f\U0002b740-\U0002b81f"
    "\U0002b920-\U0002ceaf\uf900-\ufaff\U0002f800-\U0002fa1f"
)
_IDEOGRAPH: Final = re.compile(f"([{_IDEOGRAPHS}])")
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Co", "Cs"})
_SPACES: Final = frozenset("\t\n\r")


class WordPiece:
    """Cuts texts into numbered pieces. Not thread-safe: it remembers the words it met."""

    def __init__(self) -> None:
        text = resources.files(__package__).joinpath(VOCABULARY).read_text("utf-8")
        self._numbers = {piece: number for number, piece in enumerate(text.splitlines())}
        self._unknown = self._numbers["[UNK]"]
        self._first, self._last = self._numbers["[CLS]"], self._numbers["[SEP]"]
        self._words: dict[str, list[int]] = {}

    def numbers(self, text: str, most: int) -> list[int]:
        """Return the numbers of the pieces of ``text`` between the two marks, ``most`` in all."""
        found = [self._first]
        for word in words(text):
            found += self._pieces(word)
            if len(found) >= most - 1:
                break
        return [*found[: most - 1], self._last]

    def _pieces(self, word: str) -> list[int]:
        known = self._words.get(word)
        if known is None:
            if len(self._words) >= _REMEMBERED:
                self._words.clear()
            known = self._words[word] = self._cut(word)
        return known

    def _cut(self, word: str) -> list[int]:
        """Return the longest known pieces from the left; the unknown mark if a rest is not known."""
        if len(word) > _LONGEST_WORD:
            return [self._unknown]
        found: list[int] = []
        start = 0
        while start < len(word):
            mark = "##" if start else ""
            for end in range(len(word), start, -1):
                number = self._numbers.get(mark + word[start:end])
                if number is not None:
                    break
            else:
                return [self._unknown]
            found.append(number)
            start = end
        return found


def words(text: str) -> Iterator[str]:
    """Yield words, punctuation marks and ideographs: lower case, without accents."""
    shown = "".join(
        " " if one in _SPACES else one
        for one in text
        if one in _SPACES or (one != "\ufffd" and unicodedata.category(one) not in _INVISIBLE)
    )
    spaced = _IDEOGRAPH.sub(r" \1 ", shown)
    bare = "".join(
        one for one in unicodedata.normalize("NFD", spaced) if unicodedata.category(one) != "Mn"
    )
    for word in bare.lower().split():
        start = 0
        for place, one in enumerate(word):
            if _punctuates(one):
                if place > start:
                    yield word[start:place]
                yield one
                start = place + 1
        if start < len(word):
            yield word[start:]


def _punctuates(one: str) -> bool:
    if one.isascii():
        return not one.isalnum() and one > " "
    return unicodedata.category(one).startswith("P")
