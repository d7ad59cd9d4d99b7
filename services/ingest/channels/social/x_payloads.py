"""Payloads of X's Account Activity API, the fields that we use; nearly all of them may be missing."""

from __future__ import annotations

import msgspec

from services.ingest.channels.social.parts import Id, Raws, Time


class User(msgspec.Struct, frozen=True):
    """An account."""

    id_str: str | None = None
    id: Id | None = None
    name: str | None = None
    screen_name: str | None = None
    verified: bool | None = None
    protected: bool | None = None
    followers_count: int | None = None


class LongText(msgspec.Struct, frozen=True):
    """The whole text of a long post."""

    full_text: str | None = None


class Media(msgspec.Struct, frozen=True):
    """A picture or film."""

    type: str | None = None
    media_url_https: str | None = None


class Entities(msgspec.Struct, frozen=True):
    """What is attached to a post."""

    media: list[Media] | None = None


class Edits(msgspec.Struct, frozen=True):
    """An edited post has a new id; the first one says what it is an edit of."""

    initial_tweet_id: Id | None = None
    edit_tweet_ids: list[Id] | None = None


class Tweet(msgspec.Struct, frozen=True):
    """A post."""

    id_str: str | None = None
    id: Id | None = None
    text: str | None = None
    full_text: str | None = None
    extended_tweet: LongText | None = None
    user: User | None = None
    in_reply_to_status_id_str: str | None = None
    conversation_id_str: str | None = None
    retweeted_status: dict[str, msgspec.Raw] | None = None
    edit_history: Edits | None = None
    extended_entities: Entities | None = None
    lang: str | None = None
    created_at: Time = None
    favorite_count: int | None = None
    retweet_count: int | None = None
    reply_count: int | None = None


class Attached(msgspec.Struct, frozen=True):
    """What is attached to a direct message."""

    media: Media | None = None


class Words(msgspec.Struct, frozen=True):
    """What a direct message says."""

    text: str | None = None
    attachment: Attached | None = None


class Target(msgspec.Struct, frozen=True):
    """Who a direct message is for."""

    recipient_id: Id | None = None


class Created(msgspec.Struct, frozen=True):
    """A direct message that was sent."""

    sender_id: Id | None = None
    target: Target | None = None
    message_data: Words | None = None


class Direct(msgspec.Struct, frozen=True):
    """An event of a direct conversation."""

    type: str | None = None
    id: Id | None = None
    created_timestamp: Time = None
    message_create: Created | None = None


class Gone(msgspec.Struct, frozen=True):
    """The post that was deleted."""

    id: Id | None = None
    user_id: Id | None = None


class Deletion(msgspec.Struct, frozen=True):
    """A deletion."""

    status: Gone
    timestamp_ms: Time = None


class Envelope(msgspec.Struct, frozen=True):
    """A request; every list may be missing."""

    for_user_id: Id | None = None
    users: dict[str, User] | None = None
    tweet_create_events: Raws = None
    tweet_delete_events: Raws = None
    direct_message_events: Raws = None
    favorite_events: Raws = None
    direct_message_mark_read_events: Raws = None
    direct_message_indicate_typing_events: Raws = None
    follow_events: Raws = None
    data: dict[str, msgspec.Raw] | None = None
