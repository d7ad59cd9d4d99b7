"""Gets reviews that Google Business Profile has announced, in the name of who manages the places.

API: My Business API v4, ``accounts.locations.reviews.get``; "OAuth 2.0" of the Business Profile APIs:
a user who manages the places consents once; a service account has to be made a manager of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from services.ingest.channels.providers import google_business
from services.ingest.collectors import options
from services.ingest.collectors.google import GoogleApi
from services.ingest.collectors.page import Outside
from services.ingest.registry import Configured

SCOPE = "https://www.googleapis.com/auth/business.manage"


def getter(source: Configured, outside: Outside) -> Callable[[str], Awaitable[bytes]]:
    """Return what gets the review at a URL that the pure module has made.

    Raises:
        Misconfigured: an option or the credentials will not do.
    """
    google = GoogleApi(source, outside, SCOPE)
    base = options.address(source, "base_url", google_business.HOST)

    async def get(url: str) -> bytes:
        return await google.get(base + options.place(url))

    return get
