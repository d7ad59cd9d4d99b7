"""The classifier: rules and model in, one ``Classification`` per feedback out. Pure and immutable."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Final, NamedTuple

from msgspec import structs

from services.classifier.severity import features, issues, models, neutral, rules, terms
from services.classifier.severity.decision import Costs, Opinion, decide
from services.classifier.severity.heuristics import Verdict
from services.classifier.severity.language import detect, primary
from services.classifier.severity.loading import Ruleset, load
from services.classifier.severity.matching import Found, Hit, Matcher
from services.classifier.severity.model import Model
from services.classifier.severity.normalise import Folded
from services.classifier.severity.schema import RANK
from shared.errors import Misconfigured
from shared.events import Classification, Evidence, FeedbackReceived, Issue

MAX_EVIDENCE: Final = 8
MAX_WORDS: Final = 3
MODEL_FILE: Final = "severity.npz"
RULES_ONLY: Final = "rules"
"""Version of the model in a classification that was made without one."""


class Reading(NamedTuple):
    """One text, read: folded, its language, what the rules found, its terms and features."""

    feedback: FeedbackReceived
    text: Folded
    language: str | None
    found: Found
    terms: terms.Terms
    features: list[str]

    @property
    def spans(self) -> list[tuple[Hit, tuple[int, int]]]:
        """Return the hits with their spans in code points of the text as it came."""
        return [(hit, self.text.span(hit.start, hit.end)) for hit in self.found.hits]


def bundled_rules() -> Ruleset:
    """Return the packaged rules."""
    files = resources.files(rules).iterdir()
    return load((file for file in files if file.name.endswith(".yaml")), checked=lambda _: False)


def bundled_model() -> Model:
    """Return the packaged model.

    Raises:
        Misconfigured: it is missing from the installation.
    """
    try:
        return Model(resources.files(models).joinpath(MODEL_FILE).read_bytes())
    except FileNotFoundError as error:
        raise Misconfigured(f"{MODEL_FILE} is not in this installation") from error


class Classifier:
    """Tells severity, kind, reasons and evidence of a feedback.

    Args:
        ruleset: checked rules, see ``loading.load``.
        model: the weights, or None: by the rules alone.
        mild: whether mild rules are read before anything is decided; only rules alone need them.
    """

    def __init__(self, ruleset: Ruleset, model: Model | None, *, mild: bool | None = None) -> None:
        self._kinds = (False, True) if (model is None if mild is None else mild) else (False,)
        self.ruleset = ruleset
        self.model = model
        self._matcher = Matcher(ruleset)
        self._costs: Costs = model.manifest.costs if model is not None else ()

    @classmethod
    def bundled(cls) -> Classifier:
        """Return a classifier with the packaged rules and model."""
        return cls(bundled_rules(), bundled_model())

    @property
    def rules_version(self) -> str:
        """Return the hash of the rule files' content, 12 hex digits."""
        return self.ruleset.version

    @property
    def model_version(self) -> str:
        """Return the hash of the model file, 12 hex digits, or ``rules``."""
        return self.model.version if self.model is not None else RULES_ONLY

    def read(self, feedback: FeedbackReceived) -> Reading:
        """Return what one feedback says, before anything is decided."""
        text = Folded(feedback.text)
        language = primary(feedback.language) or detect(text)
        found = self._matcher.find(text, language, feedback.channel, kinds=self._kinds)
        names = features.names(found, feedback.text, feedback.channel)
        said = terms.read(neutral.said(text.folded))
        return Reading(feedback, text, language, found, said, names)

    def opinions(self, readings: Sequence[Reading]) -> list[Opinion | None]:
        """Return what the model makes of each reading; None for all without a model."""
        model = self.model
        if model is None or not readings:
            return [None] * len(readings)
        scores = model.score(
            [reading.terms for reading in readings],
            [[c for n in reading.features if (c := model.column(n))] for reading in readings],
            [reading.feedback.channel for reading in readings],
        )
        rows = zip(
            scores.severity.tolist(),
            scores.kind.tolist(),
            scores.reasons.tolist(),
            scores.sentiment.tolist(),
            scores.known.tolist(),
            strict=True,
        )
        return [Opinion(*row) for row in rows]

    def classify(self, feedback: FeedbackReceived) -> Classification:
        """Return the classification of one feedback."""
        return self.classify_many([feedback])[0]

    def classify_many(self, batch: Sequence[FeedbackReceived]) -> list[Classification]:
        """Return the classifications of ``batch`` in its order."""
        readings = [self.read(feedback) for feedback in batch]
        opinions = self.opinions(readings)
        return self.conclude(readings, opinions)

    def conclude(
        self, readings: Sequence[Reading], opinions: Sequence[Opinion | None]
    ) -> list[Classification]:
        """Return what follows from the readings and opinions of a batch."""
        verdicts = [
            decide(one.feedback, one.found, one.language, opinion, self._costs)
            for one, opinion in zip(readings, opinions, strict=True)
        ]
        several = self._issues(readings, opinions, verdicts)
        return [
            self._classification(reading, opinion, verdict, several.get(number, ()))
            for number, (reading, opinion, verdict) in enumerate(
                zip(readings, opinions, verdicts, strict=True)
            )
        ]

    def _issues(
        self,
        readings: Sequence[Reading],
        opinions: Sequence[Opinion | None],
        verdicts: Sequence[Verdict],
    ) -> dict[int, tuple[Issue, ...]]:
        """Return the issues of those texts that hold several; all their sentences in one pass."""
        cut: list[tuple[int, list[issues.Part]]] = []
        sentences: list[Reading] = []
        for number, (reading, opinion) in enumerate(zip(readings, opinions, strict=True)):
            if opinion is not None and issues.worth_splitting(
                reading.feedback.text, verdicts[number], opinion, reading.found.hits
            ):
                parts = issues.sentences(reading.feedback.text)
                spans = reading.spans if parts else []
                if parts and issues.worth_reading(parts, opinion, spans):
                    cut.append((number, parts))
                    sentences.extend(_parts(reading, parts, spans))
        said = zip(sentences, self.opinions(sentences), strict=True)
        found = {}
        for number, parts in cut:
            pairs = [(one, of) for one, of in itertools.islice(said, len(parts)) if of is not None]
            found[number] = issues.gathered(
                readings[number].feedback.text,
                parts,
                [
                    decide(one.feedback, one.found, one.language, of, self._costs)
                    for one, of in pairs
                ],
                [of for _, of in pairs],
            )
        return found

    def _classification(
        self,
        reading: Reading,
        opinion: Opinion | None,
        verdict: Verdict,
        several: tuple[Issue, ...],
    ) -> Classification:
        """Return a verdict as an event part, its evidence in code points of the original text."""
        return Classification(
            severity=verdict.severity,
            kind=verdict.kind,
            confidence=verdict.confidence,
            reasons=verdict.reasons,
            evidence=_spans(reading.text, verdict.hits) or self._words(reading, verdict),
            language=reading.language,
            model_version=self.model_version,
            rules_version=self.rules_version,
            probabilities=verdict.probabilities,
            themes=tuple(reading.found.themes),
            sentiment=None if opinion is None else round(opinion.sentiment, 3),
            issues=several,
            second_opinion="" if opinion is None else opinion.second,
        )

    def _words(self, reading: Reading, verdict: Verdict) -> tuple[Evidence, ...]:
        """Return the words that weighed most for an urgent verdict that no rule speaks for."""
        rank = RANK[verdict.severity]
        if self.model is None or rank < 2:
            return ()
        names, weights = self.model.weights_of(reading.terms)
        against = weights[:, rank] - weights.mean(axis=1)
        strongest = [names[number] for number in against.argsort()[::-1]]
        words = [term for term in strongest if term[0].isalpha()]
        spans = [reading.text.locate(term) for term in words[:MAX_WORDS]]
        return tuple(
            Evidence(rule="model", start=start, end=end, text=reading.text.source[start:end])
            for start, end in sorted(span for span in dict.fromkeys(spans) if span is not None)
        )


def _parts(
    whole: Reading, parts: Sequence[issues.Part], spans: Sequence[tuple[Hit, tuple[int, int]]]
) -> Iterator[Reading]:
    """Yield each sentence of a text as a reading of its own; what the rules found there, it keeps."""
    for part in parts:
        found = Found([hit for hit, (at, _) in spans if part.start <= at < part.end], [], [])
        source = whole.feedback.text[part.start : part.end]
        feedback = structs.replace(whole.feedback, text=source, rating=None, call=None)
        text = Folded(source)
        names = features.names(found, source, feedback.channel)
        yield Reading(feedback, text, whole.language, found, terms.read(text.folded), names)


def _spans(text: Folded, hits: Sequence[Hit]) -> tuple[Evidence, ...]:
    evidence = []
    for hit in hits[:MAX_EVIDENCE]:
        start, end = text.span(hit.start, hit.end)
        evidence.append(
            Evidence(rule=hit.rule.id, start=start, end=end, text=text.source[start:end])
        )
    return tuple(evidence)
