"""X: posts that mention us, answers, direct messages (X, "Account Activity API").

``{for_user_id, tweet_create_events[], tweet_delete_events[], direct_message_events[], users{id: …}}``;
all that our own account writes comes too. ``x-twitter-webhooks-signature: sha256=<base64 HMAC of the
body>`` under the consumer secret. Texts escape ``&``, ``<`` and ``>``.

The address is proven hourly by ``GET ?crc_token=…``, answered with the HMAC of the token: the very
value that would sign a body of the same bytes. So only tokens are answered that can never be a body.
"""

from __future__ import annotations

import base64
import hmac
import html
import re
from collections.abc import Iterator, Mapping
from functools import partial

import msgspec

from services.ingest.channels.gathering import delivered
from services.ingest.channels.hook import Hook
from services.ingest.channels.item import Item
from services.ingest.channels.provider import (
    DAY_S,
    Capability,
    Credentials,
    Delivery,
    Ignored,
    Proof,
    Provider,
    Reply,
    Settings,
)
from services.ingest.channels.reading import read_json
from services.ingest.channels.social.parts import (
    Part,
    count,
    each,
    optional,
    required,
)
from services.ingest.channels.social.x_payloads import (
    Deletion,
    Direct,
    Edits,
    Entities,
    Envelope,
    Media,
    Target,
    Tweet,
    User,
    Words,
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
from shared.signatures import check_hmac, require

_TOKEN = re.compile(r"[A-Za-z0-9_.~=+/:-]{1,512}", re.ASCII)
_NO_LANGUAGE = frozenset({"", "und", "qam", "qct", "qht", "qme", "qst", "zxx"})


def verify(hook: Hook, credentials: Credentials, _settings: Settings) -> Proof:
    """Check the signature over the body."""
    given = hook.header("x-twitter-webhooks-signature")
    check_hmac(credentials.secrets, hook.body, given, encoding=_encoded)
    return Proof("x-sha256")


def _encoded(digest: bytes) -> bytes:
    return b"sha256=" + base64.b64encode(digest)


def challenge(hook: Hook, credentials: Credentials, _settings: Settings) -> Reply | None:
    """Return the HMAC of ``crc_token`` under the newest secret."""
    token = hook.query.get("crc_token")
    if hook.method != "GET" or token is None:
        return None
    require(_TOKEN.fullmatch(token) is not None, "such a token could be the body of a request")
    require(bool(credentials.secrets), "the source has no secret to answer with")
    digest = hmac.new(credentials.secrets[0], token.encode(), "sha256").digest()
    answer = msgspec.json.encode({"response_token": _encoded(digest).decode()})
    return Reply(body=answer, content_type="application/json")


def parse(hook: Hook, _settings: Settings) -> Delivery:
    """Return the posts, deletions and direct messages."""
    return delivered(_parts(read_json(hook.body, Envelope)))


def _parts(given: Envelope) -> Iterator[Part]:
    own = optional(given.for_user_id)
    yield from each(given.tweet_create_events, Tweet, partial(_tweet, own))
    yield from each(given.tweet_delete_events, Deletion, partial(_deleted, own))
    yield from each(given.direct_message_events, Direct, partial(_direct, own, given.users or {}))
    yield from (Ignored.REACTION for _ in given.favorite_events or ())
    yield from (Ignored.RECEIPT for _ in given.direct_message_mark_read_events or ())
    yield from (Ignored.STATUS for _ in given.direct_message_indicate_typing_events or ())
    yield from (Ignored.STATUS for _ in given.follow_events or ())
    if given.data is not None:  # the X Activity API, another product
        yield Ignored.UNSUPPORTED


def _tweet(own: str | None, tweet: Tweet) -> Iterator[Part]:
    if tweet.retweeted_status is not None:
        yield Ignored.REACTION
        return
    this = required("id_str", tweet.id_str or tweet.id)
    edits = tweet.edit_history or Edits()
    versions = edits.edit_tweet_ids or [this]
    first = optional(edits.initial_tweet_id) or optional(versions[0]) or this
    user = tweet.user or User()
    at = stated(tweet.created_at)
    answered = optional(tweet.in_reply_to_status_id_str)
    text = tweet.extended_tweet and tweet.extended_tweet.full_text
    edited = first != this
    yield msgspec.structs.replace(
        _base(first, user, own),
        medium=Medium.POST if answered is None else Medium.COMMENT,
        op=Operation.UPDATE if edited else Operation.CREATE,
        revision=this,
        text=html.unescape(text or tweet.full_text or tweet.text or ""),
        thread_id=optional(tweet.conversation_id_str) or answered or first,
        parent_id=answered,
        occurred_at=None if edited else at.at,
        edited_at=at.at if edited else None,
        time_quality=at.quality,
        language=None if (tweet.lang or "") in _NO_LANGUAGE else tweet.lang,
        url=f"https://x.com/i/web/status/{this}",
        engagement=Engagement(
            likes=count(tweet.favorite_count),
            reposts=count(tweet.retweet_count),
            replies=count(tweet.reply_count),
            followers=count(user.followers_count),
        ),
        attachments=_attachments((tweet.extended_entities or Entities()).media or []),
        flags=(Flag.PRIVATE,) if user.protected else (),
    )


def _deleted(own: str | None, deletion: Deletion) -> Iterator[Part]:
    at = stated(deletion.timestamp_ms)
    native = required("status.id", deletion.status.id)
    yield msgspec.structs.replace(
        _base(native, User(id=deletion.status.user_id), own),
        op=Operation.DELETE,
        edited_at=at.at,
        time_quality=at.quality,
    )


def _direct(own: str | None, users: Mapping[str, User], event: Direct) -> Iterator[Part]:
    created = event.message_create
    if event.type != "message_create" or created is None:
        yield Ignored.STATUS
        return
    sender = optional(created.sender_id)
    ours = sender is not None and sender == own
    customer = optional((created.target or Target()).recipient_id) if ours else sender
    user = users.get(sender or "") or User()
    words = created.message_data or Words()
    media = words.attachment and words.attachment.media
    at = stated(event.created_timestamp)
    base = _base(required("id", event.id), msgspec.structs.replace(user, id_str=customer), None)
    yield msgspec.structs.replace(
        base,
        medium=Medium.DIRECT_MESSAGE,
        text=html.unescape(words.text or ""),
        thread_id=f"{own}:{customer}" if own and customer else None,
        occurred_at=at.at,
        time_quality=at.quality,
        role=Role.AGENT if ours else Role.CUSTOMER,
        origin=Origin.OWN_ECHO if ours else Origin.HUMAN,
        attachments=_attachments([media] if media else []),
        flags=(Flag.PRIVATE,),
    )


def _base(native: str, user: User, own: str | None) -> Item:
    author = optional(user.id_str) or optional(user.id)
    ours = author is not None and author == own
    return Item(
        native_id=native,
        channel=Channel.SOCIAL,
        text="",
        author=author,
        author_verified=author is not None,
        display_name=user.name,
        handle=user.screen_name,
        badge=bool(user.verified),
        role=Role.AGENT if ours else Role.CUSTOMER,
        origin=Origin.OWN_ECHO if ours else Origin.HUMAN,
    )


def _attachments(media: list[Media]) -> tuple[Attachment, ...]:
    return tuple(
        Attachment(
            media_type="image/*" if one.type == "photo" else "video/*", url=one.media_url_https
        )
        for one in media
    )


PROVIDER = Provider(
    name="x",
    title="X (Twitter)",
    channel=Channel.SOCIAL,
    capability=Capability(
        redelivery_s=DAY_S,
        history_s=5 * DAY_S,  # the Replay API
        reply_max_chars=280,
        public=True,
    ),
    secret="the consumer secret (API key secret) of the application",
    verify=verify,
    parse=parse,
    challenge=challenge,
    reply=Reply(),
)
