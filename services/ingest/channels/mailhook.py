"""What the hooks of mail providers share: one request is one message."""

from __future__ import annotations

from collections.abc import Callable

from services.ingest.channels.item import Item
from services.ingest.channels.provider import Delivery, Unfit
from services.ingest.channels.rejection import Rejected


def one_message(read: Callable[[], Item], payload: bytes) -> Delivery:
    """Return the item that ``read`` makes, or the message as a dead letter.

    The request is the provider's and readable; that a stranger's mail in it is not, must not make the
    provider send it again for days.
    """
    try:
        return Delivery(items=(read(),))
    except Rejected as rejected:
        return Delivery(unfit=(Unfit.of(rejected, payload),))
