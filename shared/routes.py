"""Where customers can be answered: sealed by intake, opened by the notifier and nobody else."""

from __future__ import annotations

from typing import Final

import msgspec

from shared import ids
from shared.events import Channel, ReplyRoute, Struct
from shared.sealing import Sealer, Unsealable

AUTOMATIC: Final = "tocsin:"
"""So begins what a message of ours says of itself where the platform lets us: a program wrote it."""


class Route(Struct, frozen=True):
    """One way to a customer, opened: never logged, never part of an id.

    ``address`` is an e-mail address, a number in E.164, or the id that the platform has for the person
    or the item (a page-scoped id, a review). ``reply_to`` is the Message-ID or item that is answered,
    ``references`` its thread, oldest first. ``at`` is when the customer wrote, ms. ``account`` is ours
    that was written to, as the platform calls it: a number, a page, an app. ``thread`` is the id of the
    conversation at intake, which need not be what the ids of the mails lead to.
    """

    channel: Channel
    provider: str
    source: str
    address: str
    at: int
    name: str = ""
    subject: str = ""
    reply_to: str = ""
    references: tuple[str, ...] = ()
    account: str = ""
    thread: str = ""


def route_id(record_key: str, source: str, thread_id: str | None) -> str:
    """Return the id of the route of a thread (None: of the customer at that source at all)."""
    return f"{record_key}/{ids.digest('', 'reply-route', source, thread_id or '')}"


def seal(route: Route, record_key: str, thread_id: str | None, sealer: Sealer) -> ReplyRoute:
    """Return ``route`` as it may be written to Kafka."""
    return ReplyRoute(
        route_id=route_id(record_key, route.source, thread_id),
        record_key=record_key,
        source=route.source,
        channel=route.channel,
        sealed=sealer.seal(msgspec.json.encode(route)),
        at=route.at,
        thread_id=thread_id,
    )


def open_sealed(kept: ReplyRoute, sealer: Sealer) -> Route:
    """Return what was sealed.

    Raises:
        Unsealable: another key, or damaged.
    """
    try:
        return msgspec.json.decode(sealer.open(kept.sealed), type=Route)
    except msgspec.DecodeError as error:
        raise Unsealable("damaged") from error
