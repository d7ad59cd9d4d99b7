"""Intake's metrics with their children kept: the look-up costs more than the increment."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable

from services.ingest.channels.provider import Ignored
from services.ingest.channels.rejection import Refusal
from services.ingest.prepare import Prepared
from shared.events import Channel
from shared.metrics import Metrics

UNKNOWN = "unknown"


class Metering:
    """Counts what became of items."""

    def __init__(self, metrics: Metrics) -> None:
        self._received = {kind: metrics.events_received.labels(kind) for kind in Channel}
        self._duplicates = {
            kind: metrics.events_deduplicated.labels(kind, "exact") for kind in Channel
        }
        self._repeated = {
            kind: metrics.events_deduplicated.labels(kind, "near") for kind in Channel
        }
        self._rejected = {
            (kind, reason): metrics.events_rejected.labels(kind, reason)
            for kind in (*Channel, UNKNOWN)
            for reason in Refusal
        }
        self._ignored = {
            (kind, reason): metrics.events_ignored.labels(kind, reason)
            for kind in Channel
            for reason in Ignored
        }
        self._unauthentic = metrics.unauthentic
        self._heard = metrics.source_last_heard
        self._redacted = metrics.redacted
        self._size = {kind: metrics.event_size.labels(kind) for kind in Channel}
        self._age = {kind: metrics.event_age.labels(kind) for kind in Channel}
        self._last = {kind: metrics.channel_last_event.labels(kind) for kind in Channel}

    def accepted(self, items: Iterable[Prepared]) -> None:
        """Count items that Kafka has acknowledged."""
        counts: Tally[Channel] = Tally()
        last = 0
        for item in items:
            event = item.event
            if event is None:
                continue
            channel = event.channel
            counts[channel] += 1
            last = event.received_at
            self._size[channel].observe(len(item.record.value))
            for kind, number in event.redacted.items():
                self._redacted.labels(kind).inc(number)
            if event.repeat is not None:
                self._repeated[channel].inc()
            if event.occurred_at is not None:
                self._age[channel].observe((event.received_at - event.occurred_at) / 1000.0)
        for channel, count in counts.items():
            self._received[channel].inc(count)
            self._last[channel].set(last / 1000.0)

    def duplicate(self, channel: Channel, count: int = 1) -> None:
        """Count deliveries that were recognised."""
        self._duplicates[channel].inc(count)

    def rejected(self, channel: Channel | None, reason: Refusal) -> None:
        """Count an item that was refused and is in the dead letters."""
        self._rejected[channel or UNKNOWN, reason].inc()

    def ignored(self, channel: Channel, reason: Ignored) -> None:
        """Count a part of a request that is no feedback."""
        self._ignored[channel, reason].inc()

    def unauthentic(self, provider: str) -> None:
        """Count a request that did not prove where it comes from."""
        self._unauthentic.labels(provider).inc()

    def source_heard(self, source: str, now_ms: int) -> None:
        """Note that ``source`` has been heard of: a source that fell silent is noticed by this."""
        self._heard.labels(source).set(now_ms / 1000.0)
