"""Reads reviews of an app from the public feed of a storefront: the latest 500, no more."""

from __future__ import annotations

from services.ingest.channels.provider import DAY_S
from services.ingest.channels.providers import app_store_feed
from services.ingest.channels.reviews.page import Page
from services.ingest.collectors import options
from services.ingest.collectors.calls import call, checked
from services.ingest.collectors.page import Surroundings
from services.ingest.collectors.polling import Plan, Poller
from services.ingest.registry import Configured

HOST = "https://itunes.apple.com"
INTERVAL_S = 1_800.0
FIRST_S = 30.0 * DAY_S
OVERLAP_S = 3.0 * DAY_S
PAUSE_S = 1.0
NEVER: frozenset[int] = frozenset()
"""Statuses that mean a refusal: there is nothing to refuse, and throttling comes as any of them."""


def collector(source: Configured, surroundings: Surroundings) -> Poller:
    """Return what reads the reviews of ``source``.

    Raises:
        Misconfigured: an option is missing or of the wrong form.
    """
    app = options.required(source, "app_id", r"\d{1,20}")
    country = options.required(source, "country", "[A-Za-z]{2}").lower()
    base = options.address(source, "base_url", HOST)

    async def read(page: str | None) -> Page:
        place = f"/{country}/rss/customerreviews/page={page or 1}/id={app}/sortby=mostrecent/json"
        body = checked(await call(surroundings, "GET", base + place), NEVER)
        return app_store_feed.read_page(body, source.settings)

    plan = Plan(
        interval_s=options.seconds(source, "poll_s", INTERVAL_S),
        first_s=FIRST_S,
        overlap_s=OVERLAP_S,
        pause_s=PAUSE_S,
        max_pages=app_store_feed.MAX_PAGES,
    )
    return Poller(source.name, surroundings, plan, read)
