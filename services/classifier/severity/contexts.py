"""Readings that cancel a hit: negation, hypothesis, matters resolved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.classifier.severity.patterns import Pattern
from services.classifier.severity.schema import ANY, ContextSpec, Patterns

_MARKS: Final = tuple(
    mark.encode() for mark in ("!", "?", ". ", ".\n", '."', ".)", ";", "\n\n", "。", "؟")
)
_REACH: Final = 200
_GAP_BEFORE: Final = r"(?:\W+[\w']+){0,3}\W*$"
_GAP_AFTER: Final = r"^\W*(?:[\w']+\W+){0,3}"
_GAP_UNSPACED: Final = "[^、،,.]{0,8}"


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

    __slots__ = ("_by", "_every")

    def __init__(self, patterns: Patterns, form: str = "{}") -> None:
        common = patterns.get(ANY, [])
        grouped = {
            language: [*sources, *common]
            for language, sources in patterns.items()
            if language != ANY
        }
        self._by: Mapping[str, Pattern] = {
            language: _compile(sources, form) for language, sources in grouped.items()
        }
        everything = [one for sources in patterns.values() for one in sources]
        self._every = {
            True: _compile(everything, form) if everything else None,
            False: _compile(common, form) if common else None,
        }

    def __bool__(self) -> bool:
        return self._every[True] is not None

    def find(self, raw: bytes, language: str | None, low: int, high: int) -> bool:
        """Tell whether a pattern of ``language`` (None: of any) stands in the window."""
        pattern = self._every[True] if language is None else self._by.get(language)
        if pattern is None and language is not None:
            pattern = self._every[False]
        return pattern is not None and pattern.find(raw[low:high], 0, high - low) is not None


def _compile(sources: list[str], form: str) -> Pattern:
    return Pattern([form.replace("{}", "(?:" + "|".join(sources) + ")")])


Hint = tuple[str, bool]
"""A context's id, and whether its cue is for the whole text (else for a sentence)."""


class Context:
    """A compiled ``ContextSpec``."""

    def __init__(self, spec: ContextSpec) -> None:
        self.id = spec.id
        self.default_for = frozenset(spec.default_for)
        self.channels = frozenset(spec.channels)
        self._before = _adjacent(spec.before, before=True)
        self._after = _adjacent(spec.after, before=False)
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
    """Cues that must stand within a few words of the hit; unspaced scripts count characters."""

    def __init__(self, spaced: ByLanguage, unspaced: ByLanguage) -> None:
        self._spaced, self._unspaced = spaced, unspaced

    def find(self, raw: bytes, language: str | None, low: int, high: int) -> bool:
        """Tell whether a cue stands next to the hit."""
        if language in {"ja", "ar"}:
            return self._unspaced.find(raw, language, low, high)
        return self._spaced.find(raw, language, low, high) or (
            language is None and self._unspaced.find(raw, language, low, high)
        )


def _adjacent(patterns: Patterns, *, before: bool) -> _Adjacent:
    spaced = {key: value for key, value in patterns.items() if key not in {"ja", "ar"}}
    unspaced = {key: value for key, value in patterns.items() if key in {"ja", "ar"}}
    if before:
        forms = "{}" + _GAP_BEFORE, "{}" + _GAP_UNSPACED + "$"
    else:
        forms = _GAP_AFTER + "{}", "^" + _GAP_UNSPACED + "{}"
    return _Adjacent(ByLanguage(spaced, forms[0]), ByLanguage(unspaced, forms[1]))
