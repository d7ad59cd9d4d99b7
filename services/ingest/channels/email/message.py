"""The two entries of the e-mail core: a raw message, or the parts of one, becomes an item."""

from __future__ import annotations

from services.ingest.channels.email.parts import Envelope, Parts
from services.ingest.channels.item import Item
from services.ingest.channels.provider import Settings


def parse_message(raw: bytes, envelope: Envelope, settings: Settings, now: int) -> Item:
    """Return the item in ``raw``, a message as of RFC 5322; ``now`` in ms.

    Raises:
        Rejected: there is nothing in it, or it is too large.
    """
    raise NotImplementedError


def from_parts(parts: Parts, envelope: Envelope, settings: Settings, now: int) -> Item:
    """Return the item of a message that is parsed already; ``now`` in ms.

    Raises:
        Rejected: there is nothing in it.
    """
    raise NotImplementedError
