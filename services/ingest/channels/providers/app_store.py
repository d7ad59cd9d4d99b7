"""Reviews of apps in the App Store, fetched from App Store Connect.

API: App Store Connect API, "List all customer reviews for an app" (JSON:API), to be called with
``include=response``, and "Generating tokens for API requests". App Store Connect has webhooks, but
none for reviews.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import jwt
import msgspec

from services.ingest.channels.gathering import gathered
from services.ingest.channels.item import Item, Scalar, with_title
from services.ingest.channels.provider import DAY_S, Capability, Provider, Settings
from services.ingest.channels.reading import read_json
from services.ingest.channels.rejection import Rejected
from services.ingest.channels.reviews.names import public_name
from services.ingest.channels.reviews.page import POLLED, Page, identified, revision_of
from services.ingest.channels.reviews.stars import stars
from services.ingest.channels.reviews.territories import country
from services.ingest.channels.times import stated
from shared.errors import Misconfigured
from shared.events import Channel, Medium, Product

HOST = "api.appstoreconnect.apple.com"
_AUDIENCE = "appstoreconnect-v1"
_TOKEN_LIFE_S = 900  # Apple refuses tokens of more than 20 minutes


class _Camel(msgspec.Struct, rename="camel"):
    pass


class _Attributes(_Camel):
    rating: str | int | float | None = None
    title: str | None = None
    body: str | None = None
    reviewer_nickname: str | None = None
    created_date: str | None = None
    territory: str | None = None


class _Identifier(_Camel):
    id: str | None = None


class _Relationship(_Camel):
    data: _Identifier | None = None


class _Relationships(_Camel):
    response: _Relationship | None = None


class _Review(_Camel):
    id: str | None = None
    attributes: _Attributes | None = None
    relationships: _Relationships | None = None


class _ReplyAttributes(_Camel):
    last_modified_date: str | None = None


class _Reply(_Camel):
    """Only what is needed of a ``customerReviewResponses``."""

    type: str = ""
    id: str = ""
    attributes: _ReplyAttributes = msgspec.field(default_factory=_ReplyAttributes)


class _Links(_Camel):
    next: str | None = None


class _Answer(_Camel):
    data: list[msgspec.Raw]
    included: list[msgspec.Raw] = []
    links: _Links | None = None


def token(key_id: str, issuer_id: str, private_key_pem: bytes, now: int) -> str:
    """Return the bearer token for a request; valid for 15 minutes from ``now`` (ms).

    Raises:
        Misconfigured: ``private_key_pem`` is no P-256 private key.
    """
    issued = now // 1000
    claims = {
        "iss": issuer_id,
        "iat": issued,
        "exp": issued + _TOKEN_LIFE_S,
        "aud": _AUDIENCE,
    }
    try:
        return jwt.encode(claims, private_key_pem, algorithm="ES256", headers={"kid": key_id})
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise Misconfigured("the key of App Store Connect is no P-256 private key (.p8)") from error


def read_page(body: bytes, settings: Settings) -> Page:
    """Return the reviews in an answer; the token is the URL of the next page.

    Raises:
        Rejected: it is no such answer.
    """
    answer = read_json(body, _Answer)
    replies = _replies(answer.included)
    found = gathered(answer.data, _Review, lambda review: _item(review, replies, settings))
    return Page(found, _next(answer.links))


def _item(review: _Review, replies: dict[str, int], settings: Settings) -> Item:
    native_id = identified(review.id, "id")
    given = review.attributes or _Attributes()
    created = stated(given.created_date)
    text = with_title(given.title, given.body or "")
    nickname = public_name(given.reviewer_nickname)
    attributes: dict[str, Scalar] = {}
    linked = review.relationships and review.relationships.response
    if linked and linked.data and (replied := replies.get(linked.data.id or "")):
        attributes["replied_at"] = replied
    return Item(
        native_id=native_id,
        channel=Channel.REVIEWS,
        medium=Medium.REVIEW,
        title=(given.title or "").strip() or None,
        text=text,
        # An edit keeps the id and moves the date; should it ever not, the words tell.
        revision=revision_of(given.created_date, given.rating, text),
        author=nickname,  # nicknames are unique in the App Store
        display_name=nickname,
        country=country(given.territory),
        occurred_at=created.at,
        time_quality=created.quality,
        rating=stars(given.rating),
        product=Product(app_id=settings.option("app_id") or None, platform="ios"),
        attributes=attributes,
    )


def _replies(included: list[msgspec.Raw]) -> dict[str, int]:
    """Return the times of our responses by their ids; what cannot be read is no response."""
    times: dict[str, int] = {}
    for raw in included:
        try:
            reply = read_json(bytes(raw), _Reply)
        except Rejected:
            continue
        at = stated(reply.attributes.last_modified_date).at
        if reply.type == "customerReviewResponses" and at is not None:
            times[reply.id] = at
    return times


def _next(links: _Links | None) -> str | None:
    """Return the next page's URL, if it is Apple's: our token goes along with the request."""
    if links is None or not links.next:
        return None
    try:
        url = urlsplit(links.next)
    except ValueError:
        return None
    return links.next if (url.scheme, url.netloc) == ("https", HOST) else None


PROVIDER = Provider(
    name="app_store",
    title="App Store",
    channel=Channel.REVIEWS,
    secret="private key (.p8) of App Store Connect",
    options={
        "app_id": "required: number of the app (Apple ID)",
        "key_id": "required: id of the key",
        "issuer_id": "required: id of the issuer of the key",
        **POLLED,
    },
    pull=True,
    capability=Capability(
        redelivery_s=30 * DAY_S,
        history_s=3_650 * DAY_S,
        reply_max_chars=5_970,
        replies_per_item=1,
        reply_edit_allowed=True,
        public=True,
    ),
)
