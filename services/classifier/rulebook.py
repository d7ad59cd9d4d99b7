"""What can be asked of rules: do the examples hold, how precise is each, what does a text hit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from msgspec import structs

from services.classifier.severity import Classifier
from services.classifier.severity.language import detect, primary
from services.classifier.severity.loading import Ruleset
from services.classifier.severity.matching import Matcher
from services.classifier.severity.normalise import Folded
from services.classifier.severity.schema import RANK, Examples
from services.classifier.training.dataset import Example
from shared.errors import Misconfigured
from shared.events import Channel, Severity, Struct


class Failure(Struct, frozen=True):
    """An example that does not hold: the rule must hit it and does not, or the other way round."""

    rule: str
    what: str
    text: str


class Measured(Struct, frozen=True):
    """A rule on labelled texts: ``precision`` is the share of its hits that are at least as grave.

    For a rule of severity low it is the share that is low. 0 when it hits nothing.
    """

    rule: str
    severity: Severity
    floor: bool
    hits: int
    precision: float


class ToldHit(Struct, frozen=True):
    """A rule that applies, and its words (code points, half-open)."""

    rule: str
    severity: Severity
    floor: bool
    start: int
    end: int
    text: str


class Told(Struct, frozen=True):
    """What a text says to the rules."""

    language: str | None
    hits: tuple[ToldHit, ...]
    voided: tuple[tuple[str, str], ...]
    themes: tuple[str, ...]


def failing_examples(ruleset: Ruleset) -> list[Failure]:
    """Return the examples that do not hold, each rule read on its own so that none hides another."""
    failed: list[Failure] = []
    for rule in ruleset.rules:
        alone = Matcher(structs.replace(ruleset, rules=(rule,), themes=()))
        channel = rule.channels[0] if rule.channels else Channel.EMAIL
        failed += _failing(alone, rule.id, rule.examples, channel)
    for theme in ruleset.themes:
        alone = Matcher(structs.replace(ruleset, rules=(), themes=(theme,)))
        failed += _failing(alone, theme.id, theme.examples, Channel.EMAIL)
    return failed


def _failing(alone: Matcher, name: str, examples: Examples, channel: Channel) -> Iterator[Failure]:
    """Yield the examples that do not hold for the one rule or theme that ``alone`` knows."""
    for must, texts in ((True, examples.must), (False, examples.must_not)):
        for text in texts:
            folded = Folded(text)
            found = alone.find(folded, detect(folded), channel)
            if bool(found.hits or found.themes) != must:
                yield Failure(rule=name, what=_MUST[must], text=text)


_MUST = {True: "does not hit what it must", False: "hits what it must not"}


def measured(ruleset: Ruleset, examples: Iterable[Example]) -> list[Measured]:
    """Return each rule's hits and precision on labelled texts, in the order of the rules."""
    matcher = Matcher(ruleset)
    hits: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for example in examples:
        found = matcher.find(Folded(example.text), primary(example.lang), example.channel)
        ranks = {RANK[one] for one in (example.severity, example.alt) if one is not None}
        for hit in found.hits:
            hits[hit.rule.id] += 1
            top = max(ranks) >= hit.rule.rank if hit.rule.rank else min(ranks) == 0
            right[hit.rule.id] += top
    return [
        Measured(
            rule=rule.id,
            severity=rule.severity,
            floor=rule.floor,
            hits=hits[rule.id],
            precision=round(right[rule.id] / hits[rule.id], 3) if hits[rule.id] else 0.0,
        )
        for rule in ruleset.rules
    ]


def told(classifier: Classifier, text: str, language: str | None, channel: str) -> Told:
    """Return what ``text`` says to the rules.

    Raises:
        Misconfigured: an unknown channel.
    """
    if channel not in list(Channel):
        raise Misconfigured(f"channel {channel!r}: one of {', '.join(Channel)}")
    folded = Folded(text)
    spoken = primary(language) or detect(folded)
    found = Matcher(classifier.ruleset).find(folded, spoken, Channel(channel))
    hits = []
    for hit in found.hits:
        start, end = folded.span(hit.start, hit.end)
        rule = hit.rule
        hits.append(
            ToldHit(
                rule=rule.id,
                severity=rule.severity,
                floor=rule.floor,
                start=start,
                end=end,
                text=text[start:end],
            )
        )
    return Told(
        language=spoken, hits=tuple(hits), voided=tuple(found.voided), themes=tuple(found.themes)
    )


def unknown_to_the_model(classifier: Classifier) -> Sequence[str]:
    """Return the rules that the model in use was not trained with, but for mild ones: it has no use
    for those.
    """
    model = classifier.model
    if model is None:
        return []
    known = {name.partition(":")[2] for name in model.manifest.features}
    return [
        rule.id
        for rule in classifier.ruleset.rules
        if (rule.rank > 1 or rule.mutes) and rule.id not in known
    ]
