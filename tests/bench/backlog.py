"""Backlogs for the memory runs of the real workers: what ingest and the classifier would write."""

from __future__ import annotations

import time

import msgspec
from confluent_kafka import Producer

from services.classifier.severity import Classifier
from shared import ids, topics
from shared.events import Channel, FeedbackClassified, FeedbackReceived
from tests.bench.hop import PARTITIONS, Event, events

CUSTOMERS = 20_000
_encode = msgspec.json.Encoder().encode


def _feedback(event: Event) -> FeedbackReceived:
    customer = ids.digest("bench", "customer", str(event.id % CUSTOMERS))
    return FeedbackReceived(
        feedback_id=ids.digest("bench", "feedback", str(event.id)),
        tenant="bench",
        source="bench",
        channel=Channel.EMAIL,
        native_id=str(event.id),
        record_key=ids.record_key("bench", customer),
        customer_key=customer,
        received_at=time.time_ns() // 1_000_000,
        text=event.text,
        language="en",
    )


def fill(bootstrap: str, names: topics.Names, worker: str, count: int) -> tuple[str, str]:
    """Write the backlog of ``services.<worker>``; return its input and the output to watch."""
    first = worker == "classifier"
    source = names.of(topics.FEEDBACK_RECEIVED if first else topics.FEEDBACK_CLASSIFIED)
    target = names.of(topics.FEEDBACK_CLASSIFIED if first else topics.FEEDBACK_OUTCOMES)
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "linger.ms": 20,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 2_000_000,
        }
    )
    classifier = Classifier.bundled()
    for event in events(count):
        item = _feedback(event)
        value = _encode(item) if first else _encode(_classified(classifier, item))
        number = ids.partition_of(item.record_key, PARTITIONS)
        producer.produce(source, value, item.record_key.encode(), number)
        if event.id % 5_000 == 0:
            producer.poll(0)
    if left := producer.flush(60):
        raise RuntimeError(f"{left} events of {source} were not taken")
    return source, target


def _classified(classifier: Classifier, item: FeedbackReceived) -> FeedbackClassified:
    found = classifier.classify(item)
    return FeedbackClassified(
        feedback=item, classification=found, classified_at=item.received_at + 5
    )
