"""Quix Streams, exactly-once. Bytes in and out: its own JSON codec would only slow it down."""

from __future__ import annotations

from quixstreams import Application  # type: ignore[import-not-found]

from tests.bench.hop import Hop, from_argv, relay


def main(hop: Hop) -> None:
    """Relay until killed."""
    app = Application(
        broker_address=hop.bootstrap,
        consumer_group=hop.group,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_interval=0.5,
        commit_every=10_000,
        auto_create_topics=False,
        use_changelog_topics=False,
        loglevel="WARNING",
        consumer_extra_config={
            "fetch.wait.max.ms": 100,
            "fetch.queue.backoff.ms": 5,
            "queued.min.messages": 20_000,
            "queued.max.messages.kbytes": 16_384,
        },
        producer_extra_config={
            "linger.ms": 5,
            "compression.type": "lz4",
            "batch.num.messages": 10_000,
            "batch.size": 1_000_000,
            "queue.buffering.max.messages": 1_000_000,
            "queue.buffering.max.kbytes": 262_144,
            "retry.backoff.ms": 2,
            "retry.backoff.max.ms": 5,
        },
    )
    source = app.topic(hop.source, value_deserializer="bytes", key_deserializer="bytes")
    target = app.topic(hop.target, value_serializer="bytes", key_serializer="bytes")
    app.dataframe(source).apply(relay).to_topic(target)
    app.run()


if __name__ == "__main__":
    main(from_argv())
