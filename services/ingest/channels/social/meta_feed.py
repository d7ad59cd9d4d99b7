"""Public posts and comments: a Facebook page's feed, Instagram comments and mentions.

Facebook (Meta, "Webhooks Reference: Page"): field ``feed``, value ``{item comment|post|…, verb
add|edited|remove|hide…, comment_id, post_id, parent_id, from{id, name}, message, created_time s}``.
Instagram ("Webhooks Reference: Instagram"): fields ``comments``, ``live_comments``, value ``{id, text,
from{id, username}, media{id}, parent_id}``; a mention has ids only, its text would have to be fetched.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from services.ingest.channels.item import Item
from services.ingest.channels.provider import Ignored
from services.ingest.channels.social.meta_messaging import RANGES
from services.ingest.channels.social.parts import Id, Part, Time, optional, required
from services.ingest.channels.times import stated
from shared.events import Attachment, Channel, Medium, Operation, Origin, Role

_OPERATIONS = {
    "add": Operation.CREATE,
    "edit": Operation.UPDATE,
    "edited": Operation.UPDATE,
    "update": Operation.UPDATE,
    "remove": Operation.DELETE,
    "delete": Operation.DELETE,
}
_POSTS = frozenset({"post", "status", "photo", "video", "share", "link", "album", "note"})
_REACTIONS = frozenset({"reaction", "like"})


class Person(msgspec.Struct, frozen=True):
    """Who wrote; Facebook gives a name, Instagram a username."""

    id: Id | None = None
    name: str | None = None
    username: str | None = None


class Permalink(msgspec.Struct, frozen=True):
    """The post that was commented on."""

    permalink_url: str | None = None


class FeedValue(msgspec.Struct, frozen=True, rename={"sender": "from"}):
    """What happened to a post or a comment; old applications have ``sender_id`` for ``from``."""

    item: str | None = None
    verb: str | None = None
    comment_id: Id | None = None
    post_id: Id | None = None
    parent_id: Id | None = None
    sender: Person | None = None
    sender_id: Id | None = None
    sender_name: str | None = None
    message: str | None = None
    created_time: Time = None
    photo: str | None = None
    photos: list[str] | None = None
    video: str | None = None
    post: Permalink | None = None


class Comment(msgspec.Struct, frozen=True, rename={"sender": "from"}):
    """A comment on, or with a mention of, an Instagram account."""

    id: Id | None = None
    text: str | None = None
    sender: Person | None = None
    media: Person | None = None
    parent_id: Id | None = None
    timestamp: Time = None


def page(own: str | None, value: FeedValue) -> Iterator[Part]:
    """Yield what a change in the feed of the page ``own`` is to us."""
    if value.item in _REACTIONS:
        yield Ignored.REACTION
    elif value.item == "comment" or value.item in _POSTS:
        operation = _OPERATIONS.get(value.verb or "")
        yield Ignored.STATUS if operation is None else _post(value, operation, own)
    else:
        yield Ignored.STATUS


def _post(value: FeedValue, operation: Operation, own: str | None) -> Item:
    comment = value.item == "comment"
    post = optional(value.post_id)
    native = required(*(("comment_id", value.comment_id) if comment else ("post_id", post)))
    gone = operation is Operation.DELETE
    at = stated(value.created_time)
    sender = value.sender or Person(id=value.sender_id, name=value.sender_name)
    author = optional(sender.id)
    return Item(
        native_id=native,
        channel=Channel.SOCIAL,
        medium=Medium.COMMENT if comment else Medium.POST,
        op=operation,
        text="" if gone else value.message or "",
        thread_id=post or native,
        parent_id=(optional(value.parent_id) or post) if comment else None,
        occurred_at=None if gone else at.at,
        edited_at=at.at if gone else None,
        time_quality=at.quality,
        url=(value.post and value.post.permalink_url) or f"https://www.facebook.com/{native}",
        author=author,
        author_verified=author is not None,
        display_name=sender.name,
        role=_role(author, own),
        origin=_origin(author, own),
        attachments=() if gone else _attachments(value),
    )


def _attachments(value: FeedValue) -> tuple[Attachment, ...]:
    photos = dict.fromkeys([*([value.photo] if value.photo else []), *(value.photos or ())])
    videos = [value.video] if value.video else []
    return tuple(
        Attachment(media_type=RANGES[kind], url=url)
        for kind, urls in (("image", photos), ("video", videos))
        for url in urls
    )


def instagram(own: str | None, time: Time, value: Comment) -> Iterator[Part]:
    """Yield what a comment is to us that the account ``own`` was told of at ``time``."""
    if value.text is None:
        yield Ignored.PARTIAL
        return
    native = required("id", value.id)
    sender = value.sender or Person()
    author = optional(sender.id)
    media = optional((value.media or Person()).id)
    at = stated(time if value.timestamp is None else value.timestamp)
    yield Item(
        native_id=native,
        channel=Channel.SOCIAL,
        medium=Medium.COMMENT,
        text=value.text,
        thread_id=media or native,
        parent_id=optional(value.parent_id) or media,
        occurred_at=at.at,
        time_quality=at.quality,
        author=author,
        author_verified=author is not None,
        handle=sender.username,
        role=_role(author, own),
        origin=_origin(author, own),
    )


def _role(author: str | None, own: str | None) -> Role:
    return Role.AGENT if author is not None and author == own else Role.CUSTOMER


def _origin(author: str | None, own: str | None) -> Origin:
    return Origin.OWN_ECHO if _role(author, own) is Role.AGENT else Origin.HUMAN
