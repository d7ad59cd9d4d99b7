"""Direct messages of Messenger and Instagram (Meta, "Webhooks for Messenger", "… Instagram Messaging").

One event: ``{sender{id}, recipient{id}, timestamp ms, message{mid, text, attachments, reply_to,
is_echo, is_deleted} | message_edit | postback | read | delivery | reaction | …}``. Ids of people are
scoped to the page, so they say nothing to anybody else.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from services.ingest.channels.item import Answerable, Item
from services.ingest.channels.provider import Ignored
from services.ingest.channels.social.parts import Id, Part, Time, optional, required
from services.ingest.channels.times import stated
from shared.events import Attachment, Channel, Flag, Medium, Operation, Origin, Role
from shared.routes import AUTOMATIC

MESSENGER = "messenger"
"""The way to a person by the Send API, which Messenger and Instagram have in common."""

RANGES = {kind: f"{kind}/*" for kind in ("image", "audio", "video")}
"""Meta names the kind of a file, not its type."""


class Party(msgspec.Struct, frozen=True):
    """A person, a page or an Instagram account."""

    id: Id | None = None


class Payload(msgspec.Struct, frozen=True):
    """Where an attachment is."""

    url: str | None = None
    title: str | None = None


class Attached(msgspec.Struct, frozen=True):
    """An attachment: image, audio, video, file, fallback (a link), story_mention, ig_reel, …"""

    type: str | None = None
    payload: Payload | None = None


class ReplyTo(msgspec.Struct, frozen=True):
    """What a message answers: another one, or a story."""

    mid: str | None = None
    story: Party | None = None


class Message(msgspec.Struct, frozen=True):
    """A message in either direction; ``metadata`` is what our own application sent with it."""

    mid: str | None = None
    text: str | None = None
    attachments: list[Attached] | None = None
    reply_to: ReplyTo | None = None
    is_echo: bool = False
    is_deleted: bool = False
    is_unsupported: bool = False
    metadata: str | None = None


class Edit(msgspec.Struct, frozen=True):
    """The new text of a message; ``num_edit`` counts up (some deliveries of it have no text)."""

    mid: str | None = None
    text: str | None = None
    num_edit: Id | None = None


class Postback(msgspec.Struct, frozen=True):
    """A press on a button; its label stands for what was said."""

    mid: str | None = None
    title: str | None = None


class Event(msgspec.Struct, frozen=True):
    """One event of a conversation; of ``read``, ``delivery``, ``reaction`` only the presence counts."""

    sender: Party | None = None
    recipient: Party | None = None
    timestamp: Time = None
    message: Message | None = None
    message_edit: Edit | None = None
    postback: Postback | None = None
    read: dict[str, msgspec.Raw] | None = None
    delivery: dict[str, msgspec.Raw] | None = None
    reaction: dict[str, msgspec.Raw] | None = None


def read(own: str | None, event: Event) -> Iterator[Part]:
    """Yield what an event of the page or account ``own`` is to us."""
    if event.message is not None:
        yield _message(event, event.message, own)
    elif event.message_edit is not None:
        yield _edited(event, event.message_edit, own)
    elif event.postback is not None:
        yield _pressed(event, event.postback, own)
    elif event.read is not None or event.delivery is not None:
        yield Ignored.RECEIPT
    else:
        yield Ignored.STATUS if event.reaction is None else Ignored.REACTION


def _message(event: Event, message: Message, own: str | None) -> Part:
    if message.is_unsupported and not message.text and not message.attachments:
        return Ignored.UNSUPPORTED
    base = _base(event, own, required("mid", message.mid), echo=message.is_echo)
    if base.origin is Origin.OWN_ECHO and (message.metadata or "").startswith(AUTOMATIC):
        base = msgspec.structs.replace(base, role=Role.BOT)  # that is no answer of a person
    at = stated(event.timestamp)
    if message.is_deleted:
        return msgspec.structs.replace(
            base, op=Operation.DELETE, edited_at=at.at, time_quality=at.quality
        )
    answered = message.reply_to
    return msgspec.structs.replace(
        base,
        text=message.text or "",
        parent_id=answered and (optional(answered.mid) or _story(answered)),
        occurred_at=at.at,
        time_quality=at.quality,
        attachments=tuple(_attachment(given) for given in message.attachments or ()),
    )


def _edited(event: Event, edit: Edit, own: str | None) -> Part:
    if edit.text is None:
        return Ignored.PARTIAL
    at = stated(event.timestamp)
    return msgspec.structs.replace(
        _base(event, own, required("mid", edit.mid)),
        op=Operation.UPDATE,
        revision=optional(edit.num_edit),
        text=edit.text,
        edited_at=at.at,
        time_quality=at.quality,
    )


def _pressed(event: Event, postback: Postback, own: str | None) -> Part:
    if postback.mid is None or not postback.title:
        return Ignored.STATUS
    at = stated(event.timestamp)
    return msgspec.structs.replace(
        _base(event, own, postback.mid),
        text=postback.title,
        occurred_at=at.at,
        time_quality=at.quality,
        attributes={"kind": "postback"},
    )


def _base(event: Event, own: str | None, mid: str, *, echo: bool = False) -> Item:
    """Return the item without content; whoever wrote it, its author is the customer."""
    sender = optional((event.sender or Party()).id)
    ours = echo or (own is not None and sender == own)
    customer = optional((event.recipient or Party()).id) if ours else sender
    return Item(
        native_id=mid,
        channel=Channel.SOCIAL,
        medium=Medium.DIRECT_MESSAGE,
        text="",
        author=customer,
        author_verified=customer is not None,
        handle=own if ours else None,
        role=Role.AGENT if ours else Role.CUSTOMER,
        origin=Origin.OWN_ECHO if ours else Origin.HUMAN,
        thread_id=f"{own}:{customer}" if own and customer else None,
        flags=(Flag.PRIVATE,),
        answerable=Answerable(address=customer, via=MESSENGER, account=own or "", reply_to=mid)
        if customer
        else None,
    )


def _story(answered: ReplyTo) -> str | None:
    return optional(answered.story.id) if answered.story else None


def _attachment(given: Attached) -> Attachment:
    payload = given.payload or Payload()
    media = RANGES.get(given.type or "")
    name = payload.title or (None if media else given.type)
    return Attachment(name=name, media_type=media, url=payload.url)
