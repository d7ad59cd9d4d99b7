"""The terms of a text that the model weighs: words, pairs of words, and pieces of words.

Scripts that part words by spaces give words and pairs of neighbours; in Japanese, where nothing parts
them, runs of kana and ideographs give all their pieces of one to four characters instead. Every word
also stands for its own pieces (three to five letters, with its ends marked), so that inflected, misspelt
and compound forms share what was learnt about their parts. All of it depends on the word alone, which is
why a model can remember a whole word's weight (``model.py``).
"""

from __future__ import annotations

import itertools
import re
from typing import Final, NamedTuple

_CJK: Final = "\u3040-\u30ff\u3400-\u9fff"
_TOKEN: Final = re.compile(rf"[{_CJK}]+|[^\W\d_{_CJK}]+(?:'[^\W\d_]+)?|\d+|[^\w\s]")
_UNSPACED: Final = re.compile(rf"[{_CJK}]")
_DIGIT: Final = re.compile(r"\d")
_LONGEST_RUN: Final = 4
_PIECES: Final = range(3, 6)
_LONGEST_WORD: Final = 40
"""A longer word is no word: its pieces are those of its beginning."""


class Terms(NamedTuple):
    """The terms of one text: its distinct words, and those that are spoken, in their order.

    Neighbours among the spoken ones are pairs; whoever looks them up leaves out repeated ones.
    """

    words: list[str]
    spoken: list[str]


def read(folded: str) -> Terms:
    """Return the terms of a folded text (``normalise.fold``); the cost is linear in its length."""
    tokens = _TOKEN.findall(folded)
    if _DIGIT.search(folded):
        tokens = [_shape(token) for token in tokens]
    if folded.isascii() or not _UNSPACED.search(folded):
        return Terms(list(dict.fromkeys(tokens)), [one for one in tokens if one[0].isalnum()])
    runs = itertools.chain.from_iterable(map(_run, tokens))
    spoken = [token for token in tokens if token[0].isalnum() and not _UNSPACED.match(token)]
    return Terms(list(dict.fromkeys(runs)), spoken)


def _shape(token: str) -> str:
    """Return a number as zeros: how many digits it has says enough."""
    return "0" * min(len(token), 5) if token[0].isdecimal() else token


def _run(token: str) -> list[str]:
    if not _UNSPACED.match(token):
        return [token]
    return [
        token[start : start + size]
        for size in range(1, _LONGEST_RUN + 1)
        for start in range(len(token) - size + 1)
    ]


def pairs(text: Terms) -> list[tuple[str, str]]:
    """Return the distinct pairs of neighbours of a text."""
    return list(dict.fromkeys(itertools.pairwise(text.spoken)))


def pieces(word: str) -> list[str]:
    """Return the distinct pieces of a word; none for numbers, signs and unspaced scripts."""
    if not word[0].isalpha() or _UNSPACED.match(word):
        return []
    marked = f" {word[:_LONGEST_WORD]} "
    return list(
        dict.fromkeys(
            marked[start : start + size]
            for size in _PIECES
            for start in range(len(marked) - size + 1)
        )
    )
