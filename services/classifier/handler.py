"""Chunk in, chunk out: every feedback leaves classified, or as a dead letter with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import structlog
from confluent_kafka import Message

from services.classifier.current import Current
from services.classifier.drift import Window
from services.classifier.second import Nobody, SecondOpinion
from services.classifier.severity import Classifier
from services.classifier.severity.decision import Opinion
from shared import codec, topics
from shared.errors import Poison, PoisonReason
from shared.events import (
    Channel,
    Classification,
    FeedbackClassified,
    FeedbackReceived,
    Kind,
    Severity,
)
from shared.streams.dead_letters import Sieve, header, source_of
from shared.streams.records import Assignment, Chunk, Interrupted, Output, Partition, Work
from shared.worker import Context

STAGE = "classifier"
SOURCE = "tocsin/classifier"

log = structlog.get_logger(__name__)


class ClassifierHandler:
    """Stateless: the ids are the same whatever happens, and one version of the rules reads a chunk.

    Args:
        made: what the process gives to its handlers.
        current: tells the classifier in use.
        second: whom to ask about uncertain texts.
    """

    stage = STAGE
    tracked: frozenset[str] = frozenset()
    tick_s: float | None = None

    def __init__(
        self, made: Context, current: Current, second: SecondOpinion | None = None
    ) -> None:
        self._clock = made.clock
        self._metrics = made.metrics
        self._current = current
        self._second = second or Nobody()
        self.inputs: Sequence[str] = (made.names.of(topics.FEEDBACK_RECEIVED),)
        self._output = made.names.of(topics.FEEDBACK_CLASSIFIED)
        decoder = codec.Decoder[FeedbackReceived](topics.FEEDBACK_RECEIVED.carries)
        dead = made.names.of(topics.DEAD_LETTERS)
        self._sieve = Sieve(STAGE, dead, decoder, made.metrics)
        self._watched = ""
        self._windows: dict[str, Window] = {}
        self._known = {one: made.metrics.known_words.labels(one) for one in Channel}

    def assigned(self, assignment: Assignment, interrupted: Interrupted) -> None:
        """Need nothing: there is no state."""

    def process(self, chunks: Sequence[Chunk], interrupted: Interrupted) -> Work:
        """Classify the records of all chunks in one pass."""
        now = self._clock.now_ms()
        outputs: list[Output] = []
        buried: Counter[Partition] = Counter()
        good: list[tuple[Message, FeedbackReceived]] = []
        for chunk in chunks:
            decoded, dead = self._sieve.sift(chunk, now)
            good.extend(decoded)
            outputs.extend(dead)
            if dead:
                buried[chunk.source] += len(dead)
        classifier = self._current.classifier  # one version reads the whole chunk
        found = self._classify(classifier, [feedback for _, feedback in good])
        for (message, feedback), result in zip(good, found, strict=True):
            if result is None:
                outputs.append(self._copy_of_failed(message, now))
            classification = result or _undetermined(classifier)
            try:
                outputs.append(self._classified(message, feedback, classification, now))
            except Poison as poison:  # what was added made it too large for a record
                outputs.append(self._sieve.bury(message, poison, now))
                buried[source_of(message)] += 1
                continue
            self._count(feedback, classification)
        return Work(outputs, buried)

    def _classify(
        self, classifier: Classifier, batch: Sequence[FeedbackReceived]
    ) -> list[Classification | None]:
        """Classify all at once; when that fails, one by one, so that one bad text harms no other."""
        try:
            return list(self._classified_together(classifier, batch))
        except Exception:  # noqa: BLE001  a text that breaks a rule must not stop the stream
            return [self._classify_one(classifier, feedback) for feedback in batch]

    def _classified_together(
        self, classifier: Classifier, batch: Sequence[FeedbackReceived]
    ) -> list[Classification]:
        readings = [classifier.read(feedback) for feedback in batch]
        opinions = self._second.revise(readings, classifier.opinions(readings))
        found = classifier.conclude(readings, opinions)
        self._watch(classifier, batch, opinions)
        return found

    def _classify_one(
        self, classifier: Classifier, feedback: FeedbackReceived
    ) -> Classification | None:
        try:
            return classifier.classify(feedback)
        except Exception:
            log.exception("classification failed", feedback_id=feedback.feedback_id)
            return None

    def _watch(
        self,
        classifier: Classifier,
        batch: Sequence[FeedbackReceived],
        opinions: Sequence[Opinion | None],
    ) -> None:
        """Count how familiar the texts are, and how far they are from those of the training."""
        told = [one for one in opinions if one is not None]
        for feedback, opinion in zip(batch, opinions, strict=True):
            if opinion is not None:
                self._known[feedback.channel].observe(opinion.known)
        if self._watched != classifier.model_version:
            self._watched, self._windows = classifier.model_version, _windows(classifier)
        values = {
            "known_words": [one.known for one in told],
            "urgency": [one.severity[2] + one.severity[3] for one in told],
        }
        for quantity, window in self._windows.items():
            index = window.add(values[quantity])
            if index is not None:
                self._metrics.drift.labels(quantity).set(index)

    def _copy_of_failed(self, message: Message, now: int) -> Output:
        self._metrics.fallback.labels("error").inc()
        poison = Poison(PoisonReason.HANDLER_ERROR, "classification failed; left undetermined")
        return self._sieve.bury(message, poison, now, copy=True)

    def _classified(
        self, message: Message, feedback: FeedbackReceived, found: Classification, now: int
    ) -> Output:
        event = FeedbackClassified(feedback=feedback, classification=found, classified_at=now)
        headers = codec.headers(event, feedback.feedback_id, SOURCE)
        if trace := header(message, "traceparent"):
            headers.append(("traceparent", trace))
        partition = message.partition() or 0
        return Output(self._output, partition, message.key(), codec.encode(event), headers)

    def _count(self, feedback: FeedbackReceived, found: Classification) -> None:
        self._metrics.classified.labels(feedback.channel, found.severity).inc()
        self._metrics.confidence.labels(found.severity).observe(found.confidence)
        if found.severity is Severity.UNDETERMINED:
            self._metrics.fallback.labels("undetermined").inc()


def _undetermined(classifier: Classifier) -> Classification:
    return Classification(
        severity=Severity.UNDETERMINED,
        kind=Kind.OTHER,
        confidence=0.0,
        model_version=classifier.model_version,
        rules_version=classifier.rules_version,
    )


def _windows(classifier: Classifier) -> dict[str, Window]:
    model = classifier.model
    return {} if model is None else {k: Window(v) for k, v in model.manifest.reference.items()}
