"""Starts the classifier and classifies one text, as fast as it can."""

from __future__ import annotations

from services.classifier.severity import Classifier
from shared.events import Channel, FeedbackReceived

FIRST = FeedbackReceived(
    feedback_id="1",
    tenant="bench",
    source="bench",
    channel=Channel.EMAIL,
    native_id="1",
    record_key="1",
    customer_key="1",
    received_at=0,
    text="The brakes failed on the motorway and nobody answers the telephone.",
    language="en",
)

if __name__ == "__main__":
    print(Classifier.bundled().classify(FIRST).severity, flush=True)
