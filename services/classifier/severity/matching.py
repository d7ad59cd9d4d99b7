"""From a folded text to the rules that apply: one filter pass, then only the patterns it names."""

from __future__ import annotations

from typing import NamedTuple

from services.classifier.severity.contexts import ByLanguage, Context, Sentences
from services.classifier.severity.loading import Ruleset
from services.classifier.severity.normalise import Folded
from services.classifier.severity.patterns import Pattern, PatternSet
from services.classifier.severity.schema import ANY, LANGUAGES, RuleSpec
from shared.events import Channel

_MAX_SPANS = 6


class Hit(NamedTuple):
    """A rule that applies, and where (byte span of the folded text)."""

    rule: RuleSpec
    start: int
    end: int


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

    def first(self, text: _Reading, pattern: Pattern) -> tuple[int, int] | None:
        """Return the first span of ``pattern`` at which the rule applies, or None."""
        for span in pattern.spans(text.raw, _MAX_SPANS):
            if not text.fits(self):
                return None
            if self._stands(text, span):
                return span
        return None

    def fits(self, text: _Reading) -> bool:
        """Tell whether the conditions on the whole item are met."""
        raw, language = text.raw, text.language
        return (
            (not self.channels or text.channel in self.channels)
            and (not self.near_text or self.near_text.find(raw, language, 0, len(raw)))
            and not self.unless_text.find(raw, language, 0, len(raw))
            and not any(text.read_as(context) for context in self.contexts)
        )

    def _stands(self, text: _Reading, span: tuple[int, int]) -> bool:
        """Tell whether a span counts in its sentence."""
        raw, language = text.raw, text.language
        window = text.sentences.around(*span)
        return (
            (not self.near or self.near.find(raw, language, *window))
            and not self.unless.find(raw, language, *window)
            and not any(one.cancels(raw, language, span, window) for one in self.contexts)
        )


class _Reading:
    """One text under evaluation: its sentences and whole-text contexts, each found once."""

    __slots__ = ("_contexts", "_fits", "channel", "language", "raw", "sentences")

    def __init__(self, raw: bytes, language: str | None, channel: Channel) -> None:
        self.raw, self.language, self.channel = raw, language, channel
        self.sentences = Sentences(raw)
        self._contexts: dict[str, bool] = {}
        self._fits: dict[str, bool] = {}

    def fits(self, rule: _Rule) -> bool:
        """Tell whether the whole text meets the conditions of ``rule``, asked once a rule."""
        known = self._fits.get(rule.spec.id)
        if known is None:
            known = self._fits[rule.spec.id] = rule.fits(self)
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
    """The rules to be read in one language, or in all; muting and grave rules come first."""

    def __init__(self, rules: list[_Rule], languages: tuple[str, ...]) -> None:
        members = [
            (rule, source)
            for rule in sorted(rules, key=lambda one: (not one.spec.mutes, -one.spec.rank))
            for key in languages
            for source in rule.spec.patterns.get(key, ())
        ]
        self.set = PatternSet([source for _, source in members])
        self.members = [(rule, Pattern([source])) for rule, source in members]


class Matcher:
    """All rules, compiled; immutable."""

    def __init__(self, ruleset: Ruleset) -> None:
        contexts = tuple(Context(spec) for spec in ruleset.contexts)
        rules = [_Rule(spec, contexts) for spec in ruleset.rules]
        self._books = {language: _Book(rules, (language, ANY)) for language in LANGUAGES}
        self._every = _Book(rules, (*LANGUAGES, ANY))

    def hits(self, text: Folded, language: str | None, channel: Channel) -> list[Hit]:
        """Return the rules that apply, each with its first span, the grave ones first.

        In a language that no rule knows, or None, the patterns of all are read. A muting hit stands
        alone; the mild rules are not evaluated where they could add nothing.
        """
        book = self._books.get(language or "", self._every)
        reading = _Reading(text.raw, language if language in self._books else None, channel)
        found: list[Hit] = []
        for number in book.set.candidates(text.raw):
            rule, pattern = book.members[number]
            if found and found[-1].rule is rule.spec:
                continue
            if found and (found[0].rule.mutes or _settled(found, rule.spec)):
                break
            span = rule.first(reading, pattern)
            if span is not None:
                found.append(Hit(rule.spec, *span))
        return found


def _settled(found: list[Hit], candidate: RuleSpec) -> bool:
    """Tell whether ``candidate``, milder than all found so far, can no longer change anything."""
    top = found[0].rule.rank
    if candidate.rank == 0:
        return top >= 2
    return candidate.rank < top and len(found) >= 3
