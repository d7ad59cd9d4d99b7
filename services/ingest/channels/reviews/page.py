"""A page of reviews that a collector fetched: what every ``read_page`` returns, and how it is filled."""

from __future__ import annotations

import msgspec

from services.ingest.channels.item import derived
from services.ingest.channels.provider import Delivery
from services.ingest.channels.rejection import Refusal, Rejected

POLLED = {
    "poll_s": "seconds between two readings",
    "base_url": "address of the API where it is not the platform's own (a proxy), https",
}
"""Options of every source that is asked for its reviews."""

_INT64 = 1 << 63


class Page(msgspec.Struct, frozen=True):
    """One page; ``next_token`` asks for the following one, None: this was the last.

    What a token is, is the platform's affair: a word for a parameter, a number, a whole URL.
    """

    delivery: Delivery
    next_token: str | None = None


def identified(native_id: str | int | None, field: str) -> str:
    """Return the id of a review.

    Raises:
        Rejected: there is none; without it an edit could not be told from a second review.
    """
    found = "" if native_id is None else str(native_id).strip()
    if not found:
        raise Rejected(Refusal.MISSING_FIELD, f"{field}: a review without an id")
    return found


def revision_of(*parts: object) -> str:
    """Return a revision that changes with any of ``parts`` and with nothing else.

    For platforms that number no edits. Left to the whole content, our own reply would be an edit.
    """
    return derived(*map(str, parts))


def whole(value: str | float | None) -> int | None:
    """Return a count, which some platforms write as text; None if it is none."""
    try:
        number = int(value) if value is not None and len(str(value)) <= 20 else None
    except (ValueError, OverflowError):
        return None
    return number if number is not None and 0 <= number < _INT64 else None
