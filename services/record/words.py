"""Words for the index and for queries: what SQLite's tokenizer does not know of scripts and operators.

Scripts that do not put spaces between words (Chinese, Japanese, Thai …) are stored with a zero-width
space before each character, so each is a token, and a word of any length is found as a phrase. The
trigram tokenizer of SQLite would find none of two characters, which most Chinese words have.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final, NamedTuple

GAP: Final = "\u200b"

TOKENIZER: Final = "unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'"
"""Vowel signs (Mn, Mc) belong to words: Hindi would fall apart otherwise."""

_UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f"  # Burmese
    "\u1780-\u17ff"  # Khmer
    "\u3040-\u30ff"  # Hiragana, Katakana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
    "\uac00-\ud7af"  # Hangul: has spaces, but endings cling to words
)
_CHARACTER = re.compile(f"[{_UNSPACED}]")
_TERM = re.compile(r'(?P<no>-)?(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))(?P<star>\*)?')
_STEERING = re.compile(r"[\x00-\x1f\x7f]")
_MARKS = {"Mn", "Mc"}


def indexed(text: str) -> str:
    """Return ``text`` as it is stored: NFKC, no control characters, unspaced scripts taken apart."""
    if text.isascii():
        return _STEERING.sub(" ", text)
    plain = unicodedata.normalize("NFKC", text)
    plain = "".join(
        " " if unicodedata.category(one) in {"Cc", "Cf", "Cs"} else one for one in plain
    )
    return _CHARACTER.sub(lambda found: _apart(found[0]), plain)


def _apart(character: str) -> str:
    """A vowel sign or tone stays with the character before it."""
    if unicodedata.category(character) in _MARKS:
        return character
    return f"{GAP}{character}"


def shown(stored: str) -> str:
    """Return a stored text, or a part of one, for people."""
    return stored.replace(GAP, "")


class Query(NamedTuple):
    """A query for FTS5: what ``match`` finds, without what ``without`` finds ("" is nothing)."""

    match: str
    without: str = ""

    @property
    def expression(self) -> str:
        """Return it in the syntax of FTS5. Terms side by side are joined by its implicit AND."""
        return f"({self.match}) NOT ({self.without})" if self.without else self.match


def parse(text: str) -> Query | None:
    """Return the query of what a person typed, None if it names nothing to look for.

    Words must all occur; ``"a phrase"`` as it stands; ``-word`` must not; ``word*`` is the beginning of
    a word. All else is taken as words, so there is no such thing as a wrong query.
    """
    wanted: list[str] = []
    unwanted: list[str] = []
    for term in _TERM.finditer(text):
        said = term["phrase"] if term["phrase"] is not None else term["word"]
        begins = bool(term["star"]) or said.endswith("*")
        quoted = _quoted(said, begins=begins)
        if quoted:
            (unwanted if term["no"] else wanted).append(quoted)
    if not wanted:
        return None
    return Query(" ".join(wanted), " OR ".join(unwanted))


def _quoted(said: str, *, begins: bool) -> str:
    stored = indexed(said.rstrip("*")).replace('"', " ")
    if not any(unicodedata.category(one)[0] in "LN" for one in stored):
        return ""
    return f'"{stored}"*' if begins else f'"{stored}"'
