"""The hand-written pipeline's first hop: the product's classify function, transactional."""

from __future__ import annotations

import time

import msgspec

from services.classifier.severity import Classifier
from shared.events import FeedbackClassified, FeedbackReceived
from tests.bench.contestants.hand import consumer, producer, take, transact
from tests.bench.hop import Hop, from_argv

_received = msgspec.json.Decoder(FeedbackReceived)
_encode = msgspec.json.Encoder().encode


def main(hop: Hop) -> None:
    """Classify until killed."""
    classifier = Classifier.bundled()
    member = consumer(hop.bootstrap, hop.group, [hop.source])
    out = producer(hop.bootstrap, hop.group)
    while True:
        if not (messages := take(member)):
            continue
        now = time.time_ns() // 1_000_000
        items = [_received.decode(message.value() or b"") for message in messages]
        found = classifier.classify_many(items)
        outputs = [
            (
                hop.target,
                message.key(),
                _encode(FeedbackClassified(feedback=item, classification=one, classified_at=now)),
                message.partition() or 0,
            )
            for message, item, one in zip(messages, items, found, strict=True)
        ]
        transact(member, out, messages, outputs)


if __name__ == "__main__":
    main(from_argv())
