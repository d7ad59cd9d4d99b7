"""A whole intake of its own: Kafka, Redis, topics, the service, its sources, its metrics."""

from __future__ import annotations

import urllib.request
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from deploy.embedded.ports import free_port
from deploy.stack import Stack
from services.ingest.channels import providers
from services.ingest.registry import Source
from services.ingest.source_file import editing
from shared.config import Scalar, dotted, load
from shared.topics import Names

RATE = 50_000.0
BURST = 1_000_000
WATCHED = {
    "tocsin_events_received": ("received", ()),
    "tocsin_events_deduplicated": ("duplicate", ("kind",)),
    "tocsin_events_rejected": ("rejected", ("reason",)),
    "tocsin_events_ignored": ("ignored", ("reason",)),
}


def has_smtp() -> bool:
    """Tell whether this version has a door for mail servers."""
    return "smtp" in providers.load() and "ingest.smtp_port" in dotted(load({}).config)


class House:
    """Runs from ``start`` to ``stop``; ``folder`` has its data and logs.

    ``settings`` go before its own; servers that they name are used and not started.
    """

    def __init__(
        self,
        folder: Path,
        sources: Mapping[str, Source],
        settings: Mapping[str, Scalar] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.sources_file = folder / "sources.toml"
        with editing(self.sources_file) as found:
            found.update(sources)
        self.smtp_port = free_port() if has_smtp() else 0
        flags: dict[str, Scalar] = {
            "ingest.sources_file": str(self.sources_file),
            "privacy.pseudonym_key": "doors-pseudonyms",
            "log.level": "warning",
        }
        if self.smtp_port:
            flags["ingest.smtp_port"] = self.smtp_port
        flags |= settings or {}
        self._stack = Stack(folder, load({}, flags=flags), workers={"ingest": 1})

    def start(self) -> None:
        """Start everything; return when the doors are open."""
        self._stack.start()

    def add(self, name: str, source: Source) -> None:
        """Add a source; the service follows within a moment."""
        with editing(self.sources_file) as found:
            found[name] = source

    def stop(self) -> None:
        """Stop everything."""
        self._stack.stop()

    @property
    def url(self) -> str:
        """Address of the web doors."""
        return self._stack.intake_url

    @property
    def bootstrap(self) -> str:
        """Address of Kafka."""
        return self._stack.config.kafka.bootstrap_servers

    @property
    def names(self) -> Names:
        """Names of the topics."""
        return Names(self._stack.config.kafka.topic_prefix)

    @property
    def settings(self) -> dict[str, Scalar]:
        """Settings for commands that are to use the same servers."""
        config = self._stack.config
        return {
            "kafka.bootstrap_servers": config.kafka.bootstrap_servers,
            "kafka.topic_prefix": config.kafka.topic_prefix,
            "redis.url": config.redis.url,
            "redis.namespace": config.redis.namespace,
            "ingest.sources_file": str(self.sources_file),
            "privacy.pseudonym_key": config.privacy.pseudonym_key,
        }

    @property
    def pid(self) -> int:
        """Process id of the service."""
        (member,) = self._stack.of("ingest")
        assert member.process is not None
        return member.process.pid

    def counts(self) -> Counter[str]:
        """Return what the service has counted so far: ``received``, ``rejected:bad_json`` …"""
        (member,) = self._stack.of("ingest")
        with urllib.request.urlopen(f"{member.metrics_url}/metrics", timeout=10) as answer:  # noqa: S310
            text = answer.read().decode()
        found: Counter[str] = Counter()
        for family in text_string_to_metric_families(text):
            if family.name not in WATCHED:
                continue
            name, labels = WATCHED[family.name]
            for sample in family.samples:
                if sample.name.endswith("_total"):
                    parts = (name, *(sample.labels[label] for label in labels))
                    found[":".join(parts)] += int(sample.value)
        return found
