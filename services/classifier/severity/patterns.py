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
from ahocorasick_rs import BytesAhoCorasick

from services.classifier.severity.literals import required, squeezed
from services.classifier.severity.normalise import fold

_WORTH: Final = 0.1
"""Share of texts from which on a second set of literals is not worth the look."""
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


def translate(
    source: str, language: str, define: Mapping[str, str], *, checked: bool = True
) -> str:
    """Return the RE2 expression of a pattern in the rule dialect.

    Args:
        source: the pattern as it stands in the file.
        language: decides on word boundaries.
        define: the named fragments of the file.
        checked: whether RE2 is asked if it takes the expression; the tests asked for what is packaged.

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
    if not checked:
        return body
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


_Search = Callable[[object, bytes, int, int], "tuple[tuple[int, int], ...]"]


class Pattern:
    """One expression over UTF-8 bytes, compiled when it is first needed: most never are."""

    __slots__ = ("_match", "_source")

    def __init__(self, alternatives: Sequence[str]) -> None:
        self._source = "|".join(f"(?:{one})" for one in alternatives)
        self._match: _Search | None = None

    def find(self, raw: bytes, start: int, end: int) -> tuple[int, int] | None:
        """Return the first span at or after ``start`` that ends by ``end``, or None."""
        if self._match is None:
            self._match = cast(
                "_Search", re2.compile(self._source.encode(), _options(32 << 20))._regexp.Match
            )
        span = self._match(_UNANCHORED, raw, start, end)[0]
        return None if span[0] < 0 else span

    def spans(self, raw: bytes, start: int, limit: int) -> Iterator[tuple[int, int]]:
        """Yield up to ``limit`` successive spans from ``start`` on that are not empty."""
        at, end = start, len(raw)
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
    """Many patterns behind one pass over the literals that they need (Aho and Corasick, 1975).

    ``re2.Set`` takes 30 times as long on texts that it has not seen, ``re2.Filter`` ten times with a
    thousand patterns: both build their automata while they read.
    """

    __slots__ = ("_also", "_always", "_automaton", "_members")

    def __init__(self, sources: Sequence[str], sample: Sequence[str] = ()) -> None:
        """Make the set; ``sample`` are folded texts that tell which literals are common."""
        wanted = [required(source) for source in sources]
        every = list(dict.fromkeys(one for sets in wanted for some in sets for one in some))
        share = _shares(every, sample)
        numbers: dict[str, int] = {}
        members: dict[int, list[int]] = {}
        self._always: list[int] = []
        self._also: list[frozenset[int]] = []
        for number, sets in enumerate(wanted):
            chosen = sorted(sets, key=lambda some: (sum(share[one] for one in some), len(some)))
            first, *others = chosen[:1] + [
                some for some in chosen[1:2] if sum(share[one] for one in some) < _WORTH
            ] or [frozenset()]
            for literal in sorted(first):
                at = numbers.setdefault(literal, len(numbers))
                members.setdefault(at, []).append(number)
            also = (sorted(some) for some in others)
            self._also.append(
                frozenset(numbers.setdefault(one, len(numbers)) for some in also for one in some)
            )
            if not first:
                self._always.append(number)
        self._members = [tuple(members.get(one, ())) for one in range(len(numbers))]
        self._automaton = BytesAhoCorasick([literal.encode() for literal in numbers])

    @property
    def always(self) -> Sequence[int]:
        """Return the numbers of the patterns that need no literal, and so cost time on any text."""
        return self._always

    def candidates(self, raw: bytes) -> Sequence[int]:
        """Return the numbers of the patterns that may occur in ``raw``, ascending."""
        matches = self._automaton.find_matches_as_indexes(squeezed(raw), overlapping=True)
        literals = {match[0] for match in matches}
        members, also = self._members, self._also
        found = set(self._always)
        for literal in literals:
            for number in members[literal]:
                if not (also[number] and also[number].isdisjoint(literals)):
                    found.add(number)
        return sorted(found)


def _shares(literals: Sequence[str], sample: Sequence[str]) -> dict[str, float]:
    """Return which share of the texts of ``sample`` holds each literal; never quite none."""
    automaton = BytesAhoCorasick([literal.encode() for literal in literals])
    counts = [0.5] * len(literals)
    for text in sample:
        matches = automaton.find_matches_as_indexes(squeezed(text.encode()), overlapping=True)
        for number in {match[0] for match in matches}:
            counts[number] += 1
    return {one: count / (len(sample) + 1) for one, count in zip(literals, counts, strict=True)}
