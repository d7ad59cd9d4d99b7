"""Bluesky: the public stream of posts (bluesky-social/jetstream), filtered as it comes.

Version 1, ``/subscribe?wantedCollections=app.bsky.feed.post``: ``{did, time_us, kind commit, commit{rev,
operation, collection, rkey, record{text, createdAt, langs, reply, facets, embed}}}``; the cursor is
``time_us``. Version 2, ``/xrpc/network.bsky.jetstream.subscribeEvents``: ``{$type message, payload{$type
…#commit, seq, did, time, …the same, flat}}``; the cursor is ``seq``, inclusive, so the last event comes
twice. Nothing is authenticated but the connection.

Hundreds of posts a second concern nobody here: what is not for us leaves no trace, not even a count.
Records are whatever their authors' software wrote; one against the schema is not shown by the network
either, so it is nothing to us. ``createdAt`` is the author's claim.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from services.ingest.channels.item import Item
from services.ingest.channels.provider import (
    DAY_S,
    Capability,
    Delivery,
    Provider,
    Settings,
)
from services.ingest.channels.reading import read_json
from services.ingest.channels.rejection import Rejected
from services.ingest.channels.social.keywords import contains
from services.ingest.channels.times import stated
from shared.events import Attachment, Channel, Medium, Operation, Origin, Role

POSTS = "app.bsky.feed.post"
Known = Callable[[str], bool]
"""Tells whether an item with a native id was taken before: a deletion has no words to filter by."""

_OPERATIONS = {operation.value: operation for operation in Operation}


class Reference(msgspec.Struct, frozen=True):
    """Another record, ``at://did/collection/rkey``."""

    uri: str


class Reply(msgspec.Struct, frozen=True):
    """What a post answers."""

    root: Reference
    parent: Reference


class Feature(msgspec.Struct, frozen=True):
    """A mention, a link or a hashtag."""

    did: str | None = None
    tag: str | None = None


class Facet(msgspec.Struct, frozen=True):
    """Mark-up of a part of the text (the part is told in bytes, which we do not need)."""

    features: tuple[Feature, ...] = ()


class Quoted(msgspec.Struct, frozen=True):
    """A quoted record; with media it is one level deeper."""

    uri: str | None = None
    record: Reference | None = None


class Blob(msgspec.Struct, frozen=True, rename="camel"):
    """A file."""

    mime_type: str | None = None
    size: int | None = None


class Image(msgspec.Struct, frozen=True):
    """A picture and what it shows."""

    alt: str | None = None
    image: Blob | None = None


class External(msgspec.Struct, frozen=True):
    """A link with a preview."""

    uri: str
    title: str | None = None


class Embed(msgspec.Struct, frozen=True):
    """What is attached: pictures, a film, a link, a quoted post, or the latter with the former."""

    record: Quoted | None = None
    images: tuple[Image, ...] = ()
    video: Blob | None = None
    external: External | None = None
    media: Embed | None = None


class Post(msgspec.Struct, frozen=True, rename="camel"):
    """A record of ``app.bsky.feed.post``."""

    text: str
    created_at: str | None = None
    langs: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    reply: Reply | None = None
    facets: tuple[Facet, ...] = ()
    embed: Embed | None = None


class Commit(msgspec.Struct, frozen=True):
    """A record that was written or deleted, the fields that both versions have."""

    rev: str | None = None
    operation: str | None = None
    collection: str | None = None
    rkey: str | None = None
    record: msgspec.Raw = msgspec.Raw()


class Payload(Commit, frozen=True):
    """An event of version 2."""

    seq: int | None = None
    did: str | None = None
    time: str | None = None


class Frame(msgspec.Struct, frozen=True):
    """One frame of either version."""

    payload: Payload | None = None
    did: str | None = None
    time_us: int | None = None
    commit: Commit | None = None


def read_event(frame: bytes, settings: Settings, known: Known) -> tuple[Delivery, int | None]:
    """Return what is in a frame and the cursor to resume from, None if it does not move.

    Taken are posts with one of ``keywords``, those that mention, answer or quote one of ``dids``, and
    what those write themselves. Of posts that are ``known`` every revision is taken.

    Raises:
        Rejected: the frame is no JSON object of these versions.
    """
    event = read_json(frame, Frame)
    new = event.payload
    this: Commit = new or event.commit or Commit()
    did, cursor = (new.did, new.seq) if new else (event.did, event.time_us)
    seen = new.time if new else event.time_us
    operation = _OPERATIONS.get(this.operation or "")
    if this.collection != POSTS or operation is None or not did or not this.rkey:
        return Delivery(), cursor
    item = _item(this, did, operation, seen, settings, known)
    return Delivery(items=() if item is None else (item,)), cursor


def _item(
    this: Commit,
    did: str,
    operation: Operation,
    seen: str | int | None,
    settings: Settings,
    known: Known,
) -> Item | None:
    dids = settings.listed("dids")
    uri = f"at://{did}/{POSTS}/{this.rkey}"
    base = Item(
        native_id=uri,
        channel=Channel.SOCIAL,
        op=operation,
        revision=this.rev,
        text="",
        author=did,
        author_verified=True,
        role=Role.AGENT if did in dids else Role.CUSTOMER,
        origin=Origin.OWN_ECHO if did in dids else Origin.HUMAN,
        url=f"https://bsky.app/profile/{did}/post/{this.rkey}",
    )
    if operation is Operation.DELETE:
        wanted = did in dids or known(uri)
        return msgspec.structs.replace(base, edited_at=stated(seen).at) if wanted else None
    try:
        post = read_json(bytes(this.record), Post)
    except Rejected:
        return None
    wanted = did in dids or _concerns(post, dids, settings.listed("keywords"))
    if wanted or (operation is Operation.UPDATE and known(uri)):
        return _filled(base, post, seen)
    return None


def _filled(base: Item, post: Post, seen: str | int | None) -> Item:
    at = stated(post.created_at)
    noticed = stated(seen)
    if at.at is None:
        at = noticed
    return msgspec.structs.replace(
        base,
        text=post.text,
        medium=Medium.COMMENT if post.reply else Medium.POST,
        thread_id=post.reply.root.uri if post.reply else base.native_id,
        parent_id=post.reply.parent.uri if post.reply else None,
        language=post.langs[0] if post.langs else None,
        occurred_at=at.at,
        time_quality=at.quality,
        edited_at=noticed.at if base.op is Operation.UPDATE else None,
        attachments=tuple(_attachments(post.embed)) if post.embed else (),
    )


def _concerns(post: Post, dids: tuple[str, ...], keywords: tuple[str, ...]) -> bool:
    if dids and not _mentioned(post).isdisjoint(dids):
        return True
    if not keywords:
        return False
    tags = [feature.tag for facet in post.facets for feature in facet.features if feature.tag]
    return contains("\n".join((post.text, *tags, *post.tags)), keywords)


def _mentioned(post: Post) -> set[str]:
    """Return the accounts that a post mentions, answers or quotes."""
    found = {feature.did for facet in post.facets for feature in facet.features if feature.did}
    uris = [post.reply.root.uri, post.reply.parent.uri] if post.reply else []
    quoted = post.embed.record if post.embed else None
    if quoted is not None:
        uris.append((quoted.record.uri if quoted.record else quoted.uri) or "")
    return found | {uri.removeprefix("at://").partition("/")[0] for uri in uris}


def _attachments(embed: Embed) -> Iterator[Attachment]:
    for image in embed.images:
        blob = image.image or Blob()
        yield Attachment(name=image.alt or None, media_type=blob.mime_type, size=blob.size)
    if embed.video is not None:
        yield Attachment(media_type=embed.video.mime_type, size=embed.video.size)
    if embed.external is not None:
        yield Attachment(name=embed.external.title, url=embed.external.uri)
    if embed.media is not None:
        yield from _attachments(msgspec.structs.replace(embed.media, media=None))


PROVIDER = Provider(
    name="bluesky",
    title="Bluesky (Jetstream)",
    channel=Channel.SOCIAL,
    capability=Capability(redelivery_s=DAY_S, history_s=DAY_S, reply_max_chars=300, public=True),
    options={
        "keywords": "words, one of which a post must contain",
        "dids": "our accounts (did:plc:…): posts that mention, answer or quote them are taken",
        "authors": "accounts (did:plc:…), up to 10,000: the server sends the posts of these only",
        "base_url": "address of another Jetstream server, https",
    },
    pull=True,
)
