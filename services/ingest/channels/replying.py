"""Where the customer who wrote an item can be answered. Pure; what comes of it is sealed at once."""

from __future__ import annotations

from services.ingest.channels.item import Answerable, Item
from shared.events import Channel, FeedbackReceived, Flag, Operation, Origin, Role
from shared.routes import Route

MAX_REFERENCES = 16
"""So many ids of a thread are kept: the first, which names it, and the last ones."""

_MAX_SUBJECT = 256
_MAX_NAME = 128
_WAYS = {Channel.EMAIL: "email:", Channel.PHONE: "tel:+"}


def route_of(item: Item, event: FeedbackReceived, who: str) -> Route | None:
    """Return the route to the customer, None if there is none, or a machine must not use it.

    ``who`` is what stands for the customer (``identity``). Imported history is no route: addresses are
    told anew by whoever writes again.
    """
    automatic = item.may_auto_respond and item.origin is Origin.HUMAN
    if not automatic or item.role is not Role.CUSTOMER or item.op is Operation.DELETE:
        return None
    if Flag.BACKFILL in event.flags:
        return None
    way = item.answerable or _by_author(item, who)
    if way is None or not way.address:
        return None
    return Route(
        channel=item.channel,
        provider=way.via or event.provider,
        source=event.source,
        address=way.address,
        at=event.received_at if event.occurred_at is None else event.occurred_at,
        name=way.name[:_MAX_NAME],
        subject=way.subject[:_MAX_SUBJECT],
        reply_to=way.reply_to,
        references=_bounded(way.references),
        account=way.account,
        thread=event.thread_id or "",
    )


def _by_author(item: Item, who: str) -> Answerable | None:
    """Return the address or number that the author is known by, on the channel that it is of."""
    kind = _WAYS.get(item.channel)
    if kind is None or item.author is None or not who.startswith(kind):
        return None
    name = item.display_name or ""
    return Answerable(address=who.partition(":")[2], name=name, subject=item.title or "")


def _bounded(references: tuple[str, ...]) -> tuple[str, ...]:
    if len(references) <= MAX_REFERENCES:
        return references
    return references[:1] + references[1 - MAX_REFERENCES :]
