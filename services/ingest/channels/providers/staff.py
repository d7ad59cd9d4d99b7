"""What staff observe: a guest complains to a waiter, a technician meets an unhappy customer.

One object, or an array of them, in the product's own JSON:

    {"id": "…", "observed_at": "2026-05-04T10:00:00+02:00", "observer": "Jana K.", "text": "…",
     "customer": "ann@example.com", "location": "berlin-7", "product": "…",
     "channel": "phone" | "social" | "reviews" | "email" | "other", "quote": true, "language": "de"}

``observed_at`` (RFC 3339, with its zone), ``observer`` (a name or staff id) and ``text`` are needed.
``customer`` is an e-mail address, a number (``+49…``, or ``tel:…`` as it is dialled in the region of the
source) or any id; without it the observation stands alone. ``channel`` says where it was seen; ``quote``
that the text is in the customer's own words. Without an ``id`` the same words of the same observer about
the same time are the same observation.

The customer is the author, so that a complaint gets its case; ``observed_by`` and ``quote`` among the
attributes say that somebody else wrote it. Nobody wrote to us, so no machine may answer. Authenticated
like call records.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import msgspec

from services.ingest.channels.gathering import gathered
from services.ingest.channels.hook import Hook
from services.ingest.channels.item import Alias, Item, Scalar, derived
from services.ingest.channels.provider import (
    DAY_S,
    Capability,
    Delivery,
    Provider,
    SecretFrom,
    Settings,
)
from services.ingest.channels.providers.call_record import verify
from services.ingest.channels.reading import Id, read_json
from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.channels.text import clean, clean_line
from services.ingest.channels.times import stated
from shared.events import Channel, Medium, Product

NAME = "staff"
OBSERVED_BY = "observed_by"
QUOTE = "quote"


class Observation(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """One observation, as it is sent."""

    observed_at: Annotated[dt.datetime, msgspec.Meta(tz=True)]
    observer: Id
    text: str
    id: Id | None = None
    customer: Id | None = None
    location: Id | None = None
    product: Id | None = None
    channel: Channel = Channel.OTHER
    quote: bool = False
    language: str | None = None


def parse(hook: Hook, _settings: Settings) -> Delivery:
    """Return the observations of one object or an array of them."""
    if hook.body.lstrip()[:1] != b"[":
        return Delivery(items=(item_of(read_json(hook.body, Observation)),))
    return gathered(read_json(hook.body, list[msgspec.Raw]), Observation, item_of)


def item_of(given: Observation) -> Item:
    """Return the item.

    Raises:
        Rejected: ``text`` or ``observer`` is blank.
    """
    observer = _line(given.observer)
    if observer is None:
        raise Rejected(Refusal.BAD_VALUE, "observer: empty; who observed it?")
    if not clean(given.text)[0]:
        raise Rejected(Refusal.EMPTY_TEXT, "text: empty; what was observed?")
    seen = stated(given.observed_at.isoformat())
    location = _line(given.location)
    return Item(
        native_id=_line(given.id) or derived(observer, str(seen.at), given.text),
        channel=given.channel,
        medium=Medium.OTHER,
        text=given.text,
        aliases=_customer(_line(given.customer)),
        occurred_at=seen.at,
        time_quality=seen.quality,
        language=given.language,
        product=None if location is None else Product(location_id=location),
        attributes=_attributes(given, observer),
        may_auto_respond=False,
    )


def _line(value: Id | None) -> str | None:
    return None if value is None else clean_line(str(value)) or None


def _customer(customer: str | None) -> tuple[Alias, ...]:
    """Return who the customer is.

    It is no ``author``: of posts and reviews that would be shown, and here it may be a number. Of
    aliases only verified ones count; a single one never links anybody.
    """
    return () if customer is None else (Alias(customer, verified=True),)


def _attributes(given: Observation, observer: str) -> dict[str, Scalar]:
    attributes: dict[str, Scalar] = {OBSERVED_BY: _known_as(observer), QUOTE: given.quote}
    if product := _line(given.product):
        attributes["product"] = product
    return attributes


def _known_as(observer: str) -> str:
    """Return the name in a bare address, which would be redacted whole, and with it who it was."""
    name, _, domain = observer.partition("@")
    return name if name and domain and " " not in observer else observer


PROVIDER = Provider(
    name=NAME,
    title="Observations of staff (own JSON)",
    channel=Channel.OTHER,
    capability=Capability(redelivery_s=30 * DAY_S),
    secret="a bearer token, or the key of X-Tocsin-Signature",
    secret_from=SecretFrom.TOKEN,
    itemised=True,
    verify=verify,
    parse=parse,
)
