"""A web request of a provider as pure data: what was signed, before anything is interpreted."""

from __future__ import annotations

from functools import cached_property
from urllib.parse import parse_qsl, urlsplit

import msgspec

MAX_PARAMETERS = 1_000


class Hook(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One request.

    ``url`` is the public one that the sender called (behind a proxy: as configured, not as seen);
    ``headers`` have lower-case names, repeated ones are joined by ``", "``; ``now`` is ms since the
    epoch. ``body`` is what came over the wire, byte for byte.
    """

    method: str = "POST"
    url: str
    headers: dict[str, str] = {}
    body: bytes = b""
    now: int

    def header(self, name: str) -> str:
        """Return a header, empty if it is missing; ``name`` in lower case."""
        return self.headers.get(name, "")

    @cached_property
    def query(self) -> dict[str, str]:
        """Return the parameters of the URL; the last of equal names counts. Too many are none."""
        try:
            query = urlsplit(self.url).query
            return dict(parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_PARAMETERS))
        except ValueError:
            return {}

    @property
    def content_type(self) -> str:
        """Return the media type without parameters, in lower case."""
        return self.header("content-type").partition(";")[0].strip().lower()
