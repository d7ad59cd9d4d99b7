"""Reviews of Android apps, fetched from Google Play.

API: Google Play Developer API v3, ``reviews.list`` (resource ``Review``). Only reviews with a text, of
production versions, of the last week; a star rating alone never appears.
"""

from __future__ import annotations

import msgspec

from services.ingest.channels.gathering import gathered
from services.ingest.channels.item import Answerable, Item, Scalar, with_title
from services.ingest.channels.provider import (
    DAY_S,
    Capability,
    Ignored,
    Provider,
    Settings,
)
from services.ingest.channels.reading import read_json
from services.ingest.channels.reviews.names import public_name
from services.ingest.channels.reviews.page import (
    POLLED,
    Page,
    identified,
    revision_of,
    whole,
)
from services.ingest.channels.reviews.stars import stars
from services.ingest.channels.times import UNSTATED, Stated, stated
from shared.events import Channel, Engagement, Flag, Medium, Product

Number = str | int | float | None


class _Camel(msgspec.Struct, rename="camel"):
    pass


class _Timestamp(_Camel):
    """``seconds`` since the epoch are 64 bits, so the API writes them as text."""

    seconds: str | int | None = None
    nanos: int = 0


class _UserComment(_Camel):
    text: str = ""
    original_text: str = ""
    last_modified: _Timestamp | None = None
    star_rating: Number = None
    reviewer_language: str | None = None
    device: str | None = None
    android_os_version: Number = None
    app_version_code: Number = None
    app_version_name: str | None = None
    thumbs_up_count: Number = None


class _DeveloperComment(_Camel):
    last_modified: _Timestamp | None = None


class _Comment(_Camel):
    user_comment: _UserComment | None = None
    developer_comment: _DeveloperComment | None = None


class _Review(_Camel):
    review_id: str | None = None
    author_name: str | None = None
    comments: list[_Comment] = []


class _Pagination(_Camel):
    next_page_token: str | None = None


class _Answer(_Camel):
    reviews: list[msgspec.Raw] = []
    token_pagination: _Pagination | None = None


def read_page(body: bytes, settings: Settings) -> Page:
    """Return the reviews in an answer of ``reviews.list``; the token is its parameter ``token``.

    Raises:
        Rejected: it is no such answer.
    """
    answer = read_json(body, _Answer)
    found = gathered(answer.reviews, _Review, lambda review: _item(review, settings))
    pagination = answer.token_pagination
    return Page(found, (pagination.next_page_token or None) if pagination else None)


def _item(review: _Review, settings: Settings) -> Item | Ignored:
    native_id = identified(review.review_id, "reviewId")
    written = [part.user_comment for part in review.comments if part.user_comment is not None]
    if not written:
        return Ignored.OWN if review.comments else Ignored.UNSUPPORTED
    comment = max(written, key=lambda each: _at(each.last_modified).at or 0)
    # With a translation asked for, `text` is the machine's and `originalText` the customer's.
    title, tab, rest = (comment.original_text or comment.text).partition("\t")
    body = rest if tab else title
    modified = _at(comment.last_modified)
    return Item(
        native_id=native_id,
        channel=Channel.REVIEWS,
        medium=Medium.REVIEW,
        title=(title.strip() or None) if tab else None,
        text=with_title(title if tab else None, body),
        revision=_revision(comment),
        # A person has one review per app, and names are not unique: nobody is to be merged by name.
        display_name=public_name(review.author_name),
        occurred_at=modified.at,
        time_quality=modified.quality,
        rating=stars(comment.star_rating),
        engagement=_engagement(comment),
        product=Product(
            app_id=settings.option("package") or None,
            version=_text(comment.app_version_name) or _text(comment.app_version_code),
            platform="android",
        ),
        attributes=_attributes(comment, _replied_at(review, modified)),
        flags=(Flag.TRANSLATED,) if comment.original_text else (),
        answerable=Answerable(
            address=native_id, account=settings.option("package"), reply_to=native_id
        ),
    )


def _at(time: _Timestamp | None) -> Stated:
    if time is None:
        return UNSTATED
    found = stated(time.seconds)
    within = time.nanos // 1_000_000 if 0 <= time.nanos < 1_000_000_000 else 0
    return found if found.at is None else found._replace(at=found.at + within)


def _revision(comment: _UserComment) -> str:
    time = comment.last_modified
    if time is None or time.seconds is None:
        return revision_of(comment.star_rating, comment.original_text or comment.text)
    return f"{time.seconds}.{time.nanos:09d}"


def _replied_at(review: _Review, modified: Stated) -> int | None:
    """Return when the developer answered; an answer to an earlier edit is none."""
    replies = [
        _at(part.developer_comment.last_modified).at or 0
        for part in review.comments
        if part.developer_comment is not None
    ]
    last = max(replies, default=0)
    return last if last > (modified.at or 0) else None


def _engagement(comment: _UserComment) -> Engagement | None:
    likes = whole(comment.thumbs_up_count)
    return None if likes is None else Engagement(likes=likes)


def _attributes(comment: _UserComment, replied_at: int | None) -> dict[str, Scalar]:
    """Return the rest. The language is the device's setting, not that of the text: no hint."""
    stated_values: dict[str, Scalar | None] = {
        "device": comment.device,
        "device_language": comment.reviewer_language,
        "android_sdk": whole(comment.android_os_version),
        "replied_at": replied_at,
    }
    return {name: value for name, value in stated_values.items() if value is not None}


def _text(value: Number) -> str | None:
    return None if value is None else str(value).strip() or None


PROVIDER = Provider(
    name="google_play",
    title="Google Play",
    channel=Channel.REVIEWS,
    secret="key of a service account with access to the app in Play Console",
    options={"package": "required: package name of the app", **POLLED},
    pull=True,
    capability=Capability(
        redelivery_s=7 * DAY_S,
        history_s=7 * DAY_S,
        reply_max_chars=350,
        replies_per_item=1,
        reply_edit_allowed=True,
        public=True,
    ),
)
