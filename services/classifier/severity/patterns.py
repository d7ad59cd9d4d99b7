"""Typed, linear-time patterns: a thin layer over google-re2 that works on bytes.

The rule dialect differs from RE2 in four ways: patterns are lower case and matched against folded
text, a space means white space of any length, ``%name%`` is a fragment of the file, and in scripts
that part words by spaces a pattern stands at word boundaries on its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, cast

import re2

from services.classifier.severity.normalise import fold

UNSPACED: Final = frozenset({"ja", "ar", "any"})
"""Languages (and ``any``) whose patterns get no word boundaries."""

_TOKEN: Final = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|[ ]|[^\x00-\x7f]+")
_UPPER: Final = re.compile(r"(?<![\\<P(?])[A-Z]")
_FRAGMENT: Final = re.compile(r"%([a-z_]+)%")
_UNANCHORED: Final = re2._re2.RE2.Anchor.UNANCHORED


class PatternError(ValueError):
    """A pattern that cannot be used; the message says why."""


def _options(max_mem: int = 8 << 20) -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = max_mem
    return options


def translate(source: str, language: str, define: Mapping[str, str]) -> str:
    """Return the RE2 expression of a pattern in the rule dialect.

    Raises:
        PatternError: upper case, an unknown fragment, or an invalid expression.
    """
    for name in _FRAGMENT.findall(source):
        if name not in define:
            raise PatternError(f"unknown fragment %{name}%")
    body = _FRAGMENT.sub(lambda match: f"(?:{define[match[1]]})", source)
    if _UPPER.search(body):
        raise PatternError("patterns are matched against folded text: write them in lower case")
    body = _TOKEN.sub(_token, body)
    if language not in UNSPACED:
        body = _bounded(body)
    try:
        re2.compile(body.encode(), _options())
    except re2.error as error:
        reason = error.args[0] if error.args else "invalid"
        text = reason.decode() if isinstance(reason, bytes) else str(reason)
        raise PatternError(text) from error
    return body


def _token(match: re.Match[str]) -> str:
    piece = match[0]
    if piece == " ":
        return r"(?:\s+)"
    return piece if piece.isascii() or piece.startswith("\\") else fold(piece)


def _bounded(body: str) -> str:
    starts = body[:1].isalnum() or body.startswith("(")
    ends = body[-1:].isalnum() or (body[-1:] in ")]?*+}" and body[-2:-1] != "\\")
    return (r"\b" if starts else "") + f"(?:{body})" + (r"\b" if ends else "")


class Pattern:
    """One compiled expression over UTF-8 bytes."""

    __slots__ = ("_match",)

    def __init__(self, alternatives: Sequence[str]) -> None:
        joined = "|".join(f"(?:{one})" for one in alternatives)
        self._match = re2.compile(joined.encode(), _options(32 << 20))._regexp.Match

    def find(self, raw: bytes, start: int, end: int) -> tuple[int, int] | None:
        """Return the first span at or after ``start`` that ends by ``end``, or None."""
        span = cast("tuple[int, int]", self._match(_UNANCHORED, raw, start, end)[0])
        return None if span[0] < 0 else span

    def spans(self, raw: bytes, limit: int) -> Iterator[tuple[int, int]]:
        """Yield up to ``limit`` successive spans that are not empty."""
        at, end = 0, len(raw)
        for _ in range(limit):
            span = self.find(raw, at, end)
            if span is None:
                return
            if span[1] > span[0]:
                yield span
            at = max(span[1], at + 1)
            if at > end:
                return


class PatternSet:
    """Many patterns behind one pass over the literal words they need.

    ``re2.Filter`` looks for all those words at once (an automaton that stays small, unlike the
    product of the patterns themselves: ``re2.Set`` takes 30 times as long on texts it has not seen),
    then tries the patterns whose words are there, without coming back to Python for each.
    """

    __slots__ = ("_filters",)

    def __init__(self, sources: Sequence[str]) -> None:
        self._filters = list(_filters(sources, 0)) if sources else []

    def always_tried(self) -> Sequence[int]:
        """Return the numbers of the patterns that need no literal word, and so cost time on any text."""
        return [first + one for first, match in self._filters for one in match(b"", True) or ()]

    def found(self, raw: bytes) -> Sequence[int]:
        """Return the numbers of the patterns that occur in ``raw``, ascending."""
        found = [first + one for first, match in self._filters for one in match(raw, False) or ()]
        found.sort()
        return found


_Match = Callable[[bytes, bool], "list[int] | None"]


def _filters(sources: Sequence[str], first: int) -> Iterator[tuple[int, _Match]]:
    """Yield filters over all ``sources``, each with the number of its first.

    The automaton of the literal words has a fixed budget of memory; what does not fit is halved.
    """
    searcher = re2.Filter()
    for source in sources:
        searcher.Add(source.encode(), _options())
    try:
        searcher.Compile()
    except re2.error:
        if len(sources) == 1:
            raise
        half = len(sources) // 2
        yield from _filters(sources[:half], first)
        yield from _filters(sources[half:], first + half)
    else:
        yield first, cast("_Match", searcher.Match)
