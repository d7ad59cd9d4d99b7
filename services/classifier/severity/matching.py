"""From a folded text to the rules that apply: one filter pass, then only the patterns it names."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import NamedTuple

from services.classifier.severity.contexts import ByLanguage, Context, Hint, sentence
from services.classifier.severity.language import detect
from services.classifier.severity.loading import Ruleset
from services.classifier.severity.normalise import Folded
from services.classifier.severity.patterns import Pattern, PatternSet
from services.classifier.severity.schema import ANY, LANGUAGES, RuleSpec, ThemeSpec
from shared.events import Channel

_MAX_SPANS = 6
_WINDOW = 1_000
_OVERLAP = 120
_FIRST, _LAST = 8, 3
"""Windows at the beginning and at the end of a long text that are read for rules."""


class Hit(NamedTuple):
    """A rule that applies, and where (byte span of the folded text)."""

    rule: RuleSpec
    start: int
    end: int


class Found(NamedTuple):
    """What a text says to the rules.

    ``hits``: those that apply, the grave ones first; ``voided``: the ids of those whose words are there
    and are read otherwise, each with what voids it (a context's id, or ``unless``); ``themes``: what it
    is about.
    """

    hits: list[Hit]
    voided: list[tuple[str, str]]
    themes: list[str]


class _Rule:
    """A rule with its side conditions compiled (shared by all languages)."""

    def __init__(self, spec: RuleSpec, contexts: tuple[Context, ...]) -> None:
        self.spec = spec
        self.is_mild = spec.rank < 2 and not spec.mutes
        self.channels = frozenset(spec.channels)
        self.near, self.near_text = ByLanguage(spec.near), ByLanguage(spec.near_text)
        self.unless, self.unless_text = ByLanguage(spec.unless), ByLanguage(spec.unless_text)
        chosen = spec.contexts
        self.contexts = tuple(
            context
            for context in contexts
            if (
                context.id in chosen if chosen is not None else spec.severity in context.default_for
            )
        )

    def first(
        self, text: _Reading, pattern: Pattern, span: tuple[int, int]
    ) -> tuple[int, int] | str:
        """Return the first span of ``pattern``, from ``span`` on, at which the rule applies; or what
        voids it.
        """
        if self.channels and text.channel not in self.channels:
            return "channel"
        if why := text.voids(self):
            return why
        why = self._voids(text, span)
        if why is None:
            return span
        for other in pattern.spans(text.raw, span[1], _MAX_SPANS):
            if self._voids(text, other) is None:
                return other
        return why

    def voids_all(self, text: _Reading) -> str | None:
        """Return what in the whole text voids the rule, or None."""
        raw, language = text.raw, text.language
        if self.near_text and not self.near_text.find(raw, language, 0, len(raw)):
            return "near"
        if self.unless_text.find(raw, language, 0, len(raw)):
            return "unless"
        return next((one.id for one in self.contexts if text.read_as(one)), None)

    def _voids(self, text: _Reading, span: tuple[int, int]) -> str | None:
        """Return what in its sentence voids a span, or None."""
        raw, language = text.raw, text.language
        window = sentence(raw, *span)
        if self.near and not self.near.find(raw, language, *window):
            return "near"
        if self.unless.find(raw, language, *window):
            return "unless"
        return next(
            (
                one.id
                for one in self.contexts
                if text.cues(one) and one.cancels(raw, language, span, window)
            ),
            None,
        )


class _Reading:
    """One text under evaluation: what holds for the whole of it, found once."""

    __slots__ = ("_contexts", "_voids", "channel", "hints", "language", "raw")

    def __init__(self, raw: bytes, language: str | None, channel: Channel) -> None:
        self.raw, self.language, self.channel = raw, language, channel
        self.hints: set[Hint] = set()
        self._contexts: dict[str, bool] = {}
        self._voids: dict[str, str | None] = {}

    def voids(self, rule: _Rule) -> str | None:
        """Return what in the whole text voids ``rule``, asked once a rule."""
        if rule.spec.id not in self._voids:
            self._voids[rule.spec.id] = rule.voids_all(self)
        return self._voids[rule.spec.id]

    def cues(self, context: Context) -> bool:
        """Tell whether a sentence may have to be read as ``context`` says."""
        return self.language is None or (context.id, False) in self.hints

    def read_as(self, context: Context) -> bool:
        """Tell whether the whole text is to be read as ``context`` says."""
        known = self._contexts.get(context.id)
        if known is None:
            hinted = self.language is None or (context.id, True) in self.hints
            applies = hinted and (not context.channels or self.channel in context.channels)
            known = applies and context.holds_for_text(self.raw, self.language)
            self._contexts[context.id] = known
        return known


def windows(raw: bytes) -> list[tuple[int, int]]:
    """Return the parts of a text that are searched for rules: all of one that is not long.

    Of a longer one the first and the last thousands of bytes, in windows that overlap: the more text
    at once, the more patterns may stand in it, and each of them would read all of it.
    """
    if len(raw) <= _WINDOW:
        return [(0, len(raw))]
    step = _WINDOW - _OVERLAP
    ends = range(0, max(len(raw) - _OVERLAP, 1), step)
    every = [(low, min(low + _WINDOW, len(raw))) for low in ends]
    if len(every) <= _FIRST + _LAST:
        return every
    return [*every[:_FIRST], *every[-_LAST:]]


class _Book:
    """The rules and themes to be read in one language; muting and grave rules first."""

    def __init__(
        self,
        rules: list[_Rule],
        themes: tuple[ThemeSpec, ...],
        contexts: tuple[Context, ...],
        language: str,
        sample: Sequence[str],
    ) -> None:
        members = [
            (rule, source)
            for rule in rules
            for key in (language, ANY)
            for source in rule.spec.patterns.get(key, ())
        ]
        about = [
            (theme.id, source)
            for theme in themes
            for key in (language, ANY)
            for source in theme.patterns.get(key, ())
        ]
        hints = [pair for context in contexts for pair in context.hints(language)]
        self.set = PatternSet([source for _, source in (*members, *about, *hints)], sample)
        self.members = [(rule, Pattern([source])) for rule, source in members]
        self.themes = [(theme, Pattern([source])) for theme, source in about]
        self.hints = [hint for hint, _ in hints]


class Matcher:
    """All rules; immutable. A language's patterns are compiled when it is first met."""

    def __init__(self, ruleset: Ruleset) -> None:
        self._contexts = tuple(Context(spec) for spec in ruleset.contexts)
        rules = [_Rule(spec, self._contexts) for spec in ruleset.rules]
        self._rules = sorted(rules, key=lambda one: (not one.spec.mutes, -one.spec.rank))
        self._order = {rule.spec.id: number for number, rule in enumerate(self._rules)}
        self._themes = ruleset.themes
        # The examples of the rules are feedback themselves: they tell which words are common in it.
        examples = [Folded(text) for rule in ruleset.rules for text in rule.examples.must]
        self._sample: dict[str | None, list[str]] = {}
        for text in examples:
            self._sample.setdefault(detect(text), []).append(text.folded)
        self._books: dict[tuple[str, bool], _Book] = {}

    def book(self, language: str, *, mild: bool) -> _Book:
        """Return the patterns of a language: of the mild rules, or of all others and the themes."""
        book = self._books.get((language, mild))
        if book is None:
            rules = [rule for rule in self._rules if rule.is_mild == mild]
            themes = () if mild else self._themes
            book = self._books[language, mild] = _Book(
                rules, themes, self._contexts, language, self._sample.get(language, [])
            )
        return book

    def find(
        self,
        text: Folded,
        language: str | None,
        channel: Channel,
        *,
        kinds: Sequence[bool] = (False, True),
    ) -> Found:
        """Return the rules that apply, each with its first span, the grave ones first; and the themes.

        In a language that no rule knows, or None, the patterns of all are read. A muting hit makes
        all others void.

        Args:
            text: the text to read.
            language: its primary subtag.
            channel: where it comes from; some rules are for some channels only.
            kinds: whether mild rules (medium and low, but for those that mute) are read: False for the
                others, True for the mild ones. The model has no use for the mild ones.
        """
        known = language in LANGUAGES
        reading = _Reading(text.raw, language if known else None, channel)
        hits: dict[str, Hit] = {}
        voided: dict[str, str] = {}
        themes: dict[str, None] = {}
        for one in (language,) if known and language else LANGUAGES:
            for mild in kinds:
                self._read(self.book(one, mild=mild), reading, hits, voided, themes)
        found = list(hits.values())
        if not known:
            found.sort(key=lambda hit: self._order[hit.rule.id])
        if found and found[0].rule.mutes:
            voided.update((hit.rule.id, "muted") for hit in found if not hit.rule.mutes)
            found = [hit for hit in found if hit.rule.mutes]
        others = [(rule, why) for rule, why in voided.items() if rule not in hits or why == "muted"]
        return Found(found, others, list(themes))

    @staticmethod
    def _read(
        book: _Book,
        reading: _Reading,
        hits: dict[str, Hit],
        voided: dict[str, str],
        themes: dict[str, None],
    ) -> None:
        rules = len(book.members)
        raw = reading.raw
        first_hint = rules + len(book.themes)
        chosen: list[tuple[int, int, int]] = []
        for low, high in windows(raw):
            candidates = book.set.candidates(raw[low:high])
            hints = bisect.bisect_left(candidates, first_hint)
            if reading.language is not None:
                reading.hints |= {book.hints[number - first_hint] for number in candidates[hints:]}
            chosen += [(number, low, high) for number in candidates[:hints]]
        chosen.sort()
        for number, low, high in chosen:
            if number >= rules:
                theme, pattern = book.themes[number - rules]
                if theme not in themes and pattern.find(raw, low, high) is not None:
                    themes[theme] = None
                continue
            rule, pattern = book.members[number]
            name = rule.spec.id
            if name in hits or (span := pattern.find(raw, low, high)) is None:
                continue
            standing = rule.first(reading, pattern, span)
            if isinstance(standing, str):
                voided.setdefault(name, standing)
            else:
                hits[name] = Hit(rule.spec, *standing)
