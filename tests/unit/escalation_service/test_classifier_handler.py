"""The classifier worker's own part: every feedback leaves classified, or as a dead letter."""

from __future__ import annotations

import copy
import functools
from collections.abc import Sequence

import msgspec
import pytest
from confluent_kafka import Message
from prometheus_client import CollectorRegistry

from services.classifier.current import Fixed
from services.classifier.handler import ClassifierHandler
from services.classifier.severity import Classifier
from services.classifier.severity.classifier import Reading
from shared import codec, topics
from shared.clock import ManualClock
from shared.config import Config
from shared.events import (
    Call,
    CallOutcome,
    DeadLetter,
    FeedbackClassified,
    FeedbackReceived,
    Kind,
    Operation,
    Severity,
)
from shared.metrics import Metrics
from shared.streams.records import Assignment, Chunk, Partition, Work
from shared.topics import Names
from shared.worker import Context
from tests.unit.escalation.world import T0, feedback

SOURCE = Partition("blue.feedback.received", 3)


def item(number: int, text: str = "It broke again.", **fields: object) -> FeedbackReceived:
    return msgspec.structs.replace(feedback(number).feedback, text=text, **fields)


class Fragile(Classifier):
    """A classifier with a bug: it fails on one text."""

    asked = 0

    def read(self, feedback: FeedbackReceived) -> Reading:
        self.asked += 1
        if feedback.text == "boom":
            raise ZeroDivisionError
        return super().read(feedback)


class Rig:
    """A handler with its metrics."""

    def __init__(self, classifier: Classifier | None = None) -> None:
        self.registry = CollectorRegistry()
        context = Context(Config(), ManualClock(T0), Metrics(self.registry), Names("blue."))
        self.classifier = classifier or bundled()
        self.handler = ClassifierHandler(context, Fixed(self.classifier))

    def process(self, *batches: Sequence[FeedbackReceived | bytes]) -> Work:
        chunks: list[Chunk] = []
        offset = 0
        for batch in batches:
            messages = [record(offset + at, value) for at, value in enumerate(batch)]
            chunks.append(Chunk(SOURCE, 1, offset, offset + len(batch), 0, messages))
            offset += len(batch)
        return self.handler.process(chunks, lambda: False)

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


def record(offset: int, value: FeedbackReceived | bytes) -> Message:
    return Message(
        topic=SOURCE.topic,
        partition=SOURCE.number,
        offset=offset,
        key=b"acme:c0ffee",
        value=value if isinstance(value, bytes) else codec.encode(value),
        headers=[("ce_id", b"f"), ("traceparent", b"00-trace")],
    )


def classified(work: Work) -> list[FeedbackClassified]:
    return [
        msgspec.json.decode(one.value or b"", type=FeedbackClassified)
        for one in work.outputs
        if one.topic == "blue.feedback.classified"
    ]


def dead(work: Work) -> list[DeadLetter]:
    return [
        msgspec.json.decode(one.value or b"", type=DeadLetter)
        for one in work.outputs
        if one.topic == "blue.dead-letters"
    ]


@functools.cache
def bundled() -> Classifier:
    return Classifier.bundled()


def fragile() -> Rig:
    """Return a rig whose classifier fails on one text."""
    made = copy.copy(bundled())
    made.__class__ = Fragile
    return Rig(made)


def test_every_feedback_leaves_classified_in_order() -> None:
    rig = Rig()
    work = rig.process([item(1), item(2)], [item(3)])
    events = classified(work)
    assert [event.feedback for event in events] == [item(1), item(2), item(3)]
    assert {event.classified_at for event in events} == {T0}
    assert {event.classification.rules_version for event in events} == {
        rig.classifier.rules_version
    }
    assert dead(work) == []
    assert work.dead_letters == {}


def test_it_goes_to_the_same_partition_under_the_same_key_with_its_trace() -> None:
    (output,) = Rig().process([item(1)]).outputs
    assert (output.partition, output.key) == (3, b"acme:c0ffee")
    headers = dict(output.headers)
    assert headers["ce_id"] == item(1).feedback_id.encode()
    assert headers["ce_type"] == b"tocsin.feedback.classified.v2"
    assert headers["traceparent"] == b"00-trace"


def test_the_same_feedback_always_leaves_the_same() -> None:
    batch: list[FeedbackReceived | bytes] = [item(1), b"{", item(2)]
    assert Rig().process(batch).outputs == Rig().process(batch).outputs


def test_poison_is_set_aside() -> None:
    work = Rig().process([item(1), b"{", item(2)])
    assert [event.feedback for event in classified(work)] == [item(1), item(2)]
    assert [(letter.reason, letter.offset, letter.copy) for letter in dead(work)] == [
        ("bad_json", 1, False)
    ]
    assert work.dead_letters == {SOURCE: 1}


def test_poison_in_several_chunks_of_a_partition_is_added_up() -> None:
    work = Rig().process([b"{"], [item(1)], [b"{", b""])
    assert work.dead_letters == {SOURCE: 3}


def test_a_text_that_cannot_be_classified_is_left_undetermined_and_looked_at() -> None:
    rig = fragile()
    work = rig.process([item(1), item(2, "boom"), item(3)])
    before, bad, after = classified(work)
    assert bad.feedback == item(2, "boom")
    assert bad.classification.severity is Severity.UNDETERMINED
    assert bad.classification.kind is Kind.OTHER
    assert bad.classification.rules_version == rig.classifier.rules_version
    expected = classified(Rig().process([item(1), item(3)]))
    assert [before, after] == expected
    (letter,) = dead(work)
    assert (letter.reason, letter.offset, letter.copy) == ("handler_error", 1, True)
    assert letter.value == codec.encode(item(2, "boom"))
    assert rig.metric("tocsin_classifier_fallback_total", reason="error") == 1


def test_what_has_no_words_leaves_classified_and_without_a_dead_letter() -> None:
    missed = Call(call_id="c1", outcome=CallOutcome.MISSED)
    rig = Rig()
    work = rig.process([item(1, "", call=missed), item(2, ""), item(3, "", op=Operation.DELETE)])
    found = [
        (event.classification.severity, event.classification.kind) for event in classified(work)
    ]
    assert found == [
        (Severity.UNDETERMINED, Kind.OTHER),
        (Severity.UNDETERMINED, Kind.OTHER),
        (Severity.LOW, Kind.OTHER),
    ]
    assert dead(work) == []
    assert rig.metric("tocsin_classifier_fallback_total", reason="undetermined") == 2
    assert rig.metric("tocsin_classifier_fallback_total", reason="error") == 0


def test_a_text_that_fails_costs_its_neighbours_one_more_look_only() -> None:
    rig = fragile()
    rig.process([*(item(number) for number in range(9)), item(9, "boom")])
    assert isinstance(rig.classifier, Fragile)
    assert rig.classifier.asked == 20


def test_a_copy_for_people_to_look_at_does_not_stop_the_worker() -> None:
    """It has its outcome: the limit is for what is lost to the stream."""
    work = fragile().process([item(number, "boom") for number in range(5)])
    assert len(classified(work)) == len(dead(work)) == 5
    assert work.dead_letters == {}


def test_what_grows_too_large_by_its_classification_is_a_dead_letter() -> None:
    room = codec.MAX_RECORD_BYTES - len(codec.encode(item(1, "")))
    huge = item(1, "x" * room)
    assert len(codec.encode(huge)) == codec.MAX_RECORD_BYTES
    work = Rig().process([huge, item(2)])
    assert [event.feedback for event in classified(work)] == [item(2)]
    assert [letter.reason for letter in dead(work)] == ["too_large"]


def test_it_needs_no_state_and_no_ticks() -> None:
    rig = Rig()
    rig.handler.assigned(Assignment(1, {}, None), lambda: False)
    assert rig.handler.tick_s is None
    assert rig.handler.tracked == frozenset()
    assert list(rig.handler.inputs) == ["blue.feedback.received"]
    assert topics.FEEDBACK_RECEIVED.name == "feedback.received"


def test_nothing_gives_nothing() -> None:
    assert Rig().handler.process([], lambda: False).outputs == []


@pytest.mark.parametrize(
    ("text", "severity"),
    [("There is a gas leak, I smell gas!", Severity.CRITICAL), ("Thank you, great!", Severity.LOW)],
)
def test_what_was_found_is_counted(text: str, severity: Severity) -> None:
    rig = Rig()
    rig.process([item(1, text)])
    labels = {"channel": "email", "severity": severity.value}
    assert rig.metric("tocsin_classified_total", **labels) == 1
    name = "tocsin_classifier_confidence_ratio_count"
    assert rig.metric(name, severity=severity.value) == 1
    known = "tocsin_classifier_known_words_ratio_count"
    assert rig.metric(known, channel="email") == 1
