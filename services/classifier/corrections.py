"""Corrections by people: what they refer to, which of them count, and what a model learns from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from confluent_kafka import Message

from services.classifier.severity.model import SEVERITIES
from services.classifier.training.dataset import UNKNOWN, Example
from shared import codec, ids, topics
from shared.config import Kafka
from shared.errors import Poison
from shared.events import FeedbackClassified, Kind, Reason, Severity, SeverityCorrected
from shared.streams.reader import Cluster, read_to_end
from shared.topics import Names, Topic

ORIGIN = "corrections"


class Word(NamedTuple):
    """What a person says of a feedback; ``at`` in ms since the epoch.

    ``command_id`` is given by a sender that may have to say it again.
    """

    severity: Severity
    by: str
    at: int
    kind: Kind | None = None
    reasons: tuple[Reason, ...] = ()
    note: str | None = None
    command_id: str | None = None


def correction(event: FeedbackClassified, word: Word) -> SeverityCorrected:
    """Return the event of a correction; the same word on the same feedback has the same id."""
    feedback, found = event.feedback, event.classification
    said = (word.command_id,) if word.command_id else (word.by, word.severity, str(word.at))
    return SeverityCorrected(
        correction_id=ids.correction_id(feedback.tenant, feedback.feedback_id, *said),
        feedback_id=feedback.feedback_id,
        tenant=feedback.tenant,
        record_key=feedback.record_key,
        channel=feedback.channel,
        text=feedback.text,
        severity=word.severity,
        was=found.severity,
        by=word.by,
        at=word.at,
        language=found.language or feedback.language,
        kind=word.kind,
        reasons=word.reasons,
        note=word.note,
        model_version=found.model_version,
        rules_version=found.rules_version,
    )


def said_before(
    corrections: Iterable[SeverityCorrected], feedback_id: str, command_id: str
) -> SeverityCorrected | None:
    """Return what this command said of this feedback when it came the first time."""
    for one in corrections:
        wanted = ids.correction_id(one.tenant, feedback_id, command_id)
        if one.correction_id == wanted:
            return one
    return None


def example(one: SeverityCorrected) -> Example:
    """Return what a model learns from a correction."""
    return Example(
        id=one.feedback_id,
        channel=one.channel,
        text=one.text,
        severity=one.severity,
        kind=one.kind,
        reasons=one.reasons,
        lang=one.language or UNKNOWN,
        group=one.feedback_id,
        origin=ORIGIN,
        correction=one.correction_id,
    )


def teachable(corrections: Iterable[SeverityCorrected]) -> list[SeverityCorrected]:
    """Return, in the order they were made, the corrections that a model can learn from.

    That is the last of each feedback, if it has a text and is sure of the severity.
    """
    last: dict[str, SeverityCorrected] = {}
    for one in _in_order(corrections):
        last[one.feedback_id] = one
    return [
        one for one in _in_order(last.values()) if one.severity in SEVERITIES and one.text.strip()
    ]


def find(kafka: Kafka, feedback_id: str) -> FeedbackClassified | None:
    """Return a classified feedback, None if it is not (any more) there. Reads the whole topic.

    Raises:
        Transient: Kafka does not answer.
        Misconfigured: there is no such topic.
    """
    decoder = codec.Decoder[FeedbackClassified](topics.FEEDBACK_CLASSIFIED.carries)
    wanted = feedback_id.encode()
    for message in _records(kafka, topics.FEEDBACK_CLASSIFIED):
        raw = message.value() or b""
        if wanted not in raw:  # cheaper than decoding
            continue
        try:
            event = decoder.decode(raw)
        except Poison:
            continue  # it is among the dead letters of escalation
        if event.feedback.feedback_id == feedback_id:
            return event
    return None


def stored(kafka: Kafka, unreadable: Callable[[str], None]) -> list[SeverityCorrected]:
    """Return all corrections, in the order they were made.

    Args:
        kafka: where they are.
        unreadable: is told of each record that is none.

    Raises:
        Transient: Kafka does not answer.
        Misconfigured: there is no such topic.
    """
    decoder = codec.Decoder[SeverityCorrected](topics.FEEDBACK_CORRECTIONS.carries)
    found: dict[bytes, SeverityCorrected] = {}
    for message in _records(kafka, topics.FEEDBACK_CORRECTIONS):
        key, raw = message.key() or b"", message.value()
        if raw is None:  # erased
            found.pop(key, None)
            continue
        try:
            found.setdefault(key, decoder.decode(raw))
        except Poison as poison:
            at = f"{message.topic()}[{message.partition()}] at {message.offset()}"
            unreadable(f"{at}: {poison}")
    return _in_order(found.values())


def _in_order(corrections: Iterable[SeverityCorrected]) -> list[SeverityCorrected]:
    return sorted(corrections, key=lambda one: (one.at, one.correction_id))


def _records(kafka: Kafka, topic: Topic) -> Iterator[Message]:
    name, client = Names(kafka.topic_prefix).of(topic), kafka.client()
    cluster = Cluster(client)
    sources = cluster.sources(name)
    for batch in read_to_end(client, dict.fromkeys(sources, 0), cluster.ends(sources)):
        yield from batch
