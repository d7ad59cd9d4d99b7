"""Which collector reads the sources of which provider."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from services.ingest.collectors import app_store, app_store_feed, google_play
from services.ingest.collectors.page import Collector, Factory, Page, Refused, Surroundings
from services.ingest.registry import Configured
from shared.errors import Misconfigured

FACTORIES: Mapping[str, Factory] = {
    "app_store": app_store.collector,
    "app_store_feed": app_store_feed.collector,
    "google_play": google_play.collector,
}


class Unreadable:
    """Stands in for a source that is configured in a way in which it cannot be read.

    It refuses as the platform would: that stops, and shows, this one source and no other.
    """

    def __init__(self, fault: str) -> None:
        self._fault = fault

    async def pages(self, cursor: str | None) -> AsyncIterator[Page]:
        """Refuse."""
        if self._fault:
            raise Refused(self._fault)
        yield Page()  # makes it a generator


def make(source: Configured, surroundings: Surroundings) -> Collector:
    """Return the collector of ``source``; of one that cannot be read, something that says why."""
    factory = FACTORIES.get(source.provider.name)
    if factory is None:
        return Unreadable(f"sources.{source.name}: {source.provider.name} has no collector")
    try:
        return factory(source, surroundings)
    except Misconfigured as error:
        return Unreadable(str(error))
