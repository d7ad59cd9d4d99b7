"""Reads reviews of an Android app. Google shows those of one week, so an hour is often enough.

API: Google Play Developer API v3, ``reviews.list``; guidance and quotas in "Reply to reviews".
"""

from __future__ import annotations

from services.ingest.channels.provider import DAY_S
from services.ingest.channels.providers import google_play
from services.ingest.channels.reviews.page import Page
from services.ingest.collectors import options
from services.ingest.collectors.google import GoogleApi
from services.ingest.collectors.page import Surroundings
from services.ingest.collectors.polling import Plan, Poller
from services.ingest.registry import Configured

API = "https://androidpublisher.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/androidpublisher"
INTERVAL_S = 3_600.0
HISTORY_S = 7.0 * DAY_S
OVERLAP_S = 2.0 * DAY_S
PAGE = "100"


def collector(source: Configured, surroundings: Surroundings) -> Poller:
    """Return what reads the reviews of ``source``.

    Raises:
        Misconfigured: an option or the credentials will not do.
    """
    package = options.required(source, "package", r"[A-Za-z][\w.]{2,200}")
    base = options.address(source, "base_url", API)
    url = f"{base}/androidpublisher/v3/applications/{package}/reviews"
    google = GoogleApi(source, surroundings, SCOPE)

    async def read(token: str | None) -> Page:
        params = {"maxResults": PAGE} | ({"token": token} if token else {})
        body = await google.get(url, params)
        return google_play.read_page(body, source.settings)

    plan = Plan(
        interval_s=options.seconds(source, "poll_s", INTERVAL_S),
        first_s=HISTORY_S,
        overlap_s=OVERLAP_S,
        kept_s=HISTORY_S,
    )
    return Poller(source.name, surroundings, plan, read)
