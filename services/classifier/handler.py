"""Chunk in, chunk out: every feedback leaves classified, or as a dead letter with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import structlog
from confluent_kafka import Message

from services.classifier.severity import Classifier
from shared import codec, topics
from shared.errors import Poison, PoisonReason
from shared.events import Classification, FeedbackClassified, FeedbackReceived, Kind, Severity
from shared.streams.dead_letters import Sieve, header, source_of
from shared.streams.records import Assignment, Chunk, Interrupted, Output, Partition, Work
from shared.worker import Context

STAGE = "classifier"
SOURCE = "tocsin/classifier"

log = structlog.get_logger(__name__)


class ClassifierHandler:
    """Stateless: the same feedback always gives the same classification and the same ids."""

    stage = STAGE
    tracked: frozenset[str] = frozenset()
    tick_s: float | None = None

    def __init__(self, made: Context, classifier: Classifier) -> None:
        self._clock = made.clock
        self._metrics = made.metrics
        self._classifier = classifier
        self.inputs: Sequence[str] = (made.names.of(topics.FEEDBACK_RECEIVED),)
        self._output = made.names.of(topics.FEEDBACK_CLASSIFIED)
        decoder = codec.Decoder[FeedbackReceived](topics.FEEDBACK_RECEIVED.carries)
        dead = made.names.of(topics.DEAD_LETTERS)
        self._sieve = Sieve(STAGE, dead, decoder, made.metrics)
        self._metrics.model_info.labels("rules", classifier.rules_version).set(1)

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
        found = self._classify([feedback for _, feedback in good])
        for (message, feedback), result in zip(good, found, strict=True):
            if result is None:
                outputs.append(self._copy_of_failed(message, now))
            classification = result or _undetermined(self._classifier.rules_version)
            try:
                outputs.append(self._classified(message, feedback, classification, now))
            except Poison as poison:  # what was added made it too large for a record
                outputs.append(self._sieve.bury(message, poison, now))
                buried[source_of(message)] += 1
                continue
            self._count(feedback, classification)
        return Work(outputs, buried)

    def _classify(self, batch: Sequence[FeedbackReceived]) -> list[Classification | None]:
        """Classify all at once; when that fails, one by one, so that one bad text harms no other."""
        try:
            return list(self._classifier.classify_many(batch))
        except Exception:  # noqa: BLE001  a text that breaks a rule must not stop the stream
            return [self._classify_one(feedback) for feedback in batch]

    def _classify_one(self, feedback: FeedbackReceived) -> Classification | None:
        try:
            return self._classifier.classify(feedback)
        except Exception:
            log.exception("classification failed", feedback_id=feedback.feedback_id)
            return None

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


def _undetermined(rules_version: str) -> Classification:
    return Classification(
        severity=Severity.UNDETERMINED,
        kind=Kind.OTHER,
        confidence=0.0,
        rules_version=rules_version,
    )
