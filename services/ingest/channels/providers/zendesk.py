"""Zendesk: event web hooks (developer docs "Ticket events", "Messaging events") and trigger web hooks.

A trigger's body is written by its owner; these names are understood, at the top or in ``ticket``, and
one that is missing costs nothing but what it says::

    {"ticket_id": "{{ticket.id}}", "comment_id": "…", "title": "{{ticket.title}}",
     "text": "{{ticket.latest_public_comment}}", "requester_id": "{{ticket.requester.id}}",
     "requester_email": "{{ticket.requester.email}}", "author_role": "end_user or agent",
     "updated_at": "{{ticket.updated_at_with_timestamp}}", "via": "{{ticket.via}}"}

Signature: base64 HMAC-SHA256 over the time and the body with nothing between.
"""

from __future__ import annotations

import base64

import msgspec

from services.ingest.channels.gathering import delivered
from services.ingest.channels.hook import Hook
from services.ingest.channels.item import Alias, Item, derived, with_title
from services.ingest.channels.provider import (
    DAY_S,
    Capability,
    Credentials,
    Delivery,
    Ignored,
    Proof,
    Provider,
    Settings,
)
from services.ingest.channels.reading import Id, read_json
from services.ingest.channels.rejection import Refusal, Rejected
from services.ingest.channels.times import stated
from shared.events import Channel, Medium, Operation, Origin, Role
from shared.signatures import check_age, check_hmac


class Via(msgspec.Struct, frozen=True):
    """By which way a ticket came."""

    channel: str | None = None


class Author(msgspec.Struct, frozen=True):
    """Who wrote a comment."""

    id: Id | None = None
    is_staff: bool | None = None
    name: str | None = None


class Comment(msgspec.Struct, frozen=True):
    """A comment of an event."""

    id: Id
    body: str | None = None
    is_public: bool | None = None
    author: Author | None = None


class Actor(msgspec.Struct, frozen=True):
    """Who wrote a message: end_user, agent, trigger or system."""

    id: Id | None = None
    name: str | None = None
    type: str | None = None


class Chat(msgspec.Struct, frozen=True):
    """A message of a chat."""

    id: Id
    body: str | None = None


class Change(msgspec.Struct, frozen=True):
    """What an event is about."""

    comment: Comment | None = None
    message: Chat | None = None
    actor: Actor | None = None
    conversation_id: str | None = None


class Detail(msgspec.Struct, frozen=True):
    """The ticket of an event."""

    id: Id
    subject: str | None = None
    description: str | None = None
    requester_id: Id | None = None
    is_public: bool | None = None
    created_at: str | None = None
    via: Via | None = None


class Event(msgspec.Struct, frozen=True):
    """An event web hook."""

    type: str
    detail: Detail
    time: str | None = None
    event: Change = Change()


class Trigger(msgspec.Struct, frozen=True):
    """A trigger web hook in the shape that the module's docstring asks for."""

    ticket_id: Id | None = None
    id: Id | None = None
    comment_id: Id | None = None
    title: str | None = None
    subject: str | None = None
    text: str | None = None
    description: str | None = None
    requester_id: Id | None = None
    requester_email: str | None = None
    requester_name: str | None = None
    author_role: str | None = None
    updated_at: str | None = None
    via: Via | str | None = None


class Head(msgspec.Struct, frozen=True):
    """What tells the shapes apart."""

    type: str = ""
    ticket: msgspec.Raw = msgspec.Raw()


_EVENT = "zen:event-type:"
_PLACES = {
    "email": (Channel.EMAIL, Medium.EMAIL),
    "mail": (Channel.EMAIL, Medium.EMAIL),
    "voice": (Channel.PHONE, Medium.CALL),
    "phone": (Channel.PHONE, Medium.CALL),
    "sms": (Channel.PHONE, Medium.SMS),
    "twitter": (Channel.SOCIAL, Medium.POST),
    "facebook": (Channel.SOCIAL, Medium.POST),
    "instagram_dm": (Channel.SOCIAL, Medium.DIRECT_MESSAGE),
    "whatsapp": (Channel.SOCIAL, Medium.DIRECT_MESSAGE),
    "native_messaging": (Channel.OTHER, Medium.DIRECT_MESSAGE),
    "chat": (Channel.OTHER, Medium.DIRECT_MESSAGE),
}
_STAFF = frozenset({"agent", "admin", "staff"})


def verify(hook: Hook, credentials: Credentials, _settings: Settings) -> Proof:
    """Check the signature over time and body."""
    timestamp = hook.header("x-zendesk-webhook-signature-timestamp")
    check_age(stated(timestamp).at, hook.now)
    check_hmac(
        credentials.secrets,
        timestamp.encode("utf-8", "surrogateescape") + hook.body,
        hook.header("x-zendesk-webhook-signature"),
        encoding=base64.b64encode,
    )
    return Proof("zendesk-sha256")


def parse(hook: Hook, _settings: Settings) -> Delivery:
    """Return the comment, message or ticket of an event or of a trigger."""
    head = read_json(hook.body, Head)
    if head.type.startswith(_EVENT):
        found = _of_event(head.type.removeprefix(_EVENT), hook.body)
    else:
        nested = bytes(head.ticket)
        found = _of_trigger(read_json(nested if nested.startswith(b"{") else hook.body, Trigger))
    return delivered((found,))


def _of_event(kind: str, body: bytes) -> Item | Ignored:
    if kind not in _READERS:
        return Ignored.STATUS
    return _READERS[kind](read_json(body, Event))


def _comment(event: Event) -> Item | Ignored:
    comment, ticket = event.event.comment, event.detail
    if comment is None:
        raise Rejected(Refusal.MISSING_FIELD, "event.comment: the event has no comment")
    if comment.is_public is False:
        return Ignored.OWN
    author = comment.author or Author()
    role = Role.AGENT if author.is_staff else Role.CUSTOMER
    return written(
        ticket.id, f"comment:{comment.id}", role, author.id,
        text=comment.body, name=author.name, at=event.time, via=ticket.via,
    )  # fmt: skip


def _message(event: Event) -> Item | Ignored:
    message, actor = event.event.message, event.event.actor or Actor()
    if message is None:
        raise Rejected(Refusal.MISSING_FIELD, "event.message: the event has no message")
    if actor.type in {"trigger", "system"}:
        return Ignored.OWN
    role = Role.AGENT if actor.type == "agent" else Role.CUSTOMER
    return written(
        event.detail.id, f"message:{message.id}", role, actor.id,
        text=message.body, name=actor.name, at=event.time, via=Via("native_messaging"),
    )  # fmt: skip


def _created(event: Event) -> Item | Ignored:
    ticket = event.detail
    if ticket.is_public is False:
        return Ignored.OWN
    return written(
        ticket.id, f"ticket:{ticket.id}", Role.CUSTOMER, ticket.requester_id,
        text=ticket.description, title=ticket.subject, at=ticket.created_at, via=ticket.via,
    )  # fmt: skip


def _deleted(event: Event) -> Item | Ignored:
    return written(
        event.detail.id, f"ticket:{event.detail.id}", Role.CUSTOMER, event.detail.requester_id,
        at=event.detail.created_at, via=event.detail.via, gone=True,
    )  # fmt: skip


_READERS = {
    "ticket.comment_added": _comment,
    "messaging_ticket.message_added": _message,
    "ticket.created": _created,
    "ticket.soft_deleted": _deleted,
    "ticket.permanently_deleted": _deleted,
}


def _of_trigger(given: Trigger) -> Item | Ignored:
    ticket = given.ticket_id if given.ticket_id is not None else given.id
    if ticket is None:
        raise Rejected(Refusal.MISSING_FIELD, "ticket_id: neither that nor id is there")
    text = given.text or given.description
    native_id = f"ticket:{ticket}"
    if given.comment_id is not None:
        native_id = f"comment:{given.comment_id}"
    elif given.text:  # A trigger cannot name the comment: the same words again are the same one.
        native_id = derived(native_id, given.text)
    via = Via(given.via.lower()) if isinstance(given.via, str) else given.via
    role = Role.AGENT if (given.author_role or "").lower() in _STAFF else Role.CUSTOMER
    title = given.title or given.subject
    return written(
        ticket, native_id, role, given.requester_id, text=text, at=given.updated_at, via=via,
        title=title, name=given.requester_name, email=given.requester_email,
    )  # fmt: skip


def written(
    ticket: Id,
    native_id: str,
    role: Role,
    author: Id | None,
    *,
    text: str | None = None,
    title: str | None = None,
    name: str | None = None,
    email: str | None = None,
    at: str | None = None,
    via: Via | None = None,
    gone: bool = False,
) -> Item:
    """Return the item of something that was written on a ticket."""
    channel, medium = _PLACES.get((via and via.channel) or "", (Channel.OTHER, Medium.TICKET))
    ours = role is not Role.CUSTOMER and role is not Role.UNKNOWN
    time = stated(at)
    return Item(
        native_id=native_id,
        channel=channel,
        medium=medium,
        op=Operation.DELETE if gone else Operation.CREATE,
        text="" if gone else with_title(title, text or ""),
        title=title,
        thread_id=f"ticket:{ticket}",
        author=None if author is None else f"user:{author}",
        display_name=name,
        aliases=() if ours else Alias.of_email(email),
        role=role,
        origin=Origin.OWN_ECHO if ours else Origin.HUMAN,
        occurred_at=time.at,
        time_quality=time.quality,
    )


PROVIDER = Provider(
    name="zendesk",
    title="Zendesk",
    channel=Channel.OTHER,
    capability=Capability(redelivery_s=DAY_S),
    secret="the signing secret of the web hook",
    verify=verify,
    parse=parse,
)
