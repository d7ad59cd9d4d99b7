"""Reviews of shops and their products, pushed by Trustpilot.

Documentation: "Trustpilot webhooks" of the support centre (service and product reviews, created,
updated, deleted). There is no signature: the address holds a user and a password, which come as basic
authentication. The consumer's e-mail address is never in them for service reviews and never read.
"""

from __future__ import annotations

import msgspec

from services.ingest.channels.gathering import gathered
from services.ingest.channels.hook import Hook
from services.ingest.channels.item import Item, Scalar, with_title
from services.ingest.channels.provider import (
    Capability,
    Credentials,
    Delivery,
    Ignored,
    Proof,
    Provider,
    SecretFrom,
    Settings,
)
from services.ingest.channels.reading import read_json
from services.ingest.channels.reviews.names import public_name
from services.ingest.channels.reviews.page import identified
from services.ingest.channels.reviews.stars import stars
from services.ingest.channels.times import stated
from shared.events import Channel, Medium, Operation, Product
from shared.signatures import check_basic

_OPERATIONS = {
    f"{kind}-review-{verb}": operation
    for kind in ("service", "product")
    for verb, operation in (
        ("created", Operation.CREATE),
        ("updated", Operation.UPDATE),
        ("deleted", Operation.DELETE),
    )
}


class _Camel(msgspec.Struct, rename="camel"):
    pass


class _Consumer(_Camel):
    id: str | None = None
    name: str | None = None
    display_name: str | None = None


class _Tag(_Camel):
    group: str = ""
    value: str = ""


class _Product(_Camel):
    sku: str | None = None
    name: str | None = None


class _Review(_Camel):
    """A service review has ``text``, a product review ``content``."""

    id: str | None = None
    language: str | None = None
    title: str | None = None
    text: str | None = None
    content: str | None = None
    reference_id: str | None = None
    stars: str | int | float | None = None
    created_at: str | None = None
    updated_at: str | None = None
    is_verified: bool | None = None
    location_id: str | None = None
    consumer: _Consumer | None = None
    tags: list[_Tag] | None = None
    product: _Product | None = None


class _Event(_Camel):
    event_name: str
    event_data: _Review | None = None


class _Events(_Camel):
    events: list[msgspec.Raw]


def verify(hook: Hook, credentials: Credentials, settings: Settings) -> Proof:  # noqa: ARG001
    """Check user and password.

    Raises:
        Unauthentic: they are missing or wrong.
    """
    check_basic(credentials.secrets, hook.header("authorization"))
    return Proof(method="basic")


def parse(hook: Hook, settings: Settings) -> Delivery:  # noqa: ARG001 (nothing to configure)
    """Return the reviews in a request.

    Raises:
        Rejected: it is no list of events.
    """
    return gathered(read_json(hook.body, _Events).events, _Event, _item)


def _item(event: _Event) -> Item | Ignored:
    operation = _OPERATIONS.get(event.event_name)
    if operation is None:
        return Ignored.UNSUPPORTED
    review = event.event_data or _Review()
    native_id = identified(review.id, "eventData.id")
    if operation is Operation.DELETE:
        return Item(
            native_id=native_id,
            channel=Channel.REVIEWS,
            medium=Medium.REVIEW,
            op=operation,
            text="",
            author=review.consumer.id if review.consumer else None,
        )
    created, updated = stated(review.created_at), stated(review.updated_at)
    consumer = review.consumer or _Consumer()
    return Item(
        native_id=native_id,
        channel=Channel.REVIEWS,
        medium=Medium.REVIEW,
        op=operation,
        title=(review.title or "").strip() or None,
        text=with_title(review.title, review.text or review.content or ""),
        author=consumer.id or None,
        display_name=public_name(consumer.name or consumer.display_name),
        badge=bool(review.is_verified),
        language=review.language or None,
        occurred_at=created.at,
        time_quality=created.quality,
        edited_at=updated.at if updated.at != created.at else None,
        rating=stars(review.stars),
        product=_product(review),
        attributes=_attributes(review),
    )


def _product(review: _Review) -> Product:
    return Product(
        order_ref=review.reference_id or None,
        location_id=review.location_id or None,
        app_id=review.product.sku if review.product else None,
    )


def _attributes(review: _Review) -> dict[str, Scalar]:
    attributes: dict[str, Scalar] = {}
    if review.product and review.product.name:
        attributes["product"] = review.product.name
    if review.tags:
        attributes["tags"] = ", ".join(f"{tag.group}:{tag.value}" for tag in review.tags)
    return attributes


PROVIDER = Provider(
    name="trustpilot",
    title="Trustpilot",
    channel=Channel.REVIEWS,
    secret="user:password, as they stand in the address given to Trustpilot",
    secret_from=SecretFrom.BASIC,
    verify=verify,
    parse=parse,
    capability=Capability(replies_per_item=1, reply_edit_allowed=True, public=True),
)
