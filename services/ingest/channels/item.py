"""What every channel adapter hands to intake: one item, normalised, not yet bound to a customer."""

from __future__ import annotations

import msgspec

from shared.events import Channel, Rating

Scalar = str | int | float | bool


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One revision of one item of a source.

    ``author`` identifies the customer within the source (address, number, handle, account id) and
    never leaves intake as such. ``occurred_at`` is what the source states (ms since the epoch, UTC),
    even if it lies in the future. ``source`` None: whatever the door says.
    """

    native_id: str
    channel: Channel
    text: str
    truncated: bool = False
    source: str | None = None
    author: str | None = None
    thread_id: str | None = None
    occurred_at: int | None = None
    language: str | None = None
    rating: Rating | None = None
    attributes: dict[str, Scalar] = {}
