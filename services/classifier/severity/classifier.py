"""The classifier: rules in, one ``Classification`` per feedback out. Pure and immutable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import resources

from services.classifier.severity import rules as packaged
from services.classifier.severity.decision import classification, decide
from services.classifier.severity.language import detect, primary
from services.classifier.severity.loading import Ruleset, RuleSource, load
from services.classifier.severity.matching import Matcher
from services.classifier.severity.normalise import Folded
from services.classifier.severity.schema import RuleSpec
from shared.events import Classification, FeedbackReceived


class Classifier:
    """Tells severity, kind, reasons and evidence of a feedback by rules alone.

    Args:
        ruleset: checked rules, see ``load``.
    """

    def __init__(self, ruleset: Ruleset) -> None:
        self._ruleset = ruleset
        self._matcher = Matcher(ruleset)

    @classmethod
    def bundled(cls) -> Classifier:
        """Return a classifier with the packaged rules."""
        files = resources.files(packaged).iterdir()
        return cls(load(file for file in files if file.name.endswith(".yaml")))

    @classmethod
    def load(cls, paths: Iterable[RuleSource]) -> Classifier:
        """Return a classifier with the rules in ``paths`` (YAML files).

        Raises:
            Misconfigured: a file is invalid; the message names file, line and reason.
        """
        return cls(load(paths))

    @property
    def rules_version(self) -> str:
        """Return the hash of the rule files' content, 12 hex digits."""
        return self._ruleset.version

    @property
    def rules(self) -> tuple[RuleSpec, ...]:
        """Return all rules, their patterns as RE2 expressions."""
        return self._ruleset.rules

    def classify(self, feedback: FeedbackReceived) -> Classification:
        """Return the classification of one feedback."""
        text = Folded(feedback.text)
        language = primary(feedback.language) or detect(text)
        hits = self._matcher.hits(text, language, feedback.channel)
        return classification(text, decide(feedback, hits, language), language, self.rules_version)

    def classify_many(self, batch: Sequence[FeedbackReceived]) -> list[Classification]:
        """Return the classifications of ``batch`` in its order."""
        return [self.classify(feedback) for feedback in batch]
