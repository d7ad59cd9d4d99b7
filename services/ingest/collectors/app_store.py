"""Reads reviews of an app from App Store Connect.

API: App Store Connect API, "List all customer reviews for an app".
"""

from __future__ import annotations

from services.ingest.channels.provider import DAY_S
from services.ingest.channels.providers import app_store
from services.ingest.channels.reviews.page import Page
from services.ingest.collectors import options
from services.ingest.collectors.calls import REFUSALS, call, checked
from services.ingest.collectors.page import Refused, Surroundings
from services.ingest.collectors.polling import Plan, Poller
from services.ingest.registry import Configured
from shared.errors import Misconfigured

INTERVAL_S = 1_800.0
FIRST_S = 30.0 * DAY_S
OVERLAP_S = 3.0 * DAY_S
"""Reviews appear a day or so after they were written, under the date of writing."""

_QUERY = "sort=-createdDate&limit=200&include=response"


def collector(source: Configured, surroundings: Surroundings) -> Poller:
    """Return what reads the reviews of ``source``.

    Raises:
        Misconfigured: an option is missing or of the wrong form.
    """
    app = options.required(source, "app_id", r"\d{1,20}")
    key_id = options.required(source, "key_id", r"\w{4,40}")
    issuer = options.required(source, "issuer_id", r"[\w-]{4,80}")
    base = options.address(source, "base_url", f"https://{app_store.HOST}")

    async def get(url: str) -> bytes:
        """Return the answer to the first key that is not turned away: two are, in rotation."""
        refused = Refused("there is no key")
        for secret in source.credentials.secrets:
            now = surroundings.clock.now_ms()
            try:
                token = app_store.token(key_id, issuer, secret, now)
                headers = {"Authorization": f"Bearer {token}"}
                return checked(await call(surroundings, "GET", url, headers=headers), REFUSALS)
            except Misconfigured as error:
                refused = Refused(str(error))
            except Refused as error:
                refused = error
        raise refused

    async def read(following: str | None) -> Page:
        place = f"/v1/apps/{app}/customerReviews?{_QUERY}"
        if following is not None:  # its host was checked; what we were told to ask stays in force
            place = options.place(following)
        return app_store.read_page(await get(base + place), source.settings)

    plan = Plan(
        interval_s=options.seconds(source, "poll_s", INTERVAL_S),
        first_s=FIRST_S,
        overlap_s=OVERLAP_S,
    )
    return Poller(source.name, surroundings, plan, read)
