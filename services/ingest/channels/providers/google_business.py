"""Reviews of places on Google Maps, announced by Google Business Profile.

API: My Business Notifications API v1 (``NotificationSetting``) and My Business API v4
(``Notifications``, ``accounts.locations.reviews``). The push tells only which review is new or edited;
the review itself is fetched with the token of the business and read by ``read_review``. Nothing is
sent when a review is deleted.
"""

from __future__ import annotations

import re

import msgspec

from services.ingest.channels.gathering import gathered
from services.ingest.channels.hook import Hook
from services.ingest.channels.item import Item, Scalar
from services.ingest.channels.provider import (
    DAY_S,
    Capability,
    Delivery,
    Fetch,
    Ignored,
    Provider,
    Settings,
)
from services.ingest.channels.reading import read_json
from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.channels.reviews import google_push
from services.ingest.channels.reviews.names import public_name
from services.ingest.channels.reviews.page import identified, revision_of
from services.ingest.channels.reviews.stars import stars
from services.ingest.channels.reviews.translated import original
from services.ingest.channels.times import stated
from shared.events import Channel, Flag, Medium, Operation, Product

HOST = "https://mybusiness.googleapis.com"
API = f"{HOST}/v4/"
_REVIEW = re.compile(
    r"accounts/[\w.~-]+/locations/(?P<location>[\w.~-]+)/reviews/(?P<id>[\w.~=-]+)", re.ASCII
)
_ANNOUNCED = frozenset({"NEW_REVIEW", "UPDATED_REVIEW"})


class _Camel(msgspec.Struct, rename="camel"):
    pass


class _Reviewer(_Camel):
    display_name: str | None = None
    is_anonymous: bool = False


class _Reply(_Camel):
    update_time: str | None = None


class _Review(_Camel):
    name: str | None = None
    review_id: str | None = None
    reviewer: _Reviewer | None = None
    star_rating: str | int | float | None = None
    comment: str | None = None
    create_time: str | None = None
    update_time: str | None = None
    review_reply: _Reply | None = None


class _Notification(msgspec.Struct):
    """Version 4 writes ``reviewName``, version 1 ``review_name``; the type stands under either name."""

    type: str | None = None
    notification_type: str | None = None
    notification_type_v4: str | None = msgspec.field(name="notificationType", default=None)
    review_name: str | None = None
    review_name_v4: str | None = msgspec.field(name="reviewName", default=None)
    review: _Review | str | None = None


def parse(hook: Hook, settings: Settings) -> Delivery:
    """Return the review of a push if it came along, else what to fetch.

    Raises:
        Rejected: it is no push of Pub/Sub.
    """
    data = google_push.message_data(hook.body)
    return gathered([msgspec.Raw(data)], _Notification, lambda given: _announced(given, settings))


def read_review(body: bytes, settings: Settings) -> Item:
    """Return the review in an answer of ``accounts.locations.reviews.get``.

    Raises:
        Rejected: it is no review.
    """
    return _item(read_json(body, _Review), settings)


def _announced(given: _Notification, settings: Settings) -> Item | Fetch | Ignored:
    kind = given.type or given.notification_type or given.notification_type_v4 or ""
    if kind not in _ANNOUNCED:
        return Ignored.UNSUPPORTED
    if isinstance(given.review, _Review):
        return _item(given.review, settings)
    name = given.review_name or given.review_name_v4 or given.review or ""
    match = _REVIEW.fullmatch(name)
    if match is None:  # our token goes to the address that is made of it
        raise Rejected(Refusal.BAD_VALUE, f"reviewName: no name of a review: {name[:80]!r}")
    return Fetch(url=API + name, native_id=match["id"])


def _item(review: _Review, settings: Settings) -> Item:
    named = _REVIEW.fullmatch(review.name or "")
    native_id = identified(named["id"] if named else review.review_id, "reviewId")
    text, translated = original(review.comment or "")
    created, updated = stated(review.create_time), stated(review.update_time)
    at = created if created.at is not None else updated
    edited = updated.at if updated.at is not None and updated.at != at.at else None
    reviewer = review.reviewer or _Reviewer()
    location = named["location"] if named else settings.option("location")
    return Item(
        native_id=native_id,
        channel=Channel.REVIEWS,
        medium=Medium.REVIEW,
        text=text,
        op=Operation.CREATE if edited is None else Operation.UPDATE,
        revision=review.update_time or revision_of(review.star_rating, text),
        # A person has one review per place, and names are not unique: nobody is merged by name.
        display_name=None if reviewer.is_anonymous else public_name(reviewer.display_name),
        occurred_at=at.at,
        time_quality=at.quality,
        edited_at=edited,
        rating=stars(review.star_rating),
        product=Product(location_id=location) if location else None,
        attributes=_attributes(review),
        flags=(Flag.TRANSLATED,) if translated else (),
        original=(review.comment or "").encode() if translated else None,
    )


def _attributes(review: _Review) -> dict[str, Scalar]:
    replied = stated(review.review_reply.update_time if review.review_reply else None).at
    return {} if replied is None else {"replied_at": replied}


PROVIDER = Provider(
    name="google_business",
    title="Google Business Profile",
    channel=Channel.REVIEWS,
    secret="credentials file (JSON) of a user, or service account, who manages the places",
    verify=google_push.verify_push,
    parse=parse,
    read=read_review,
    options={
        **google_push.OPTIONS,
        "location": "number of the place, where a review does not say",
        "base_url": "address of the API where it is not Google's own (a proxy), https",
    },
    capability=Capability(
        redelivery_s=7 * DAY_S,  # how long Pub/Sub keeps what was not acknowledged
        history_s=3_650 * DAY_S,
        reply_max_chars=1_024,  # 4,096 bytes
        replies_per_item=1,
        reply_edit_allowed=True,
        public=True,
    ),
)
