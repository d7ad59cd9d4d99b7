"""From a folded text to the rules that apply: one filter pass, then only the patterns it names."""

from __future__ import annotations

from typing import NamedTuple

from services.classifier.severity.contexts import ByLanguage, Context, sentence
from services.classifier.severity.loading import Ruleset
from services.classifier.severity.normalise import Folded
from services.classifier.severity.patterns import Pattern, PatternSet
from services.classifier.severity.schema import ANY, LANGUAGES, RuleSpec, ThemeSpec
from shared.events import Channel

_MAX_SPANS = 6


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

    def first(self, text: _Reading, pattern: Pattern) -> tuple[int, int] | str:
        """Return the first span of ``pattern`` at which the rule applies, or what voids it."""
        if self.channels and text.channel not in self.channels:
            return "channel"
        if why := text.voids(self):
            return why
        for span in pattern.spans(text.raw, _MAX_SPANS):
            if not (why := self._voids(text, span)):
                return span
        return why or "near"

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

    __slots__ = ("_contexts", "_cues", "_voids", "channel", "language", "raw")

    def __init__(self, raw: bytes, language: str | None, channel: Channel) -> None:
        self.raw, self.language, self.channel = raw, language, channel
        self._contexts: dict[str, bool] = {}
        self._voids: dict[str, str | None] = {}
        self._cues: dict[str, bool] = {}

    def voids(self, rule: _Rule) -> str | None:
        """Return what in the whole text voids ``rule``, asked once a rule."""
        if rule.spec.id not in self._voids:
            self._voids[rule.spec.id] = rule.voids_all(self)
        return self._voids[rule.spec.id]

    def cues(self, context: Context) -> bool:
        """Tell whether anything in the text hints at ``context``, asked once a context."""
        known = self._cues.get(context.id)
        if known is None:
            known = self._cues[context.id] = context.is_cued(self.raw, self.language)
        return known

    def read_as(self, context: Context) -> bool:
        """Tell whether the whole text is to be read as ``context`` says."""
        known = self._contexts.get(context.id)
        if known is None:
            applies = not context.channels or self.channel in context.channels
            known = applies and context.holds_for_text(self.raw, self.language)
            self._contexts[context.id] = known
        return known


class _Book:
    """The rules and themes to be read in one language, or in all; muting and grave rules first."""

    def __init__(
        self, rules: list[_Rule], themes: tuple[ThemeSpec, ...], languages: tuple[str, ...]
    ) -> None:
        members = [
            (rule, source)
            for rule in sorted(rules, key=lambda one: (not one.spec.mutes, -one.spec.rank))
            for key in languages
            for source in rule.spec.patterns.get(key, ())
        ]
        about = [
            (theme.id, source)
            for theme in themes
            for key in languages
            for source in theme.patterns.get(key, ())
        ]
        self.set = PatternSet([source for _, source in (*members, *about)])
        self.members = [(rule, Pattern([source])) for rule, source in members]
        self.themes = [theme for theme, _ in about]


class Matcher:
    """All rules, compiled; immutable."""

    def __init__(self, ruleset: Ruleset) -> None:
        contexts = tuple(Context(spec) for spec in ruleset.contexts)
        rules = [_Rule(spec, contexts) for spec in ruleset.rules]
        themes = ruleset.themes
        self._books = {one: _Book(rules, themes, (one, ANY)) for one in LANGUAGES}
        self._every = _Book(rules, themes, (*LANGUAGES, ANY))

    def find(self, text: Folded, language: str | None, channel: Channel) -> Found:
        """Return the rules that apply, each with its first span, and the themes.

        In a language that no rule knows, or None, the patterns of all are read. A muting hit makes
        all others void.
        """
        book = self._books.get(language or "", self._every)
        reading = _Reading(text.raw, language if language in self._books else None, channel)
        hits: dict[str, Hit] = {}
        voided: dict[str, str] = {}
        themes: dict[str, None] = {}
        rules = len(book.members)
        for number in book.set.found(text.raw):
            if number >= rules:
                themes[book.themes[number - rules]] = None
                continue
            rule, pattern = book.members[number]
            name = rule.spec.id
            if name in hits:
                continue
            span = rule.first(reading, pattern)
            if isinstance(span, str):
                voided.setdefault(name, span)
            else:
                hits[name] = Hit(rule.spec, *span)
        found = list(hits.values())
        if found and found[0].rule.mutes:
            voided.update((hit.rule.id, "muted") for hit in found if not hit.rule.mutes)
            found = [hit for hit in found if hit.rule.mutes]
        others = [(rule, why) for rule, why in voided.items() if rule not in hits or why == "muted"]
        return Found(found, others, list(themes))
