"""Readings that cancel a hit: negation, hypothesis, matters resolved."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from services.classifier.severity.patterns import Pattern
from services.classifier.severity.schema import ANY, ContextSpec, Patterns

_MARKS: Final = tuple(
    mark.encode() for mark in ("!", "?", ". ", ".\n", '."', ".)", ";", "\n\n", "。", "؟")
)
_REACH: Final = 200
_NEAR: Final = 90
"""Bytes to either side of a hit in which an adjacent cue is looked for."""
_WORDS: Final = 3
_CHARACTERS: Final = 8
_MOST: Final = 8
_UNSPACED: Final = re.compile(r"[\u0600-\u06ff\u3040-\u30ff\u3400-\u9fff]")
_COMMA: Final = re.compile(r"[、،,.]")


def sentence(raw: bytes, start: int, end: int) -> tuple[int, int]:
    """Return the byte window of the sentence that holds a span, at most ``_REACH`` to either side."""
    low, high = max(0, start - _REACH), min(len(raw), end + _REACH)
    for mark in _MARKS:
        if mark not in raw:
            continue
        before = raw.rfind(mark, low, start)
        if before >= 0:
            low = before + len(mark)
        after = raw.find(mark, end, high)
        if after >= 0:
            high = after + len(mark)
    return low, high


class ByLanguage:
    """Patterns per language, joined so that one search answers for a text's language."""

    __slots__ = ("_by", "_common", "_every")

    def __init__(self, patterns: Patterns) -> None:
        common = patterns.get(ANY, [])
        self._by: Mapping[str, Pattern] = {
            language: Pattern([*sources, *common])
            for language, sources in patterns.items()
            if language != ANY
        }
        everything = [one for sources in patterns.values() for one in sources]
        self._every = Pattern(everything) if everything else None
        self._common = Pattern(common) if common else None

    def __bool__(self) -> bool:
        return self._every is not None

    def find(self, raw: bytes, language: str | None, low: int, high: int) -> bool:
        """Tell whether a pattern of ``language`` (None: of any) stands in the window."""
        pattern = self._pattern(language)
        return pattern is not None and pattern.find(raw[low:high], 0, high - low) is not None

    def spans(
        self, raw: bytes, language: str | None, low: int, high: int
    ) -> Iterator[tuple[int, int]]:
        """Yield the first spans of the patterns in the window."""
        pattern = self._pattern(language)
        if pattern is not None:
            for start, end in pattern.spans(raw[low:high], 0, _MOST):
                yield low + start, low + end

    def _pattern(self, language: str | None) -> Pattern | None:
        return self._every if language is None else self._by.get(language, self._common)


Hint = tuple[str, bool]
"""A context's id, and whether its cue is for the whole text (else for a sentence)."""


class Context:
    """A compiled ``ContextSpec``."""

    def __init__(self, spec: ContextSpec) -> None:
        self.id = spec.id
        self.default_for = frozenset(spec.default_for)
        self.channels = frozenset(spec.channels)
        self._before = _Adjacent(spec.before, before=True)
        self._after = _Adjacent(spec.after, before=False)
        self._sentence = ByLanguage(spec.sentence)
        self._text = ByLanguage(spec.text)
        self._unless = ByLanguage(spec.unless)
        self._spec = spec

    def hints(self, language: str) -> list[tuple[Hint, str]]:
        """Return the patterns of a language without which this context does not apply."""
        spec = self._spec
        near = (spec.before, spec.after, spec.sentence)
        return [
            ((self.id, whole), source)
            for whole, groups in ((True, (spec.text,)), (False, near))
            for patterns in groups
            for key in (language, ANY)
            for source in patterns.get(key, ())
        ]

    def holds_for_text(self, raw: bytes, language: str | None) -> bool:
        """Tell whether the whole text is to be read so."""
        return self._text.find(raw, language, 0, len(raw)) and not self._unless.find(
            raw, language, 0, len(raw)
        )

    def cancels(
        self, raw: bytes, language: str | None, span: tuple[int, int], window: tuple[int, int]
    ) -> bool:
        """Tell whether the hit at ``span``, in the sentence ``window``, is to be read so."""
        (start, end), (low, high) = span, window
        cued = (
            self._before.find(raw, language, low, start)
            or self._after.find(raw, language, end, high)
            or self._sentence.find(raw, language, low, high)
        )
        return cued and not self._unless.find(raw, language, low, high)


class _Adjacent:
    """Cues that must stand within a few words before or after the hit.

    In scripts that do not part words a few characters count instead, and no comma may stand between. The
    gap is counted here and not in the pattern: a gap of any words makes an automaton that is large and
    slow.
    """

    def __init__(self, patterns: Patterns, *, before: bool) -> None:
        self._cues = ByLanguage(patterns)
        self._before = before

    def find(self, raw: bytes, language: str | None, low: int, high: int) -> bool:
        """Tell whether a cue stands next to the hit, which ends (or, before it, starts) the window."""
        if self._before:
            low = max(low, high - _NEAR)
        else:
            high = min(high, low + _NEAR)
        return any(
            _is_near(raw[end:high] if self._before else raw[low:start])
            for start, end in self._cues.spans(raw, language, low, high)
        )


def _is_near(gap: bytes) -> bool:
    """Tell whether at most three words, or eight unparted characters, stand between cue and hit."""
    text = "" if gap.isascii() else gap.decode("utf-8", "ignore")
    if _UNSPACED.search(text) is None:
        return len(gap.split()) <= _WORDS
    return len(text) <= _CHARACTERS and _COMMA.search(text) is None
