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
_ASCII: Final = re.compile(r"[a-z]+(?:'[a-z]+)?|0{1,5}|[^\w\s]")
_ANY: Final = re.compile(rf"[{_CJK}]+|[^\W\d_{_CJK}]+(?:'[^\W\d_]+)?|0{{1,5}}|[^\w\s]")
_UNSPACED: Final = re.compile(rf"[{_CJK}]")
_ZEROS: Final = str.maketrans("123456789", "000000000")
"""How many digits a number has says enough."""
_LONGEST_RUN: Final = 4
_PIECES: Final = range(3, 6)
_LONGEST_WORD: Final = 40
"""A longer word is no word: its pieces are those of its beginning."""


class Terms(NamedTuple):
    """The terms of one text: its distinct words, and its tokens in their order.

    Neighbours among the tokens are pairs; whoever looks them up leaves out repeated ones.
    """

    words: list[str]
    tokens: list[str]


def read(folded: str) -> Terms:
    """Return the terms of a folded text (``normalise.fold``); the cost is linear in its length."""
    plain = folded.translate(_ZEROS)
    if plain.isascii():
        tokens = _ASCII.findall(plain)
        return Terms(list(dict.fromkeys(tokens)), tokens)
    tokens = _ANY.findall(plain)
    if not _UNSPACED.search(plain):
        return Terms(list(dict.fromkeys(tokens)), tokens)
    runs = itertools.chain.from_iterable(map(_run, tokens))
    return Terms(
        list(dict.fromkeys(runs)), [token for token in tokens if not _UNSPACED.match(token)]
    )


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
    return list(dict.fromkeys(itertools.pairwise(text.tokens)))


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
