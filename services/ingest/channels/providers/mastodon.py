"""Mastodon: server-sent events of an instance (docs.joinmastodon.org, "Streaming API", "Status").

``update`` and ``status.update`` carry a status, ``notification`` one that somebody mentioned us in,
``delete`` only an id. That id belongs to the instance, so it is the one that identifies a status here:
by its ``uri``, which all instances share, no deletion would ever find it. A source is one instance; of a
status that two sources see, the ``uri`` is an attribute of both items.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec

from services.ingest.channels.gathering import delivered
from services.ingest.channels.html import to_text
from services.ingest.channels.item import Item, with_title
from services.ingest.channels.provider import (
    DAY_S,
    Capability,
    Delivery,
    Ignored,
    Provider,
    Settings,
)
from services.ingest.channels.reading import read_json
from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.channels.social.keywords import contains
from services.ingest.channels.social.parts import (
    Id,
    Part,
    Time,
    count,
    optional,
    required,
)
from services.ingest.channels.times import stated
from shared.events import (
    Attachment,
    Channel,
    Engagement,
    Flag,
    Medium,
    Operation,
    Origin,
    Role,
)

_REACTIONS = frozenset({"favourite", "reblog"})
_MAX_ID = 64


class Account(msgspec.Struct, frozen=True):
    """An account; ``acct`` has no host if it is of the same instance."""

    id: Id | None = None
    acct: str | None = None
    url: str | None = None
    display_name: str | None = None
    bot: bool | None = None
    followers_count: int | None = None


class Media(msgspec.Struct, frozen=True):
    """An attachment: image, gifv, video, audio, unknown."""

    type: str | None = None
    url: str | None = None
    description: str | None = None


class Status(msgspec.Struct, frozen=True):
    """A post; ``content`` is HTML, ``spoiler_text`` plain."""

    id: Id | None = None
    uri: str | None = None
    url: str | None = None
    content: str | None = None
    spoiler_text: str | None = None
    visibility: str | None = None
    language: str | None = None
    created_at: Time = None
    edited_at: Time = None
    in_reply_to_id: Id | None = None
    account: Account | None = None
    mentions: list[Account] | None = None
    reblog: dict[str, msgspec.Raw] | None = None
    media_attachments: list[Media] | None = None
    favourites_count: int | None = None
    reblogs_count: int | None = None
    replies_count: int | None = None


class Notification(msgspec.Struct, frozen=True):
    """What happened to us: mention, status, update, reblog, favourite, follow, poll, …"""

    type: str = ""
    status: Status | None = None


def read_event(event: str, data: bytes, settings: Settings) -> Delivery:
    """Return what is in an event of the stream.

    Without ``keywords`` every status is taken (the stream is of our own account, or of a hashtag); with
    them only one that contains such a word, mentions one of ``handles``, or is by one of those.

    Raises:
        Rejected: the data is not what the event should carry.
    """
    return delivered(_parts(event, data, settings))


def _parts(event: str, data: bytes, settings: Settings) -> Iterator[Part]:
    if event in {"update", "status.update"}:
        status = read_json(data, Status)
        if status.reblog is not None:
            yield Ignored.REACTION
        elif _wanted(status, settings):
            yield _item(status, settings)
    elif event == "notification":
        yield _notified(read_json(data, Notification), settings)
    elif event == "delete":
        yield _deletion(data)
    else:
        yield Ignored.STATUS


def _notified(notification: Notification, settings: Settings) -> Part:
    if notification.type in _REACTIONS:
        return Ignored.REACTION
    if notification.status is None or notification.type == "poll":
        return Ignored.STATUS
    return _item(notification.status, settings)


def _deletion(data: bytes) -> Item:
    native = data.decode("utf-8", "replace").strip().strip('"')
    if not (native.isascii() and native.isalnum() and len(native) <= _MAX_ID):
        raise Rejected(Refusal.MISSING_FIELD, "delete: an id was expected")
    return Item(
        native_id=native,
        channel=Channel.SOCIAL,
        op=Operation.DELETE,
        text="",
    )


def _item(status: Status, settings: Settings) -> Item:
    native = required("id", status.id)
    account = status.account or Account()
    author = optional(account.id)
    role = _role(account, settings)
    at, edited = stated(status.created_at), stated(status.edited_at)
    answered = optional(status.in_reply_to_id)
    medium = Medium.POST if answered is None else Medium.COMMENT
    private = status.visibility in {"private", "direct"}
    return Item(
        native_id=native,
        channel=Channel.SOCIAL,
        medium=Medium.DIRECT_MESSAGE if status.visibility == "direct" else medium,
        op=Operation.CREATE if edited.at is None else Operation.UPDATE,
        revision=optional(edited.at or at.at),
        title=status.spoiler_text or None,
        text=with_title(status.spoiler_text, to_text(status.content or "")),
        language=status.language,
        thread_id=answered or native,
        parent_id=answered,
        occurred_at=at.at,
        edited_at=edited.at,
        time_quality=at.quality,
        url=status.url or status.uri,
        author=author,
        author_verified=author is not None,
        display_name=account.display_name or None,
        handle=_full(account),
        role=role,
        origin=_ORIGINS.get(role, Origin.HUMAN),
        engagement=Engagement(
            likes=count(status.favourites_count),
            reposts=count(status.reblogs_count),
            replies=count(status.replies_count),
            followers=count(account.followers_count),
        ),
        attachments=tuple(
            Attachment(
                name=media.description, media_type=_RANGES.get(media.type or ""), url=media.url
            )
            for media in status.media_attachments or ()
        ),
        attributes={"uri": status.uri} if status.uri else {},
        flags=(Flag.PRIVATE,) if private else (),
    )


_ORIGINS = {Role.AGENT: Origin.OWN_ECHO, Role.BOT: Origin.AUTO_GENERATED}
_RANGES = {"image": "image/*", "gifv": "video/*", "video": "video/*", "audio": "audio/*"}


def _role(account: Account, settings: Settings) -> Role:
    if _ours(account, settings):
        return Role.AGENT
    return Role.BOT if account.bot else Role.CUSTOMER


def _wanted(status: Status, settings: Settings) -> bool:
    keywords = settings.listed("keywords")
    accounts = [status.account or Account(), *(status.mentions or ())]
    if not keywords or any(_ours(account, settings) for account in accounts):
        return True
    return contains(f"{status.spoiler_text or ''}\n{to_text(status.content or '')}", keywords)


def _ours(account: Account, settings: Settings) -> bool:
    full = (_full(account) or "").casefold()
    return any(full == handle.removeprefix("@").casefold() for handle in settings.listed("handles"))


def _full(account: Account) -> str | None:
    """Return ``user@host``; the host of an account of the same instance is in its URL."""
    if not account.acct or "@" in account.acct:
        return account.acct
    try:
        host = urlsplit(account.url or "").hostname
    except ValueError:
        host = None
    return f"{account.acct}@{host}" if host else account.acct


PROVIDER = Provider(
    name="mastodon",
    title="Mastodon",
    channel=Channel.SOCIAL,
    capability=Capability(
        redelivery_s=DAY_S, reply_max_chars=500, reply_edit_allowed=True, public=True
    ),
    secret="an access token with read:statuses and read:notifications",
    options={
        "handles": "our accounts (user@host)",
        "keywords": "words, one of which a status must contain unless it is for us",
        "instance": "address of the instance, https",
        "stream": "user (the default), user:notification, public, public:local, hashtag, "
        "hashtag:local",
        "tag": "hashtag that is followed, without #",
        "streaming": "address of the server that streams, https; only needed if it is neither "
        "the instance's host nor below it",
    },
    pull=True,
)
