"""Which collector reads the sources of which provider."""

from __future__ import annotations

from collections.abc import Mapping

from services.ingest.collectors import (
    app_store,
    app_store_feed,
    bluesky,
    google_play,
    imap,
    mastodon,
)
from services.ingest.collectors.page import Collector, Factory, Surroundings
from services.ingest.registry import Configured
from shared.errors import Misconfigured

FACTORIES: Mapping[str, Factory] = {
    "app_store": app_store.collector,
    "app_store_feed": app_store_feed.collector,
    "bluesky": bluesky.collector,
    "google_play": google_play.collector,
    "imap": imap.collector,
    "mastodon": mastodon.collector,
}


def make(source: Configured, surroundings: Surroundings) -> Collector:
    """Return the collector of ``source``.

    Raises:
        Misconfigured: its provider has none, or its options or secrets will not do.
    """
    factory = FACTORIES.get(source.provider.name)
    if factory is None:
        raise Misconfigured(f"sources.{source.name}: {source.provider.name} has no collector")
    return factory(source, surroundings)
